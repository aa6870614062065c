"""What a user types, and what is answered to a name that is not known."""

from __future__ import annotations

import subprocess
import sys

import pytest

from evoprune.backbones import backbone_names, load_backbone
from evoprune.errors import BackboneError


def test_names():
    assert backbone_names() == ("tiny", "resnet50", "densenet121", "vgg19", "timm:NAME", "onnx:FILE")


@pytest.mark.parametrize(
    ("typed", "guess"),
    [
        ("resnet5O", "did you mean 'resnet50'"),
        ("Tiny", "did you mean 'tiny'"),
        ("densnet121", "did you mean 'densenet121'"),
        ("models/net.onnx", "did you mean 'onnx:models/net.onnx'?"),
        ("omnx:models/net.onnx", "did you mean 'onnx:models/net.onnx'?"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(typed, guess):
    with pytest.raises(BackboneError) as caught:
        load_backbone(typed)
    assert guess in str(caught.value)


@pytest.mark.parametrize("typed", ["", "xyzzy", "onnx:", "timm:", "hub:thing"])
def test_an_unknown_name_lists_what_is_known(typed):
    with pytest.raises(BackboneError, match=r"timm:NAME, onnx:FILE") as caught:
        load_backbone(typed)
    assert repr(typed) in str(caught.value)


def test_a_weights_file_does_not_go_with_onnx():
    with pytest.raises(BackboneError, match="already names its weights"):
        load_backbone("onnx:net.onnx", weights="other.pth")


def _without(package, monkeypatch):
    # None in sys.modules is Python's own sign for "cannot be imported".
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)


@pytest.mark.parametrize(
    ("typed", "package"), [("resnet50", "torchvision"), ("vgg19", "torchvision"), ("timm:resnet18", "timm")]
)
def test_a_missing_extra_is_said_with_its_command(typed, package, monkeypatch):
    _without(package, monkeypatch)
    with pytest.raises(BackboneError) as caught:
        load_backbone(typed)
    assert f'pip install "evoprune[{package}]"' in str(caught.value)
    assert repr(typed) in str(caught.value)


def test_importing_and_a_fingerprint_need_neither_torch_nor_onnxruntime(tiny_weights, make_onnx):
    program = f"""
import sys
from evoprune.backbones import load_backbone
assert "torch" not in sys.modules and "onnx" not in sys.modules and "pydantic" not in sys.modules
load_backbone("tiny", weights={str(tiny_weights)!r}).fingerprint
load_backbone("onnx:{make_onnx()}").fingerprint
assert "torch" not in sys.modules and "onnxruntime" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True)
