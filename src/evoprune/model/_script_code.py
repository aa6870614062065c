"""Whether the code of a TorchScript file is as plain as that of a traced network, checked before torch parses it.

torch's parser goes down into what is nested, without a limit, until the program crashes.
"""

from __future__ import annotations

import re

FORBIDDEN_CODE = (b"__setstate__", b"__getstate__", b"torch.classes", b"torch_classes")
"""Words in a file's code or pickles by which something would run, or be made, when torch loads it."""

_DEEPEST = 100
"""Brackets within brackets, and columns of indentation; a traced network has a handful."""

_LONGEST = 10_000
"""Characters in a statement: one line, or what stands in brackets over several."""

_STRING = re.compile(rb'"(?:[^"\\\n]|\\.)*"|' + rb"'(?:[^'\\\n]|\\.)*'")
_COMMENT = re.compile(rb"#[^\n]*")
_INDENTED = re.compile(rb"^[ \t]{%d}" % _DEEPEST, re.MULTILINE)
_PIECE = re.compile(rb"[\[({]|[\])}]|\n|[^\[({\])}\n]+")


def is_shallow(code: bytes) -> bool:
    """Whether nothing in the code is nested deeply or long without end."""
    if b'"""' in code or b"'''" in code or _INDENTED.search(code):
        return False
    depth = length = 0
    for piece in _PIECE.findall(_COMMENT.sub(b"", _STRING.sub(b"0", code))):
        length += len(piece)
        if piece in b"[({":
            depth += 1
        elif piece in b"])}":
            depth -= 1
        elif piece == b"\n" and depth == 0:
            length = 0
        if not 0 <= depth <= _DEEPEST or length > _LONGEST:
            return False
    return True
