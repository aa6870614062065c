"""torchvision and timm with random weights from files; both are optional extras."""

from __future__ import annotations

import importlib.util
import urllib.error

import numpy as np
import pytest
import torch
from PIL import Image

from evoprune.backbones import load_backbone
from evoprune.backbones._torchvision_import import import_optional
from evoprune.errors import BackboneError


def installed(package):
    return pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f"{package} is an optional extra")


def random_state(build, **options):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return build(**options)


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (260, 300, 3), dtype=np.uint8)


@installed("torchvision")
@pytest.mark.parametrize(("name", "width"), [("resnet50", 2048), ("densenet121", 1024), ("vgg19", 512)])
def test_torchvision_features_are_those_before_the_classifier(name, width, tmp_path, pixels):
    models = import_optional("torchvision", name).models
    full = random_state(getattr(models, name)).eval()
    # Without its classifier, VGG-19's file shrinks from 574 to 80 MB.
    state = {k: v for k, v in full.state_dict().items() if name != "vgg19" or k.startswith("features")}
    torch.save(state, tmp_path / "w.pth")
    backbone = load_backbone(name, weights=tmp_path / "w.pth")
    weights = getattr(
        models,
        {"resnet50": "ResNet50_Weights", "densenet121": "DenseNet121_Weights", "vgg19": "VGG19_Weights"}[name],
    ).DEFAULT
    expected_input = weights.transforms()(Image.fromarray(pixels))
    prepared = backbone.prepare(pixels)
    np.testing.assert_allclose(prepared, expected_input.numpy(), atol=2e-6)

    features = backbone.extract(prepared[None])
    assert features.shape == (1, width) and backbone.width == width and backbone.input_size == (224, 224)
    with torch.no_grad():
        if name == "vgg19":
            expected = full.features(expected_input[None]).mean((2, 3))
        else:
            seen = []
            last = full.fc if name == "resnet50" else full.classifier
            last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
            full(expected_input[None])
            expected = seen[0]
    np.testing.assert_allclose(features, expected.numpy(), rtol=1e-3, atol=1e-4)


@installed("torchvision")
def test_densenets_published_names_are_understood(tmp_path):
    models = import_optional("torchvision", "densenet121").models
    state = random_state(models.densenet121).state_dict()
    old = {}
    for name, value in state.items():
        for part in ("norm1", "norm2", "conv1", "conv2"):
            if ".denselayer" in name:
                name = name.replace(f".{part}.", f".{part[:-1]}.{part[-1]}.")  # noqa: PLW2901
        old[name] = value
    assert old.keys() != state.keys()
    torch.save(old, tmp_path / "old.pth")
    assert load_backbone("densenet121", weights=tmp_path / "old.pth").width == 1024


@installed("torchvision")
def test_fingerprint_sees_a_changed_weight(tmp_path):
    models = import_optional("torchvision", "resnet50").models
    state = random_state(models.resnet50).state_dict()
    torch.save(state, tmp_path / "a.pth")
    first = load_backbone("resnet50", weights=tmp_path / "a.pth").fingerprint
    assert load_backbone("resnet50", weights=tmp_path / "a.pth").fingerprint == first
    state["conv1.weight"][0, 0, 0, 0] += 1e-3
    torch.save(state, tmp_path / "a.pth")
    assert load_backbone("resnet50", weights=tmp_path / "a.pth").fingerprint != first


@installed("torchvision")
def test_unreachable_weights_are_one_sentence_with_the_way_out(tmp_path, monkeypatch):
    def unreachable(url, path, **_options):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(BackboneError) as caught:
        load_backbone("resnet50")
    shown = str(caught.value)
    assert "resnet50-" in shown and str(tmp_path) in shown and "--weights FILE" in shown and "\n" not in shown


@installed("torchvision")
def test_an_absent_weights_file_is_one_sentence(tmp_path):
    with pytest.raises(BackboneError, match=r"absent\.pth cannot be read"):
        load_backbone("resnet50", weights=tmp_path / "absent.pth")


@installed("timm")
def test_timm_features_are_timms(tmp_path, pixels):
    timm = import_optional("timm", "timm:resnet18")
    full = random_state(timm.create_model, model_name="resnet18").eval()
    torch.save(full.state_dict(), tmp_path / "w.pth")
    backbone = load_backbone("timm:resnet18", weights=tmp_path / "w.pth")
    config = timm.data.resolve_model_data_config(full)
    expected_input = timm.data.create_transform(**config, is_training=False)(Image.fromarray(pixels))
    prepared = backbone.prepare(pixels)
    np.testing.assert_allclose(prepared, expected_input.numpy(), atol=2e-6)
    with torch.no_grad():
        expected = full.forward_head(full.forward_features(expected_input[None]), pre_logits=True).numpy()
    np.testing.assert_allclose(backbone.extract(prepared[None]), expected, rtol=1e-3, atol=1e-4)
    assert backbone.width == 512 and backbone.name == "timm:resnet18"
    assert load_backbone("timm:resnet18", weights=tmp_path / "w.pth").fingerprint == backbone.fingerprint


@installed("timm")
def test_an_unknown_timm_name_is_answered_with_the_nearest():
    with pytest.raises(BackboneError, match=r"timm has no model 'resnet81'; did you mean .*'resnet18'"):
        load_backbone("timm:resnet81")


@installed("timm")
def test_unreachable_timm_weights_are_one_sentence(monkeypatch):
    timm = import_optional("timm", "timm:resnet18")

    def unreachable(*_args, **_options):
        raise OSError("no route to host")

    monkeypatch.setattr(timm, "create_model", unreachable)
    with pytest.raises(BackboneError, match=r"no route to host.*HF_HOME") as caught:
        load_backbone("timm:resnet18")
    assert "\n" not in str(caught.value)
