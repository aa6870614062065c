"""Reading the configuration files of the published programs (EvoPruneDeepTL and MO-EvoPruneDeepTL)."""

from __future__ import annotations

import csv
import math
import reprlib
from dataclasses import dataclass
from pathlib import Path

from evoprune._files import is_folder
from evoprune.data._published import (
    BothLayersSearch,
    GeneticSettings,
    MultiObjectiveSearch,
    OneLayerSearch,
    PublishedDataset,
    PublishedSearch,
)
from evoprune.errors import ConfigError

_shown = reprlib.Repr()
_shown.maxstring = 100

_DATASET = ("name", "train_dir", "test_dir", "folds", "height", "width", "classes")
_ONE_LAYER = (
    "population", "layer", "chromosome", "next_layer", "p_mutation", "max_evaluations", "selection",
    "crossover", "init", "type",
)  # fmt: skip
_BOTH_LAYERS = ("population", "input_width", "first", "second", *_ONE_LAYER[4:])
_MULTI_OBJECTIVE = (
    "population", "type", "input_width", "first", "second", "max_evaluations", "neurons|connections",
    "hidden_layers", "which_sparse", "both_sparse",
)  # fmt: skip

_INITIAL_SHARES = {n: (s, s) for n, s in enumerate((0.3, 0.4, 0.5, 0.6, 0.7), start=1)} | {
    6: (0.3, 0.7),
    7: (0.0, 1.0),
}


def parse_dataset_csv(path: str | Path) -> list[PublishedDataset]:
    """Read a file of lines `NAME,train_dir,test_dir,folds,height,width,classes`.

    Blank lines, spaces around values and a header line are tolerated. A relative folder is taken
    from the file's own folder if it exists there, otherwise from the working directory.

    Args:
        path: the CSV file.

    Returns:
        One data set per line.

    Raises:
        ConfigError: the file cannot be read, or a value is missing or out of range (named with its line).
    """
    path = Path(path)
    return [_dataset(line) for line in _lines(path, _DATASET)]


def parse_search_csv(path: str | Path) -> PublishedSearch:
    """Read the one line of a search configuration; which of the three published forms it is, its values tell.

    All forms have ten columns. A number in the second column means both layers; after a word, a fifth column
    within 0..1 is a mutation probability (one layer), any other value a layer's width (multi-objective).

    Args:
        path: the CSV file.

    Raises:
        ConfigError: the file cannot be read, or a value is missing or out of range (named with its line).
    """
    path = Path(path)
    lines = _lines(path, _ONE_LAYER)
    if len(lines) > 1:
        raise ConfigError(f"{path} has {len(lines)} configuration lines, but a search has one; split the file")
    values = lines[0].values
    fifth = _number(values[4])
    if _number(values[1]) is not None:
        return _both_layers(lines[0].named(_BOTH_LAYERS))
    if fifth is None or 0 <= fifth <= 1:
        return _one_layer(lines[0].named(_ONE_LAYER))
    return _multi_objective(lines[0].named(_MULTI_OBJECTIVE))


@dataclass(frozen=True)
class _Line:
    """One line: its values under the names of a form, read with errors that name the place."""

    path: Path
    number: int
    columns: tuple[str, ...]
    values: tuple[str, ...]

    def named(self, columns: tuple[str, ...]) -> _Line:
        return _Line(self.path, self.number, columns, self.values)

    def text(self, column: str) -> str:
        value = self.values[self.columns.index(column)]
        if not value:
            raise self._bad(column, "a value")
        return value

    def integer(self, column: str, low: int, high: int | None = None) -> int:
        """The integer in a column, `low` or more, at most `high`."""
        allowed = f"an integer, {low} or more" if high is None else f"an integer, {low} to {high}"
        try:
            value = int(self.text(column))
        except ValueError:
            raise self._bad(column, allowed) from None
        if value < low or (high is not None and value > high):
            raise self._bad(column, allowed)
        return value

    def word(self, column: str, first: str, second: str) -> str:
        """The word in a column, one of two; the case of the letters does not matter."""
        value = self.text(column).lower()
        if value not in (first, second):
            raise self._bad(column, f"{first!r} or {second!r}")
        return value

    def share(self, column: str) -> float:
        """The number in a column, 0 to 1."""
        value = _number(self.text(column))
        if value is None or not 0 <= value <= 1:
            raise self._bad(column, "a number, 0 to 1")
        return value

    def _bad(self, column: str, allowed: str) -> ConfigError:
        value = _shown.repr(self.values[self.columns.index(column)])
        return ConfigError(f"{self.path}, line {self.number}: {column} is {value}; it must be {allowed}")


