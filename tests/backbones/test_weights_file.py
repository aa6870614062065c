"""Weights files of the user's."""

from __future__ import annotations

import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from evoprune.backbones._weights_file import load_into, read_weights
from evoprune.errors import BackboneError


@pytest.fixture
def state():
    return {"weight": torch.arange(6.0).reshape(2, 3), "bias": torch.ones(2)}


@pytest.mark.parametrize("wrap", [None, "state_dict", "model"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_common_forms_of_pth(tmp_path, state, wrap, prefix):
    stored = {prefix + name: value for name, value in state.items()}
    torch.save({wrap: stored, "epoch": 3} if wrap else stored, tmp_path / "w.pth")
    layer = load_into(nn.Linear(3, 2), tmp_path / "w.pth", ignored=())
    assert torch.equal(layer.weight, state["weight"]) and torch.equal(layer.bias, state["bias"])


def test_safetensors_on_meta_and_a_classifier_is_ignored(tmp_path, state):
    save_file({**state, "fc.weight": torch.zeros(4)}, tmp_path / "w.safetensors")
    with torch.device("meta"):
        layer = nn.Linear(3, 2)
    load_into(layer, tmp_path / "w.safetensors", ignored=("fc.",))
    assert torch.equal(layer.weight, state["weight"])


def test_other_networks_are_named(tmp_path, state):
    path = tmp_path / "w.safetensors"
    save_file({"bias": state["bias"], "gain": state["bias"].clone()}, path)
    with pytest.raises(BackboneError, match=r"'weight' missing, 'gain' not known"):
        load_into(nn.Linear(3, 2), path, ignored=())
    save_file(state, path)
    with pytest.raises(BackboneError, match=r"another network: size mismatch for weight"):
        load_into(nn.Linear(4, 2), path, ignored=())


class Evil:
    def __reduce__(self):
        return (print, ("this must never be printed",))


def test_code_in_a_file_is_not_run(tmp_path, capsys):
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Evil(), protocol=2))
    torch.save({"weight": Evil()}, tmp_path / "zip.pth")
    for name in ("plain.pth", "zip.pth"):
        with pytest.raises(BackboneError, match=name):
            read_weights(tmp_path / name)
    assert "never" not in capsys.readouterr().out


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize("kept", [0, 1, 40, -1])
def test_damaged_files_are_one_sentence(tmp_path, state, name, kept):
    path = tmp_path / name
    (save_file if name.endswith("tensors") else torch.save)(state, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(BackboneError, match=name):
        read_weights(path)


def test_absent_unknown_and_other_contents(tmp_path):
    with pytest.raises(BackboneError, match="cannot be read"):
        read_weights(tmp_path / "absent.pth")
    with pytest.raises(BackboneError, match="cannot be read"):
        read_weights(tmp_path / "absent.safetensors")
    with pytest.raises(BackboneError, match="unknown ending"):
        read_weights(tmp_path / "weights.h5")
    torch.save([torch.zeros(2)], tmp_path / "list.pth")
    with pytest.raises(BackboneError, match="holds no state_dict"):
        read_weights(tmp_path / "list.pth")


def test_a_tar_archive_is_refused_before_torch_unpacks_it(tmp_path):
    path = tmp_path / "zeros.pth"
    path.write_bytes(bytes(10_240))
    with pytest.raises(BackboneError, match=r"zeros\.pth is a tar archive"):
        read_weights(path)
