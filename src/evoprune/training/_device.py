"""Which device trains, what memory it has, and how exactly it multiplies."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch

from evoprune.errors import ConfigError, is_shortage

_NAMES = ("auto", "cpu", "cuda")


def resolve_device(name: str) -> torch.device:
    """The device of a name: `auto` (the first CUDA device where there is one, else the CPU), `cpu`, `cuda`, `cuda:1`.

    A run's figures depend on it in their rounding, so that it belongs to the run's
    configuration as what it resolves to, not as `auto`.

    Raises:
        ConfigError: the name is unknown, or there is no such device.
    """
    if name == "auto":
        return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    if name == "cpu":
        return torch.device("cpu")
    match = re.fullmatch(r"cuda(?::(\d+))?", name)
    if match is None:
        near = difflib.get_close_matches(name, _NAMES, n=1)
        # What people call a CUDA device is, letter by letter, nearest to `cpu`.
        near = ["cuda"] if name.lower().startswith(("gpu", "nvidia")) else near
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigError(f"device {name!r} is unknown; {hint}give auto, cpu, cuda, or cuda:1 for the second GPU")
    if not torch.cuda.is_available():
        raise ConfigError(
            f"device {name!r} was asked for, but torch {torch.__version__} finds no CUDA device; "
            "install a CUDA build of torch and a driver, or give cpu, or leave the device out"
        )
    index, count = int(match[1] or 0), torch.cuda.device_count()
    if index >= count:
        raise ConfigError(
            f"device {name!r} does not exist: torch finds {count} CUDA device(s), counted from cuda:0; "
            f"give a number below {count}, or leave the device out"
        )
    return torch.device("cuda", index)


def trains_in_packs(device: torch.device) -> bool:
    """Whether many trainings run at once there as one stack of matrices; a CPU trains one a thread."""
    return device.type != "cpu"


def free_bytes(device: torch.device) -> int:
    """Memory that may still be allocated on a device, in bytes."""
    if device.type != "cuda":
        return int(psutil.virtual_memory().available)
    # What torch has reserved and not given out is free too.
    cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(torch.cuda.mem_get_info(device)[0]) + cached


@contextmanager
def exact_products() -> Iterator[None]:
    """Within it a CUDA device multiplies float32 as float32 (no TF32), and sums bfloat16 products in float32.

    Both are settings of the whole process; what was set before is set again afterwards.
    """
    precision = torch.get_float32_matmul_precision()
    reduced = torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction
    torch.set_float32_matmul_precision("highest")
    torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(precision)
        torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = reduced


@contextmanager
def named_shortage(device: torch.device) -> Iterator[None]:
    """Within it, a device whose memory runs out is one clear sentence.

    Raises:
        ConfigError: it ran out.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_shortage(error):
            raise
        other = "" if device.type == "cpu" else ", give another device, such as cpu"
        raise ConfigError(
            f"the memory of device {str(device)!r} ran out while training; end what else uses it{other}, or give a "
            "head with fewer units"
        ) from error
