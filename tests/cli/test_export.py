"""`evoprune export` and `evoprune predict` on what it wrote."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

from evoprune.backbones import load_backbone, onnx_model
from evoprune.data import load_digits_set
from evoprune.heads import EnsembleHead
from evoprune.model import Model, load_exported
from evoprune.workflow import RunFolder, make_study
from evoprune.workflow._export_source import _genomes

from .conftest import SMALL, command, here, process, refused, save_image

FORMATS = ("safetensors", "torch", "onnx", "torchscript")
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "predict_onnx.py"

ALONE = """
import runpy, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("evoprune", "torch", "onnx", "safetensors", "sklearn", "scipy", "pydantic"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Runs a program where nothing of ours and of torch can be imported."""


def said_of(evoprune, *arguments) -> dict:
    outcome = evoprune("export", *arguments, "--json")
    assert outcome.status == 0, outcome.err
    return json.loads(outcome.out)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """A run on the bundled digits, the files of its test images, and the classes that the study gives them."""
    root = tmp_path_factory.mktemp("digits")
    cache = str(tmp_path_factory.getbasetemp() / "cache")
    few = ("--objectives", "accuracy,active", "--head", "16", "--epochs", "3", "-n", "12", "--population", "6")
    assert here("run", *few, "--report-seeds", "2", "-o", root / "run", EVOPRUNE_CACHE=cache).status == 0
    images = load_digits_set()
    rows = images.divisions[0].test
    (root / "test").mkdir()
    for row in rows:
        Image.fromarray(images.images[row].load()).save(root / "test" / f"{row:04d}.png")
    return root


@pytest.fixture(scope="module")
def exports(digits):
    """The run on the digits exported in every format, and what was said of each file."""
    cache = str(digits.parent / "cache")
    said = {}
    for kind in FORMATS:
        outcome = here(
            "export", digits / "run", "--format", kind, "-o", digits / f"m.{kind}", "--json", EVOPRUNE_CACHE=cache
        )
        assert outcome.status == 0, outcome.err
        said[kind] = json.loads(outcome.out)
    return said


def study_classes(run: Path) -> list[str]:
    """The classes that the study's own features and head give the test images."""
    study = make_study(RunFolder(run))
    model = Model.load(run / "model", study.features.backbone)
    rows = study.partition.report[0].evaluate
    return [study.features.class_names[c] for c in model.predict_features(study.features.X[rows])]


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_fresh_process_predicts_what_the_study_does(tmp_path, digits, exports, file_format):
    said = exports[file_format]
    alone = shutil.copy(said["file"], tmp_path / "model")
    outcome = process("predict", alone, digits / "test", "--json", cwd=tmp_path, EVOPRUNE_CACHE=str(tmp_path / "none"))
    assert outcome.status == 0, outcome.err
    given = json.loads(outcome.out)
    assert [one["nearest"] for one in given] == study_classes(digits / "run")
    assert len(given) == said["agreement"]["images"] > 300
    assert said["agreement"]["same_class"] == 1
    assert said["agreement"]["max_difference"] < 1e-4
    assert {one["class"] for one in given if one["unknown"]} == {"unknown"}
    rejected = np.mean([one["unknown"] for one in given])
    assert 1 - rejected == pytest.approx(said["rejection"]["measured"]["test_tpr"], abs=1e-9)
    assert 0.85 < 1 - rejected < 1


def predicted_alone(model: str | Path, *images: Path) -> list[dict]:
    """What `examples/predict_onnx.py` says with nothing but onnxruntime, numpy and Pillow."""
    done = subprocess.run(
        [sys.executable, "-c", ALONE, str(EXAMPLE), str(model), *map(str, images)],
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_example_needs_nothing_of_ours(evoprune, digits, exports):
    given = predicted_alone(exports["onnx"]["file"], digits / "test")
    assert [one["nearest"] for one in given] == study_classes(digits / "run")
    expected = json.loads(evoprune("predict", exports["onnx"]["file"], digits / "test", "--json").out)
    assert [one["class"] for one in given] == [one["class"] for one in expected]


def test_the_example_prepares_images_as_evoprune_does(tmp_path):
    import runpy

    from evoprune.backbones import Preprocessing, preprocess
    from evoprune.data import load_image

    example = runpy.run_path(str(EXAMPLE))
    save_image(tmp_path / "a.png", 1, (0, 0, 150))
    Image.open(tmp_path / "a.png").resize((70, 41)).save(tmp_path / "b.jpg", exif=_turned())
    Image.open(tmp_path / "a.png").convert("RGBA").resize((33, 60)).save(tmp_path / "c.png")
    ways = (
        Preprocessing((24, 20), mean=(1, 2, 3), std=(4, 5, 6)),
        Preprocessing((24, 24), "crop", 0.875, "bicubic", color="BGR"),
        Preprocessing((16, 24), "crop", 0.9, "lanczos"),
    )
    for how in ways:
        facts = {**vars(how), "size": list(how.size)}
        for name in ("a.png", "b.jpg", "c.png"):
            expected = preprocess(load_image(tmp_path / name), how)
            given = example["prepare"](example["read_image"](tmp_path / name), facts)
            assert np.array_equal(given, expected), (how, name)


def _turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def test_the_report_says_what_became_smaller(digits, exports):
    chosen = exports["onnx"]
    model = Model.load(digits / "run" / "model")
    features = model.head.width
    assert chosen["removed_filters"] == features - model.head.inputs.size > 0
    graph = onnx.load(chosen["file"]).graph
    last = [node for node in graph.node if node.op_type == "Conv"][-1]
    (filters,) = (i.dims[0] for i in graph.initializer if i.name == last.input[1])
    assert filters == model.head.inputs.size
    for name in ("parameters", "multiply_adds", "head_parameters", "bytes"):
        assert chosen["after"][name] < chosen["before"][name], name
    assert chosen["after"]["bytes"] == Path(chosen["file"]).stat().st_size
    assert chosen["after"]["head_parameters"] == model.head.parameters
    assert min(chosen["before"]["latency_ms"], chosen["after"]["latency_ms"]) > 0
    # All parameters of the file are those of its arrays; the bundled network's norms are folded into its convolutions.
    held = sum(int(np.prod(i.dims)) for i in graph.initializer if i.data_type == onnx.TensorProto.FLOAT)
    assert held == pytest.approx(chosen["after"]["parameters"], rel=0.05)


def test_the_report_fits_a_terminal(evoprune, digits):
    outcome = evoprune("export", digits / "run", "-o", "m.onnx", "--half", "--quantize")
    assert outcome.status == 0
    assert max(map(len, outcome.out.splitlines())) <= 80
    assert "(onnx, 16-bit, 8-bit head)" in outcome.out
    cost = re.search(r"before rounding \d+\.\d\d % \(([+-]\d+\.\d\d) points\)", outcome.out)[1]
    assert f"Rounding the weights changed the test accuracy by {cost} points." in Path("m.onnx.md").read_text()
    threshold = Model.load(digits / "run" / "model").rejection
    kept = sum(array.nbytes for array in threshold.arrays().values())
    assert f"The mahalanobis score takes {kept / 1000:,.1f} kB of the file." in outcome.out
    assert "Model: m.onnx" in outcome.out
    assert "Model card: m.onnx.md" in outcome.out


def test_every_member_of_the_front_can_be_exported(evoprune, digits):
    result = json.loads(evoprune("show", digits / "run", "--json").out)
    study = make_study(RunFolder(digits / "run"))
    for member in result["front"][:3]:
        said = said_of(evoprune, digits / "run", "--member", member["id"], "-o", "m.safetensors", "--head-only")
        assert said["member"] == member["id"]
        assert said["after"]["head_parameters"] == member["parameters"]
        inputs = load_exported("m.safetensors").model.head.inputs
        assert len(inputs) == member["active_neurons"] or not member["active_neurons"]
    assert f"its members are {min(m['id'] for m in result['front'])}" in refused(
        evoprune("export", digits / "run", "--member", "999", "-o", "m.onnx")
    )
    assert study.features.width == 384


def test_the_card_says_what_is_known(evoprune, digits):
    said = said_of(evoprune, digits / "run", "-o", "m.onnx", "--tpr", "0.9")
    card = Path("m.onnx.md").read_text()
    assert card.startswith("# m.onnx: a classifier of 10 classes\n")
    for heading in ("Data", "Protocol and figures", "Size", "When it says `unknown`", "Limits", "How to load it"):
        assert f"\n## {heading}\n" in card
    result = json.loads(evoprune("show", digits / "run", "--json").out)
    best = result["best"]
    assert f"{best['test_accuracy']:.4f} ± {best['test_accuracy_std']:.4f}" in card
    assert "over 2 trainings" in card
    assert f"{said['after']['parameters']:,}" in card
    assert "accepts 90 % of validation images" in card
    assert "the run had none" in card
    assert "(paper)" not in card
    assert "onnxruntime.InferenceSession" in card


def code_on(card: str) -> str:
    code = Path(card).read_text().partition("```python\n")[2].partition("```")[0]
    assert 3 <= len(code.strip().splitlines()) <= 5
    return code


def test_the_code_on_a_card_runs(evoprune, tmp_path, digits, exports):
    import torch

    shutil.copy(next((digits / "test").iterdir()), tmp_path / "photo.jpg")
    batch = np.zeros((2, 3, 32, 32), np.float32)
    for file_format, said in exports.items():
        shutil.copy(said["file"], tmp_path)
        exec(code_on(said["card"]), {"batch": torch.from_numpy(batch) if file_format == "torchscript" else batch})  # noqa: S102
    features = np.zeros((2, 384), np.float32)
    for file_format, name in (("onnx", "batch"), ("torch", "features")):
        said = said_of(evoprune, digits / "run", "--head-only", "--format", file_format, "-o", "my_head (1)")
        exec(code_on(said["card"]), {name: features})  # noqa: S102


def test_figures_of_the_paper_protocol_are_marked(evoprune, pictures):
    assert evoprune("run", pictures, *SMALL, "--protocol", "paper", "-o", "run").status == 0
    said = said_of(evoprune, "run", "--format", "safetensors")
    assert said["file"] == "run/run.safetensors"
    card = Path("run/run.safetensors.md").read_text()
    assert "| test accuracy (paper) |" in card
    assert "validation accuracy" not in card
    assert "selected on these very test images" in card
    assert said["rejection"]["threshold"] is not None


def test_images_from_outside_are_measured(evoprune, tmp_path, pictures):
    for i in range(20):
        save_image(tmp_path / "other" / "grey" / f"{i}.png", 500 + i, (60 + 8 * i, 60, 60 + 4 * i))
    assert evoprune("run", pictures, *SMALL, "--ood", "other", "--ood-score", "knn", "-o", "run").status == 0
    said = said_of(evoprune, "run", "-o", "m.onnx")
    assert said["rejection"]["score"] == "knn"
    measured = said["rejection"]["measured"]
    assert 0 <= measured["ood_fpr"] <= 1
    assert 0 <= measured["ood_auroc"] <= 1
    assert f"AUROC {measured['ood_auroc']:.4f}" in Path("m.onnx.md").read_text()
    other = said_of(evoprune, "run", "-o", "m.onnx", "--ood-score", "msp")
    assert other["rejection"]["score"] == "msp"


def test_a_run_of_features_has_a_head_alone(evoprune, finished, blobs, pictures):
    assert "is a run of a feature file and has no backbone" in refused(evoprune("export", finished, "-o", "m.onnx"))
    for file_format in FORMATS:
        said = said_of(evoprune, finished, "--head-only", "--format", file_format, "-o", "m")
        assert said["agreement"]["same_class"] == 1
        with np.load(blobs, allow_pickle=False) as data:
            given = load_exported("m").run(data["X_test"].astype(np.float32)).logits.argmax(axis=1)
            expected = Model.load(finished / "model").predict_features(data["X_test"].astype(np.float32))
        assert np.array_equal(given, expected)
        assert "holds a head without a backbone" in refused(evoprune("predict", "m", pictures / "red" / "0.png"))


def test_a_head_outlives_its_backbone(evoprune, tmp_path, pictures, monkeypatch):
    monkeypatch.setenv("EVOPRUNE_CACHE", str(tmp_path / "cache"))
    onnx.save(onnx_model(load_backbone("tiny")), "net.onnx")
    Path("net.json").write_text('{"input_size": [32, 32], "mean": [120, 120, 120], "std": [60, 60, 60]}')
    assert evoprune("run", pictures, *SMALL, "-b", "onnx:net.onnx", "-o", "run").status == 0
    said = said_of(evoprune, "run", "-o", "whole.torchscript")
    assert said["removed_filters"] > 0
    assert said["agreement"]["same_class"] == 1
    Path("net.onnx").unlink()
    sentence = refused(evoprune("export", "run", "-o", "m.onnx"))
    assert "there is no ONNX file" in sentence
    assert "the head alone can be exported with --head-only" in sentence
    alone = said_of(evoprune, "run", "-o", "m.onnx", "--head-only")
    assert alone["rejection"]["threshold"] == said["rejection"]["threshold"]
    shutil.rmtree(tmp_path / "cache")
    assert "is gone, and not all features" in refused(evoprune("export", "run", "-o", "m.onnx", "--head-only"))
    # What was exported before needs none of it.
    assert evoprune("predict", "whole.torchscript", pictures / "red").status == 0


def test_an_ensemble_is_exported_as_one_file(evoprune, digits):
    shutil.copytree(digits / "run", "run")
    study = make_study(RunFolder("run"))
    result = json.loads(evoprune("show", "run", "--json").out)
    genomes = _genomes(RunFolder("run"))
    votes = {str(member["id"]): 1 + number for number, member in enumerate(result["front"][:2])}
    heads = [study.build(genomes[int(name)]).head for name, count in votes.items() for _ in range(count)]
    about = {"ensemble": {"members": votes}}
    model = Model(EnsembleHead(tuple(heads), "majority"), study.features.class_names, study.features.backbone, about)
    model.save("run/ensemble/model")
    rows = study.partition.report[0].evaluate
    expected = [study.features.class_names[c] for c in model.predict_features(study.features.X[rows])]
    for file_format in FORMATS:
        said = said_of(evoprune, "run/ensemble", "--format", file_format)
        assert said["file"].startswith("run/ensemble/ensemble.")
        assert (said["members"], said["member"]) == (3, None)
        assert said["agreement"]["same_class"] == 1
        assert said["rejection"]["score"] == "msp"
        given = json.loads(evoprune("predict", said["file"], digits / "test", "--json").out)
        assert [one["nearest"] for one in given] == expected
    assert "is a model of its own; leave --member 3 out" in refused(evoprune("export", "run/ensemble", "--member", "3"))
    assert json.loads(evoprune("predict", "run/ensemble", digits / "test", "--json").out)[0]["nearest"] == expected[0]


@pytest.fixture(scope="module")
def voters(digits):
    """An ensemble of the run on the digits that lies outside of it, and what was said of it."""
    cache = str(digits.parent / "cache")
    few = ("--method", "all", "--vote", "majority", "--seeds", "1", "--json")
    outcome = here("ensemble", digits / "run", *few, "-o", digits / "voters", EVOPRUNE_CACHE=cache)
    assert outcome.status == 0, outcome.err
    return digits / "voters", json.loads(outcome.out)


@pytest.mark.parametrize("file_format", ["safetensors", "onnx"])
def test_from_a_run_by_its_ensemble_to_the_predictions_of_a_fresh_process(
    evoprune, tmp_path, digits, voters, file_format
):
    folder, summary = voters
    study = make_study(RunFolder(digits / "run"))
    rows = study.partition.report[0].evaluate
    genomes = {member["id"]: int(member["id"]) for member in summary["members"]}
    assert len(genomes) > 1
    stored = _genomes(RunFolder(digits / "run"))
    shares = np.stack([study.build(stored[n]).probabilities(study.features.X[rows]) for n in genomes.values()])
    # Each member votes for its class; ties are broken by the mean of their probabilities, which is less than a vote.
    votes = (shares == shares.max(axis=2, keepdims=True)).sum(axis=0)
    expected = (votes + 0.5 * shares.mean(axis=0)).argmax(axis=1)
    (own,) = (one for one in summary["contenders"] if one["name"] == "ensemble")
    assert (expected == study.features.y[rows]).mean() == pytest.approx(own["accuracy"], abs=1e-12)
    said = said_of(evoprune, folder, "--format", file_format, "-o", "m")
    assert said["agreement"]["same_class"] == 1
    assert said["test_accuracy"] == pytest.approx(own["accuracy"], abs=1e-12)
    alone = shutil.copy("m", tmp_path / "alone")
    outcome = process("predict", alone, digits / "test", "--json", cwd=tmp_path, EVOPRUNE_CACHE=str(tmp_path / "none"))
    assert outcome.status == 0, outcome.err
    given = json.loads(outcome.out)
    assert [one["nearest"] for one in given] == [study.features.class_names[c] for c in expected]
    if file_format == "onnx":
        assert [one["nearest"] for one in predicted_alone(alone, digits / "test")] == [one["nearest"] for one in given]


def test_an_ensemble_that_is_not_exported_rejects_images_too(evoprune, digits, voters):
    folder, _ = voters
    kept = Model.load(folder / "model").rejection
    said = said_of(evoprune, folder, "-o", "m.safetensors")
    assert kept.score == said["rejection"]["score"] == "msp"
    assert kept.threshold == said["rejection"]["threshold"]
    given, exported = (
        json.loads(evoprune("predict", m, digits / "test", "--json").out) for m in (folder, "m.safetensors")
    )
    assert [one["unknown"] for one in given] == [one["unknown"] for one in exported]
    assert any(one["unknown"] for one in given)


def test_an_ensemble_predicts_with_the_weights_that_its_run_was_given(evoprune, tmp_path, digits, voters, monkeypatch):
    folder, summary = voters
    shutil.copytree(digits / "run", tmp_path / "run")
    shutil.copytree(folder, tmp_path / "voters")
    config = tmp_path / "run" / "config.toml"
    config.write_text('weights = "mine.safetensors"\n' + config.read_text().partition("\n")[2])
    (tmp_path / "voters" / "ensemble.json").write_text(json.dumps({**summary, "run": str(tmp_path / "run")}))
    asked: list[tuple] = []
    monkeypatch.setattr(
        "evoprune.backbones.load_backbone", lambda *given: asked.append(given) or load_backbone(given[0])
    )
    image = next((digits / "test").iterdir())
    for model in ("voters", "run"):
        asked.clear()
        assert evoprune("predict", model, image).status == 0
        assert asked == [("tiny", "mine.safetensors")]


def test_an_ensemble_whose_run_is_gone_is_refused(evoprune, tmp_path, voters):
    folder, _ = voters
    shutil.copytree(folder, tmp_path / "voters")
    facts = json.loads((tmp_path / "voters" / "ensemble.json").read_text())
    del facts["sha256"]
    (tmp_path / "voters" / "ensemble.json").write_text(json.dumps({**facts, "run": str(tmp_path / "gone")}))
    assert "lies in no run" in refused(evoprune("export", "voters", "-o", "m.onnx"))
    (tmp_path / "voters" / "ensemble.json").write_text("{}")
    assert "is damaged" in refused(evoprune("export", "voters", "-o", "m.onnx"))


def test_a_run_that_is_not_exported_rejects_the_same_images(evoprune, digits, exports):
    given, exported = (
        json.loads(evoprune("predict", model, digits / "test", "--json").out)
        for model in (digits / "run", exports["safetensors"]["file"])
    )
    assert [one["class"] for one in given] == [one["class"] for one in exported]
    assert sum(one["class"] == "unknown" for one in given) > 0
    table = evoprune("predict", digits / "run", digits / "test")
    assert table.out.count("unknown (nearest: ") == sum(one["unknown"] for one in given)
    assert "predict: " in table.err


def test_what_cannot_be_exported_is_said(evoprune, tmp_path, pictures_run, pictures):
    assert "does not end in one of" in refused(evoprune("export", pictures_run, "-o", "m.bin"))
    (tmp_path / "notes.onnx").write_text("mine")
    assert "exists and is no export of evoprune" in refused(evoprune("export", pictures_run, "-o", "notes.onnx"))
    assert (tmp_path / "notes.onnx").read_text() == "mine"
    (tmp_path / "folder.onnx").mkdir()
    assert "is a folder" in refused(evoprune("export", pictures_run, "-o", "folder.onnx"))
    assert "is no share of images" in refused(evoprune("export", pictures_run, "-o", "m.onnx", "--tpr", "95"))
    assert "did you mean 'msp'" in refused(evoprune("export", pictures_run, "-o", "m.onnx", "--ood-score", "mps"))
    assert "holds no run" in refused(evoprune("export", pictures, "-o", "m.onnx"))
    assert not (tmp_path / "m.onnx").exists()
    shutil.copytree(pictures_run / "model", tmp_path / "model")
    assert "lies in no run" in refused(evoprune("export", "model", "-o", "m.onnx"))


def test_a_file_that_computes_something_else_is_not_written(evoprune, pictures_run, monkeypatch):
    session = onnxruntime.InferenceSession.run

    def wrong(self, names, given):
        found = session(self, names, given)
        return [found[0] + np.float32(0.01) * np.arange(found[0].shape[1]), *found[1:]] if "logits" in names else found

    monkeypatch.setattr(onnxruntime.InferenceSession, "run", lambda s, n, g: wrong(s, n or [], g))
    said = evoprune("export", pictures_run, "-o", "m.onnx")
    assert said.status == 2
    assert "the onnx file does not compute what the model does" in said.err
    assert not list(Path.cwd().iterdir())


def test_folders_and_broken_images(evoprune, tmp_path, pictures, pictures_run):
    assert evoprune("export", pictures_run, "-o", "m.onnx").status == 0
    shutil.copytree(pictures / "red", tmp_path / "photos" / "deep" / "red")
    (tmp_path / "photos" / "broken.png").write_text("no image")
    (tmp_path / "photos" / ".hidden.png").write_text("no image")
    (tmp_path / "photos" / "notes.txt").write_text("no image")
    outcome = evoprune("predict", "m.onnx", "photos", pictures / "blue" / "0.png", "nowhere.png")
    assert outcome.status == 2
    assert outcome.out.count(" %") == 11
    assert [line.split(" cannot be read")[0] for line in outcome.lines] == [
        "evoprune: photos/broken.png",
        "evoprune: nowhere.png",
    ]
    listed = evoprune("predict", "m.onnx", "photos", pictures / "blue" / "0.png", "nowhere.png", "--json")
    assert listed.status == 2
    said = json.loads(listed.out)
    assert [Path(one["image"]).name for one in said if "error" in one] == ["broken.png", "nowhere.png"]
    assert len([one for one in said if "class" in one]) == 11
    (tmp_path / "empty").mkdir()
    assert "empty holds no images" in refused(evoprune("predict", "m.onnx", "empty"))
    (tmp_path / "bad.onnx").write_bytes((tmp_path / "m.onnx").read_bytes()[:-9])
    assert "bad.onnx is no model file" in refused(evoprune("predict", "bad.onnx", "photos"))


def some_images(source: Path, target: Path, train: int, test: int) -> None:
    """So many test images of all classes of a data set, and so many of each class to train on."""
    found = sorted(path for path in (source / "test").rglob("*") if path.is_file())
    chosen = [found[row] for row in np.linspace(0, len(found) - 1, test).astype(int)]
    for folder in (path for path in (source / "train").iterdir() if path.is_dir()):
        chosen += sorted(folder.iterdir())[:train]
    for path in chosen:
        (target / path.parent.relative_to(source)).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target / path.relative_to(source))


@pytest.mark.slow
@pytest.mark.timeout(3000)
@pytest.mark.parametrize(("name", "count"), [("sign_digits", 150), ("trash", 60)])
def test_the_round_trip_on_real_images(evoprune, tmp_path, shared_data, name, count):
    some_images(shared_data / "images" / name, tmp_path / name, 12, count)
    backbone = f"onnx:{shared_data / 'backbones' / 'mobilenet_v2_imagenet.onnx'}"
    few = ("--objectives", "accuracy,active", "--epochs", "5", "-n", "12", "--population", "6", "--report-seeds", "1")
    sparse = ("--initial-density", "0.1,0.2", "-b", backbone)
    assert evoprune("run", name, *few, *sparse, "-o", "run").status == 0
    study = make_study(RunFolder("run"))
    rows = study.partition.report[0].evaluate
    assert len(rows) == count
    images = [study.features.row_names[row] for row in rows]
    model = Model.load("run/model", study.features.backbone)
    expected = [study.features.class_names[c] for c in model.predict_features(study.features.X[rows])]
    for file_format in FORMATS:
        # Every export runs its file on all test images.
        said = said_of(evoprune, "run", "--format", file_format, "-o", "m")
        assert said["agreement"]["scaled_difference"] <= 1e-4
        assert (said["agreement"]["images"], said["agreement"]["same_class"]) == (count, 1)
        # Files of arrays and of graphs are read by the same code whatever the images are.
        step = 1 if name == "sign_digits" or file_format == "onnx" else 10
        done = subprocess.run(
            command("predict", "m", *images[::step], "--json"), capture_output=True, text=True, check=True, timeout=900
        )
        assert [one["nearest"] for one in json.loads(done.stdout)] == expected[::step], file_format
        if file_format == "onnx":
            assert [one["nearest"] for one in predicted_alone(tmp_path / "m", *map(Path, images))] == expected
            graph = onnx.load("m").graph
            last = [node for node in graph.node if node.op_type == "Conv"][-1]
            made = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "Cast"}
            (filters,) = (i.dims[0] for i in graph.initializer if i.name == made.get(last.input[1], last.input[1]))
            assert filters == model.head.inputs.size < 0.25 * model.head.width
