"""The facts of a packed backbone, checked. Imported only when one is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evoprune.backbones._onnx_record import OnnxRecord
from evoprune.errors import BackboneError


class PackFacts(BaseModel):
    """What `pack` writes down beside the arrays.

    Attributes:
        name: of the backbone.
        architecture: name of the torch network whose weights the arrays are, or None where they are an ONNX graph.
        width: D, the number of features.
        preprocessing: from pixels to input, with the names of the graph's input and output.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(max_length=4096)]
    architecture: Annotated[str, Field(max_length=256)] | None
    width: Annotated[int, Field(gt=0)]
    preprocessing: OnnxRecord


def read_facts(facts: Mapping[str, Any]) -> PackFacts:
    """The facts, or what is wrong with them.

    Raises:
        BackboneError: they are none of a backbone.
    """
    try:
        return PackFacts.model_validate(dict(facts))
    except (ValidationError, TypeError, ValueError) as error:
        fault = error.errors(include_url=False)[0] if isinstance(error, ValidationError) else None
        detail = ".".join(map(str, fault["loc"])) + f": {fault['msg']}" if fault else str(error)
        raise BackboneError(
            f"the file says nothing of use about its backbone ({detail}); take a fresh copy of it, or the version of "
            "evoprune that wrote it"
        ) from error
