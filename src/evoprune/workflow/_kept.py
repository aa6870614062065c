"""What a report shows and evaluations do not tell, kept in the run's store: facts of the data, predictions."""

from __future__ import annotations

import platform
from importlib.metadata import version

import numpy as np

from evoprune._types import BoolArray
from evoprune._version import __version__
from evoprune.data import Partition
from evoprune.features import Features
from evoprune.study import Store
from evoprune.workflow._scorer import Scorer, genome_digest

FACTS, PREDICTIONS = "data", "predictions"
"""Names of the results."""

_PACKAGES = ("numpy", "scipy", "scikit-learn", "torch", "pymoo")


def keep_facts(store: Store, features: Features, partition: Partition) -> None:
    """Keep what the data are: classes, rows of each part, images that cannot be read, versions of what computed.

    Raises:
        StorageError: the store cannot be written to.
    """
    final = partition.report[0]
    counts = [np.bincount(features.y[rows], minlength=features.classes) for rows in (final.train, final.evaluate)]
    facts = {
        "name": features.name,
        "rows": len(features.y),
        "width": features.width,
        "classes": list(features.class_names),
        "train": counts[0].tolist(),
        "test": counts[1].tolist(),
        "judged": [len(fold.evaluate) for fold in partition.search],
        "report_folds": len(partition.report),
        "division": partition.description,
        "backbone": None if features.backbone is None else features.backbone.name,
        "broken": [{"image": str(image.path), "reason": image.reason} for image in features.broken],
        "duplicates": features.duplicates,
        "ood": [{"name": o.name, "search": len(o.search), "report": len(o.report)} for o in features.ood],
        "versions": {
            "evoprune": __version__,
            "Python": platform.python_version(),
            **{name: version(name) for name in _PACKAGES},
        },
    }
    store.set_result(FACTS, facts)


def keep_predictions(store: Store, features: Features, scorer: Scorer, dense: BoolArray, evolved: BoolArray) -> None:
    """Keep which class the dense and the chosen head predict for each test row, by report seed.

    Args:
        store: of the run.
        features: of the study.
        scorer: that has measured both, or trains them now.
        dense: genome of the head that is not pruned `[L]`.
        evolved: genome of the chosen one `[L]`.

    Raises:
        StorageError: the store cannot be written to.
    """
    about = {"genome": genome_digest(evolved), "seeds": scorer.config.report_seeds, **scorer.training}
    stored = store.result(PREDICTIONS)
    if isinstance(stored, dict) and about.items() <= stored.items():
        return
    rows = np.concatenate([fold.evaluate for fold in scorer.partition.report])
    names = features.row_names
    store.set_result(
        PREDICTIONS,
        {
            **about,
            "rows": rows.tolist(),
            "names": None if names is None else [names[row] for row in rows],
            "labels": features.y[rows].tolist(),
            "dense": scorer.predictions(dense, dense=True).tolist(),
            "evolved": scorer.predictions(evolved).tolist(),
        },
    )
