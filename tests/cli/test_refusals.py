"""Whatever cannot be used is refused: exit status 2, one sentence, no traceback, nothing left behind."""

from __future__ import annotations

import shutil
import sys

import numpy as np
import pytest

from .conftest import SMALL, process, refused, save_image

GREY = (80, 80, 80)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["-e", "featurs"], "encoding 'featurs' is unknown; did you mean 'features'?"),
        (["-e", "both", "--head", "512"], "needs two hidden layers"),
        (["-e", "connections:5"], "names a layer that Head(512) does not have"),
        (["--recipe", "fats"], "recipe 'fats' is unknown; did you mean 'fast'?"),
        (["-a", "gnetic"], "'gnetic' is unknown; did you mean 'genetic'?"),
        (["-a", "nsga2"], "takes two or more objectives"),
        (["-a", "genetic", "--objectives", "accuracy,active"], "takes one objective"),
        (["-a", "random", "--mutation", "0.5"], "mutation_probability=0.5 has no effect"),
        (["--objectives", "acuracy"], "objective 'acuracy' is unknown; did you mean 'accuracy'?"),
        (["--objectives", "accuracy,mse"], "objective 'mse' judges predicted values, and a run has classes"),
        (["--ood-score", "odinn"], "OOD score 'odinn' is unknown; did you mean 'odin'?"),
        (["--objectives", ""], "no objective is given"),
        (["--objectives", "active,active"], "name one twice"),
        (["--protocol", "peper"], "protocol = 'peper' is not possible: it should be 'nested' or 'paper'"),
        (["--protocol", "paper", "--folds", "3"], "does not go with protocol 'paper'"),
        (["--head", "many"], "--head 'many' is not a list of numbers"),
        (["--head", "0"], "head (0,) is not possible"),
        (["--head", "1,2,3"], "head (1, 2, 3) is not possible"),
        (["--initial-density", "half"], "--initial-density 'half' is not a list of numbers"),
        (["--initial-density", "0.7,0.3"], "is no range of shares"),
        (["--initial-density", "2"], "is no range of shares"),
        (["--initial-density", "0.1,0.2,0.3"], "initial_density"),
        (["--selection", "nan"], "search.selection = 'nan' is not possible: it should be 'nam' or 'roulette'"),
        (["--crossover", "none"], "it should be 'uniform' or 'one-point'"),
        (["--mutation", "3"], "mutation_probability = 3.0 is not possible"),
        (["--population", "1"], "population = 1 is not possible"),
        (["--epochs", "0"], "epochs = 0 is not possible: it should be greater than or equal to 1"),
        (["--seeds", "0"], "seeds = 0"),
        (["--seed", "-1"], "seed = -1"),
        (["--evaluations", "0"], "evaluations = 0"),
        (["--batch", "0"], "batch = 0"),
        (["--report-seeds", "0"], "report_seeds = 0"),
        (["--folds", "0"], "folds = 0"),
        (["--folds", "1000"], "too few for 1000 inner folds"),
        (["--held-out", "3"], "held_out=3 is out of range"),
        (["-b", "resnt50"], "backbone 'resnt50' is unknown; did you mean 'resnet50'?"),
        (["-b", "net.onnx"], "did you mean 'onnx:net.onnx'?"),
        (["-b", "onnx:nowhere.onnx"], "there is no ONNX file"),
        (["--weights", "nowhere.safetensors"], "nowhere.safetensors"),
    ],
)
def test_settings_that_cannot_be_used(evoprune, tmp_path, options, sentence):
    assert sentence in refused(evoprune("run", "digits", *options))
    assert not list(tmp_path.glob("runs/*")), "a refused run leaves a folder behind"


@pytest.mark.parametrize("options", [["--folds", "x"], ["--nope"], ["--mutation", "much"], ["a", "b", "c"]])
def test_wrong_usage_is_explained(evoprune, options):
    outcome = evoprune("run", *options)
    assert (outcome.status, outcome.out) == (2, "")
    assert "Usage: evoprune run" in outcome.err
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize(("backbone", "package"), [("resnet50", "torchvision"), ("timm:resnet18", "timm")])
def test_a_missing_extra_comes_with_the_command_that_mends_it(evoprune, monkeypatch, pictures, backbone, package):
    monkeypatch.setitem(sys.modules, package, None)
    assert f'pip install "evoprune[{package}]"' in refused(evoprune("run", pictures, "-b", backbone))


def test_folders_of_images_that_cannot_be_used(evoprune, tmp_path, pictures):
    refuse = lambda name: refused(evoprune("run", tmp_path / name))  # noqa: E731
    assert "nowhere does not exist" in refuse("nowhere")

    (tmp_path / "empty" / "a").mkdir(parents=True)
    assert "holds no images" in refuse("empty")

    save_image(tmp_path / "one" / "cat" / "0.png", 0, GREY)
    assert "has only one class ('cat')" in refuse("one")

    save_image(tmp_path / "loose" / "0.png", 0, GREY)
    assert "so their classes are unknown" in refuse("loose")

    for part, names in (("train", "ab"), ("test", "a")):
        for name in names:
            save_image(tmp_path / "lacking" / part / name / "0.png", 0, GREY)
    assert "class 'b' is missing in" in refuse("lacking")

    for fold, names in (("0", "ab"), ("1", "ac")):
        for part in ("train", "test"):
            for name in names:
                save_image(tmp_path / "folds" / part / f"f{fold}" / name / "0.png", 0, GREY)
    assert "different classes: 'b' is in fold 0 but not in fold 1" in refuse("folds")

    for name in ("a", "b"):
        save_image(tmp_path / "few" / name / "0.png", 0, GREY)
    assert "too few for a split into 3 parts" in refuse("few")
    assert not list(tmp_path.glob("runs/*"))


