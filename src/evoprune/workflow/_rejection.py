"""The threshold of a run's model: set on validation images, with heads that were not trained on them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from evoprune._large import take
from evoprune._types import BoolArray, Float32Array, FloatArray
from evoprune.data import Fold, partition
from evoprune.errors import ConfigError, DataError
from evoprune.features import Features
from evoprune.heads import EnsembleHead
from evoprune.model import (
    DEFAULT_SCORE,
    Model,
    Rejection,
    fit_score,
    ood_scores,
    threshold_for,
    usable_score,
)
from evoprune.objectives import auroc, fpr_at_tpr
from evoprune.training import Trainer, TrainingSet
from evoprune.workflow._config import RunConfig
from evoprune.workflow._extras import extra_rows
from evoprune.workflow._scorer import SEEDS_A_RUN, Scorer

logger = logging.getLogger(__name__)

DEFAULT_TPR = 0.95
"""Share of the data set's own images that a threshold accepts, unless told otherwise."""

_CALIBRATION_SEED = 9_000
"""First of the training seeds of a run that neither its search nor its report uses."""


@dataclass(frozen=True, eq=False)
class _Judged:
    """A run's rows: those to calibrate on, and the training and test rows of its model."""

    folds: tuple[Fold, ...]
    final: Fold


def with_threshold(scorer: Scorer, model: Model, voters: Sequence[tuple[BoolArray, int]]) -> Model:
    """The model with a threshold, or as it is where none can be had: a run does not fail for that, and its log says so.

    Args:
        scorer: of the run.
        model: with one head, or one for each genome that votes.
        voters: genomes `[L]` of its heads, and how many votes each has.
    """
    try:
        return calibrate(scorer, model, voters, DEFAULT_TPR)
    except (ConfigError, DataError) as error:
        logger.warning("the model gives every image a class, because there is no threshold for it: %s", error)
        return model


def calibrate(
    scorer: Scorer, model: Model, voters: Sequence[tuple[BoolArray, int]], tpr: float, score: str | None = None
) -> Model:
    """The model with a threshold, and with what it reaches on the test images.

    The same genomes are trained once more on each fold without its validation images; the threshold is the smallest
    score that accepts the share `tpr` of all of these images. Under the `paper` protocol, where fitness is
    measured on the test images, a validation part is taken from the training images for this.

    Args:
        scorer: of the run: its rows, recipe and encoding.
        model: with one head, or one for each genome that votes.
        voters: genomes `[L]` of its heads, and how many votes each has.
        tpr: share of the data set's own images to accept, over 0 up to 1.
        score: name of the OOD score; by default that of the run, or `mahalanobis` where it had no such images.

    Raises:
        ConfigError: the score is unknown, the share is out of range, or the scores are not finite.
        DataError: under the `paper` protocol, no validation part can be taken from the training images.
    """
    features, config = scorer.features, scorer.config
    score = usable_score(score or (config.ood_score if features.ood else DEFAULT_SCORE), model.head)
    rows = _rows(scorer)
    threshold = threshold_for(_validation_scores(scorer, model, voters, score, rows.folds), tpr)
    train, test = rows.final.train, rows.final.evaluate
    fitted = fit_score(score, model.head, take(features.X, train), features.y[train])
    rejection = Rejection(score, threshold, tpr, fitted)
    inside = rejection.scores(model.head, take(features.X, test))
    measured = {"test_tpr": float(1 - rejection.unknown(inside).mean())}
    outside = _outside(features, config, rows.final)
    if outside is not None:
        beyond = rejection.scores(model.head, outside)
        measured["ood_images"] = float(len(outside))
        measured["ood_auroc"] = float(auroc(inside, beyond))
        measured["ood_fpr"] = float(fpr_at_tpr(inside, beyond, tpr))
        measured["ood_accepted"] = float(1 - rejection.unknown(beyond).mean())
    finite = {name: value for name, value in measured.items() if np.isfinite(value)}
    return replace(model, rejection=replace(rejection, measured=finite))


def _rows(scorer: Scorer) -> _Judged:
    config, features = scorer.config, scorer.features
    own = scorer.partition
    if own.protocol == "paper":
        own = partition(features.divisions, features.y, protocol="nested", seed=config.data_seed)
    return _Judged(own.search, own.report[0])


def _validation_scores(
    scorer: Scorer, model: Model, voters: Sequence[tuple[BoolArray, int]], score: str, folds: tuple[Fold, ...]
) -> FloatArray:
    """Scores of every fold's validation images under heads that were trained on the fold's other images."""
    features, config, encoding = scorer.features, scorer.config, scorer.problem.encoding
    seed = config.seed * SEEDS_A_RUN + _CALIBRATION_SEED
    structures = [encoding.decode(genome) for genome, _ in voters]
    found = []
    for fold in folds:
        data = TrainingSet(features.X, features.y, features.classes, (fold,))
        # As the model's own heads are trained: soft targets make a head less sure.
        data = scorer.softened(data) if scorer.soft else data
        trained = Trainer(data, encoding.head, scorer.recipe, config.device).train(structures, (seed,))
        heads = [c.heads[0][0] for c, (_, votes) in zip(trained, voters, strict=True) for _ in range(votes)]
        head = EnsembleHead(tuple(heads), model.head.vote) if isinstance(model.head, EnsembleHead) else heads[0]
        fitted = fit_score(score, head, take(features.X, fold.train), features.y[fold.train])
        found.append(ood_scores(score, head, take(features.X, fold.evaluate), fitted))
    return np.concatenate(found)


def _outside(features: Features, config: RunConfig, final: Fold) -> Float32Array | None:
    """The held-out out-of-distribution rows that the run's report is measured on, where it has any."""
    if not features.ood:
        return None
    return extra_rows(features, (final,), "report", protocol=config.protocol, seed=config.data_seed)["ood"][0]
