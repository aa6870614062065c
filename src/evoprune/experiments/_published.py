"""Figures of the two papers, to stand beside ours (PROTOCOL: fitness on the test part).

Sources: EvoPruneDeepTL (arXiv 2202.03844), tables of the comparison with pruning methods; mean
accuracy over five runs, and share of active neurons.
"""

from __future__ import annotations

PRUNING: dict[str, dict[str, str]] = {
    "SRSMAS": {
        "weight pruning": ".795-.845",
        "polynomial decay": ".815-.878",
        "neuron pruning": ".647-.802",
        "first": ".883 / 46",
        "second": ".884 / 47",
        "both": ".885 / 64",
        "features": ".884 / 60",
    },
    "RPS": {
        "weight pruning": ".694-.913",
        "polynomial decay": ".899-.926",
        "neuron pruning": ".490-.869",
        "first": ".959 / 37",
        "second": ".969 / 16",
        "both": ".978 / 12",
        "features": ".985 / 45",
    },
    "LEAVES": {
        "weight pruning": ".904-.947",
        "polynomial decay": ".918-.940",
        "neuron pruning": ".712-.946",
        "first": ".937 / 28",
        "second": ".935 / 12",
        "both": ".936 / 34",
        "features": ".943 / 59",
    },
    "PAINTING": {
        "weight pruning": ".934-.995",
        "polynomial decay": ".938-.993",
        "neuron pruning": ".850-.920",
        "first": ".950 / 53",
        "second": ".951 / 53",
        "both": ".953 / 51",
        "features": ".958 / 55",
    },
    "CATARACT": {
        "weight pruning": ".668-.696",
        "polynomial decay": ".684-.696",
        "neuron pruning": ".611-.687",
        "first": ".740 / 63",
        "second": ".737 / 59",
        "both": ".746 / 63",
        "features": ".747 / 55",
    },
    "PLANTS": {
        "weight pruning": ".392-.421",
        "polynomial decay": ".317-.420",
        "neuron pruning": ".278-.402",
        "first": ".479 / 45",
        "second": ".482 / 37",
        "both": ".491 / 41",
        "features": ".472 / 68",
    },
}
"""Accuracy, and for the evolved heads percent of active neurons, by data set; ranges are over the pruned layers."""

EXTRACTORS: dict[str, dict[str, str]] = {
    "ResNet-50": {
        "SRSMAS": ".884",
        "RPS": ".985",
        "LEAVES": ".943",
        "PAINTING": ".958",
        "CATARACT": ".747",
        "PLANTS": ".472",
    },
    "DenseNet-121": {
        "SRSMAS": ".896",
        "RPS": ".839",
        "LEAVES": ".921",
        "PAINTING": ".956",
        "CATARACT": ".787",
        "PLANTS": ".464",
    },
    "VGG-19": {
        "SRSMAS": ".869",
        "RPS": ".982",
        "LEAVES": ".924",
        "PAINTING": ".943",
        "CATARACT": ".765",
        "PLANTS": ".376",
    },
}
"""Accuracy of evolved feature selection by extractor and data set."""
