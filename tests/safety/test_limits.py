"""Files that would fill memory or disk, never end, or lead elsewhere are refused with a sentence."""

from __future__ import annotations

import io
import json
import os
import resource
import shutil
import tracemalloc
import zipfile

import numpy as np
import onnx
import pytest
from numpy.lib import format as npy
from onnx import TensorProto
from PIL import Image

from evoprune.backbones import Preprocessing, load_backbone, preprocess
from evoprune.data import load_feature_file, load_image, load_ood_features
from evoprune.errors import BackboneError, DataError, StorageError
from evoprune.features import extract
from evoprune.model import load_exported
from tests.cli.conftest import SMALL, refused

from .conftest import NASTY


def test_a_feature_file_that_unpacks_to_gigabytes_is_refused(evoprune, tmp_path):
    rows = 2_000_000
    buffer = io.BytesIO()
    npy.write_array_header_2_0(buffer, {"descr": "<f4", "fortran_order": False, "shape": (rows, 1000)})
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        with archive.open("X.npy", "w", force_zip64=True) as member:
            member.write(buffer.getvalue())
            for _ in range(300):
                member.write(bytes(1 << 20))
        archive.writestr("y.npy", b"")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    said = refused(evoprune("run", "--features", "bomb.npz", *SMALL))
    assert "a decompression bomb" in said
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
    with pytest.raises(DataError, match="a decompression bomb"):
        load_ood_features(tmp_path / "bomb.npz")


def test_an_array_that_claims_to_be_larger_than_it_is_takes_no_memory(tmp_path):
    buffer = io.BytesIO()
    npy.write_array_header_2_0(buffer, {"descr": "<f8", "fortran_order": False, "shape": (1 << 40, 4)})
    with zipfile.ZipFile(tmp_path / "claim.npz", "w") as archive:
        archive.writestr("X.npy", buffer.getvalue() + bytes(64))
        archive.writestr("y.npy", buffer.getvalue())
    with pytest.raises(DataError, match="the file is damaged"):
        load_feature_file(tmp_path / "claim.npz")


@pytest.mark.parametrize("member", ["../../escaped.npy", "/escaped.npy", "C:\\escaped.npy", "X/../../escaped.npy"])
def test_members_with_the_names_of_other_folders_are_written_nowhere(tmp_path, member):
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    rng = np.random.default_rng(0)
    np.savez(inner / "f.npz", X=rng.normal(size=(20, 3)), y=np.arange(20) % 2)
    with zipfile.ZipFile(inner / "f.npz", "a") as archive:
        archive.writestr(member, b"x")
    load_feature_file(inner / "f.npz")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["f.npz"]


def test_a_strip_of_30000_by_2_pixels_is_cropped_in_little_memory(tmp_path):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (2, 30_000, 3), dtype=np.uint8)).save(tmp_path / "strip.png")
    pixels = load_image(tmp_path / "strip.png")
    for how in (Preprocessing((224, 224), "crop", 0.875), Preprocessing((224, 224), "crop", 0.01)):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        tracemalloc.start()
        assert preprocess(pixels, how).shape == (3, 224, 224)
        assert tracemalloc.get_traced_memory()[1] < 50 << 20
        tracemalloc.stop()
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000
    assert preprocess(pixels.transpose(1, 0, 2), Preprocessing((224, 224), "crop", 0.875)).shape == (3, 224, 224)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_the_crop_alone_is_the_crop_of_the_whole(monkeypatch, interpolation):
    from evoprune.backbones import _preprocessing

    pixels = np.random.default_rng(0).integers(0, 256, (40, 150, 3), dtype=np.uint8)
    how = Preprocessing((32, 32), "crop", 0.875, interpolation)
    whole = preprocess(pixels, how)
    monkeypatch.setattr(_preprocessing, "_MOST_PIXELS", 0)
    difference = np.abs(preprocess(pixels, how) - whole)
    # The nearest pixel is another one where two are as near; elsewhere the last bit may differ.
    assert (difference > 1.01 / 255).mean() < (0.1 if interpolation == "nearest" else 1e-9)


def test_a_bomb_of_an_image_is_refused(tmp_path):
    from tests.fuzz.material import png

    (tmp_path / "bomb.png").write_bytes(png(60_000, 60_000, 8, 2, bytes(1000)))
    with pytest.raises(DataError, match="a decompression bomb"):
        load_image(tmp_path / "bomb.png")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_a_pipe_among_images_is_broken_and_not_waited_for(tmp_path, nasty_pictures):
    shutil.copytree(nasty_pictures, tmp_path / "data")
    folder = tmp_path / "data" / NASTY[3]
    os.mkfifo(folder / "pipe.png")
    (folder / "zero.png").symlink_to("/dev/zero")
    with pytest.raises(DataError, match="2 images cannot be read") as caught:
        extract(tmp_path / "data")
    assert str(caught.value).count("it is a pipe or a device") == 2


