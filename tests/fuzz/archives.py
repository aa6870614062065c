"""Model files changed within: facts, headers, arrays and members, under checksums that are right."""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from safetensors.numpy import load, save

from evoprune.model._archive import archive_digest
from evoprune.model._facts import ExportFacts, arrays_bytes
from evoprune.model._torchscript_file import _WRITTEN_LAST

from .mutations import mutated

PICKLE_WORDS = (
    b"\x80\x02", b"c__builtin__\neval\n", b"cos\nsystem\n", b"R.", b"ctorch\nload\n", b"}q\x00", b"K\x05",
    b"\x8a\xff", b"ctorch._utils\n_rebuild_tensor_v2\n", b"J\xff\xff\xff\x7f", b"ccollections\nOrderedDict\n",
    b"BFloat16Storage",
)  # fmt: skip
SCRIPT_WORDS = (
    b"torch.from_file", b"torch.save", b"torch.load", b"while True:\n  ", b"print(", b"1e999", b"9" * 30, b"self.",
    b"__setstate__", b"torch.zeros([100000000000])", b"forward", b"import os\n", b"raise", b"torch.matmul",
)  # fmt: skip


def facts_of(data: bytes) -> dict[str, Any]:
    return dict(json.loads(header_of(data)["__metadata__"]["evoprune"]))


def header_of(data: bytes) -> dict[str, Any]:
    return dict(json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")]))


def with_header(data: bytes, text: str) -> bytes:
    header = text.encode("utf-8", "surrogatepass")
    return len(header).to_bytes(8, "little") + header + data[8 + int.from_bytes(data[:8], "little") :]


def refaced(data: bytes, text: str) -> bytes:
    """The file with other facts, under the checksum that is right for them where they are facts at all."""
    arrays = load(data)
    try:
        sealed = ExportFacts.model_validate_json(text).sealed(arrays_bytes(arrays)).to_json()
    except ValueError:
        sealed = text
    return save(arrays, metadata={"evoprune": sealed.encode("utf-8", "replace").decode("utf-8")})


def rearranged(data: bytes, which: int, kind: str, shape: tuple[int, ...]) -> bytes:
    arrays = load(data)
    name = sorted(arrays)[which % len(arrays)]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        arrays[name] = np.ones(shape, kind) if which % 2 else arrays[name].astype(kind)
    facts = ExportFacts.model_validate(facts_of(data)).sealed(arrays_bytes(arrays))
    return save(arrays, metadata={"evoprune": facts.to_json()})


def members_of(files: dict[str, bytes], words: tuple[bytes, ...], *, seal: bool = False) -> SearchStrategy[bytes]:
    """Archives of torch of which one member is damaged, under checksums that are right."""
    opened: list[tuple[str, dict[str, bytes], str]] = []
    for data in files.values():
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            folder = archive.namelist()[0].partition("/")[0]
            held = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
            opened += [(folder, held, name) for name in held if name not in ("version", "byteorder")]

    def again(given: tuple[tuple[str, dict[str, bytes], str], Any]) -> SearchStrategy[bytes]:
        (folder, held, name), kind = given
        return mutated([held[name]], words).map(lambda damaged: packed(folder, {**held, name: damaged}, kind, seal))

    return st.tuples(st.sampled_from(opened), st.sampled_from((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))).flatmap(
        again
    )


def packed(folder: str, files: dict[str, bytes], kind: int, seal: bool) -> bytes:
    if seal:
        try:
            facts = ExportFacts.model_validate_json(files["extra/evoprune.json"])
            files["extra/evoprune.json"] = facts.sealed(archive_digest(files, _WRITTEN_LAST)).to_json().encode()
        except ValueError:
            pass
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", kind) as archive:
        for name, data in files.items():
            archive.writestr(f"{folder}/{name}", data)
    return buffer.getvalue()
