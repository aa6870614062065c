"""What fuzzing found, one input each: the answer is a sentence."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from contextlib import closing

import pytest
from safetensors.numpy import load

from evoprune.backbones import load_backbone
from evoprune.backbones._weights_file import read_weights
from evoprune.data import load_ood_features, load_ood_images, parse_dataset_csv
from evoprune.errors import BackboneError, ConfigError, DamagedStoreError, DataError, StorageError
from evoprune.model import Model, load_exported
from evoprune.page._kept import whole as whole_kept
from evoprune.study import Store
from evoprune.workflow import read_config
from evoprune.workflow._summary import is_whole

from .archives import header_of, with_header
from .arrays import _npy
from .material import Material


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return Material(tmp_path_factory.mktemp("material"))


@pytest.mark.parametrize(
    ("kind", "shape"),
    [("'<f4'", "(28, 6"), ("(" * 150, "(2,)"), ("'<f4'", "(2.5,)"), ("'<U4'", "(1" + "0" * 20 + ",)")],
)
def test_headers_of_arrays_that_are_no_python(tmp_path, kind, shape):
    data = _npy(f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}, }}")
    (tmp_path / "f.npy").write_bytes(data)
    with zipfile.ZipFile(tmp_path / "f.npz", "w") as archive:
        archive.writestr("X.npy", data)
    for name in ("f.npy", "f.npz"):
        with pytest.raises(DataError, match="the file is damaged"):
            load_ood_features(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('data = "d"\nhead = ' + "[" * 5000 + "]" * 5000, "is not valid TOML"),
        ('data = "d"\nseed = ' + "9" * 5000, "is not valid TOML"),
        ('data = "d"\nsplit = [0.6, 0.2, nan]', "split.2 = nan is not possible"),
        ('data = "d"\nprotocol = "' + "x" * 30_000 + '"', "protocol = 'xxx"),
    ],
)
def test_configurations(tmp_path, text, sentence):
    (tmp_path / "config.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"config\.toml") as caught:
        read_config(tmp_path / "config.toml")
    assert sentence in str(caught.value)
    assert len(str(caught.value)) < 2000


def test_names_that_no_file_can_have(tmp_path):
    long = "x" * 5000
    (tmp_path / "d.csv").write_text(f"A,{long},{long},1,8,8,2\n")
    (found,) = parse_dataset_csv(tmp_path / "d.csv")
    for read in (found.load, lambda: load_ood_images(long), lambda: load_ood_features(f"{long}.npz")):
        with pytest.raises(DataError):
            read()
    with pytest.raises(BackboneError):
        load_backbone(f"onnx:{long}.onnx")


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"format_version": 1, "width": 1e999, "connections": [1]}', "9" * 5000]
)
def test_descriptions_of_models(tmp_path, text):
    (tmp_path / "model.json").write_text(text)
    (tmp_path / "head.safetensors").write_bytes(b"")
    with pytest.raises(StorageError, match=r"model\.json is damaged|head\.safetensors is damaged"):
        Model.load(tmp_path)


def test_headers_of_model_files(tmp_path, made):
    data = made.exported[".safetensors"]
    header = header_of(data)
    brain = next(name for name in header if header[name].get("dtype") == "F32")
    for change in ({"__metadata__": None}, {brain: {**header[brain], "dtype": "BF16"}}, {brain: None}):
        (tmp_path / "m").write_bytes(with_header(data, json.dumps({**header, **change})))
        with pytest.raises(StorageError, match="no model file of evoprune"):
            load_exported(tmp_path / "m")
    assert load(data)


@pytest.mark.parametrize("ending", [".pth", ".pt"])
def test_files_of_weights_cut_or_changed_anywhere(tmp_path, made, ending):
    whole = made.weights[ending]
    path = tmp_path / f"w{ending}"
    for place in range(0, len(whole), max(1, len(whole) // 60)):
        for damaged in (whole[:place], whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :]):
            path.write_bytes(damaged)
            try:
                read_weights(path)
            except BackboneError as error:
                assert str(path) in str(error)


@pytest.mark.parametrize(
    "statements",
    [
        ("DROP TABLE results", "CREATE VIEW results AS WITH RECURSIVE n(name) AS "
            "(SELECT 1 UNION ALL SELECT name + 1 FROM n) SELECT name, name AS value FROM n"),
        ("CREATE TRIGGER t AFTER DELETE ON evaluations BEGIN DELETE FROM meta; END",),
    ],
)  # fmt: skip
def test_stores_that_compute(tmp_path, made, statements):
    path = tmp_path / "study.sqlite"
    path.write_bytes((made.run / "study.sqlite").read_bytes())
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    with pytest.raises(DamagedStoreError, match="is no table of rows"):
        Store(path)


def test_results_of_another_form(made):
    with closing(sqlite3.connect(made.run / "study.sqlite")) as connection:
        found = {name: json.loads(value) for name, value in connection.execute("SELECT name, value FROM results")}
    summary = found["summary"]
    assert is_whole(summary)
    assert not is_whole({**summary, "best": {**summary["best"], "id": 999}})
    assert not is_whole({**summary, "front": []})
    assert not is_whole({**summary, "dense": {**summary["dense"], "test_accuracy": "="}})
    assert not is_whole({**summary, "dense": {**summary["dense"], "test_accuracy_std": None}})
    for name in ("data", "predictions"):
        assert whole_kept(name, found[name]) is not None
    assert whole_kept("data", {**found["data"], "train": []}) is None
    assert whole_kept("data", {**found["data"], "versions": "x"}) is None
    assert whole_kept("predictions", {**found["predictions"], "labels": [1e999]}) is None


def test_a_schema_whose_complaint_is_no_text(tmp_path):
    path = tmp_path / "study.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE results (name TEXT PRIMARY KEY, value TEXT NOT NULL DEFAULT '') WITHOUT ROWID")
        connection.commit()
    # As fuzzing had it: a byte between two words of the statement, which SQLite quotes when it refuses it.
    path.write_bytes(path.read_bytes().replace(b"NULL DEFAULT", b"NULL\xa0DEFAULT"))
    with pytest.raises(DamagedStoreError, match=r"study\.sqlite is damaged"):
        Store(path)
