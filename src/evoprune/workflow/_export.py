"""From a run to an exported file: built, checked against the run's own figures, and only then put in place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from evoprune._files import write_together
from evoprune._large import take
from evoprune._types import Float32Array, IntArray
from evoprune.backbones import cost
from evoprune.data import Image
from evoprune.errors import ConfigError, StorageError
from evoprune.heads import CompactHead, compact
from evoprune.model import (
    SUFFIXES,
    Agreement,
    Deployable,
    ExportedModel,
    Model,
    Options,
    agreement,
    deployable,
    exported_bytes,
    latencies,
    load_exported,
    parse_exported,
)
from evoprune.workflow._card import card_of, is_card, model_card
from evoprune.workflow._conclusion import data_digest
from evoprune.workflow._export_source import finished_summary, locate, open_study, read_source
from evoprune.workflow._rejection import DEFAULT_TPR, calibrate
from evoprune.workflow._run import load_image_set
from evoprune.workflow._study import Study

_BATCH = 32


@dataclass(frozen=True)
class ExportRequest:
    """What to export, and where to.

    Attributes:
        options: kind of the file, and how its numbers are kept.
        output: the file; by default it lies in the run's folder and is named after it.
        member: number of an evaluation on the front; the chosen one by default.
        tpr: share of the data set's own images that the threshold accepts, over 0 up to 1.
        ood_score: by which images are unknown; by default that of the run, or `mahalanobis` where it had no
            out-of-distribution images.
    """

    options: Options
    output: Path | None = None
    member: int | None = None
    tpr: float = DEFAULT_TPR
    ood_score: str | None = None


def export(
    folder: Path, request: ExportRequest, on_progress: Callable[[int, int], None] | None = None
) -> dict[str, Any]:
    """Export a model of a run, check the file on the run's test images, and write its model card beside it.

    Args:
        folder: of the run, or of an ensemble's model inside it.
        request: what to export.
        on_progress: called with the test images done and to do.

    Returns:
        What was exported and how it compares with the dense head on the whole backbone, as JSON object.

    Raises:
        ConfigError: the model has no backbone and the whole was asked for; or a setting is out of range.
        BackboneError: the backbone is gone, or cannot be put into such a file.
        StorageError: the run is not finished, the file does not compute what the model does, or cannot be written.
    """
    place = locate(folder)
    summary = finished_summary(place.run)
    study = open_study(place.run, head_only=request.options.head_only)
    if summary.get("data_digest", "") not in ("", data_digest(study.features)):
        raise StorageError(
            f"the data of {place.run.path} are no longer those of its search; put them back, or run it again"
        )
    source = read_source(study, place, summary, request.member)
    beside = place.run.path if place.folder is None else place.folder.parent
    output = request.output or beside / f"{source.name}{SUFFIXES[request.options.format]}"
    _require_free(output)
    model = calibrate(study.conclusion.scorer, source.model, source.voters, request.tpr, request.ood_score)
    ready = deployable(model, request.options)
    contents = exported_bytes(ready)
    exported = parse_exported(contents, str(output))
    checked = _checked(study, model, ready, exported, on_progress)
    report = _report(study, model, ready, contents, checked)
    said = {
        "run": str(place.run.path),
        "file": str(output),
        "card": str(card_of(output)),
        "format": request.options.format,
        "head_only": request.options.head_only,
        "half": request.options.half,
        "quantize": request.options.quantize,
        "member": source.member,
        "members": sum(votes for _, votes in source.voters),
        **report,
    }
    write_together({output: contents, Path(said["card"]): model_card(said, summary, study, ready)})
    return said


def _require_free(output: Path) -> None:
    """Refuse to write over anything but an earlier export."""
    if output.is_dir():
        raise ConfigError(f"{output} is a folder; give the name of a file with --output")
    if output.exists():
        try:
            load_exported(output)
        except StorageError as error:
            raise ConfigError(
                f"{output} exists and is no export of evoprune; give another --output, or remove it"
            ) from error
    card = card_of(output)
    if card.exists() and not is_card(card):
        raise ConfigError(f"{card} exists and is no model card of evoprune; give another --output, or remove it")


@dataclass(frozen=True)
class _Checked:
    """A file held against its model on the test images.

    Attributes:
        study: against the study's own evaluation.
        accuracy: of the file, 0..1.
        study_accuracy: of the study's own evaluation with the same head, 0..1.
    """

    study: Agreement
    accuracy: float
    study_accuracy: float


def _checked(
    study: Study,
    model: Model,
    ready: Deployable,
    exported: ExportedModel,
    on_progress: Callable[[int, int], None] | None,
) -> _Checked:
    """Run the file on the test images and refuse it where it computes something else than the model.

    An exact file is held against the study's own features and head; one with rounded weights against the
    same rounded model outside the file.
    """
    rows = study.partition.report[0].evaluate
    labels = study.features.y[rows]
    reference = model.head.logits(take(study.features.X, rows))
    found, rounded = [], []
    images = None if ready.options.head_only else _images(study)
    for start in range(0, len(rows), _BATCH):
        part = rows[start : start + _BATCH]
        batch = study.features.X[part] if images is None else _prepared(exported, images, study, part)
        found.append(exported.run(batch).logits)
        if not ready.options.exact:
            own = ready.model
            rounded.append((own.outputs(batch) if own.backbone is None else own.run(batch)).logits)
        if on_progress is not None:
            on_progress(min(start + _BATCH, len(rows)), len(rows))
    logits = np.concatenate(found)
    against_study = agreement(logits, reference)
    what = f"the {ready.options.format} file"
    (against_study if ready.options.exact else agreement(logits, np.concatenate(rounded))).require(what)
    return _Checked(
        against_study,
        float((logits.argmax(axis=1) == labels).mean()),
        float((reference.argmax(axis=1) == labels).mean()),
    )


def _images(study: Study) -> dict[str, Image]:
    return {image.name: image for image in load_image_set(study.config).images}


def _prepared(exported: ExportedModel, images: dict[str, Image], study: Study, rows: IntArray) -> Float32Array:
    names = study.features.row_names or ()
    return np.stack([exported.prepare(images[names[row]].load()) for row in rows])


def _report(study: Study, model: Model, ready: Deployable, contents: bytes, checked: _Checked) -> dict[str, Any]:
    """Sizes and speed before and after, and how the file agrees with the study."""
    plain = Options(ready.options.format, head_only=ready.options.head_only)
    dense = deployable(replace(model, head=_dense_head(study), rejection=None), plain)
    dense_contents = exported_bytes(dense)
    before, after = latencies([(dense, dense_contents), (ready, contents)])
    rejection = model.rejection
    return {
        "before": _size(dense, dense_contents, before),
        "after": _size(ready, contents, after),
        "removed_filters": 0 if model.backbone is None else model.head.width - ready.head.width,
        "features": model.head.width,
        "remark": ready.remark,
        "agreement": asdict(checked.study),
        "test_accuracy": checked.accuracy,
        "study_test_accuracy": checked.study_accuracy,
        "rejection": None if rejection is None else rejection.facts(),
        "rejection_bytes": 0 if rejection is None else sum(array.nbytes for array in rejection.arrays().values()),
    }


def _size(ready: Deployable, contents: bytes, seconds: float) -> dict[str, Any]:
    head, network = ready.model.head, ready.model.backbone
    of_backbone = None if network is None else cost(network)
    return {
        "parameters": head.parameters + (0 if of_backbone is None else of_backbone.parameters),
        "multiply_adds": head.multiply_adds + (0 if of_backbone is None else of_backbone.multiply_adds),
        "head_parameters": head.parameters,
        "bytes": len(contents),
        "latency_ms": 1000 * seconds,
    }


def _dense_head(study: Study) -> CompactHead:
    """A head of full size with weights of any kind: what counts is what it costs."""
    features, encoding = study.features, study.encoding
    generator = np.random.default_rng(0)
    shapes = encoding.head.shapes(features.width, features.classes)
    matrices = tuple(generator.normal(size=shape).astype(np.float32) for shape in shapes)
    # Standardisation becomes a bias of the first layer.
    first = [np.zeros(shapes[0][1], np.float32) if study.config.recipe.standardize else None]
    biases = (*first, *(None for _ in shapes[2:]), np.zeros(features.classes, np.float32))
    return compact(matrices, biases, encoding.decode(encoding.dense_genome()))
