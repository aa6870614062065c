"""onnxruntime heeds OMP_NUM_THREADS as everything else does."""

from __future__ import annotations

import pytest

from evoprune.backbones import load_backbone, onnx_model, open_session


@pytest.mark.parametrize(
    ("allowed", "threads", "used"), [(None, None, 0), ("1", None, 1), ("3", None, 3), ("3", 2, 2), ("4,2", None, 0)]
)
def test_a_session_takes_the_threads_it_is_allowed(monkeypatch, allowed, threads, used):
    if allowed is None:
        monkeypatch.delenv("OMP_NUM_THREADS")
    else:
        monkeypatch.setenv("OMP_NUM_THREADS", allowed)
    options = open_session(onnx_model(load_backbone("tiny")).SerializeToString(), threads).get_session_options()
    # 0 is onnxruntime's own choice.
    assert options.intra_op_num_threads == used
