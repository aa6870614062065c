"""Out-of-distribution (OOD) rows beside features: a half for the search, a half for the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from evoprune._large import take
from evoprune._types import BoolArray, Float32Array, IntArray
from evoprune.data import load_ood_features, ood_from_array, raise_broken, split_halves
from evoprune.errors import DataError
from evoprune.features._classes import class_rows, without_classes
from evoprune.features._digest import row_keys
from evoprune.features._extractor import LOG, Extractor, Progress
from evoprune.features._features import Features, OODFeatures
from evoprune.features._ood_sources import (
    ArraySource,
    ClassSource,
    FileSource,
    ImageSource,
    Source,
    leaving,
    parse_sources,
    set_names,
)


def with_ood(
    features: Features,
    sources: Sequence[str | Path | ArrayLike],
    *,
    seed: int = 0,
    skip_broken: bool = False,
    batch_size: int = 64,
    threads: int | None = None,
    progress: Progress | None = None,
    notify: Callable[[str], None] | None = None,
) -> Features:
    """The same features, with sets of out-of-distribution rows beside them.

    A source is

    - a folder of images, however nested: each folder in it that holds images itself is a class. They go
      through the backbone of the features, and its cache;
    - a feature file: `.npz` with `X` (and `y`) or with `X_train`, `X_test` (and labels), or `.npy`; or a matrix;
    - `class:NAME`: this class of the data set leaves rows, class names and divisions. The search may see what
      was in the training or validation part of the first division; its test part is for the report.

    The rows of other sources are divided at random, stratified by class. No row stands twice: rows that
    equal one of the features (byte for byte), one of an earlier set, or one of the same set are left out,
    and said.

    Args:
        features: the data set.
        sources: none or several.
        seed: of the halves.
        skip_broken: leave images out that cannot be read, instead of refusing them.
        batch_size: see `extract`.
        threads: see `extract`.
        progress: see `extract`.
        notify: called with a sentence about what is left out; None logs it as a warning of the logger `evoprune`.

    Returns:
        Features with one more set in `ood` per source, in their order.

    Raises:
        ConfigError: an unknown class, fewer than two classes left, a source given twice, images where the
            features have no backbone, or a setting out of range.
        DataError: a source cannot be used, has another number of features, or leaves no row for the search or
            the report; images that cannot be read are all listed.
        BackboneError: the backbone cannot be had, or gives features that are not finite.
    """
    parsed = parse_sources(sources, features.name, features.class_names, images=features.backbone is not None)
    extractor = None
    if features.backbone is not None:
        extractor = Extractor(
            features.backbone, batch_size=batch_size, threads=threads, progress=progress, notify=notify
        )
    return attach_ood(features, parsed, extractor, seed=seed, skip_broken=skip_broken, say=notify or LOG.warning)


def attach_ood(
    features: Features,
    sources: Sequence[Source],
    extractor: Extractor | None,
    *,
    seed: int,
    skip_broken: bool,
    say: Callable[[str], None],
) -> Features:
    """As `with_ood`, of sources that are parsed already.

    Args:
        features: the data set.
        sources: none or several.
        extractor: with the backbone of the features; None where there is none, and no source of images.
        seed: of the halves.
        skip_broken: leave images out that cannot be read.
        say: called with a sentence about what is left out.

    Raises:
        DataError, BackboneError: see `with_ood`.
    """
    if not sources:
        return features
    remaining = without_classes(features, leaving(sources))
    drafts = _loaded(sources, features)
    if extractor is not None:
        drafts |= _extracted(sources, extractor, say, skip_broken=skip_broken)
    names = set_names(sources, [ood.name for ood in features.ood])
    stands = dict.fromkeys(row_keys(remaining.X), remaining.name)
    for ood in features.ood:
        stands |= dict.fromkeys(row_keys(ood.X), ood.name)
    sets: dict[int, OODFeatures] = {}
    # Classes first: which half their rows belong to is settled already.
    for n in sorted(drafts, key=lambda n: (drafts[n].searched is None, n)):
        draft = drafts[n]
        if draft.X.shape[1] != features.width:
            raise DataError(
                f"{draft.given} has {draft.X.shape[1]} features a row, but {features.name} has {features.width}; "
                "give features of the same backbone"
            )
        keys = row_keys(draft.X)
        rows = _kept(draft, keys, stands, say)
        sets[n] = _divided(names[n], draft, rows, [keys[row] for row in rows], seed)
        stands |= {keys[row]: names[n] for row in rows}
    return replace(remaining, ood=(*features.ood, *(sets[n] for n in range(len(sources)))))


@dataclass(frozen=True, eq=False)
class _Draft:
    """The rows of a source as they come.

    Attributes:
        given: what sentences call the source.
        noun: what sentences call a row.
        X: features `[N, D]`.
        groups: class inside the source `[N]`.
        searched: which rows the search may see `[N]`, where that is settled.
    """

    given: str
    noun: str
    X: Float32Array
    groups: IntArray
    searched: BoolArray | None = None


def _loaded(sources: Sequence[Source], features: Features) -> dict[int, _Draft]:
    """The rows of the sources that need no extraction, by number."""
    drafts = {}
    for n, source in enumerate(sources):
        if isinstance(source, ClassSource):
            X, searched = class_rows(features, source.name)
            noun = "row" if features.row_names is None else "image"
            drafts[n] = _Draft(source.given, noun, X, np.zeros(len(X), dtype=np.int64), searched)
        elif isinstance(source, FileSource):
            drafts[n] = _Draft(source.given, "row", *load_ood_features(source.path))
        elif isinstance(source, ArraySource):
            drafts[n] = _Draft(source.given, "row", *ood_from_array(source.array, source.given))
    return drafts


def _extracted(
    sources: Sequence[Source], extractor: Extractor, say: Callable[[str], None], *, skip_broken: bool
) -> dict[int, _Draft]:
    """The rows of the folders of images, by number; the broken images of all are listed before any is extracted."""
    folders = {n: source for n, source in enumerate(sources) if isinstance(source, ImageSource)}
    surveys = {n: extractor.survey(folder.images) for n, folder in folders.items()}
    if not skip_broken:
        # An image in a folder and in one of its sub-folders, both given, is listed once.
        raise_broken(list(dict.fromkeys(item for survey in surveys.values() for item in survey.broken)))
    drafts = {}
    for n, survey in surveys.items():
        given = folders[n].given
        if survey.broken:
            say(f"{len(survey.broken)} image(s) of {given} cannot be read and are left out")
        if not survey.images:
            raise DataError(f"no image of {given} can be read; mend them, or leave this folder out")
        drafts[n] = _Draft(given, "image", extractor.features(survey), folders[n].groups[survey.readable])
    return drafts


def _kept(draft: _Draft, keys: Sequence[str], stands: Mapping[str, str], say: Callable[[str], None]) -> IntArray:
    """The rows that stand nowhere else, each once; what is left out is said."""
    elsewhere = Counter(stands[key] for key in keys if key in stands)
    for name, count in elsewhere.items():
        say(f"{count} {draft.noun}(s) of {draft.given} also stand in {name} and are left out as OOD {draft.noun}s")
    first: dict[str, int] = {}
    for row, key in enumerate(keys):
        if key not in stands:
            first.setdefault(key, row)
    repeated = len(keys) - elsewhere.total() - len(first)
    if repeated:
        say(f"{repeated} {draft.noun}(s) of {draft.given} repeat others there and are left out")
    return np.array(list(first.values()), dtype=np.int64)


def _divided(name: str, draft: _Draft, rows: IntArray, keys: Sequence[str], seed: int) -> OODFeatures:
    """The set of these rows of a draft, with its halves."""
    groups = np.unique(draft.groups[rows], return_inverse=True)[1].astype(np.int64)
    if draft.searched is None:
        search, report = split_halves(groups, keys, seed)
    else:
        searched = draft.searched[rows]
        search, report = np.flatnonzero(searched), np.flatnonzero(~searched)
    if len(search) == 0 or len(report) == 0:
        raise DataError(
            f"{draft.given} leaves {len(search)} OOD {draft.noun}(s) for the search and {len(report)} for the report; "
            "each needs one at least, so add others, or leave this source out"
        )
    return OODFeatures.of(name, take(draft.X, rows), groups, search, report)
