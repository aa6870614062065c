"""No code in data: nothing in the package runs what it reads, and a hostile file of each kind runs nothing."""

from __future__ import annotations

import ast
import importlib.util
import io
import pickle
import shutil
import zipfile

import numpy as np
import pytest
import torch

from tests.cli.conftest import SMALL, refused
from tests.test_package import MODULES, PACKAGE, imports

from .conftest import Harm

FORBIDDEN_CALLS = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "yaml.load", "torch.hub.load", "torch.package",
    "joblib.load", "pandas.read_pickle", "shutil.unpack_archive", "np.lib.format.read_magic_pickle",
}  # fmt: skip
NETWORK = {"http", "urllib", "requests", "httpx", "aiohttp", "ftplib", "smtplib", "telnetlib", "xmlrpc"}
MAY_SPEAK = {"page/_server.py", "cli/_doctor.py"}
"""The server of `watch`, and `doctor --network`, which asks whether weights could be had."""


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_runs_text_or_unpacks_archives_to_disk(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        called, where = ast.unparse(node.func), f"{path}:{node.lineno}"
        assert called not in FORBIDDEN_CALLS, where
        assert not called.endswith((".extractall", ".extract_all")), where
        for keyword in node.keywords:
            given = (keyword.arg, ast.unparse(keyword.value))
            assert given not in {("shell", "True"), ("allow_pickle", "True"), ("weights_only", "False")}, where


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_speaks_to_the_network_by_itself(path):
    relative = path.relative_to(PACKAGE).as_posix()
    names = {name.split(".")[0] for name in imports(path)}
    assert not names & NETWORK or relative in MAY_SPEAK, names & NETWORK
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and "download" in ast.unparse(node.func).rpartition(".")[2].lower():
            assert relative == "backbones/_torchvision.py", f"{path}:{node.lineno}"
            # Its weights, and no others than those whose hash the address ends in.
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            assert given.get("hash_prefix") == "expected_hash" or isinstance(node.func, ast.Name)


def torch_file(trace) -> bytes:
    buffer = io.BytesIO()
    torch.save({"evoprune": "{}", "conv.weight": Harm(trace)}, buffer)
    return buffer.getvalue()


def object_array(trace) -> np.ndarray:
    holder = np.empty(1, dtype=object)
    holder[0] = Harm(trace)
    return holder


@pytest.mark.parametrize("key", ["X_train", "y_test", "class_names"])
def test_a_feature_file_of_objects_runs_nothing(evoprune, tmp_path, trace, key):
    X, y = np.zeros((20, 3)), np.arange(20) % 2
    arrays = {"X_train": X, "y_train": y, "X_test": X, "y_test": y, key: object_array(trace)}
    np.savez(tmp_path / "harm.npz", **arrays)
    assert "which are never loaded" in refused(evoprune("run", "--features", "harm.npz"))
    assert not trace.exists()


def test_a_matrix_of_objects_runs_nothing(evoprune, tmp_path, trace, nasty_features):
    np.save(tmp_path / "harm.npy", object_array(trace), allow_pickle=True)
    (tmp_path / "plain.npy").write_bytes(pickle.dumps(Harm(trace)))
    for name in ("harm.npy", "plain.npy"):
        said = evoprune("run", "--features", nasty_features, "--ood", name, "--objectives", "accuracy,ood", *SMALL)
        assert said.status == 2
        assert name in said.err
        assert "Traceback" not in said.err
    assert not trace.exists()


@pytest.mark.parametrize("ending", [".pth", ".pt", ".bin", ".safetensors"])
@pytest.mark.parametrize("form", ["torch", "pickle"])
def test_a_file_of_weights_runs_nothing(evoprune, tmp_path, trace, ending, form):
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    contents = torch_file(trace) if form == "torch" else pickle.dumps(Harm(trace))
    (tmp_path / f"w{ending}").write_bytes(contents)
    assert f"w{ending}" in refused(evoprune("run", "digits", "-b", "resnet50", "--weights", f"w{ending}"))
    assert not trace.exists()


@pytest.mark.parametrize("ending", [".pt", ".torchscript", ".onnx", ".safetensors"])
@pytest.mark.parametrize("form", ["torch", "pickle", "code"])
def test_a_model_file_runs_nothing(evoprune, tmp_path, trace, ending, form):
    if form == "code":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr("m/code/__torch__.py", f"open({str(trace)!r}, 'w')")
            archive.writestr("m/data.pkl", pickle.dumps(Harm(trace)))
        contents = buffer.getvalue()
    else:
        contents = torch_file(trace) if form == "torch" else pickle.dumps(Harm(trace))
    (tmp_path / f"m{ending}").write_bytes(contents)
    assert "no model file of evoprune" in refused(evoprune("predict", f"m{ending}", "x.png"))
    assert not trace.exists()


@pytest.mark.parametrize("name", ["config.toml", "study.sqlite", "model/model.json", "model/head.safetensors"])
def test_a_file_of_a_run_runs_nothing(evoprune, tmp_path, trace, nasty_run, name):
    shutil.copytree(nasty_run, tmp_path / "run")
    (tmp_path / "run" / name).write_bytes(pickle.dumps(Harm(trace)))
    for words in (("show", "run"), ("predict", "run", "x.png"), ("resume", "run"), ("report", "run")):
        assert "Traceback" not in evoprune(*words).err
    assert not trace.exists()
