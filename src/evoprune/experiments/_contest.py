"""One method on one data set with one seed: select, retrain by the same recipe, read on the test part."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np

from evoprune._types import BoolArray, Float32Array, FloatArray, IntArray
from evoprune.baselines import Baseline, SelectionData, get_baseline
from evoprune.data import Fold, Partition, partition
from evoprune.errors import ConfigError
from evoprune.experiments._columns import about_task
from evoprune.experiments._tasks import Row
from evoprune.features import Features
from evoprune.guidance import GUIDED_OBJECTIVES, Guidance, fitness_recipe, guidance_for, guided_folds, guided_recipe
from evoprune.heads import CompactHead, Encoding, Head, parse_encoding
from evoprune.objectives import accuracy_score, auroc, fit_detector, get_objectives
from evoprune.problem import Problem
from evoprune.search import SearchOptions, create
from evoprune.study import Store, StudyKey, search
from evoprune.training import (
    TEACHER_SEEDS,
    Recipe,
    Trainer,
    TrainingSet,
    can_soften,
    head_logits,
    patient_recipe,
    soften,
)
from evoprune.workflow import RunConfig, exposed_rows, extra_rows

SEARCHES = {"guided": GUIDED_OBJECTIVES, "genetic": ("accuracy",), "nsga2": ("accuracy", "active")}
"""Searches, ours and those of the papers, with the objectives they are run with."""

_FIRST_TRAINING_SEED = 5_000
"""Retrainings use seeds that no search used."""

_FIRST_TEACHER_SEED = 8_000
"""Heads that give soft targets use seeds of their own too."""

_NEXT_TRAINING = 100_000
"""Between the seeds of two trainings of a baseline that trains its own heads: more than there are repetitions."""

_BATCH = 30


Heads: TypeAlias = tuple[CompactHead, ...]
"""The same genome trained several times."""


@dataclass(frozen=True)
class _Shared:
    """What methods have in common on one ground, worked out once: full heads, and rows as baselines take them.

    Attributes:
        key: says which ground it is.
        full: accuracy and head of the full genome, by the rows it was trained and read on.
        data: by its rows; it knows the dense weights that methods of pruning begin with.
    """

    key: str
    full: dict[str, tuple[float, Heads]] = field(default_factory=dict)
    data: dict[str, SelectionData] = field(default_factory=dict)


_SHARED: WeakKeyDictionary[Features, _Shared] = WeakKeyDictionary()
"""Of the last ground on some features in this process: experiments come seed by seed."""


@dataclass(frozen=True)
class Ground:
    """What all methods are given: rows, folds and the head to prune.

    Attributes:
        features: of the data set.
        config: settings of recipe, head and encoding.
        seed: of this repetition.
        parts: which rows are for selection and which for the report.
        encoding: what a genome's bits mean.
        trainings: how often each head is trained, with seeds of their own; figures are means.
    """

    features: Features
    config: RunConfig
    seed: int
    parts: Partition
    encoding: Encoding
    trainings: int = 1

    @classmethod
    def of(cls, features: Features, config: RunConfig, seed: int, trainings: int = 1) -> Ground:
        """The ground of one repetition: the validation part is drawn anew, the test part stays."""
        parts = partition(features.divisions, features.y, protocol=config.protocol, held_out=config.held_out, seed=seed)
        encoding = parse_encoding(config.encoding, Head(*config.head), width=features.width, classes=features.classes)
        return cls(features, config, seed, parts, encoding, trainings)

    def search_folds(self, folds: int) -> tuple[Fold, ...]:
        """What fitness is averaged over: the search's part, or inner folds of all that are not test rows."""
        if folds == 1 or self.parts.protocol == "paper":
            return self.parts.search
        config = self.config
        return partition(
            self.features.divisions, self.features.y, folds=folds, held_out=config.held_out, seed=self.seed
        ).search

    def data(self, fold: Fold) -> SelectionData:
        """A fold as baselines take it; the same object for all methods, which share what it knows."""
        known, key = self._shared.data, _digest([fold])
        if key not in known:
            X, y = self.features.X, self.features.y
            known[key] = SelectionData(
                np.ascontiguousarray(X[fold.train]),
                y[fold.train],
                self.features.classes,
                np.ascontiguousarray(X[fold.evaluate]),
                y[fold.evaluate],
                self.encoding.head,
                self.config.recipe,
            )
        return known[key]

    def counts(self, shares: Sequence[float]) -> list[int]:
        """Numbers of active neurons for some shares, at least one."""
        return [max(1, round(share * self.encoding.length)) for share in shares]

    def retrained(self, genomes: BoolArray, folds: Sequence[Fold]) -> tuple[list[float], list[Heads]]:
        """Accuracy of each genome `[P, L]` trained on some folds, mean over folds and trainings; heads of the first."""
        full = genomes.sum(axis=1) == genomes.shape[1]
        pruned = iter(self._retrained(genomes[~full], folds))
        both = [self._full(folds) if whole else next(pruned) for whole in full]
        return [accuracy for accuracy, _ in both], [heads for _, heads in both]

    def _full(self, folds: Sequence[Fold]) -> tuple[float, Heads]:
        known, key = self._shared.full, f"{_digest(folds)} {self.trainings}"
        if key not in known:
            (known[key],) = self._retrained(np.ones((1, self.encoding.length), dtype=np.bool_), folds)
        return known[key]

    def _retrained(self, genomes: BoolArray, folds: Sequence[Fold]) -> list[tuple[float, Heads]]:
        if not len(genomes):
            return []
        data = TrainingSet(self.features.X, self.features.y, self.features.classes, tuple(folds))
        return self._train(data, genomes)

    def softly(self, genomes: BoolArray, *, exposed: bool = False) -> list[tuple[float, Heads]] | None:
        """Test accuracy and heads of each genome `[P, L]` trained by soft targets, as a run does; None without such.

        Args:
            genomes: P candidates.
            exposed: trained to be unsure of out-of-distribution images too, where there are any.
        """
        data = TrainingSet(self.features.X, self.features.y, self.features.classes, self.parts.report)
        if self.parts.protocol == "paper" or not can_soften(data):
            return None
        config, (fold,) = self.config, self.parts.report
        rows = exposed_rows(self.features, fold, ood_score=config.ood_score, seed=self.seed) if exposed else None
        first = _FIRST_TEACHER_SEED + TEACHER_SEEDS * self.seed
        soft = soften(data, self.encoding.head, config.recipe, first, outliers=rows)
        return self._train(soft, genomes, patient_recipe(config.recipe))

    def _train(self, data: TrainingSet, genomes: BoolArray, recipe: Recipe | None = None) -> list[tuple[float, Heads]]:
        trainer = Trainer(data, self.encoding.head, recipe or self.config.recipe)
        first = _FIRST_TRAINING_SEED + self.trainings * self.seed
        trained = trainer.train([self.encoding.decode(g) for g in genomes], range(first, first + self.trainings))
        labels = [self.features.y[fold.evaluate] for fold in data.folds]
        return [
            (
                float(np.mean([accuracy_score(z, y) for y, of in zip(labels, t.logits, strict=True) for z in of])),
                t.heads[0],
            )
            for t in trained
        ]

    def detection(self, heads: Heads) -> float | None:
        """AUROC of telling outliers from the test rows, mean over heads; None without out-of-distribution rows."""
        if self._outliers is None:
            return None
        X, y, (fold, *_) = self.features.X, self.features.y, self.parts.report
        X_train, y_train, X_test = X[fold.train], y[fold.train], X[fold.evaluate]
        found = []
        for head in heads:
            detector = fit_detector(self.config.ood_score, head, X_train, y_train)
            found.append(float(auroc(detector.score(X_test)[None], detector.score(self._outliers)[None])[0]))
        return float(np.mean(found))

    @property
    def search_seed(self) -> int:
        """The first seed of the trainings of a search."""
        return self.seed * 10_000

    @property
    def _shared(self) -> _Shared:
        key = f"{self.config.identity()} {self.seed}"
        shared = _SHARED.get(self.features)
        if shared is None or shared.key != key:
            shared = _SHARED[self.features] = _Shared(key)
        return shared

    @cached_property
    def _outliers(self) -> Float32Array | None:
        """Out-of-distribution rows of the report `[n, D]`, drawn once for all heads."""
        report = self.parts.report[:1]
        extra = extra_rows(self.features, report, "report", protocol=self.config.protocol, seed=self.seed)
        return extra["ood"][0] if "ood" in extra else None

    def modelled(self, baseline: Baseline, data: SelectionData, counts: Sequence[int]) -> list[Heads]:
        """Models of a baseline that trains them, of as many seeds as there are trainings, for each of `counts`."""
        by_training = [
            baseline.models(data, self.encoding, counts, self.seed + number * _NEXT_TRAINING)
            for number in range(self.trainings)
        ]
        return list(zip(*by_training, strict=True))

    def accuracies(self, models: Sequence[Heads], rows: IntArray) -> list[float]:
        """Accuracy of trained heads on some rows, mean over trainings."""
        X, y = np.ascontiguousarray(self.features.X[rows]), self.features.y[rows]
        return [float(np.mean([accuracy_score(head_logits(head, X), y) for head in heads])) for heads in models]


