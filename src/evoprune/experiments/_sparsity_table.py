"""The table that the experiment `sparsity` has written, opened to read."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evoprune.errors import ConfigError, StorageError
from evoprune.experiments._sparsity import ALWAYS_DENSE, FINER, titled
from evoprune.experiments._tasks import Row
from evoprune.report import SparsityCurve

TABLE = "sparsity.csv"
"""Name of the table within the experiment's folder."""

_TEXTS, _FIGURES = ("dataset", "encoding", "protocol", "method"), ("validation_accuracy", "test_accuracy")


@dataclass(frozen=True)
class SparsityTable:
    """What every method reached at every share, as `evoprune experiment sparsity` has measured it.

    Attributes:
        folder: of the experiment.
        rows: one for each data set, method, seed and share, with `validation_accuracy` and `test_accuracy` 0..1, or
            None where a training has diverged.
    """

    folder: Path
    rows: tuple[Row, ...]

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names of the data sets."""
        return tuple(dict.fromkeys(row["dataset"] for row in self.rows))

    @property
    def protocol(self) -> str:
        """`nested` or `paper`."""
        return str(self.rows[0]["protocol"])

    @property
    def encoding(self) -> str:
        """What is pruned."""
        return str(self.rows[0]["encoding"])

    def methods(self, dataset: str) -> tuple[str, ...]:
        """Names of the methods that prune, as `--methods` takes them.

        Raises:
            ConfigError: there is no such data set.
        """
        return tuple(dict.fromkeys(row["method"] for row in self._of(dataset) if row["method"] not in ALWAYS_DENSE))

    def curve(self, dataset: str, method: str) -> SparsityCurve:
        """Test accuracy of a method over the active share, mean and standard deviation (n - 1) over seeds.

        Raises:
            ConfigError: there is no such data set, or no such method.
        """
        if method not in self.methods(dataset):
            raise ConfigError(
                f"{self.folder} has no method {method!r}; choose among {', '.join(self.methods(dataset))}"
            )
        own = [row for row in self._of(dataset) if row["method"] == method]
        shares = sorted({row["share"] for row in own} - self._alone(dataset))
        figures = [_mean_and_spread([row for row in own if row["share"] == share]) for share in shares]
        mean, spread = np.array(figures).T
        return SparsityCurve(np.array(shares), mean, spread, len({row["seed"] for row in own}))

    def curves(self, dataset: str) -> dict[str, SparsityCurve]:
        """The curves of all methods by their titles, as `evoprune.report.plot_sparsity` takes them.

        Raises:
            ConfigError: there is no such data set.
        """
        return {titled(method): self.curve(dataset, method) for method in self.methods(dataset)}

    def dense(self, dataset: str) -> tuple[float, float] | None:
        """Mean and standard deviation (NaN of one seed) of the head that is not pruned; None where it was left out.

        Raises:
            ConfigError: there is no such data set.
        """
        own = [row for row in self._of(dataset) if row["method"] == "dense"]
        return _mean_and_spread(own) if own else None

    def _alone(self, dataset: str) -> set[float]:
        """Shares at which the guided search alone has figures, where other methods have some (see `FINER`)."""
        methods = self.methods(dataset)
        others = {row["share"] for row in self._of(dataset) if row["method"] in methods and row["method"] != "guided"}
        return set(FINER) - others if others else set()

    def _of(self, dataset: str) -> list[Row]:
        own = [row for row in self.rows if row["dataset"] == dataset]
        if not own:
            raise ConfigError(f"{self.folder} has no data set {dataset!r}; choose among {', '.join(self.datasets)}")
        return own


def load_sparsity(folder: str | Path) -> SparsityTable:
    """Open the folder of an experiment `sparsity` to read.

    Args:
        folder: that `evoprune experiment sparsity` has written.

    Raises:
        StorageError: there is no such table, it is empty, or it cannot be read.
    """
    folder = Path(folder)
    path = folder / TABLE
    if not path.is_file():
        raise StorageError(f"{folder} holds no {TABLE}; name a folder that `evoprune experiment sparsity` has written")
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = tuple(_row(line) for line in csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, TypeError, ValueError) as error:
        raise StorageError(f"{path} cannot be read: {error!r}; run the experiment again") from error
    if not rows:
        raise StorageError(f"{path} has no rows: no task has ended well; run the experiment again")
    return SparsityTable(folder, rows)


def _row(line: Mapping[str, str]) -> Row:
    return {
        **{name: line[name] for name in _TEXTS},
        "seed": int(line["seed"]),
        "share": float(line["share"]),
        **{name: _figure(line[name]) for name in _FIGURES},
    }


def _figure(text: str) -> float | None:
    return float(text) if text and np.isfinite(float(text)) else None


def _mean_and_spread(rows: Sequence[Row]) -> tuple[float, float]:
    """Mean and standard deviation of the test accuracy; NaN where there are too few values for it."""
    values = [row["test_accuracy"] for row in rows if row["test_accuracy"] is not None]
    return float(np.mean(values)) if values else np.nan, float(np.std(values, ddof=1)) if len(values) > 1 else np.nan
