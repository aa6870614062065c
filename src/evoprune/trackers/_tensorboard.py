"""TensorBoard: an event file in a folder."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

from evoprune.errors import ConfigError
from evoprune.report import markdown
from evoprune.trackers._package import require_package
from evoprune.trackers._tracker import Tracker
from evoprune.workflow import Study


class TensorBoardTracker(Tracker):
    """Writes the figures of a search for TensorBoard; those of a resumed search continue where they ended.

    Args:
        study: that is followed.
        folder: for the event files; without it `tensorboard` in the study's run folder.
        notify: as for `Tracker`.

    Raises:
        ConfigError: the package tensorboard is missing, or neither a folder is given nor has the study one.
    """

    def __init__(
        self, study: Study, folder: str | Path | None = None, notify: Callable[[str], None] | None = None
    ) -> None:
        require_package("tensorboard")
        super().__init__(study, notify)
        if folder is None and study.folder is None:
            raise ConfigError("a study in memory has no folder for TensorBoard's files; give folder")
        self.folder = study.folder.path / "tensorboard" if folder is None and study.folder else Path(folder or "")
        self._writer: Any = None

    @property
    def place(self) -> str:
        """Where it writes, in words."""
        return f"{self.folder}; look at it with: tensorboard --logdir {shlex.quote(str(self.folder))}"

    def _open(self, settings: dict[str, str], evaluations: int) -> None:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415

        try:
            # What a killed session wrote of a batch that was not committed is hidden.
            self._writer = SummaryWriter(str(self.folder), purge_step=evaluations or None)
        except OSError as error:
            raise ConfigError(
                f"{self.folder} cannot be written to ({error.strerror or error}); "
                "give tensorboard:FOLDER, or no tracker"
            ) from error
        rows = "\n".join(f"| {markdown(name)} | {markdown(value)} |" for name, value in settings.items())
        self._writer.add_text("settings", f"| setting | value |\n|---|---|\n{rows}")

    def _write(self, figures: dict[str, float], evaluations: int) -> None:
        for name, value in figures.items():
            self._writer.add_scalar(name, value, evaluations)
        self._writer.flush()

    def _write_result(self, summary: dict[str, Any], table: str) -> None:
        self._writer.add_text("result", f"```\n{table}\n```", summary["evaluations"])

    def _finish(self, *, finished: bool) -> None:
        self._writer.close()

    def _faults(self) -> tuple[type[Exception], ...]:
        return (OSError,)
