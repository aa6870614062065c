"""What a front's neurons and a run's model look at: figures and tables in a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from evoprune._files import read_sealed, sealed_json, write_atomic
from evoprune._large import take
from evoprune._types import FloatArray, IntArray
from evoprune.errors import ConfigError, DataError, StorageError
from evoprune.explanation import Target, neuron_frequency, neuron_strength, neuron_targets, top_neurons
from evoprune.features import Progress
from evoprune.model import Model, stored_model
from evoprune.report import write_neuron_boxes, write_neuron_frequency
from evoprune.workflow._conclusion import data_digest
from evoprune.workflow._config import RunConfig
from evoprune.workflow._explain_images import Explainer, Looked, Method, compact
from evoprune.workflow._explain_tables import described, write_neurons, write_objectives
from evoprune.workflow._explained_front import ExplainedFront, read_front
from evoprune.workflow._kinds import require_room
from evoprune.workflow._run import Listeners, load_features
from evoprune.workflow._run_folder import RunFolder
from evoprune.workflow._scorer import genome_digest
from evoprune.workflow._status import read_status
from evoprune.workflow._study import Study

EXPLANATION = "explanation.json"
"""The file by which a folder of explanations is known."""

BOXES = 24
"""Neurons that have room in one figure of boxes."""


NOBODY = Listeners()
"""Hears nothing."""


@dataclass(frozen=True)
class Explain:
    """What to explain.

    Attributes:
        neurons: how many of the most frequent neurons, or which ones by their numbers.
        images: files to look at; without any, one of the test part for each class.
        member: number of the evaluation whose head is explained; the run's chosen one by default.
        method: `grad-cam`, or `occlusion`; by default Grad-CAM++ where the backbone is a torch network.
        layer: name of the layer that Grad-CAM++ looks at; the last convolutional block by default.
    """

    neurons: int | tuple[int, ...] = 10
    images: tuple[Path, ...] = ()
    member: int | None = None
    method: Method | None = None
    layer: str | None = None


def explain(
    folder: Path,
    what: Explain,
    *,
    output: Path | None = None,
    listeners: Listeners = NOBODY,
    work: Callable[[str], Progress] | None = None,
) -> dict[str, Any]:
    """Explain the front and the model of a finished run, or a merged front.

    Writes `neurons.csv`, `frequency.png`; with several objectives `objectives.png` and `objectives.csv`; of a run on
    images the heatmaps of neurons and classes, how faithful they are, and the images that activate each neuron most.

    Args:
        folder: of the run or the merged runs.
        what: to explain.
        output: folder to write into; `explain` in the run's folder by default.
        listeners: of them, `extraction` and `notify` are told.
        work: gives what hears of the progress of a piece of work, by its name.

    Returns:
        What was found, as JSON object; the same is written to `explanation.json`.

    Raises:
        ConfigError: a neuron, member, layer or method that does not exist here.
        DataError: the images of the run cannot be had.
        BackboneError: the backbone cannot be had.
        StorageError: the run is unfinished or damaged, or the output cannot be written.
    """
    target = folder / "explain" if output is None else output
    require_room(target, EXPLANATION)
    front = read_front(folder)
    row = front.row(what.member)
    frequency = neuron_frequency(front.genomes)
    _check_neurons(what.neurons, front)
    run = front.runs[row]
    config = run.existing_config()
    left_out = _reasons(config, front, what)
    study = _study(config, run, front, listeners)
    targets, strength, model = _neurons(study, run, front, row)
    if isinstance(what.neurons, int):
        neurons = top_neurons(frequency, strength, what.neurons)
    else:
        neurons = np.array(what.neurons, dtype=np.int64)
    explainer = None
    backbone = None if study is None else study.features.backbone
    if study is not None and model is not None and backbone is not None:
        # Refused now rather than after figures have been written.
        explainer = Explainer(study, config, backbone, model, what.images, what.method, what.layer)
    _remove_earlier(target)
    files = _write_frequencies(target, front, row, frequency, strength, neurons)
    looked = Looked()
    if explainer is not None:
        looked = explainer.look(target, neurons, {int(n): targets[int(n)] for n in neurons if int(n) in targets}, work)
        left_out += looked.left_out
    summary = {
        **described(front, row, frequency, strength, neurons),
        **looked.summary,
        "left_out": left_out,
        "files": [str(path) for path in (*files, *looked.files)],
    }
    write_atomic(target / EXPLANATION, sealed_json(summary))
    return summary


def _remove_earlier(target: Path) -> None:
    """Take away what an earlier explanation wrote, of which fewer pages may be written now.

    Raises:
        StorageError: a file cannot be removed.
    """
    try:
        earlier = read_sealed((target / EXPLANATION).read_text(encoding="utf-8"))
        names = [Path(file).name for file in earlier["files"]]
    except (OSError, ValueError, KeyError, TypeError):
        return
    try:
        for name in (*names, EXPLANATION):
            (target / name).unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            f"{target} cannot be written to: {error.strerror or error}; give another --output"
        ) from error


def _check_neurons(neurons: int | tuple[int, ...], front: ExplainedFront) -> None:
    length = front.genomes.shape[1]
    if isinstance(neurons, int):
        if neurons < 1:
            raise ConfigError(f"top{neurons} says nothing; give top1 or more")
        return
    for neuron in neurons:
        if not 0 <= neuron < length:
            raise ConfigError(f"neuron {neuron} does not exist; {front.folder} has {length}, numbered from 0")
    if len(set(neurons)) < len(neurons):
        raise ConfigError("a neuron is named twice; name each once")


def _study(config: RunConfig, run: RunFolder, front: ExplainedFront, listeners: Listeners) -> Study | None:
    """The study with the features that it was made with; None where they were given from Python."""
    if config.kind == "arrays":
        return None
    if config.data != "digits" and not Path(config.data).exists():
        what = "features" if config.kind == "features" else "images"
        raise DataError(f"the {what} of {run.path} were in {config.data}, which is not there any more; put them back")
    study = Study.from_config(load_features(config, listeners), config, run)
    if study.encoding.length != front.genomes.shape[1]:
        raise DataError(
            f"{config.data} gives genomes of {study.encoding.length} bits, but those of {run.path} have "
            f"{front.genomes.shape[1]}; restore the data that the run was made from"
        )
    # Merged runs share their data.
    digest = (read_status(run).summary or {}).get("data_digest")
    if digest and digest != data_digest(study.features) and listeners.notify is not None:
        # Rounding of another machine changes it too, and does no harm here.
        listeners.notify(
            f"{config.data} no longer gives exactly the features that {run.path} was made from; "
            "what is shown is of those it gives now"
        )
    return study


def _neurons(
    study: Study | None, run: RunFolder, front: ExplainedFront, row: int
) -> tuple[dict[int, Target], FloatArray, Model | None]:
    """What the neurons are, how strong each is in the explained member, and its model."""
    genome = front.genomes[row]
    if study is None:
        return {}, np.zeros(genome.size), None
    stored = stored_model(run.model)
    if stored is not None and stored.about.get("genome") == genome_digest(genome):
        model = Model.load(run.model, study.features.backbone)
    else:
        model = study.build(genome)
    head = compact(model)
    targets = neuron_targets(study.encoding.name, head, genome, study.encoding.head.hidden)
    train = study.partition.report[0].train
    return targets, neuron_strength(targets, head, take(study.features.X, train), genome.size), model


def _reasons(config: RunConfig, front: ExplainedFront, what: Explain) -> list[str]:
    """What cannot be shown of this run, and why."""
    reasons = []
    if len(front.objectives) == 1:
        reasons.append("no box plots: the run has one objective, and so one member instead of a front")
    if config.kind in ("features", "arrays"):
        for name, given in (("images", what.images), ("layer", what.layer), ("method", what.method)):
            if given:
                raise ConfigError(f"{front.folder} was made from features and has no images; leave --{name} out")
        reasons.append("no heatmaps and no images: the run was made from features")
    return reasons


def _write_frequencies(
    output: Path, front: ExplainedFront, row: int, frequency: FloatArray, strength: FloatArray, neurons: IntArray
) -> list[Path]:
    files = [output / "neurons.csv", output / "frequency.png"]
    write_neurons(files[0], front, row, frequency, strength)
    write_neuron_frequency(
        files[1], frequency, neurons[:BOXES], members=len(front.members), protocol=front.summary["protocol"]
    )
    if len(front.objectives) > 1 and len(neurons):
        files += [output / "objectives.csv", output / "objectives.png"]
        write_objectives(files[2], front.data(), neurons)
        write_neuron_boxes(files[3], front.data(), neurons[:BOXES].tolist())
    return files
