"""The compiled kernel: built once by the machine's C compiler, loaded with ctypes.

Nothing depends on it. Without a compiler, on another processor, or with
`EVOPRUNE_KERNEL=0` in the environment, the same steps run as torch operations.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
import shutil
import stat
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import platformdirs

logger = logging.getLogger(__name__)

_SOURCE = Path(__file__).with_name("_kernel.c")
_INSTRUCTIONS = ("avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512_bf16")
_FLAGS = (
    "-O3",
    "-mavx512f",
    "-mavx512bw",
    "-mavx512vl",
    "-mavx512dq",
    "-mavx512bf16",
    "-mfma",
    "-ffp-contract=off",
    "-shared",
    "-fPIC",
)
_LONGS = ("rows", "inputs", "units", "classes", "batch", "step")
_POINTERS = (
    "features",
    "keep",
    "targets",
    "weights",
    "order",
    "rates",
    "first",
    "first_a",
    "first_b",
    "output",
    "output_a",
    "output_b",
    "bias",
    "bias_a",
    "bias_b",
    "gates",
    "gates_a",
    "gates_b",
    "mask",
    "panels",
    "logits",
)


class Epoch(ctypes.Structure):
    """The kernel's arguments, as `_kernel.c` declares them."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in _LONGS),
        ("adam", ctypes.c_int32),
        ("nesterov", ctypes.c_int32),
        ("squared", ctypes.c_int32),
        ("momentum", ctypes.c_float),
        ("beta2", ctypes.c_float),
        ("epsilon", ctypes.c_float),
        ("gate_rate", ctypes.c_float),
        ("gate_scale", ctypes.c_float),
        ("gate_penalty", ctypes.c_float),
        *((name, ctypes.c_void_p) for name in _POINTERS),
    )


@cache
def load_kernel() -> ctypes.CDLL | None:
    """The kernel, compiled if need be, or None where it cannot be had (the reason is logged)."""
    if os.environ.get("EVOPRUNE_KERNEL") == "0":
        return None
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None or not _processor_serves():
        logger.info("training without the compiled kernel: no C compiler, or a processor without AVX-512 BF16")
        return None
    try:
        return _load(_compiled(compiler))
    except (OSError, subprocess.SubprocessError, AttributeError, ValueError) as error:
        logger.warning("training without the compiled kernel, which could not be built: %s", error)
        return None


def _processor_serves() -> bool:
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("flags")[2].partition("\n")[0].split()
    except OSError:
        return False
    return set(_INSTRUCTIONS) <= set(flags)


def _compiled(compiler: str) -> Path:
    """The library's file: from the user's cache, where nobody else can write, else built now."""
    version = subprocess.run([compiler, "--version"], capture_output=True, check=True, timeout=60).stdout
    key = hashlib.sha256(b"\0".join([_SOURCE.read_bytes(), version, " ".join(_FLAGS).encode()])).hexdigest()
    folder = _private_folder()
    library = folder / f"kernel-{key[:32]}.so"
    if not library.is_file():
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            built = Path(scratch) / "kernel.so"
            command = [compiler, *_FLAGS, str(_SOURCE), "-o", str(built), "-lm"]
            subprocess.run(command, capture_output=True, check=True, timeout=120)
            built.replace(library)
    return library


def _private_folder() -> Path:
    """A folder of this user's that no one else can write to; code is loaded from nowhere else."""
    folder = Path(platformdirs.user_cache_dir("evoprune")) / "kernel"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        state = folder.stat()
        if (
            state.st_uid == os.getuid()
            and not state.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
            and os.access(folder, os.W_OK)
        ):
            return folder
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix="evoprune-kernel-"))


def _load(path: Path) -> ctypes.CDLL:
    library = ctypes.CDLL(str(path))
    library.evoprune_size.restype = ctypes.c_int64
    if library.evoprune_size() != ctypes.sizeof(Epoch):
        raise ValueError(f"{path} was built from another source; delete it")
    for function in (library.evoprune_epoch, library.evoprune_pack):
        function.argtypes = (ctypes.POINTER(Epoch),)
    library.evoprune_epoch.restype = ctypes.c_int
    library.evoprune_pack.restype = None
    return library
