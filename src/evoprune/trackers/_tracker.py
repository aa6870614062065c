"""What all trackers have in common: when they write what."""

from __future__ import annotations

import io
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from evoprune._types import BoolArray, FloatArray
from evoprune.report import result_table
from evoprune.study import Evaluation, Progress
from evoprune.trackers._state import SearchState
from evoprune.workflow import Result, Study

logger = logging.getLogger(__name__)


class Tracker(ABC):
    """A search callback that writes figures elsewhere. Its own failures are said once and stop it, not the search.

    After each batch, at the number of evaluations made: the best value of each objective (`best/NAME`) and the
    active share of the first one's (`best/active_share`); of several objectives the size and the hypervolume of the
    front (`front/size`, `front/hypervolume`); evaluations a second in this batch (`search/evaluations_per_second`)
    and failed ones so far (`search/failed`). After the search: the result table, and its figures of the chosen head
    and of the one that is not pruned (`result/evolved/..`, `result/dense/..`).

    Args:
        study: that is followed.
        notify: called with a sentence where nothing more can be written; it is logged in any case.
    """

    def __init__(self, study: Study, notify: Callable[[str], None] | None = None) -> None:
        self._study = study
        self._notify = notify
        self._writing = False
        self._new, self._seconds = 0, 0.0

    @property
    @abstractmethod
    def place(self) -> str:
        """Where it writes, in words, with the command that shows it."""

    def on_start(self, earlier: Sequence[Evaluation], budget: int) -> None:
        """Open what is written to, and write where earlier sessions ended.

        Raises:
            ConfigError: it cannot be opened.
        """
        config = self._study.config
        encoding = self._study.encoding
        # The mean of standardised features goes into biases of the first hidden layer.
        biases = encoding.classes + (encoding.head.hidden[0] if config.recipe.standardize else 0)
        self._state = SearchState(self._study.problem.objectives, encoding, config.search.population, biases)
        self._new, self._seconds = 0, 0.0
        self._open(_flat(config.model_dump(mode="json")), len(earlier))
        self._writing = True
        if earlier:
            self._state.add(np.stack([e.genome for e in earlier]), np.stack([e.values for e in earlier]))
            self._attempt(lambda: self._write(self._state.figures(), len(earlier)))

    def on_training(self, done: float, budget: int) -> None:  # noqa: B027
        """Nothing is written within a batch."""

    def on_evaluations(self, genomes: BoolArray, values: FloatArray, progress: Progress) -> None:
        """Write the figures after a batch."""
        self._state.add(genomes, values)
        figures = self._state.figures()
        seconds = progress.seconds - self._seconds
        if seconds > 0:
            figures["search/evaluations_per_second"] = (progress.new - self._new) / seconds
        self._new, self._seconds = progress.new, progress.seconds
        self._attempt(lambda: self._write(figures, progress.evaluations))

    def on_result(self, result: Result) -> None:
        """Write the result, and end."""
        summary = result.summary()
        figures = {
            f"result/{label}/{name}": value
            for label, of in (("evolved", summary["best"]), ("dense", summary["dense"]))
            for name, value in _figures(of).items()
        }
        self._attempt(lambda: self._write(figures, result.evaluations))
        self._attempt(lambda: self._write_result(summary, _table(summary)))
        self._end(finished=True)

    def close(self) -> None:
        """End what is written, where the search did not come to its end; else nothing."""
        self._end(finished=False)

    @abstractmethod
    def _open(self, settings: dict[str, str], evaluations: int) -> None:
        """Open what is written to, from this number of evaluations on.

        Raises:
            ConfigError: it cannot be opened.
        """

    @abstractmethod
    def _write(self, figures: dict[str, float], evaluations: int) -> None:
        """Write figures that hold after so many evaluations."""

    @abstractmethod
    def _write_result(self, summary: dict[str, Any], table: str) -> None:
        """Write the result, as JSON object and as text table."""

    @abstractmethod
    def _finish(self, *, finished: bool) -> None:
        """End what is written; `finished` where the search came to its end."""

    @abstractmethod
    def _faults(self) -> tuple[type[Exception], ...]:
        """What the package or the machine raises where nothing can be written."""

    def _end(self, *, finished: bool) -> None:
        self._attempt(lambda: self._finish(finished=finished))
        self._writing = False

    def _attempt(self, write: Callable[[], None]) -> None:
        if not self._writing:
            return
        try:
            write()
        except self._faults() as error:
            self._writing = False
            lines = str(error).strip().splitlines() or [type(error).__name__]
            sentence = f"nothing more is tracked, because it cannot be written ({lines[0]}); the search goes on"
            logger.warning("%s", sentence)
            if self._notify is not None:
                self._notify(sentence)


def _figures(scores: dict[str, Any]) -> dict[str, float]:
    """The numbers of one head in a result that are worth a line of their own."""
    measured = {f"{part}_{name}": value for part in ("validation", "test") for name, value in scores[part].items()}
    sizes = {name: scores[name] for name in ("active_neurons", "active_share", "parameters", "multiply_adds")}
    return {name: float(value) for name, value in {**measured, **sizes}.items() if value is not None}


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Settings by dotted name, as text; those without a value are left out."""
    flat: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        elif value is not None:
            flat[f"{prefix}{name}"] = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    return flat


def _table(summary: dict[str, Any]) -> str:
    """The result table as plain text of 80 columns."""
    from rich.console import Console  # noqa: PLC0415

    console = Console(file=io.StringIO(), width=80, no_color=True, highlight=False, markup=False, emoji=False)
    with console.capture() as captured:
        console.print(result_table(summary))
    return captured.get().rstrip()
