"""Experiments by name."""

from __future__ import annotations

import difflib

from evoprune.errors import ConfigError
from evoprune.experiments._ensembles import Ensembles
from evoprune.experiments._experiment import Experiment
from evoprune.experiments._extractors import Extractors
from evoprune.experiments._guided import Guided
from evoprune.experiments._paper import PARTS, Paper
from evoprune.experiments._sparsity import Sparsity

EXPERIMENTS: dict[str, Experiment] = {
    e.name: e for e in (Sparsity(), *PARTS, Extractors(), Ensembles(), Guided(), Paper())
}
"""The experiments that there are."""


def get_experiment(name: str) -> Experiment:
    """The experiment of a name.

    Raises:
        ConfigError: there is none.
    """
    if name not in EXPERIMENTS:
        near = difflib.get_close_matches(name, EXPERIMENTS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigError(f"experiment {name!r} is unknown; {hint}choose among {', '.join(EXPERIMENTS)}")
    return EXPERIMENTS[name]
