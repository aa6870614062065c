"""All baselines, by name."""

from __future__ import annotations

import difflib

from evoprune.baselines._base import EVERYTHING, HIDDEN, NEURONS, Baseline
from evoprune.baselines._filters import anova_scores, forest_scores, mutual_info_scores, random_scores
from evoprune.baselines._fixed import dense, dense_dropout, fixed_grid
from evoprune.baselines._gates import gate_scores, iterative_gate_scores
from evoprune.baselines._linear import l1_scores, rfe_scores
from evoprune.baselines._lottery import polynomial_lottery, weight_lottery
from evoprune.baselines._polynomial import polynomially_pruned
from evoprune.baselines._pruned import neurons_pruned_in, neurons_pruned_out, weight_pruned
from evoprune.baselines._saliency import gradient_scores, magnitude_scores, taylor_scores
from evoprune.errors import ConfigError

_FEATURES = ("features",)
_PAPER = "arXiv 2202.03844, section 5"

_ALL = (
    Baseline("random", "random mask", EVERYTHING, "control", rank=random_scores),
    Baseline("anova", "ANOVA F", _FEATURES, "scikit-learn, f_classif", rank=anova_scores),
    Baseline(
        "mutual_info",
        "mutual information",
        _FEATURES,
        "Ross, PLoS ONE 2014; scikit-learn, mutual_info_classif",
        rank=mutual_info_scores,
    ),
    Baseline("l1", "L1 logistic regression", _FEATURES, "Tibshirani 1996; scikit-learn", rank=l1_scores),
    Baseline(
        "forest",
        "random forest importance",
        _FEATURES,
        "Breiman, Machine Learning 2001; scikit-learn",
        rank=forest_scores,
    ),
    Baseline("rfe", "recursive elimination", _FEATURES, "Guyon and others, Machine Learning 2002", rank=rfe_scores),
    Baseline(
        "magnitude", "weight magnitude", NEURONS, "Li and others, ICLR 2017, arXiv 1608.08710", rank=magnitude_scores
    ),
    Baseline(
        "taylor",
        "Taylor importance",
        NEURONS,
        "Molchanov and others, ICLR 2017, arXiv 1611.06440",
        rank=taylor_scores,
    ),
    Baseline(
        "gradient", "gradient saliency", NEURONS, "Simonyan and others 2013, arXiv 1312.6034", rank=gradient_scores
    ),
    Baseline("gates", "L1 gates", NEURONS, "Liu and others, ICCV 2017, arXiv 1708.06519", rank=gate_scores),
    Baseline(
        "gates_iterative",
        "L1 gates, iterative",
        NEURONS,
        "Liu and others, ICCV 2017, arXiv 1708.06519, several passes",
        rank=iterative_gate_scores,
    ),
    Baseline("dense", "not pruned", EVERYTHING, _PAPER, build=dense),
    Baseline("dense_dropout", "not pruned, dropout", EVERYTHING, _PAPER, build=dense_dropout),
    Baseline("fixed_grid", "best fixed", HIDDEN, _PAPER, build=fixed_grid),
    Baseline(
        "weight_pruning", "weight pruning", EVERYTHING, f"Han and others, NeurIPS 2015; {_PAPER}", build=weight_pruned
    ),
    Baseline("neuron_pruning_in", "neuron pruning, incoming", HIDDEN, _PAPER, build=neurons_pruned_in),
    Baseline("neuron_pruning_out", "neuron pruning, outgoing", NEURONS, _PAPER, build=neurons_pruned_out),
    Baseline(
        "polynomial_decay",
        "polynomial decay",
        EVERYTHING,
        f"Zhu and Gupta 2017, arXiv 1710.01878; {_PAPER}",
        build=polynomially_pruned,
    ),
    Baseline(
        "weight_lottery",
        "weight pruning, rewound",
        EVERYTHING,
        "Frankle and Carbin, ICLR 2019, arXiv 1803.03635",
        build=weight_lottery,
    ),
    Baseline(
        "polynomial_lottery",
        "polynomial decay, rewound",
        EVERYTHING,
        "Frankle and Carbin, ICLR 2019, arXiv 1803.03635",
        build=polynomial_lottery,
    ),
)

BASELINES = {baseline.name: baseline for baseline in _ALL}
"""What a user would pick instead of a search, by name."""


def get_baseline(name: str) -> Baseline:
    """The baseline of a name.

    Raises:
        ConfigError: the name is unknown.
    """
    if name not in BASELINES:
        near = difflib.get_close_matches(name, BASELINES, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigError(f"baseline {name!r} is unknown; {hint}choose one of {', '.join(BASELINES)}")
    return BASELINES[name]
