"""Several seeds of one search in one folder: what was planned, so that it can be continued."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from evoprune._files import read_sealed, sealed_json, write_atomic
from evoprune.errors import ConfigError, StorageError
from evoprune.workflow._config import RunConfig, make_config
from evoprune.workflow._kinds import RUNS, require_room


def write_plan(folder: Path, configs: Sequence[RunConfig]) -> None:
    """Record which seeds a folder is to hold.

    Args:
        folder: of all the runs.
        configs: one a run, alike but for the seed.

    Raises:
        ConfigError: the folder holds something else, or runs with other settings, which are listed.
        StorageError: it is damaged, or cannot be written to.
    """
    require_room(folder, RUNS)
    earlier = read_plan(folder)
    if earlier:
        differences = earlier[0].with_seed(configs[0].seed).differences(configs[0])
        if differences:
            raise ConfigError(
                f"{folder} holds runs with other settings ({'; '.join(differences)}); "
                "give another --output folder, or the settings of those runs"
            )
    plan = {"seeds": [config.seed for config in configs], "settings": configs[0].model_dump(mode="json")}
    write_atomic(folder / RUNS, sealed_json(plan))


def read_plan(folder: Path) -> list[RunConfig] | None:
    """The configurations that a folder is to hold, or None where it is no folder of several runs.

    Raises:
        StorageError: what it says cannot be read.
    """
    path = folder / RUNS
    if not path.is_file():
        return None
    try:
        plan = read_sealed(path.read_text(encoding="utf-8"))
        if not plan["seeds"]:
            raise ValueError("no seeds")
        return [make_config(**plan["settings"]).with_seed(seed) for seed in plan["seeds"]]
    except (OSError, ValueError, KeyError, TypeError, ConfigError) as error:
        raise StorageError(
            f"{path} is damaged ({error!r}); give the command of the runs again with another --output folder, "
            "or `evoprune resume` each run in it"
        ) from error
