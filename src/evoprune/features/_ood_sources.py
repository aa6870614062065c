"""What a user gives as out-of-distribution (OOD) material: folders, feature files, matrices, classes."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from evoprune._files import is_folder, is_there
from evoprune._types import IntArray
from evoprune.data import OOD_FILE_SUFFIXES, Image, load_ood_images
from evoprune.errors import ConfigError, DataError

_CLASS = "class:"


@dataclass(frozen=True)
class ClassSource:
    """A class of the data set itself, as `class:NAME`."""

    name: str

    @property
    def given(self) -> str:
        """What sentences call it."""
        return f"{_CLASS}{self.name}"


@dataclass(frozen=True, eq=False)
class ImageSource:
    """A folder of images, and the class of each image."""

    path: Path
    images: tuple[Image, ...]
    groups: IntArray

    @property
    def given(self) -> str:
        """What sentences call it."""
        return str(self.path)


@dataclass(frozen=True)
class FileSource:
    """A feature file."""

    path: Path

    @property
    def given(self) -> str:
        """What sentences call it."""
        return str(self.path)


@dataclass(frozen=True, eq=False)
class ArraySource:
    """A matrix in memory, the n-th source, counted from 1."""

    number: int
    array: ArrayLike

    @property
    def given(self) -> str:
        """What sentences call it."""
        return f"OOD array {self.number}"


Source: TypeAlias = ClassSource | ImageSource | FileSource | ArraySource


def parse_sources(
    sources: Sequence[str | Path | ArrayLike], where: str, class_names: Sequence[str], *, images: bool
) -> tuple[Source, ...]:
    """Recognise OOD sources; images are listed, but nothing is decoded or read.

    Args:
        sources: see `with_ood`.
        where: name of the data set, for errors.
        class_names: its C names.
        images: whether there is a backbone to extract images with.

    Raises:
        ConfigError: no list, an unknown class, fewer than two classes left, a source given twice, or images
            without a backbone.
        DataError: no such folder or file, or a folder without images.
    """
    # A text is a sequence of texts, and a matrix one of rows: nothing else would tell this mistake.
    given: object = sources
    if isinstance(given, (str, Path, np.ndarray)):
        shown = "X" if isinstance(given, np.ndarray) else repr(str(given))
        raise ConfigError(f"ood is a single source where a list of sources is expected; write ood=[{shown}]")
    parsed = tuple(
        _parsed(source, number, where, class_names, images=images) for number, source in enumerate(sources, start=1)
    )
    seen: set[str | Path] = set()
    for source in parsed:
        if isinstance(source, ArraySource):
            continue
        key = source.name if isinstance(source, ClassSource) else source.path.resolve()
        if key in seen:
            raise ConfigError(f"{source.given} is given twice as OOD source; give it once")
        seen.add(key)
    left_out = leaving(parsed)
    if left_out and len(class_names) - len(left_out) < 2:
        raise ConfigError(
            f"without {', '.join(map(repr, left_out))}, {where} has {len(class_names) - len(left_out)} class(es) left; "
            "a classifier needs at least two, so leave out fewer"
        )
    return parsed


def leaving(sources: Sequence[Source]) -> list[str]:
    """The names of the classes that are to be taken out of the data set."""
    return [source.name for source in sources if isinstance(source, ClassSource)]


def set_names(sources: Sequence[Source], taken: Sequence[str] = ()) -> list[str]:
    """A name for each source, all different: that of its folder or file, with parent folders where needed.

    Args:
        sources: not yet named.
        taken: names of other sets.
    """
    depths = [1] * len(sources)
    while True:
        names = [_name(source, depth) for source, depth in zip(sources, depths, strict=True)]
        counts = Counter([*names, *taken])
        ambiguous = [
            number
            for number, (source, name) in enumerate(zip(sources, names, strict=True))
            if counts[name] > 1 and isinstance(source, (ImageSource, FileSource)) and depths[number] < _depth(source)
        ]
        if not ambiguous:
            return names
        for number in ambiguous:
            depths[number] += 1


def _parsed(
    source: str | Path | ArrayLike, number: int, where: str, class_names: Sequence[str], *, images: bool
) -> Source:
    if not isinstance(source, (str, Path)):
        return ArraySource(number, source)
    if isinstance(source, str) and source.startswith(_CLASS):
        name = source.removeprefix(_CLASS)
        if name not in class_names:
            close = difflib.get_close_matches(name, class_names, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(map(repr, close))}? " if close else ""
            raise ConfigError(f"class {name!r} is unknown in {where}; {hint}its classes are {', '.join(class_names)}")
        return ClassSource(name)
    path = Path(source)
    if is_folder(path):
        if not images:
            raise ConfigError(
                f"{path} is a folder of images, but {where} consists of features without a backbone to extract them; "
                f"give OOD features ({' or '.join(OOD_FILE_SUFFIXES)}) or class:NAME"
            )
        return ImageSource(path, *load_ood_images(path))
    if not is_there(path):
        raise DataError(
            f"{source} does not exist; give out-of-distribution images as a folder, a feature file "
            f"({' or '.join(OOD_FILE_SUFFIXES)}), or class:NAME"
        )
    if path.suffix.lower() not in OOD_FILE_SUFFIXES:
        raise DataError(
            f"{path} is neither a folder of images nor a feature file; give a folder, or a file that ends in "
            f"{' or '.join(OOD_FILE_SUFFIXES)}"
        )
    return FileSource(path)


def _name(source: Source, depth: int) -> str:
    """The last parts of a source's path, `depth` of them; other sources have one name."""
    if isinstance(source, (ClassSource, ArraySource)):
        return source.given
    path = _absolute(source)
    if depth > 1:
        return Path(*path.parts[-depth:]).as_posix()
    return path.stem if isinstance(source, FileSource) else path.name


def _depth(source: ImageSource | FileSource) -> int:
    return len(_absolute(source).parts)


def _absolute(source: ImageSource | FileSource) -> Path:
    # A path such as "." or "a/.." has no name of its own.
    return source.path.resolve() if source.path.name in ("", "..") else source.path.absolute()
