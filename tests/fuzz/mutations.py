"""Inputs for fuzzing: whole files that are damaged, JSON with other values, and texts that programs trip over."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

NUMBERS = (0, 1, 2, 7, 127, 128, 255, 256, 32767, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)
"""At the edges of what fields of files hold."""

NAMES = (
    "",
    " ",
    "..",
    "../../up",
    "/etc/passwd",
    "C:\\up",
    "\\\\host\\share",
    "~root",
    "<script>alert(1)</script>",
    "$\\frac",
    "[bold]x[/nothing]",
    "=1+1",
    "@SUM(A1)",
    "a\x1b[31mb\x07",
    "a\u202eb\u2066c",
    "{{data}} {0} %s %n",
    "a|b\n# c",
    "'; DROP TABLE evaluations; --",
    "x" * 5000,
    "nan",
    "class:",
    "hf-hub:a/b",
    "timm:../..",
    "onnx:",
    "\ud800",
    "\x00",
)
"""Names of classes, files and data sets that mean something to whom they are shown."""

_DEEP, _HUGE, _LONG = "@deep@", "@huge@", "@long@"
_SPELLED = {_DEEP: "[" * 20_000 + "]" * 20_000, _HUGE: "1e999", _LONG: "9" * 5000}
"""What `json.dumps` does not write, by the text that stands for it."""

VALUES: tuple[Any, ...] = (
    None, True, False, -1, 0, 1, 3, 2**31, 2**63, 10**30, -0.5, 1e-300, 1e308, _DEEP, _HUGE, _LONG,
    [], {}, [[]], {"a": 1}, [1, 2, 3], *NAMES,
)  # fmt: skip

ZIP_WORDS = (
    b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x06", b"\x93NUMPY\x01\x00", b"'|O'", b"'<f8'", b"'<U9'",
    b"True", b"(2,)", b"X_train.npy", b"../X.npy", b"\xff\xff\xff\xff", b"9" * 30,
)  # fmt: skip
"""Of archives of arrays."""

_KINDS = ("flip", "byte", "number", "cut", "drop", "repeat", "splice", "word", "zero")


def mutated(seeds: Sequence[bytes], words: Sequence[bytes] = ()) -> SearchStrategy[bytes]:
    """Whole files with one to six damages: flipped bits, changed numbers, cuts, splices, words of the format."""
    where = st.integers(0, 2**32 - 1)
    damages = st.lists(st.tuples(st.sampled_from(_KINDS), where, where), min_size=1, max_size=6)

    def apply(given: tuple[bytes, bytes, list[tuple[str, int, int]]]) -> bytes:
        seed, other, changes = given
        data = bytearray(seed)
        for kind, a, b in changes:
            _damage(data, other, words, kind, a, b)
        return bytes(data)

    return st.tuples(st.sampled_from(seeds), st.sampled_from(seeds), damages).map(apply)


def _damage(data: bytearray, other: bytes, words: Sequence[bytes], kind: str, a: int, b: int) -> None:
    size = max(1, len(data))
    # Headers stand at the start, directories of archives at the end: both are hit as often as all between.
    near = a % min(size, 256)
    place = (a % size, near, size - 1 - near)[b % 3]
    length = 1 + (b >> 8) % (16 if b & 128 else size)
    if kind == "cut":
        del data[place:]
    elif kind == "drop":
        del data[place : place + length]
    elif kind == "repeat":
        data[place:place] = data[place : place + length][:4096]
    elif kind == "splice":
        start = (b >> 3) % max(1, len(other))
        data[place : place + length] = other[start : start + length]
    elif kind == "word" and words:
        word = words[(b >> 2) % len(words)]
        data[place : place + (0 if b & 2 else len(word))] = word
    elif kind == "zero":
        data[place : place + length] = bytes(min(length, max(0, len(data) - place)))
    elif kind == "number":
        width = (1, 2, 4, 8)[(b >> 2) % 4]
        number = NUMBERS[(b >> 4) % len(NUMBERS)] % 256**width
        data[place : place + width] = number.to_bytes(width, ("little", "big")[(b >> 10) % 2])
    elif place < len(data):
        data[place] = data[place] ^ (1 << (b >> 3) % 8) if kind == "flip" else (b >> 8) % 256


def changed(seeds: Sequence[Any]) -> SearchStrategy[str]:
    """JSON texts of which one to four values are others, are gone, or stand under another name."""
    where = st.integers(0, 2**32 - 1)
    changes = st.lists(
        st.tuples(st.sampled_from(("set", "set", "set", "delete", "rename", "nudge")), where, st.sampled_from(VALUES)),
        min_size=1,
        max_size=4,
    )
    return st.tuples(st.sampled_from([json.dumps(seed) for seed in seeds]), changes).map(_with_changes)


def _with_changes(given: tuple[str, list[tuple[str, int, Any]]]) -> str:
    text, changes = given
    root = [json.loads(text)]
    for kind, where, value in changes:
        places = list(_places(root))
        holder, key = places[where % len(places)]
        if kind == "delete" and holder is not root:
            del holder[key]
        elif kind == "rename" and isinstance(holder, dict):
            holder[str(value)] = holder.pop(key)
        elif kind == "nudge" and isinstance(holder[key], (int, float)):
            holder[key] = -holder[key] if where % 2 else holder[key] * 1000 + 1
        else:
            # A copy: the values are shared by all inputs, and may be changed in turn.
            holder[key] = copy.deepcopy(value)
    text = json.dumps(root[0])
    for short, spelled in _SPELLED.items():
        text = text.replace(f'"{short}"', spelled)
    return text


def _places(holder: Any) -> Any:
    """Every value of nested lists and dictionaries, as what holds it and under which key."""
    keys = list(holder) if isinstance(holder, dict) else range(len(holder))
    for key in keys:
        yield holder, key
        if isinstance(holder[key], (dict, list)):
            yield from _places(holder[key])
