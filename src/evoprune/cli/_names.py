"""Names that are checked before torch is loaded, so that a slip of the fingers is said at once."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from evoprune.cli._completion import ALGORITHMS, BACKBONES, EXPERIMENTS, OBJECTIVES, OOD_SCORES, RECIPES
from evoprune.errors import ConfigError

OF_VALUES = ("mse", "r2")
"""Objectives of a regression, which a run is not: it classifies."""


def check_names(
    *,
    recipe: str,
    backbones: Iterable[str] = (),
    algorithm: str | None = None,
    objectives: Iterable[str] = (),
    ood_score: str | None = None,
    experiment: str | None = None,
) -> None:
    """Refuse names that no room knows; None is left to a default.

    Raises:
        ConfigError: a name is unknown, or an objective is one of a regression.
        BackboneError: that of a backbone is.
    """
    for kind, given, known in (
        ("experiment", [experiment], EXPERIMENTS),
        ("recipe", [recipe], RECIPES),
        ("search", [algorithm], ALGORITHMS),
        ("objective", objectives, OBJECTIVES),
        ("OOD score", [ood_score], OOD_SCORES),
    ):
        for name in given:
            if kind == "objective" and name in OF_VALUES:
                raise ConfigError(
                    f"objective {name!r} judges predicted values, and a run has classes; choose among "
                    f"{', '.join(known)}, or take evoprune.sklearn.EvoPruneRegressor"
                )
            if name is not None and name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]!r}? " if near else ""
                raise ConfigError(f"{kind} {name!r} is unknown; {hint}choose among {', '.join(known)}")
    for backbone in backbones:
        prefix, colon, _ = backbone.partition(":")
        if prefix + colon not in BACKBONES:
            from evoprune.backbones import load_backbone

            # Says which names are near.
            load_backbone(backbone)
