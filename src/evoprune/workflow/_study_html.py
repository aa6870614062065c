"""What a notebook shows of a study: its settings."""

from __future__ import annotations

from evoprune._html import html_table
from evoprune.data import Partition
from evoprune.features import Features
from evoprune.workflow._config import RunConfig
from evoprune.workflow._run_folder import RunFolder


class ShownInNotebooks:
    """Gives a study its representation in notebooks."""

    features: Features
    config: RunConfig
    folder: RunFolder | None
    partition: Partition

    def _repr_html_(self) -> str:
        config, features = self.config, self.features
        rows = [
            (
                "features",
                f"{features.name}: {len(features.y):,} rows, {features.width:,} wide, {features.classes} classes",
            ),
            ("backbone", config.backbone or "-"),
            ("head", f"{' → '.join(map(str, (features.width, *config.head, features.classes)))}"),
            ("pruned", config.encoding),
            ("objectives", ", ".join(config.objectives)),
            ("search", f"{config.algorithm}, seed {config.seed}"),
            ("recipe", f"{config.recipe.name}, {config.recipe.precision}, {config.device}"),
            ("protocol", f"{config.protocol}: {self.partition.description}"),
            ("run folder", "in memory" if self.folder is None else str(self.folder.path)),
        ]
        return html_table("Study", rows, right_from=len(rows[0]))