def test_data_that_are_given_twice_are_not_two_data_sets(evoprune, blobs, tmp_path):
    words = ("experiment", "sparsity", "--methods", "dense", "--seeds", "1", "-o", "exp", "--features", blobs)
    assert "is given twice, and would count as two data sets" in refused(evoprune(*words, "--features", blobs))
    outcome = evoprune(*words, "--features", shutil.copy(blobs, tmp_path / "copy.npz"))
    assert outcome.status == 2
    assert "copy and blobs are the same data, and would count as two data sets" in outcome.lines[-1]
    assert not (tmp_path / "exp").exists()


def test_unreadable_images_are_all_listed_before_anything_is_computed(evoprune, tmp_path, pictures):
    shutil.copytree(pictures, tmp_path / "some broken")
    (tmp_path / "some broken" / "red" / "0.png").write_bytes(b"")
    (tmp_path / "some broken" / "blue" / "[red]3.png").write_text("no image")
    outcome = evoprune("run", tmp_path / "some broken")
    assert (outcome.status, outcome.out) == (2, "")
    first, *listed = outcome.lines
    assert first.startswith("evoprune: 2 images cannot be read; mend or remove them, or go on without them")
    assert [line.strip().split(": ")[0] for line in listed] == [
        str(tmp_path / "some broken" / name) for name in ("blue/[red]3.png", "red/0.png")
    ]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"y_train": np.arange(210) / 2}, "y_train"),
        ({"y_train": np.zeros(210, dtype=int), "y_test": np.zeros(90, dtype=int)}, "only one class"),
        ({"X_train": np.full((210, 16), np.nan)}, "X_train is nan at row 0"),
        ({"X_test": np.full((90, 16), np.inf)}, "X_test is inf at row 0"),
        ({"X_test": np.zeros((90, 15))}, "15"),
        ({"y_test": np.zeros(90, dtype=int)}, "is missing in the test part"),
        ({"y_test": np.zeros(80, dtype=int)}, "80"),
    ],
)
def test_feature_files_that_cannot_be_used(evoprune, tmp_path, blobs, changes, sentence):
    with np.load(blobs, allow_pickle=False) as whole:
        np.savez(tmp_path / "bad.npz", **{**whole, **changes})
    said = refused(evoprune("run", "--features", tmp_path / "bad.npz"))
    assert "bad" in said
    assert sentence in said
    assert not list(tmp_path.glob("runs/*"))


def test_missing_and_contradicting_files(evoprune, tmp_path, blobs, pictures):
    assert "is not a file" in refused(evoprune("run", "--features", tmp_path / "no.npz"))
    (tmp_path / "text.npz").write_text("no archive")
    assert "text.npz" in refused(evoprune("run", "--features", tmp_path / "text.npz"))
    assert "give one of them" in refused(evoprune("run", pictures, "--features", blobs))
    assert "needs no backbone" in refused(evoprune("run", "--features", blobs, "-b", "tiny"))


def test_output_folders_that_cannot_be_used(evoprune, tmp_path, blobs):
    (tmp_path / "file").write_text("mine")
    assert "file is a file, not a folder" in refused(evoprune("run", "--features", blobs, "-o", "file"))
    assert "cannot be written to" in refused(evoprune("run", "--features", blobs, "-o", "file/run"))
    assert "cannot be written to" in refused(evoprune("run", "--features", blobs, "-o", "/proc/nowhere/run"))
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("name", ["show", "resume", "predict"])
def test_a_folder_that_is_no_run(evoprune, tmp_path, name):
    (tmp_path / "other").mkdir()
    images = ["a.png"] if name == "predict" else []
    assert "holds no run (config.toml is missing)" in refused(evoprune(name, "other", *images))
    assert "holds no run" in refused(evoprune(name, "nowhere", *images))


def test_changed_settings_are_listed_and_nothing_is_changed(evoprune, tmp_path, finished, blobs):
    shutil.copytree(finished, tmp_path / "run")
    before = {p.name: p.read_bytes() for p in (tmp_path / "run").iterdir() if p.is_file()}
    said = refused(
        evoprune("run", "--features", blobs, *SMALL, "-o", "run", "--seed", "5", "--epochs", "4", "-e", "first")
    )
    assert "other settings (encoding: 'features' -> 'first'; recipe.epochs: 3 -> 4; seed: 0 -> 5)" in said
    assert {p.name: p.read_bytes() for p in (tmp_path / "run").iterdir() if p.is_file()} == before


def test_a_refused_command_can_be_corrected(evoprune, tmp_path, blobs):
    refused(evoprune("run", "--features", blobs, *SMALL, "-o", "run", "--folds", "500"))
    assert not (tmp_path / "run").exists()
    assert evoprune("run", "--features", blobs, *SMALL, "-o", "run").status == 0


def test_refusals_in_a_process_of_their_own(tmp_path):
    for arguments in (["run", "nowhere"], ["show", "nowhere"], ["predict", "nowhere", "x"]):
        refused(process(*arguments, cwd=tmp_path))


def test_debug_shows_the_traceback_and_the_sentence(tmp_path):
    outcome = process("--debug", "run", "nowhere", cwd=tmp_path)
    assert outcome.status == 2
    assert "Traceback" in outcome.err
    assert outcome.lines[-1].startswith("evoprune: ")
