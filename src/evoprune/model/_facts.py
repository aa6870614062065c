"""What an exported file says about itself, as JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evoprune._version import __version__
from evoprune.backbones import Preprocessing

KEY = "evoprune"
"""Where a file keeps these facts."""

_LONGEST_SIDE = 16384


class RefusedError(ValueError):
    """A file that is no exported model, or not whole; the message says why in a few words."""


class ExportFacts(BaseModel):
    """The facts of an exported file.

    Attributes:
        format: what the file is.
        format_version: of this layout.
        evoprune: version of the program that wrote it.
        input: `image` for a whole model, `features` for a head alone.
        class_names: C names, in the order of the outputs.
        preprocessing: from pixels to the input; None for a head alone.
        backbone: its name and fingerprint, and in files of arrays how to put it together; None for a head alone.
        head: its width and connections, and how its members vote.
        rejection: score and threshold by which images are unknown, or None.
        numbers: in what the weights of backbone and head are kept.
        about: facts about its making.
        sha256: over what the file holds beside these facts, hexadecimal.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    format: Literal["evoprune model"] = "evoprune model"
    format_version: Literal[1] = 1
    evoprune: str = __version__
    input: Literal["image", "features"]
    class_names: tuple[str, ...] = Field(min_length=1)
    preprocessing: Preprocessing | None
    backbone: dict[str, Any] | None
    head: dict[str, Any]
    rejection: dict[str, Any] | None
    numbers: dict[str, str]
    about: dict[str, Any]
    sha256: str = ""

    def to_json(self) -> str:
        """As JSON text."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True)

    def sealed(self, *contents: bytes) -> ExportFacts:
        """With the checksum of contents and of these facts."""
        return self.model_copy(update={"sha256": self._seal(contents)})

    def holds(self, *contents: bytes) -> bool:
        """Whether the checksum is that of the contents and of these facts."""
        return self.sha256 == self._seal(contents)

    def _seal(self, contents: tuple[bytes, ...]) -> str:
        digest = hashlib.sha256(self.model_copy(update={"sha256": ""}).to_json().encode())
        for part in contents:
            digest.update(hashlib.sha256(part).digest())
        return digest.hexdigest()


def parse_facts(text: str) -> ExportFacts:
    """Facts from JSON text.

    Raises:
        RefusedError: they are not such facts; the message says why in a few words.
    """
    try:
        facts = ExportFacts.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the facts"
        raise RefusedError(f"{where}: {first['msg'].lower()}") from error
    if (facts.preprocessing is None) != (facts.input == "features"):
        raise RefusedError("the facts do not say how images are prepared")
    how = facts.preprocessing
    if how is not None and not (
        all(1 <= side <= _LONGEST_SIDE for side in how.size) and min(how.std) > 0 and 0.01 <= how.crop_fraction <= 1
    ):
        raise RefusedError("the preparation of images is out of range")
    return facts


def arrays_bytes(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """Names, types, shapes and SHA-256 of arrays, in the order of the names."""
    described = b""
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        described += f"{name}\0{array.dtype}\0{array.shape}\0".encode() + hashlib.sha256(array.tobytes()).digest()
    return described
