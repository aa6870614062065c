"""Files that are cut, changed, foreign or meant to do harm are refused with one sentence, and run nothing."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from contextlib import suppress

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from safetensors.numpy import load, save

from evoprune.errors import StorageError
from evoprune.model import SUFFIXES, Options, deployable, exported_bytes, load_exported
from evoprune.model._archive import archive_digest
from evoprune.model._facts import ExportFacts, arrays_bytes, parse_facts
from evoprune.model._torchscript_file import _WRITTEN_LAST

from .conftest import NAMES, make_model


@pytest.fixture(scope="module")
def files(tiny, training, features):
    model = make_model("one", tiny, training, "mahalanobis", features)
    return {kind: exported_bytes(deployable(model, Options(kind))) for kind in SUFFIXES}


def refuse(path, contents: bytes) -> str:
    """The sentence that a file is refused with."""
    path.write_bytes(contents)
    with pytest.raises(StorageError) as caught:
        load_exported(path)
    said = str(caught.value)
    assert str(path) in said
    assert "\n" not in said
    return said


@pytest.mark.parametrize("kind", SUFFIXES)
def test_a_file_cut_anywhere_is_refused(tmp_path, files, kind):
    whole = files[kind]
    for length in (0, 1, 9, 100, len(whole) // 2, len(whole) - 1):
        refuse(tmp_path / "cut", whole[:length])


@pytest.mark.parametrize("kind", SUFFIXES)
def test_a_file_with_a_changed_byte_is_refused(tmp_path, files, kind):
    whole = bytearray(files[kind])
    for place in np.linspace(len(whole) // 10, 9 * len(whole) // 10, 7).astype(int):
        whole[place] ^= 1
        refuse(tmp_path / "changed", bytes(whole))
        whole[place] ^= 1


def test_what_is_no_file_of_ours_is_refused(tmp_path, files):
    assert "it is empty" in refuse(tmp_path / "empty", b"")
    for foreign in (b"hello", b"\x89PNG\r\n\x1a\n" + bytes(100), b"PK\x03\x04" + bytes(100), b"\x00" * 100, b"{}"):
        refuse(tmp_path / "foreign", foreign)
    assert "no model of evoprune" in refuse(tmp_path / "other.safetensors", save({"a": np.zeros(3, np.float32)}))
    graph = helper.make_graph(
        [helper.make_node("Relu", ["image"], ["logits"])],
        "other",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 4, 4])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 3, 4, 4])],
    )
    other = helper.make_model(graph).SerializeToString()
    assert "no model of evoprune" in refuse(tmp_path / "other.onnx", other)
    buffer = io.BytesIO()
    torch.save({"a": torch.zeros(3)}, buffer)
    assert "no model of evoprune" in refuse(tmp_path / "other.pt", buffer.getvalue())
    with pytest.raises(StorageError, match=r"nowhere\.onnx cannot be read"):
        load_exported(tmp_path / "nowhere.onnx")
    with pytest.raises(StorageError, match="cannot be read"):
        load_exported(tmp_path)


class _Harm:
    """Makes a file when it is unpickled."""

    def __init__(self, path) -> None:
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_a_pickle_that_would_run_code_is_not_unpickled(tmp_path, files):
    trace = tmp_path / "trace"
    pickle.loads(pickle.dumps(_Harm(trace))).close()  # noqa: S301 (our own)
    assert trace.exists(), "the harm does none, so the test says nothing"
    trace.unlink()
    buffer = io.BytesIO()
    torch.save({"evoprune": "{}", "a": _Harm(trace)}, buffer)
    assert "can run code" in refuse(tmp_path / "harm.pt", buffer.getvalue())
    refuse(tmp_path / "harm.pkl", pickle.dumps(_Harm(trace)))
    # The same inside a TorchScript archive, whose weights are a pickle too.
    refuse(tmp_path / "harm.ts", rewritten(files["torchscript"], {"data.pkl": pickle.dumps(_Harm(trace))}))
    assert not trace.exists()


def rewritten(contents: bytes, changes: dict[str, bytes], seal: bool = False, kind=zipfile.ZIP_STORED) -> bytes:
    """An archive with some files changed or added; `seal` renews the checksum, as who means harm would."""
    with zipfile.ZipFile(io.BytesIO(contents)) as archive:
        folder = archive.namelist()[0].partition("/")[0]
        files = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    files |= changes
    if seal:
        facts = parse_facts(files["extra/evoprune.json"].decode())
        files["extra/evoprune.json"] = facts.sealed(archive_digest(files, _WRITTEN_LAST)).to_json().encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", kind) as archive:
        for name, data in files.items():
            archive.writestr(f"{folder}/{name}", data)
    return buffer.getvalue()


def code_of(contents: bytes) -> tuple[str, str]:
    with zipfile.ZipFile(io.BytesIO(contents)) as archive:
        files = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    name = next(name for name, data in files.items() if b"head = self.head" in data)
    return name, files[name].decode()


def test_a_script_that_was_only_packed_again_is_read(tmp_path, files, batch):
    path = tmp_path / "again.ts"
    path.write_bytes(rewritten(files["torchscript"], {}, seal=True))
    assert load_exported(path).run(batch).logits.shape == (len(batch), 5)


def test_a_script_that_writes_files_is_not_run(tmp_path, files):
    trace = tmp_path / "trace"
    name, code = code_of(files["torchscript"])
    assert "forward(images, )" in code
    # Used, because torch leaves out what is not.
    harm = f'forward(torch.add(images, torch.sum(torch.from_file("{trace}", True, 4))), )'
    contents = rewritten(files["torchscript"], {name: code.replace("forward(images, )", harm).encode()}, seal=True)
    # Without our own check the file would be made: that is what the check is for.
    with pytest.warns(DeprecationWarning, match=r"torch\.jit\.load"):
        torch.jit.load(io.BytesIO(contents))(torch.zeros(1, 3, 32, 32))
    assert trace.exists()
    trace.unlink()
    assert "does more than compute (aten::from_file)" in refuse(tmp_path / "harm.ts", contents)
    assert not trace.exists()


def test_a_script_with_something_to_run_on_opening_is_not_opened(tmp_path, files, monkeypatch):
    name, code = code_of(files["torchscript"])
    more = code + "  def __setstate__(self, state: Tensor) -> NoneType:\n    return None\n"
    contents = rewritten(files["torchscript"], {name: more.encode()}, seal=True)
    monkeypatch.setattr(torch.jit, "load", lambda *_, **__: pytest.fail("the file was opened"))
    assert "would run when it is opened" in refuse(tmp_path / "harm.ts", contents)


@pytest.mark.parametrize("kind", ["torch", "torchscript"])
def test_archives_that_are_not_what_they_seem_are_refused(tmp_path, files, kind):
    for name in ("../../escaped", "/etc/escaped", "C:\\escaped"):
        buffer = io.BytesIO(files[kind])
        with zipfile.ZipFile(buffer, "a") as archive:
            archive.writestr(name, b"x")
        assert "outside itself" in refuse(tmp_path / "path", buffer.getvalue())
    bomb = rewritten(files[kind], {"bomb": bytes(1 << 28)}, kind=zipfile.ZIP_DEFLATED)
    assert len(bomb) < 1 << 25
    assert "unpacks to more than it should" in refuse(tmp_path / "bomb", bomb)
    buffer = io.BytesIO(files[kind])
    with zipfile.ZipFile(buffer, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr(archive.namelist()[0], b"x")
    assert "not those of one archive" in refuse(tmp_path / "twice", buffer.getvalue())


def test_an_onnx_file_that_keeps_weights_elsewhere_is_refused(tmp_path, files):
    model = onnx.load_model_from_string(files["onnx"])
    weight = max(model.graph.initializer, key=lambda item: len(item.raw_data))
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    entry = weight.external_data.add()
    entry.key, entry.value = "location", "/etc/passwd"
    assert "weights in other files" in refuse(tmp_path / "m.onnx", model.SerializeToString())


def with_facts(data: bytes, **changes) -> bytes:
    """A safetensors file with other facts, under the checksum that is right for them where they are facts at all."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    facts = {**json.loads(header["__metadata__"]["evoprune"]), **changes}
    arrays = load(data)
    with suppress(ValueError):
        facts = ExportFacts.model_validate(facts).sealed(arrays_bytes(arrays)).model_dump(mode="json")
    return save(arrays, metadata={"evoprune": json.dumps(facts)})


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"format_version": 2}, "format_version"),
        ({"preprocessing": None}, "how images are prepared"),
        ({"surprise": 1}, "surprise"),
        ({"class_names": ["a"]}, "do not fit together"),
        ({"head": {"width": 3, "connections": [1, 2]}}, "do not fit together"),
        ({"rejection": {"score": "magic"}}, "do not fit together"),
        ({"backbone": None}, "do not fit together"),
    ],
)
def test_facts_that_do_not_fit_are_refused_under_a_right_checksum(tmp_path, tiny, changes, sentence):
    data = exported_bytes(deployable(make_model("one", tiny), Options("safetensors")))
    (tmp_path / "same").write_bytes(with_facts(data))
    assert load_exported(tmp_path / "same").class_names == NAMES
    assert sentence in refuse(tmp_path / "facts", with_facts(data, **changes))
