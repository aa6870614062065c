"""What a run's neurons and heads look at in images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from evoprune._types import ByteArray, Float32Array, IntArray
from evoprune.backbones import Backbone, torch_network
from evoprune.data import FileImage, Image
from evoprune.errors import ConfigError
from evoprune.explanation import (
    Target,
    find_layer,
    grad_cam_plus_plus,
    last_convolution,
    occlusion,
    representatives,
    seen_part,
    thumbnail,
)
from evoprune.features import Progress
from evoprune.heads import CompactHead
from evoprune.model import Model
from evoprune.workflow._config import RunConfig
from evoprune.workflow._explain_faithful import measure_faithfulness
from evoprune.workflow._explain_pages import LookedAt, write_class_pages, write_concepts, write_neuron_pages
from evoprune.workflow._run import load_image_set
from evoprune.workflow._study import Study

MOST_CLASSES = 20
"""Classes of which an image is shown where none are named."""

_THUMBNAIL = 256
"""Pixels of the longer side."""

_METHODS = {"grad-cam": "Grad-CAM++", "occlusion": "occlusion"}

Method = Literal["grad-cam", "occlusion"]


@dataclass(frozen=True)
class Looked:
    """What was found out about images.

    Attributes:
        summary: as JSON object.
        files: that were written.
        left_out: what was not done, and why.
    """

    summary: dict[str, Any] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


class Explainer:
    """Heatmaps of a run on images, how faithful they are, and the images that activate neurons.

    Args:
        study: with the features of the run.
        config: of the run.
        backbone: that made the features.
        model: of the member that is explained.
        images: files to look at; without any, one of the test part for each class.
        method: `grad-cam` or `occlusion`, or None for what the backbone allows.
        layer: that Grad-CAM++ looks at, or None for the last convolutional block.

    Raises:
        ConfigError: the method does not go with the backbone, or there is no such layer.
        DataError: an image cannot be read.
        BackboneError: the backbone cannot be built.
    """

    def __init__(
        self,
        study: Study,
        config: RunConfig,
        backbone: Backbone,
        model: Model,
        images: Sequence[Path],
        method: Method | None,
        layer: str | None,
    ) -> None:
        self._study = study
        self._features = study.features
        self._backbone = backbone
        self._models = {"pruned": model, "dense": study.build(study.encoding.dense_genome())}
        self._known: dict[str, Image] = {image.name: image for image in load_image_set(config).images}
        self._parts = study.partition.report[0]
        self._given = bool(images)
        self._network = None if method == "occlusion" else torch_network(backbone)
        if self._network is None and (method == "grad-cam" or layer is not None):
            raise ConfigError(
                f"backbone {backbone.name!r} is explained by occlusion, which knows no gradients and no layers; "
                f"leave {'--method' if layer is None else '--layer'} out"
            )
        self._images = self._of_files(images) if images else self._of_classes()
        self._layer: str | None = None
        if self._network is not None:
            self._layer = layer or last_convolution(self._network, self._images[0].prepared)
            find_layer(self._network, self._layer)
        self._method = _METHODS["occlusion" if self._network is None else "grad-cam"]

    def _of_files(self, paths: Sequence[Path]) -> list[LookedAt]:
        names = self._features.row_names or ()
        # An image of the data set has a known class.
        row_of = {Path(name).resolve(): row for row, name in enumerate(names)}
        rows = [row_of.get(path.resolve()) for path in paths]
        return [self._looked_at(FileImage(path), row) for path, row in zip(paths, rows, strict=True)]

    def _of_classes(self) -> list[LookedAt]:
        features, names = self._features, self._features.row_names or ()
        rows = representatives(features.X, features.y, self._parts.train, self._parts.evaluate)
        return [self._looked_at(self._known[names[row]], int(row)) for row in rows[:MOST_CLASSES]]

    def _looked_at(self, image: Image, row: int | None) -> LookedAt:
        label = None if row is None else self._features.class_names[self._features.y[row]]
        pixels = image.load()
        return LookedAt(image.name, label, self._backbone.prepare(pixels), self._shown(pixels))

    def _shown(self, pixels: ByteArray) -> ByteArray:
        return thumbnail(seen_part(pixels, self._backbone), _THUMBNAIL)

    def look(
        self,
        output: Path,
        neurons: IntArray,
        targets: Mapping[int, Target],
        work: Callable[[str], Progress] | None = None,
    ) -> Looked:
        """Write heatmaps of neurons and classes, their faithfulness, and the images that activate each neuron most.

        Args:
            output: folder.
            neurons: that are explained.
            targets: what they are; a neuron without one has no value.
            work: gives what hears of the progress of a piece of work, by its name.

        Raises:
            StorageError: a file cannot be written.
            DataError: an image cannot be read.
        """
        prepared = np.stack([image.prepared for image in self._images])
        X = self._backbone.extract(prepared)
        predicted = {name: model.predict_features(X) for name, model in self._models.items()}
        shown = [int(neuron) for neuron in neurons if int(neuron) in targets]
        wanted = [targets[neuron] for neuron in shown]
        wanted += [Target.class_logit(compact(model), predicted[name]) for name, model in self._models.items()]
        maps = self._heatmaps(prepared, wanted, None if work is None else work(self._stage()))
        of_classes = dict(zip(self._models, maps[len(shown) :], strict=True))
        said = {name: _predictions(model, X) for name, model in self._models.items()}
        values = [targets[neuron].values(X) for neuron in shown]
        files = [
            *write_neuron_pages(output, self._images, shown, values, maps[: len(shown)], self._how()),
            *write_class_pages(output, self._images, said, of_classes, self._how()),
            *write_concepts(output, shown, targets, self._features, self._parts.train, self._picture),
        ]
        faithful, more = measure_faithfulness(
            output,
            self._images,
            self._backbone.extract,
            self._models,
            predicted,
            of_classes,
            self._method,
            None if work is None else work("faithfulness"),
        )
        summary = {
            "method": self._method,
            "layer": self._layer,
            "images_chosen": "given" if self._given else "of each class the test image nearest to its training mean",
            "images": [
                {"image": image.name, "class": image.label, **{name: one[row] for name, one in said.items()}}
                for row, image in enumerate(self._images)
            ],
            "faithfulness": faithful,
        }
        return Looked(summary, files + more, self._left_out([int(n) for n in neurons if int(n) not in targets]))

    def _heatmaps(self, prepared: Float32Array, targets: Sequence[Target], told: Progress | None) -> Float32Array:
        """Heatmaps `[T, N, h, w]`."""
        if self._network is None or self._layer is None:
            return occlusion(self._backbone.extract, prepared, targets, progress=told)
        maps = np.empty((len(targets), len(prepared), *prepared.shape[2:]), dtype=np.float32)
        for number, target in enumerate(targets):
            maps[number] = grad_cam_plus_plus(self._network, self._layer, prepared, target)
            if told is not None:
                told(number + 1, len(targets))
        return maps

    def _picture(self, name: str) -> ByteArray:
        return self._shown(self._known[name].load())

    def _stage(self) -> str:
        """Occlusion goes image by image, Grad-CAM++ heatmap by heatmap."""
        return "occlusion" if self._layer is None else "heatmaps"

    def _how(self) -> str:
        return self._method if self._layer is None else f"{self._method}, layer {self._layer}"

    def _left_out(self, absent: Sequence[int]) -> list[str]:
        reasons = []
        if absent and self._study.encoding.name == "connections":
            reasons.append("no heatmaps of neurons: a single connection has no value of its own")
        elif absent:
            reasons.append(
                f"no heatmaps of {', '.join(map(str, absent))}: off in the model that is explained, and a hidden unit "
                "means something only in the head it was trained in"
            )
        if not self._given and self._features.classes > len(self._images):
            reasons.append(f"images of {len(self._images)} classes only; name others with --images")
        return reasons


def compact(model: Model) -> CompactHead:
    """The head of a model of one member.

    Raises:
        ConfigError: it is an ensemble.
    """
    if not isinstance(model.head, CompactHead):
        raise ConfigError("an ensemble of heads cannot be explained as a whole; name one of its members with --member")
    return model.head


def _predictions(model: Model, X: Float32Array) -> list[dict[str, Any]]:
    probabilities = model.probabilities(X)
    best = probabilities.argmax(axis=1)
    return [
        {"class": model.class_names[number], "probability": float(probabilities[row, number])}
        for row, number in enumerate(best)
    ]