@pytest.fixture
def with_outside_weights(tmp_path):
    """A backbone whose weights lie in another file, which is a link to what is not its own."""
    from tests.fuzz.material import Material

    model = onnx.load(Material(tmp_path / "made").graph)
    (constant,) = model.graph.initializer
    (tmp_path / "secret").write_bytes(constant.raw_data)
    length = len(constant.raw_data)
    constant.ClearField("raw_data")
    constant.data_location = TensorProto.EXTERNAL
    constant.external_data.add(key="location", value="weights.bin")
    constant.external_data.add(key="length", value=str(length))
    folder = tmp_path / "net"
    folder.mkdir()
    shutil.copy(tmp_path / "made" / "small.json", folder / "net.json")
    onnx.save(model, folder / "net.onnx")
    return folder


def test_a_link_to_weights_outside_the_folder_is_not_followed(tmp_path, with_outside_weights):
    link = with_outside_weights / "weights.bin"
    link.symlink_to(tmp_path / "secret")
    with pytest.raises(BackboneError, match="a link that leads outside its own folder"):
        load_backbone(f"onnx:{with_outside_weights / 'net.onnx'}")
    link.unlink()
    shutil.copy(tmp_path / "secret", link)
    assert load_backbone(f"onnx:{with_outside_weights / 'net.onnx'}").width == 5


def test_a_cache_of_links_into_one_folder_is_followed(tmp_path, with_outside_weights):
    """As caches of model hubs lay files: all of them links, into one folder of blobs."""
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    shutil.move(with_outside_weights / "net.onnx", blobs / "1")
    shutil.move(tmp_path / "secret", blobs / "2")
    (with_outside_weights / "net.onnx").symlink_to(blobs / "1")
    (with_outside_weights / "weights.bin").symlink_to(blobs / "2")
    assert load_backbone(f"onnx:{with_outside_weights / 'net.onnx'}").graph.files[1].name == "weights.bin"


@pytest.mark.parametrize(
    "name",
    ["timm:../..", "timm:hf-hub:a/b", "timm:local-dir:/etc", "timm:resnet18.../../x", "onnx:/etc/passwd", "onnx:..",
     "onnx:http://127.0.0.1/x.onnx", "hf-hub:a/b", "onnx:\x00", "../tiny", "tiny/../tiny", "x" * 5000],
)  # fmt: skip
def test_odd_names_of_backbones_reach_nothing(name):
    with pytest.raises(BackboneError):
        load_backbone(name)


def test_votes_without_number_take_no_memory(tmp_path):
    from tests.fuzz.material import Material

    folder = Material(tmp_path / "made").model_folder
    described = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    described.pop("sha256", None)
    for votes in (10**12, True, 1.5, "2", float("inf")):
        changed = {**described, "format_version": 2, "vote": "soft"}
        changed["members"] = [{"connections": described["connections"], "votes": votes}]
        (folder / "model.json").write_text(json.dumps(changed), encoding="utf-8")
        from evoprune.model import Model

        with pytest.raises(StorageError, match="damaged"):
            Model.load(folder)


def test_a_script_nested_without_end_does_not_crash_torch(tmp_path):
    from tests.fuzz.archives import packed
    from tests.fuzz.material import Material

    data = Material(tmp_path / "made").exported[".head.torchscript"]
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        folder = archive.namelist()[0].partition("/")[0]
        files = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    (code,) = (name for name in files if name.startswith("code/") and name.endswith(".py"))
    plain = files[code].decode()
    many = 50_000
    for nested in ("(" * many + "1" + ")" * many, "[" * many + "1" + "]" * many, "-" * many + "1", "1" + "+1" * many):
        files[code] = plain.replace("return (", f"_q = {nested}\n    return (", 1).encode()
        (tmp_path / "m").write_bytes(packed(folder, dict(files), zipfile.ZIP_STORED, seal=True))
        with pytest.raises(StorageError, match="nested deeper than that of a network"):
            load_exported(tmp_path / "m")
    # A tensor that is larger than its bytes would read, and give away, what lies behind them.
    files[code] = plain.encode()
    record = max((name for name in files if name.startswith("data/")), key=lambda name: len(files[name]))
    files[record] = files[record][:1]
    (tmp_path / "m").write_bytes(packed(folder, dict(files), zipfile.ZIP_STORED, seal=True))
    with pytest.raises(StorageError, match="a tensor is larger than the bytes that there are of it"):
        load_exported(tmp_path / "m")
