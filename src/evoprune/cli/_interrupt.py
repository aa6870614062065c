"""Ctrl-C: during the search it stops after the batch or within a second, elsewhere and the second time at once."""

from __future__ import annotations

import os
import signal
from threading import Thread, Timer
from types import FrameType, TracebackType

from evoprune.cli._console import say

_PATIENCE = 0.8
"""Seconds for which a batch under way may come to its end after Ctrl-C."""


class Interrupt:
    """Handles Ctrl-C while it is entered."""

    def __init__(self) -> None:
        self._asked = False
        self._searching = False
        # The second signal comes from the program itself where the batch does not end in time.
        self._second = Timer(_PATIENCE, os.kill, (os.getpid(), signal.SIGINT))
        self._second.daemon = True

    def __enter__(self) -> Interrupt:
        self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._second.cancel()
        # With an error the program is ending: one more Ctrl-C would only cut its last sentence short.
        signal.signal(signal.SIGINT, self._before if kind is None else signal.SIG_IGN)

    def should_stop(self) -> bool:
        """Asked by the search before each batch."""
        self._searching = True
        return self._asked

    def leave_search(self) -> None:
        """Called when the search is over.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed during its last batch.
        """
        self._searching = False
        if self._asked:
            self._second.cancel()
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._asked or not self._searching:
            raise KeyboardInterrupt
        self._asked = True
        self._second.start()
        # In a thread: the program may be in the middle of printing, where a second print would fail.
        Thread(target=say, args=["stopping; what is evaluated is stored"], daemon=True).start()
