"""The JSON file beside an ONNX file: what a picture must go through before the network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evoprune.backbones._base import Preprocessing
from evoprune.errors import BackboneError

_EXAMPLE = (
    '{"input_size": [224, 224], "color": "RGB", "resize": "bilinear", '
    '"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]}'
)

_Side = Annotated[int, Field(gt=0, le=16384)]
_Spread = Annotated[float, Field(gt=0)]


class OnnxRecord(BaseModel):
    """Preprocessing of an ONNX backbone, read from `NAME.json` beside `NAME.onnx`.

    Attributes:
        input_size: height and width of the input, pixels.
        mean: subtracted from each channel, on the scale 0..255, in the order of `color`.
        std: divides each channel, on the scale 0..255, in the order of `color`.
        color: order of the channels.
        resize: filter of the resizing.
        fit: `stretch` (aspect ratio not kept) or `crop` (shorter side resized to
            `input_size / crop_fraction`, then the centre).
        crop_fraction: see `fit`.
        layout: order of the input's axes; only `NCHW` is supported.
        input: name of the graph's input; may be left out where there is one.
        output: name of the graph's output; may be left out where there is one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    input_size: tuple[_Side, _Side]
    mean: tuple[float, float, float]
    std: tuple[_Spread, _Spread, _Spread]
    color: Literal["RGB", "BGR"] = "RGB"
    resize: Literal["nearest", "bilinear", "bicubic", "lanczos"] = "bilinear"
    fit: Literal["stretch", "crop"] = "stretch"
    crop_fraction: Annotated[float, Field(ge=0.01, le=1)] = 1.0
    layout: Literal["NCHW"] = "NCHW"
    input: str | None = None
    output: str | None = None

    @classmethod
    def of(cls, preprocessing: Preprocessing, taken: str | None = None, given: str | None = None) -> OnnxRecord:
        """The record of a preprocessing and, for a graph, of the names of its input and output.

        Raises:
            ValidationError: of pydantic, where a value is not one that a record can hold.
        """
        return cls(
            input_size=preprocessing.size,
            mean=preprocessing.mean,
            std=preprocessing.std,
            color=preprocessing.color,
            resize=preprocessing.interpolation,
            fit=preprocessing.fit,
            crop_fraction=preprocessing.crop_fraction,
            input=taken,
            output=given,
        )

    def preprocessing(self) -> Preprocessing:
        """The same as the backbones' common form."""
        return Preprocessing(
            size=self.input_size,
            fit=self.fit,
            crop_fraction=self.crop_fraction,
            interpolation=self.resize,
            mean=self.mean,
            std=self.std,
            color=self.color,
        )


def read_record(model: Path) -> OnnxRecord:
    """The record beside an ONNX file.

    Raises:
        BackboneError: it is absent, not JSON, or a field is wrong.
    """
    path = model.with_suffix(".json")
    try:
        return OnnxRecord.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise BackboneError(
            f"{model} has no preprocessing beside it; write {path.name} into the same folder, with the "
            f"values that the network was trained with, for example {_EXAMPLE}"
        ) from error
    except OSError as error:
        raise BackboneError(f"the preprocessing {path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        faults = "; ".join(
            ".".join(map(str, fault["loc"])) + (": " if fault["loc"] else "") + fault["msg"]
            for fault in error.errors(include_url=False)
        )
        raise BackboneError(f"the preprocessing {path} is wrong: {faults}; a right one is {_EXAMPLE}") from error
