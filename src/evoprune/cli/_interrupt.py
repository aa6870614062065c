"""Ctrl-C: during the search it stops after the batch, elsewhere and the second time at once."""

from __future__ import annotations

import signal
from threading import Thread
from types import FrameType, TracebackType

from evoprune.cli._console import say


class Interrupt:
    """Handles Ctrl-C while it is entered."""

    def __init__(self) -> None:
        self._asked = False
        self._searching = False

    def __enter__(self) -> Interrupt:
        self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
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
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._asked or not self._searching:
            raise KeyboardInterrupt
        self._asked = True
        # In a thread: the program may be in the middle of printing, where a second print would fail.
        Thread(target=say, args=["stopping after the current batch (Ctrl-C again: at once)"], daemon=True).start()
