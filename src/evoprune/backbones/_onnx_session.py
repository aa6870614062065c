"""Sessions of onnxruntime, all opened in the same way."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_ERRORS_ONLY = 3


def open_session(model: bytes | Path, threads: int | None = None) -> InferenceSession:
    """A model opened by onnxruntime on the CPU, which says nothing but errors.

    Args:
        model: an ONNX file, or its contents.
        threads: that it computes on; by default as many as OMP_NUM_THREADS allows, which every other library here
            heeds and onnxruntime does not, else its own choice. Threads beyond the cores would only wait, busily.

    Raises:
        Exception: onnxruntime cannot open it; its errors have no other base.
    """
    from onnxruntime import InferenceSession, SessionOptions  # noqa: PLC0415

    options = SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    allowed = os.environ.get("OMP_NUM_THREADS", "")
    count = threads or (int(allowed) if allowed.isdecimal() else 0)
    if count:
        options.intra_op_num_threads = options.inter_op_num_threads = count
    return InferenceSession(model, options, providers=["CPUExecutionProvider"])