def _digest(folds: Sequence[Fold]) -> str:
    """Of the rows of some folds."""
    return hashlib.sha256(
        b"".join(rows.tobytes() for fold in folds for rows in (fold.train, fold.evaluate))
    ).hexdigest()


@dataclass(frozen=True)
class Variant:
    """A search with a part changed.

    Attributes:
        method: name of the search.
        options: settings of the algorithm.
        folds: inner folds that fitness is averaged over; 1 for one validation part.
        corrected: whether values are corrected for what the guide has seen.
    """

    method: str
    options: SearchOptions
    folds: int = 1
    corrected: bool = False

    @classmethod
    def of(cls, method: str, config: RunConfig) -> Variant:
        """A search as it is by default."""
        guided, shared = method == "guided", config.search
        # One configuration serves all searches of a comparison; this one has no use for the others' settings.
        options = SearchOptions(prior=shared.prior, recombination=shared.recombination) if guided else shared
        return cls(method, options, guided_folds(config.encoding) if guided else 1, guided)


def compete(features: Features, config: RunConfig, arguments: Mapping[str, Any]) -> list[Row]:
    """Rows of a method at several shares, or of several methods that share what they work out.

    Args:
        features: of the data set.
        config: settings of recipe, head and encoding.
        arguments: `dataset`, `method` (several are joined by `+`), `seed`, `shares`, `evaluations`, and `trainings`:
            how often each head is trained.

    Returns:
        One row a method and share: what was wanted and what came of it, with accuracy on validation and test part,
        means over the trainings. Seconds are those of the selection, without the retraining that all methods need.
        The guided search has its members' test accuracies by soft targets too, which is how a run builds its models,
        and that of the full head by the same targets.
    """
    ground = Ground.of(features, config, int(arguments["seed"]), int(arguments["trainings"]))
    shares = [float(share) for share in arguments["shares"]]
    data = ground.data(ground.parts.search[0])
    rows: list[Row] = []
    for method in str(arguments["method"]).split("+"):
        if method in SEARCHES:
            found = searched(ground, Variant.of(method, config), shares, int(arguments["evaluations"]))
        elif get_baseline(method).kind == "mask":
            found = _masked(ground, data, method, shares)
        else:
            found = _modelled(ground, data, method, shares)
        about = about_task(arguments, config, {"method": method})
        rows += [{**about, **row} for row in found]
    return rows


