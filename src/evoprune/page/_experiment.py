"""What an experiment says about the data of a run: other methods over the active share, and random masks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evoprune.errors import ConfigError, StorageError
from evoprune.page._source import Source
from evoprune.report import csv_cell
from evoprune.workflow import EXPERIMENT, RunConfig

if TYPE_CHECKING:
    from evoprune.experiments import SparsityTable

TABLE = "sparsity.csv"
"""By which a folder is known to hold an experiment `sparsity`."""


@dataclass(frozen=True)
class Comparison:
    """What an experiment holds of the data of a run.

    Attributes:
        table: of the experiment.
        dataset: what it calls the data.
    """

    table: SparsityTable
    dataset: str


def find_comparison(source: Source, named: Path | None = None) -> Comparison | None:
    """The experiment on the data of a run.

    Args:
        source: the run.
        named: folder of the experiment; None looks into the run's folder and beside it.

    Returns:
        None where none is found; a merged front has none.

    Raises:
        StorageError: the named folder holds no such experiment, or it cannot be read.
        ConfigError: the named experiment is on other data.
    """
    if source.config is None:
        return None
    if named is not None:
        found = _of(source.config, named)
        if found is None:
            raise ConfigError(
                f"{named} has no figures of {' or '.join(_names(source.config))} with encoding "
                f"{source.config.encoding!r} and protocol {source.config.protocol!r}; leave --experiment out"
            )
        return found
    for folder in _near(source.folder):
        try:
            found = _of(source.config, folder)
        except StorageError:
            continue
        if found is not None:
            return found
    return None


def _near(folder: Path) -> list[Path]:
    """Folders of experiments within a run's folder and beside it."""
    try:
        inner = sorted(path for path in folder.iterdir() if path.is_dir())
        beside = sorted(path for path in folder.resolve().parent.iterdir() if path.is_dir())
    except OSError:
        return []
    return [path for path in (folder, *inner, *beside) if (path / EXPERIMENT).is_file() and (path / TABLE).is_file()]


def _names(config: RunConfig) -> list[str]:
    """What an experiment may call the data of a run: by its path, with the backbone where there are several."""
    path = Path(config.data)
    name = (path.stem if config.kind == "features" else path.name) or "run"
    found = [name] if config.backbone is None else [name, f"{name} {Path(config.backbone).stem}"]
    return [str(csv_cell(one)) for one in found]


def _of(config: RunConfig, folder: Path) -> Comparison | None:
    # Loads torch, and so only where there is something to read.
    from evoprune.experiments import load_sparsity  # noqa: PLC0415

    table = load_sparsity(folder)
    if (table.encoding, table.protocol) != (config.encoding, config.protocol):
        return None
    return next((Comparison(table, name) for name in _names(config) if name in table.datasets), None)


def sparsity(comparison: Comparison) -> dict[str, Any]:
    """Test accuracy of every method over the active share, mean and standard deviation over seeds."""
    from evoprune.experiments import SEARCHES, titled  # noqa: PLC0415

    table, dataset = comparison.table, comparison.dataset
    curves = []
    for method in table.methods(dataset):
        curve = table.curve(dataset, method)
        curves.append(
            {
                "name": method,
                "title": titled(method),
                "search": method in SEARCHES,
                "seeds": curve.seeds,
                "share": curve.shares,
                "mean": curve.mean,
                "std": curve.std,
            }
        )
    dense = table.dense(dataset)
    return {
        "folder": str(table.folder),
        "dataset": dataset,
        "curves": curves,
        "dense": None if dense is None else dense[0],
    }


def random_gap(comparison: Comparison, share: float) -> dict[str, Any] | None:
    """Validation minus test accuracy of random masks whose size is nearest to a share of active neurons.

    Returns:
        Means over seeds, with the share that they have; None where the experiment has no random masks.
    """
    own = [row for row in comparison.table.rows if (row["dataset"], row["method"]) == (comparison.dataset, "random")]
    if not own:
        return None
    nearest = min({row["share"] for row in own}, key=lambda other: abs(np.log(other / share)))
    there = [row for row in own if row["share"] == nearest]
    parts = ("validation", "test")
    if any(row[f"{part}_accuracy"] is None for row in there for part in parts):
        return None
    means = {part: float(np.mean([row[f"{part}_accuracy"] for row in there])) for part in parts}
    return {"share": nearest, "masks": len(there), **means}