def _lines(path: Path, columns: tuple[str, ...]) -> list[_Line]:
    """The lines that are neither blank nor a header, each with as many values as there are columns."""
    lines = []
    try:
        # A byte order mark is what spreadsheets leave at the start.
        with path.open(encoding="utf-8-sig", newline="") as file:
            for number, row in enumerate(csv.reader(file, skipinitialspace=True), start=1):
                values = tuple(value.strip() for value in row)
                if not any(values) or (number == 1 and _is_header(values)):
                    continue
                if len(values) != len(columns):
                    raise ConfigError(
                        f"{path}, line {number}: {len(values)} value(s), but {len(columns)} are expected, "
                        f"separated by commas: {','.join(columns)}"
                    )
                lines.append(_Line(path, number, columns, values))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path} is not a CSV file in UTF-8 ({error}); save it as plain text") from error
    if not lines:
        raise ConfigError(f"{path} holds no configuration line; expected {','.join(columns)}")
    return lines


def _is_header(values: tuple[str, ...]) -> bool:
    return len(values) > 1 and all(value and _number(value) is None for value in values)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _dataset(line: _Line) -> PublishedDataset:
    folds = line.integer("folds", 1)
    return PublishedDataset(
        name=line.text("name"),
        train_dir=_resolve(line.path, line.text("train_dir"), folds),
        test_dir=_resolve(line.path, line.text("test_dir"), folds),
        folds=folds,
        height=line.integer("height", 1),
        width=line.integer("width", 1),
        classes=line.integer("classes", 2),
    )


def _resolve(csv_path: Path, folder: str, folds: int) -> str:
    beside = f"{csv_path.parent.as_posix()}/{folder}"
    present = is_folder(beside) or (folds > 1 and is_folder(f"{beside}0"))
    return beside if present and not Path(folder).is_absolute() else folder


def _genetic(line: _Line) -> GeneticSettings:
    return GeneticSettings(
        population=line.integer("population", 2),
        mutation_probability=line.share("p_mutation"),
        evaluations=line.integer("max_evaluations", 1),
        selection="nam" if line.integer("selection", 0, 1) else "roulette",
        crossover="uniform" if line.integer("crossover", 0, 1) else "one-point",
        initial_share=_INITIAL_SHARES[line.integer("init", 1, 7)],
        connections=line.integer("type", 0, 1) == 1,
    )


def _one_layer(line: _Line) -> OneLayerSearch:
    return OneLayerSearch(
        layer="first" if line.word("layer", "first", "second") == "first" else "second",
        chromosome=line.integer("chromosome", 1),
        next_layer=line.integer("next_layer", 1),
        genetic=_genetic(line),
    )


def _both_layers(line: _Line) -> BothLayersSearch:
    return BothLayersSearch(
        input_width=line.integer("input_width", 1),
        first=line.integer("first", 1),
        second=line.integer("second", 1),
        genetic=_genetic(line),
    )


def _multi_objective(line: _Line) -> MultiObjectiveSearch:
    hidden_layers = line.integer("hidden_layers", 1, 2)
    second = line.integer("second", -1)
    return MultiObjectiveSearch(
        population=line.integer("population", 2),
        kind="features" if line.word("type", "first", "second") == "first" else "pruning",
        input_width=line.integer("input_width", 1),
        first=line.integer("first", 1),
        second=None if second == -1 else second,
        evaluations=line.integer("max_evaluations", 1),
        connections=line.integer("neurons|connections", 0, 1) == 1,
        hidden_layers=hidden_layers,
        which_sparse=line.integer("which_sparse", 0),
        both_sparse=line.integer("both_sparse", 0, 1) == 1,
    )