def _masked(ground: Ground, data: SelectionData, method: str, shares: Sequence[float]) -> list[Row]:
    started = time.perf_counter()
    masks = get_baseline(method).masks(data, ground.encoding, ground.counts(shares), ground.seed)
    seconds = time.perf_counter() - started
    validation, _ = ground.retrained(masks, ground.parts.search)
    test, heads = ground.retrained(masks, ground.parts.report)
    return [
        _row(share, int(mask.sum()), ground, trained, v, t, seconds)
        for share, mask, trained, v, t in zip(shares, masks, heads, validation, test, strict=True)
    ]


def _modelled(ground: Ground, data: SelectionData, method: str, shares: Sequence[float]) -> list[Row]:
    """Baselines that give trained heads: made on the training part for validation, and on all but the test part."""
    baseline, counts = get_baseline(method), ground.counts(shares)
    search, report = ground.parts.search[0], ground.parts.report[0]
    started = time.perf_counter()
    tried = ground.modelled(baseline, data, counts)
    seconds = (time.perf_counter() - started) / ground.trainings
    validation = ground.accuracies(tried, search.evaluate)
    heads = tried
    if ground.parts.protocol == "nested":
        heads = ground.modelled(baseline, replace(data, refit=True), counts)
    test = ground.accuracies(heads, report.evaluate)
    return [
        _row(share, count, ground, trained, v, t, seconds)
        for share, count, trained, v, t in zip(shares, counts, heads, validation, test, strict=True)
    ]


