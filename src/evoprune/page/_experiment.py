"""What an experiment says about the data of a run: other methods over the active share, and random masks."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evoprune.errors import ConfigError, StorageError
from evoprune.page._source import Source
from evoprune.workflow import EXPERIMENT, RunConfig

TABLE = "sparsity.csv"
"""The table of the experiment `sparsity`."""

_SEARCHES = {"guided": "guided search", "genetic": "genetic algorithm (published)", "nsga2": "NSGA-II (published)"}

_DENSE = ("dense", "dense_dropout")


@dataclass(frozen=True)
class Comparison:
    """The rows of an experiment that belong to the data of a run.

    Attributes:
        folder: of the experiment.
        dataset: what it calls the data.
        rows: of its table.
    """

    folder: Path
    dataset: str
    rows: list[dict[str, str]]


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
        if not (named / TABLE).is_file():
            raise StorageError(
                f"{named} holds no {TABLE}; name a folder that `evoprune experiment sparsity` has written"
            )
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
    return [name] if config.backbone is None else [name, f"{name} {Path(config.backbone).stem}"]


def _of(config: RunConfig, folder: Path) -> Comparison | None:
    try:
        with (folder / TABLE).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise StorageError(f"{folder / TABLE} cannot be read: {error}; run the experiment again") from error
    for name in _names(config):
        own = [
            row
            for row in rows
            if (row.get("dataset"), row.get("encoding"), row.get("protocol"))
            == (name, config.encoding, config.protocol)
        ]
        if own:
            return Comparison(folder, name, own)
    return None


def sparsity(comparison: Comparison) -> dict[str, Any]:
    """Test accuracy of every method over the active share, mean and standard deviation over seeds."""
    from evoprune.baselines import BASELINES  # noqa: PLC0415

    methods = list(dict.fromkeys(row["method"] for row in comparison.rows))
    curves = []
    for method in methods:
        if method in _DENSE:
            continue
        own = [row for row in comparison.rows if row["method"] == method]
        points = [_point(own, share) for share in sorted({float(row["share"]) for row in own})]
        title = BASELINES[method].title if method in BASELINES else method
        curves.append(
            {
                "name": method,
                "title": _SEARCHES.get(method, title),
                "search": method in _SEARCHES,
                "seeds": len({row["seed"] for row in own}),
                "share": [point[0] for point in points],
                "mean": [point[1] for point in points],
                "std": [point[2] for point in points],
            }
        )
    dense = _numbers([row for row in comparison.rows if row["method"] == "dense"], "test_accuracy")
    return {
        "folder": str(comparison.folder),
        "dataset": comparison.dataset,
        "curves": curves,
        "dense": float(np.mean(dense)) if dense else None,
    }


def random_gap(comparison: Comparison, share: float) -> dict[str, Any] | None:
    """Validation minus test accuracy of random masks whose size is nearest to a share of active neurons.

    Returns:
        Means over seeds, with the share that they have; None where the experiment has no random masks.
    """
    own = [row for row in comparison.rows if row["method"] == "random"]
    if not own:
        return None
    nearest = min({float(row["share"]) for row in own}, key=lambda other: abs(np.log(other / share)))
    there = [row for row in own if float(row["share"]) == nearest]
    validation, test = _numbers(there, "validation_accuracy"), _numbers(there, "test_accuracy")
    if not validation or len(validation) != len(test):
        return None
    return {
        "share": nearest,
        "masks": len(there),
        "validation": float(np.mean(validation)),
        "test": float(np.mean(test)),
    }


def _point(rows: Sequence[dict[str, str]], share: float) -> tuple[float, float | None, float | None]:
    values = _numbers([row for row in rows if float(row["share"]) == share], "test_accuracy")
    if not values:
        return share, None, None
    return share, float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None


def _numbers(rows: Sequence[dict[str, str]], column: str) -> list[float]:
    return [float(row[column]) for row in rows if row.get(column)]
