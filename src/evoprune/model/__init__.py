"""The model: what a run gives back, and the files it is exported to."""

from evoprune.model._agreement import TOLERANCE, Agreement, agreement
from evoprune.model._classify import UNKNOWN, Outputs, Prediction, classify
from evoprune.model._deployable import Deployable, Format, Options, deployable
from evoprune.model._exported import SUFFIXES, ExportedModel, exported_bytes, load_exported, parse_exported
from evoprune.model._facts import ExportFacts
from evoprune.model._files import StoredModel, stored_backbone, stored_model
from evoprune.model._latency import latencies
from evoprune.model._model import Model
from evoprune.model._rejection import (
    DEFAULT_SCORE,
    Rejection,
    fit_score,
    ood_scores,
    threshold_for,
    usable_score,
)

__all__ = [
    "DEFAULT_SCORE",
    "SUFFIXES",
    "TOLERANCE",
    "UNKNOWN",
    "Agreement",
    "Deployable",
    "ExportFacts",
    "ExportedModel",
    "Format",
    "Model",
    "Options",
    "Outputs",
    "Prediction",
    "Rejection",
    "StoredModel",
    "agreement",
    "classify",
    "deployable",
    "exported_bytes",
    "fit_score",
    "latencies",
    "load_exported",
    "ood_scores",
    "parse_exported",
    "stored_backbone",
    "stored_model",
    "threshold_for",
    "usable_score",
]