def searched(ground: Ground, variant: Variant, shares: Sequence[float], evaluations: int) -> list[Row]:
    """A search, and for each share the member with the best fitness among those within it."""
    method = variant.method
    if method == "guided":
        recipe = guided_recipe(ground.config.recipe, ground.encoding.name, ground.search_seed)
        ground = replace(ground, config=ground.config.model_copy(update={"recipe": recipe}))
    started = time.perf_counter()
    genomes, values = history(ground, variant, evaluations)
    seconds = time.perf_counter() - started
    active = genomes.sum(axis=1)
    rows: list[Row] = []
    fitness = values[:, 0] if get_objectives(SEARCHES[method])[0].maximize else -values[:, 0]
    chosen = [best_within(fitness, active, count) for count in ground.counts(shares)]
    members = sorted({index for index in chosen if index is not None})
    if not members:
        return rows
    test, heads = ground.retrained(genomes[members], ground.parts.report)
    validation, _ = ground.retrained(genomes[members], ground.parts.search)
    softly = None
    if method == "guided":
        softly = ground.softly(np.concatenate([genomes[members], np.ones_like(genomes[:1])]))
    for share, index in zip(shares, chosen, strict=True):
        if index is not None:
            at = members.index(index)
            row = _row(share, int(active[index]), ground, heads[at], validation[at], test[at], seconds)
            row["fitness"] = float(values[index, 0])
            if softly is not None:
                row |= {"soft_test_accuracy": softly[at][0], "soft_dense_test_accuracy": softly[-1][0]}
            rows.append(row)
    return rows


def history(ground: Ground, variant: Variant, evaluations: int) -> tuple[BoolArray, FloatArray]:
    """Genomes `[E, L]` and values `[E, M]` of the evaluations of a search, those that failed left out."""
    genomes, values = evaluated(ground, variant, SEARCHES[variant.method], evaluations)
    complete = np.isfinite(values).all(axis=1)
    return genomes[complete], values[complete]


def evaluated(
    ground: Ground, variant: Variant, objectives: Sequence[str], evaluations: int
) -> tuple[BoolArray, FloatArray]:
    """All evaluations of a search.

    Args:
        ground: rows, head and settings; its seed is that of search and training.
        variant: the search, and how its fitness is measured.
        objectives: names of what is searched for.
        evaluations: budget.

    Returns:
        Genomes `[E, L]` and values `[E, M]` in the order of asking; NaN where an evaluation failed.

    Raises:
        EvoPruneError: every evaluation failed.
    """
    recipe, features = ground.config.recipe, ground.features
    folds = ground.search_folds(variant.folds)
    extra = extra_rows(features, folds, "search", protocol=ground.config.protocol, seed=ground.seed)
    data = TrainingSet(features.X, features.y, features.classes, folds, extra)
    if variant.method == "guided":
        recipe = fitness_recipe(recipe, folds, len(ground.parts.report[0].train))
    problem = Problem(
        data,
        ground.encoding,
        recipe,
        get_objectives(objectives),
        seed=ground.search_seed,
        ood_score=ground.config.ood_score,
    )
    guidance = Guidance(None, problem.evaluate)
    if variant.method == "guided":
        guidance = guidance_for(problem, ground.seed, corrected=variant.corrected)
    length = ground.encoding.length
    found = create(
        variant.method,
        length=length,
        maximize=problem.maximize,
        seed=ground.seed,
        options=variant.options,
        guide=guidance.guide,
    )
    with closing(Store(None, StudyKey(length, tuple(objectives), ""), recipe=recipe.name)) as store:
        search(found, guidance.evaluate, store, budget=evaluations, batch=_BATCH)
        stored = store.evaluations()
    if not any(e.state == "complete" for e in stored):
        raise ConfigError(f"every evaluation of search {variant.method!r} failed; check the recipe's learning rate")
    return np.stack([e.genome for e in stored]), np.stack([e.values for e in stored])


def best_within(fitness: FloatArray, active: IntArray, count: int) -> int | None:
    """Row of the best fitness among those with at most `count` active neurons; ties go to fewer."""
    rows = np.flatnonzero(active <= count)
    if not len(rows):
        return None
    return int(rows[np.lexsort((active[rows], -fitness[rows]))[0]])


def _row(
    share: float, active: int, ground: Ground, heads: Heads, validation: float, test: float, seconds: float
) -> Row:
    head = heads[0]
    return {
        "share": share,
        "active_neurons": active,
        "active_share": active / ground.encoding.length,
        "parameters": head.parameters,
        "validation_accuracy": validation,
        "test_accuracy": test,
        "features_read": int(np.abs(head.matrices[0]).any(axis=1).sum()),
        **({} if (detected := ground.detection(heads)) is None else {"test_auroc": detected}),
        "seconds": round(seconds, 3),
    }
