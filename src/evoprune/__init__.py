"""evoprune: evolve which neurons of a classifier head are worth keeping.

import evoprune as ep

features = ep.extract("flowers/", backbone="resnet50")
study = ep.Study(features, objectives=["accuracy", "active"], seed=0)
result = study.run(evaluations=200)
model = result.best.build()
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from evoprune._version import __version__

if TYPE_CHECKING:
    from evoprune.backbones import ModuleBackbone, load_backbone
    from evoprune.errors import BackboneError, ConfigError, DamagedStoreError, DataError, EvoPruneError, StorageError
    from evoprune.features import Features, extract, from_arrays, from_feature_file
    from evoprune.heads import Head
    from evoprune.model import Model, Prediction
    from evoprune.search import SearchOptions
    from evoprune.training import Recipe
    from evoprune.workflow import Result, Run, Solution, Study, load_run

_HOMES = {
    "BackboneError": "errors",
    "ConfigError": "errors",
    "DamagedStoreError": "errors",
    "DataError": "errors",
    "EvoPruneError": "errors",
    "Features": "features",
    "Head": "heads",
    "Model": "model",
    "ModuleBackbone": "backbones",
    "Prediction": "model",
    "Recipe": "training",
    "Result": "workflow",
    "Run": "workflow",
    "SearchOptions": "search",
    "Solution": "workflow",
    "StorageError": "errors",
    "Study": "workflow",
    "extract": "features",
    "from_arrays": "features",
    "from_feature_file": "features",
    "load_backbone": "backbones",
    "load_run": "workflow",
}

__all__ = [
    "BackboneError",
    "ConfigError",
    "DamagedStoreError",
    "DataError",
    "EvoPruneError",
    "Features",
    "Head",
    "Model",
    "ModuleBackbone",
    "Prediction",
    "Recipe",
    "Result",
    "Run",
    "SearchOptions",
    "Solution",
    "StorageError",
    "Study",
    "__version__",
    "extract",
    "from_arrays",
    "from_feature_file",
    "load_backbone",
    "load_run",
]


def __getattr__(name: str) -> Any:
    # Public names load their room when first used, so that the command line starts without torch.
    if name not in _HOMES:
        raise AttributeError(f"module 'evoprune' has no attribute {name!r}")
    return getattr(import_module(f"evoprune.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
