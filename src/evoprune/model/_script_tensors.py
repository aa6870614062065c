"""The tensors that the pickles of a TorchScript file describe, checked without making any.

torch makes them as they are described: one that is larger than the bytes it is made of would read, and then give away,
what lies behind them in memory, or end the program.
"""

from __future__ import annotations

import math
import pickletools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_ITEM_BYTES = {
    "BoolStorage": 1,
    "ByteStorage": 1,
    "CharStorage": 1,
    "ShortStorage": 2,
    "HalfStorage": 2,
    "BFloat16Storage": 2,
    "IntStorage": 4,
    "FloatStorage": 4,
    "LongStorage": 8,
    "DoubleStorage": 8,
}

_TENSOR, _HOOKS = "torch._utils _rebuild_tensor_v2", "collections OrderedDict"
_CLASSES = "__torch__."
_PLAIN = ("GLOBAL", "BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT")
_REPEATED = 1 << 20
"""Items by which a tensor may be more than what is stored of it."""

_MARK = object()
_MADE = object()
"""Something of whose contents nothing has to be known."""

_CONSTANTS: Mapping[str, Any] = {
    "NONE": None,
    "NEWTRUE": True,
    "NEWFALSE": False,
    "EMPTY_TUPLE": (),
    "EMPTY_DICT": _MADE,
    "MARK": _MARK,
}


@dataclass(frozen=True)
class _Name:
    text: str


@dataclass(frozen=True)
class _Storage:
    items: int


def check_tensors(pickled: bytes, records: Mapping[str, int]) -> None:
    """Check that a pickle holds modules, numbers and tensors alone, and that each tensor lies within its record.

    Args:
        pickled: of a TorchScript file; it is read, and nothing of it is made.
        records: bytes that there are of each record, by the name that the pickle calls it.

    Raises:
        ValueError: it holds something else, or is damaged.
    """
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    try:
        for operation, argument, _ in pickletools.genops(pickled):
            _step(operation.name, argument, stack, memo, records)
    except (AttributeError, IndexError, KeyError, TypeError) as error:
        raise ValueError("its tensors are described in no order that there is") from error


def _step(name: str, argument: Any, stack: list[Any], memo: dict[int, Any], records: Mapping[str, int]) -> None:
    if name in _CONSTANTS:
        stack.append(_CONSTANTS[name])
    elif name in _PLAIN:
        stack.append(_Name(argument) if name == "GLOBAL" else argument)
    elif name in ("BINPUT", "LONG_BINPUT"):
        memo[argument] = stack[-1]
    elif name in ("BINGET", "LONG_BINGET"):
        stack.append(memo[argument])
    elif name == "TUPLE":
        stack.append(_flat(_to_mark(stack)))
    elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
        count = int(name[-1])
        items = tuple(stack[-count:])
        del stack[-count:]
        stack.append(_flat(items))
    elif name == "SETITEMS":
        _to_mark(stack)
    elif name == "BUILD":
        stack.pop()
    elif name == "BINPERSID":
        stack.append(_storage(stack.pop(), records))
    elif name in ("NEWOBJ", "REDUCE"):
        given, made = stack.pop(), stack.pop()
        _check_call(made, given, new=name == "NEWOBJ")
        stack.append(_MADE)
    elif name not in ("PROTO", "STOP"):
        raise ValueError(f"its pickles hold more than tensors ({name.lower()})")


def _flat(items: tuple[Any, ...]) -> tuple[Any, ...]:
    """The tuple, which may hold tuples, and these nothing more: torch goes down into deeper ones until it crashes."""
    if any(isinstance(inner, tuple) for item in items if isinstance(item, tuple) for inner in item):
        raise ValueError("its pickles are nested deeper than a model's")
    return items


def _to_mark(stack: list[Any]) -> tuple[Any, ...]:
    items = []
    while (item := stack.pop()) is not _MARK:
        items.append(item)
    return tuple(items[::-1])


def _storage(named: tuple[Any, ...], records: Mapping[str, int]) -> _Storage:
    kind, which, record, _, items = named
    size = _ITEM_BYTES[which.text.removeprefix("torch ")]
    if kind != "storage" or not 0 <= items <= records[record] // size:
        raise ValueError("a tensor is larger than the bytes that there are of it")
    return _Storage(items)


def _check_call(made: _Name, given: tuple[Any, ...], *, new: bool) -> None:
    if new and made.text.startswith(_CLASSES) and given == ():
        return
    if not new and made.text == _HOOKS and given == ():
        return
    if new or made.text != _TENSOR:
        raise ValueError(f"its pickles would make a {made.text}")
    storage, offset, sizes, strides = given[:4]
    if len(sizes) != len(strides) or min((offset, *sizes, *strides)) < 0:
        raise ValueError("a tensor has no shape that there is")
    last = offset + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True))
    # One that repeats its items (a stride of 0) may not unfold to any size either.
    if 0 not in sizes and (last >= storage.items or math.prod(sizes) > storage.items + _REPEATED):
        raise ValueError("a tensor is larger than the bytes that there are of it")
