"""Which model of which run is exported, and the study that it is checked with."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evoprune._files import read_sealed
from evoprune._types import BoolArray, ByteArray, Float32Array
from evoprune.errors import BackboneError, ConfigError, StorageError
from evoprune.features import extract
from evoprune.model import Model, stored_backbone
from evoprune.study import Store
from evoprune.workflow._kinds import ENSEMBLE
from evoprune.workflow._merge import read_merged
from evoprune.workflow._run import load_image_set, make_study
from evoprune.workflow._run_folder import RunFolder
from evoprune.workflow._status import read_status
from evoprune.workflow._study import Study

Voters = tuple[tuple[BoolArray, int], ...]
"""Genomes `[L]` of a model's heads, and how many votes each has."""


@dataclass(frozen=True, eq=False)
class Place:
    """Where the model to export lies.

    Attributes:
        run: the run whose rows and recipe it was made with.
        folder: of the model, where it is an ensemble's; None for a run's own.
        merged: folder of the merged runs that an ensemble is of, or None.
    """

    run: RunFolder
    folder: Path | None = None
    merged: Path | None = None


@dataclass(frozen=True, eq=False)
class Source:
    """A model, and what it was made from.

    Attributes:
        model: as the run keeps it.
        voters: genomes and votes of its heads.
        member: number of its evaluation, or None for an ensemble.
        name: of a file, without an ending.
    """

    model: Model
    voters: Voters
    member: int | None
    name: str


def locate(folder: Path) -> Place:
    """The run that a folder is, or whose ensemble's model it holds.

    Raises:
        StorageError: there is none.
    """
    if (folder / "config.toml").is_file():
        return Place(RunFolder(folder))
    model = next((f for f in (folder, folder / "model") if (f / "model.json").is_file()), None)
    if model is None:
        RunFolder(folder).require()
        raise StorageError(f"{folder} holds no model; name a run, or the folder of an ensemble")
    for home in (*model.resolve().parents, *_named_run(model)):
        if (home / "config.toml").is_file():
            run = RunFolder(home)
            return Place(run) if model.resolve() == run.model.resolve() else Place(run, model)
        merged = read_merged(home)
        if merged is not None:
            return Place(RunFolder(merged["front"][0]["run"]), model, home)
    raise StorageError(
        f"{model} holds a model that lies in no run, so there are no images to check its export on; "
        "put it back into its run"
    )


def run_of(folder: Path) -> RunFolder | None:
    """The run that a folder is or whose ensemble's model it holds, or None where the model lies in none."""
    try:
        return locate(folder).run
    except StorageError:
        return None


def _named_run(model: Path) -> tuple[Path, ...]:
    """The folder of the run that an ensemble names, where it lies outside of it."""
    path = model.parent / ENSEMBLE
    try:
        return (Path(read_sealed(path.read_text(encoding="utf-8"))["run"]),)
    except FileNotFoundError:
        return ()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StorageError(f"{path} is damaged ({error!r}); make it again with `evoprune ensemble`") from error


def finished_summary(run: RunFolder) -> dict[str, Any]:
    """The result of a run as JSON object.

    Raises:
        StorageError: it is not finished.
    """
    status = read_status(run)
    if status.summary is None:
        raise StorageError(
            f"{run.path} has {status.evaluations} of {status.budget} evaluations and no result yet; "
            f"continue with: evoprune resume {shlex.quote(str(run.path))}"
        )
    return status.summary


def open_study(run: RunFolder, *, head_only: bool) -> Study:
    """The study of a run; for a head alone also where its backbone has gone, as long as its features are cached.

    Raises:
        ConfigError: the run is of a feature file, and more than the head is asked for.
        BackboneError: the backbone cannot be had, and more than the head is asked for.
    """
    config = run.existing_config()
    if config.kind == "features" and not head_only:
        raise ConfigError(
            f"{run.path} is a run of a feature file and has no backbone to put into a file; export its head with "
            "--head-only"
        )
    try:
        return make_study(run)
    except BackboneError as error:
        if not head_only:
            raise BackboneError(f"{error}; without it, the head alone can be exported with --head-only") from error
        known = stored_backbone(run.model)
        if known is None:
            raise
    features = extract(
        load_image_set(config),
        _GoneBackbone(*known),
        skip_broken=config.skip_broken,
        seed=config.data_seed,
        ood=config.ood,
        corruptions="corruption" in config.objectives and ("all" if config.folds > 1 else True),
    )
    return Study.from_config(features, config, run)


class _GoneBackbone:
    """Stands for a backbone that is no longer there, whose features are still known by its fingerprint."""

    input_size = (0, 0)

    def __init__(self, name: str, fingerprint: str) -> None:
        self.name = name
        self.fingerprint = fingerprint

    @property
    def width(self) -> int:
        """Not known."""
        raise self._gone()

    def prepare(self, pixels: ByteArray) -> Float32Array:
        """Not possible."""
        del pixels
        raise self._gone()

    def extract(self, batch: Float32Array) -> Float32Array:
        """Not possible."""
        del batch
        raise self._gone()

    def _gone(self) -> BackboneError:
        return BackboneError(
            f"the backbone {self.name!r} of this run is gone, and not all features of its images are in the cache; "
            "put it back where it was"
        )


def read_source(study: Study, place: Place, summary: dict[str, Any], number: int | None) -> Source:
    """The model to export: a member of the front, the chosen one by default, or an ensemble.

    Raises:
        ConfigError: the member is not on the front, or one is asked of an ensemble.
        StorageError: the model is damaged.
    """
    run = place.run
    if place.folder is not None:
        if number is not None:
            raise ConfigError(f"{place.folder} is a model of its own; leave --member {number} out, or name the run")
        model = Model.load(place.folder, study.features.backbone)
        return Source(model, _voters(model, place), None, "ensemble")
    genomes = _genomes(run)
    name = run.path.resolve().name
    chosen = int(summary["best"]["id"])
    if number is None or number == chosen:
        model = Model.load(run.model, study.features.backbone)
        return Source(model, ((genomes[chosen], 1),), chosen, name)
    front = sorted(int(member["id"]) for member in summary["front"])
    if number not in front:
        raise ConfigError(
            f"evaluation {number} is not on the front of {run.path}; its members are {', '.join(map(str, front))}"
        )
    return Source(study.build(genomes[number]), ((genomes[number], 1),), number, f"{name}-{number}")


def _voters(model: Model, place: Place) -> Voters:
    """The genomes of an ensemble's members, which it names by their evaluations."""
    if place.merged is None:
        known = {str(number): genome for number, genome in _genomes(place.run).items()}
    else:
        merged = read_merged(place.merged) or {"front": []}
        runs = {member["run"] for member in merged["front"]}
        known = {f"{Path(r).name}/{n}": genome for r in runs for n, genome in _genomes(RunFolder(r)).items()}
    ensemble = model.about.get("ensemble")
    members = ensemble.get("members") if isinstance(ensemble, dict) else None
    if not isinstance(members, dict) or not members or not members.keys() <= known.keys():
        raise StorageError(
            f"{place.folder} does not say which evaluations of {place.merged or place.run.path} its members are; "
            "make it again with `evoprune ensemble`"
        )
    return tuple((known[name], int(votes)) for name, votes in members.items())


def _genomes(run: RunFolder) -> dict[int, BoolArray]:
    """Genomes of all evaluations of a run, by their numbers."""
    store = Store(run.store)
    try:
        return {evaluation.id: evaluation.genome for evaluation in store.evaluations()}
    finally:
        store.close()
