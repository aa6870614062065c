"""`cka`: how alike the best model is to its neighbour, to the full one and to a random one (EvoPruneDeepTL, CKA)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from evoprune._types import BoolArray, Float32Array, FloatArray
from evoprune.analysis import closest, hamming, linear_cka, rbf_cka
from evoprune.errors import ConfigError
from evoprune.experiments._columns import NO_FIGURES, about_task, by_seed, comparison, distinct, json_value, protocol_of
from evoprune.experiments._contest import Ground
from evoprune.experiments._evolve import evolve
from evoprune.experiments._experiment import Settings
from evoprune.experiments._markdown import escaped, natural, table
from evoprune.experiments._tasks import Row, Task
from evoprune.features import Features
from evoprune.heads import CompactHead
from evoprune.report import Strip, write_strips
from evoprune.training import penultimate
from evoprune.workflow import RunConfig

_MODELS = {
    "closest": "Hamming-closest evaluated model",
    "random": "random mask of the same density",
    "full": "not pruned",
}
"""What the best model is compared with."""

_SIGMA = 1.0
"""Width of the RBF kernel over the square root of the median squared distance, as published."""

_ESTIMATORS: dict[str, Callable[[Float32Array, Float32Array], float]] = {
    "linear": linear_cka,
    "RBF": partial(rbf_cka, sigma=_SIGMA),
    "linear, unbiased": partial(linear_cka, unbiased=True),
}

_REPRESENTATIONS = {
    "weights": "first-layer weights, a sample a feature",
    "activations": "hidden activations, a sample an image",
}

_PUBLISHED = (
    ("closest", ".925-.993", ".002-.021"),
    ("full", ".202-.291", ".43-.50"),
)
"""RBF on first-layer weights, ranges over five data sets (protocol `paper`), and Hamming distances."""

_STREAM = 2202_03844
"""Keeps the draw of the random mask apart from other draws with the same seed."""


class CKA:
    """Centred kernel alignment between the best model of a search and three others."""

    name = "cka"
    title = "How alike the best model is to others (CKA)"

    def tasks(self, configs: Mapping[str, RunConfig], settings: Settings) -> list[Task]:
        """One task for each data set and seed.

        Raises:
            ConfigError: the encoding is `connections`, under which a feature may be on and off at once.
        """
        for config in configs.values():
            if config.encoding.startswith("connections"):
                raise ConfigError(
                    "experiment 'cka' compares layers of neurons; give encoding features, first, second or both"
                )
        return [
            Task(
                f"{dataset}/{seed}",
                config,
                align,
                {"dataset": dataset, "seed": seed, "evaluations": settings.evaluations},
            )
            for dataset, config in configs.items()
            for seed in range(settings.seeds)
        ]

    def write(self, rows: Sequence[Row], failed: Mapping[str, str], settings: Settings, folder: Path) -> str:
        """Alignments by estimator and model, as figure and tables, and compared over seeds."""
        del failed
        if not rows:
            return NO_FIGURES
        protocol, datasets, seeds = protocol_of(rows), distinct(rows, "dataset"), settings.seeds
        strips = [
            Strip(
                f"{dataset}: {of}",
                "CKA with the best model",
                tuple(_ESTIMATORS),
                {
                    title: np.stack([_values(rows, dataset, model, of, e, seeds) for e in _ESTIMATORS])
                    for model, title in _MODELS.items()
                },
            )
            for dataset in datasets
            for of in _REPRESENTATIONS
        ]
        write_strips(folder / "cka.png", strips, "Alignment with the best model of a search", protocol=protocol)
        parts = ["![Alignment with the best model](cka.png)", "", *_explained(), ""]
        for dataset in datasets:
            parts += [f"## {escaped(dataset)}", "", _table(rows, dataset, seeds), ""]
        parts += ["## RBF alignment of the activations", ""]
        values = {
            title: np.concatenate([_values(rows, d, model, "activations", "RBF", seeds) for d in datasets])
            for model, title in _MODELS.items()
        }
        parts += comparison(values, _MODELS["closest"])
        parts += ["## Published (RBF on first-layer weights; protocol paper)", ""]
        lines = [[_MODELS[model], value, distance] for model, value, distance in _PUBLISHED]
        parts += [table(["the best model with", "CKA, five data sets", "Hamming distance"], lines)]
        return "\n".join(parts)


def align(features: Features, config: RunConfig, arguments: Mapping[str, Any]) -> list[Row]:
    """Alignments of the best model of a search with the others.

    All are trained on the rows that the search trained on, from the same initial weights and with the same batches.

    Args:
        features: of the data set.
        config: settings of recipe, head, encoding and protocol.
        arguments: `dataset`, `seed` and `evaluations`.

    Returns:
        One row for each other model, representation and estimator.
    """
    ground = Ground.of(features, config, int(arguments["seed"]))
    found = evolve(ground, int(arguments["evaluations"]))
    genomes = _compared(found.genomes, found.best, ground.seed)
    accuracies, trained = ground.retrained(np.stack(list(genomes.values())), ground.parts.search)
    seen = {
        "weights": [_first_weights(head, ground) for head, *_ in trained],
        "activations": [_activations(head, ground) for head, *_ in trained],
    }
    about = about_task(arguments, config)
    rows: list[Row] = []
    for at, (model, genome) in enumerate(genomes.items()):
        if model not in _MODELS:
            continue
        facts = {
            "model": model,
            "hamming_distance": hamming(genomes["best"], genome),
            "active_share": float(genome.mean()),
            "validation_accuracy": accuracies[at],
        }
        for of, matrices in seen.items():
            for name, estimate in _ESTIMATORS.items():
                value = estimate(matrices[0], matrices[at])
                rows.append({**about, **facts, "of": of, "estimator": name, "cka": json_value(value)})
    return rows


def _compared(evaluated: BoolArray, best: int, seed: int) -> dict[str, BoolArray]:
    """The genomes `[L]` to compare, the best first."""
    genome = evaluated[best]
    shuffled = np.random.default_rng([_STREAM, seed]).permutation(genome)
    return {
        "best": genome,
        "closest": evaluated[closest(evaluated, best)],
        "random": shuffled,
        "full": np.ones_like(genome),
    }


def _first_weights(head: CompactHead, ground: Ground) -> Float32Array:
    """Weights of the first layer `[D, h]` as they were trained; rows of features that are off are 0.

    Columns of units that are off are left out: they would be 0, and change no product or distance of two rows.
    """
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    weights = np.zeros((head.width, head.matrices[0].shape[1]), dtype=np.float32)
    weights[head.inputs] = head.matrices[0]
    if ground.config.recipe.standardize:
        # The head takes raw features: the standardisation that was folded into its weights is divided out again.
        scaler = StandardScaler().fit(ground.features.X[ground.parts.search[0].train])
        weights *= scaler.scale_[:, None].astype(np.float32)
    return weights


def _activations(head: CompactHead, ground: Ground) -> Float32Array:
    """Outputs `[n, h]` of the last hidden layer for the rows that fitness is measured on, after ReLU."""
    return penultimate(head, np.ascontiguousarray(ground.features.X[ground.parts.search[0].evaluate]))


def _values(rows: Sequence[Row], dataset: str, model: str, of: str, estimator: str, seeds: int) -> FloatArray:
    return by_seed(rows, "cka", seeds, {"dataset": dataset, "model": model, "of": of, "estimator": estimator})


def _explained() -> list[str]:
    return [
        "Weights: the first matrix as `[D, h]`, one sample a feature, where all of what is off is 0; on the scale on "
        "which they were trained (standardised features if the recipe standardises). Activations: `[n, h]` of the "
        "last hidden layer after ReLU, one sample an image of the part that fitness is measured on. All models "
        "start from the same weights and see the same batches. With more columns than samples the plain "
        "estimates are above 0 even for models that share nothing; the unbiased one is not."
    ]


def _table(rows: Sequence[Row], dataset: str, seeds: int) -> str:
    header = ["the best model with", "Hamming distance", "active share"]
    header += [f"{of}: {estimator}" for of in _REPRESENTATIONS for estimator in _ESTIMATORS]
    lines = []
    for model, title in _MODELS.items():
        where = {"dataset": dataset, "model": model}
        lines.append(
            [
                title,
                *(natural(by_seed(rows, c, seeds, where)) for c in ("hamming_distance", "active_share")),
                *(
                    natural(_values(rows, dataset, model, of, estimator, seeds))
                    for of in _REPRESENTATIONS
                    for estimator in _ESTIMATORS
                ),
            ]
        )
    return table(header, lines)
