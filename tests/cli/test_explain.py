"""`evoprune explain`, from runs on images and on features to figures and tables."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save
from PIL import Image

from .conftest import SMALL, here, refused, save_image

FRONT = ("--objectives", "accuracy,active", *SMALL)

ONE = "one.png"
"""An image, so that a test which asks for other things looks at one."""

QUICK = ("--images", ONE, "--neurons", "top1")


def explained(evoprune, *arguments):
    outcome = evoprune("explain", *arguments, "--json")
    assert outcome.status == 0, outcome.err
    return json.loads(outcome.out)


def table(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(autouse=True)
def _one_image(evoprune):
    save_image(Path(ONE), 5, (0, 0, 150))


@pytest.fixture(scope="module")
def pictures_front(pictures, tmp_path_factory):
    """A finished run on the pictures with two objectives; not to be changed."""
    folder = tmp_path_factory.mktemp("front") / "run"
    cache = str(tmp_path_factory.getbasetemp() / "cache")
    assert here("run", pictures, *FRONT, "-o", folder, EVOPRUNE_CACHE=cache).status == 0
    return folder


def test_a_run_on_images_is_explained_with_everything(evoprune, pictures_front, pictures):
    found = explained(evoprune, pictures_front, "--output", "out", "--neurons", "top4")
    assert {Path(file).name for file in found["files"]} == {
        "neurons.csv",
        "frequency.png",
        "objectives.csv",
        "objectives.png",
        "heatmaps_neurons.png",
        "heatmaps_classes.png",
        "concepts.csv",
        "concepts.png",
        "faithfulness.png",
        "faithfulness.csv",
        "faithfulness_curves.csv",
    }
    for file in found["files"]:
        assert Path(file).stat().st_size > 0
        if file.endswith(".png"):
            with Image.open(file) as figure:
                # Of a page's width: 6.5 inches at 200 dots.
                assert figure.width == 1300
    assert (found["method"], found["layer"], found["left_out"]) == ("Grad-CAM++", "expand", [])
    kept = json.loads(Path("out/explanation.json").read_text())
    assert {name: value for name, value in kept.items() if name != "sha256"} == found
    assert [image["class"] for image in found["images"]] == ["blue", "green", "red"]
    assert all(Path(image["image"]).is_relative_to(pictures) for image in found["images"])
    assert found["faithfulness"]["areas"].keys() == {"pruned head", "dense head", "random", "centred"}
    rows = table(Path("out/concepts.csv"))
    assert len({row["neuron"] for row in rows}) <= 4
    assert all(Path(row["image"]).parent.name == row["class"] for row in rows)


def test_frequencies_are_those_of_the_front(evoprune, pictures_front):
    found = explained(evoprune, pictures_front, "--images", ONE, "--output", "out", "--neurons", "top3")
    members = json.loads(evoprune("front", pictures_front, "--json").out)["members"]
    rows = table(Path("out/neurons.csv"))
    assert len(rows) == found["neurons"] == 384
    active = sum(member["active_neurons"] for member in members)
    assert sum(int(row["members"]) for row in rows) == active
    assert found["never_active"] == sum(row["members"] == "0" for row in rows)
    best = max(int(row["members"]) for row in rows)
    assert found["top"][0]["members"] == best
    assert found["top"][0]["frequency"] == pytest.approx(best / len(members))
    mean = np.mean([member["validation"]["accuracy"] for member in members])
    boxes = {(row["objective"], row["neuron"]): row for row in table(Path("out/objectives.csv"))}
    assert found["mean"]["accuracy"] == pytest.approx(mean)
    values = [member["validation"]["accuracy"] for member in members]
    assert float(boxes["accuracy", "all"]["median"]) == pytest.approx(np.median(values))
    for one in found["top"]:
        assert int(boxes["active", str(one["neuron"])]["members"]) == one["members"]


def test_equal_commands_write_equal_files(evoprune, pictures_front):
    for name in ("one", "two"):
        assert evoprune("explain", pictures_front, "--images", ONE, "--neurons", "top2", "-o", name).status == 0
    names = {path.name for path in Path("one").iterdir()} - {"explanation.json"}
    assert names
    assert all((Path("one") / n).read_bytes() == (Path("two") / n).read_bytes() for n in names)


def test_images_and_neurons_can_be_chosen_and_the_table_fits_a_terminal(evoprune, pictures_front, pictures):
    outcome = evoprune(
        *("explain", pictures_front, "--images", ONE, pictures / "red" / "3.png"),
        *("--neurons", "7,300", "-o", "out"),
    )
    assert outcome.status == 0, outcome.err
    # The names of the files may be long.
    lines = outcome.out.split("In out:")[0].splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert {"7", "300"} <= {line.split()[0] for line in lines if line.strip()}
    found = json.loads(Path("out/explanation.json").read_text())
    assert [(Path(i["image"]).name, i["class"]) for i in found["images"]] == [(ONE, None), ("3.png", "red")]
    assert found["images_chosen"] == "given"
    assert "heatmaps: 4 of 4 heatmaps" in outcome.err


def test_many_images_and_neurons_go_to_several_pages(evoprune, pictures_front, pictures, monkeypatch):
    for name in ("PAGE_IMAGES", "PAGE_NEURONS"):
        monkeypatch.setattr(f"evoprune.workflow._explain_pages.{name}", 2)
    files = [pictures / "red" / "0.png", pictures / "red" / "1.png", pictures / "blue" / "0.png"]
    found = explained(evoprune, pictures_front, "--images", *files, "--neurons", "top3", "-o", "out")
    names = {Path(file).name for file in found["files"]}
    assert {"heatmaps_neurons.png", *(f"heatmaps_neurons_{i}.png" for i in (2, 3, 4))} <= names
    assert {"heatmaps_classes_2.png", "concepts_2.png"} <= names and "heatmaps_neurons_5.png" not in names
    Path("out/mine.txt").write_text("kept")
    found = explained(evoprune, pictures_front, *QUICK, "-o", "out")
    left = {path.name for path in Path("out").iterdir()}
    assert left == {"mine.txt", "explanation.json", *(Path(file).name for file in found["files"])}
    assert "heatmaps_neurons_2.png" not in left


def test_another_member_is_explained_by_its_own_head(evoprune, pictures_front):
    members = json.loads(evoprune("front", pictures_front, "--json").out)["members"]
    chosen = explained(evoprune, pictures_front, *QUICK, "-o", "a")["member"]
    other = next(member for member in members if member["id"] != chosen)
    found = explained(
        evoprune, pictures_front, "--member", str(other["id"]), "--images", ONE, "--neurons", "7", "-o", "b"
    )
    assert found["member"] == other["id"]
    held = sum(row["in_member"] == "1" for row in table(Path("b/neurons.csv")))
    assert held == other["active_neurons"]
    sentence = refused(evoprune("explain", pictures_front, "--member", "999"))
    assert sentence.startswith("evaluation 999 is not on the front of")


def test_layers_and_occlusion_can_be_asked_for(evoprune, pictures_front):
    assert explained(evoprune, pictures_front, "--layer", "blocks.1", *QUICK, "-o", "a")["layer"] == "blocks.1"
    found = explained(evoprune, pictures_front, "--method", "occlusion", *QUICK, "-o", "b")
    assert (found["method"], found["layer"]) == ("occlusion", None)
    assert "no layer 'blockz'; did you mean 'blocks'" in refused(
        evoprune("explain", pictures_front, "--layer", "blockz")
    )
    assert not (pictures_front / "explain").exists()


def test_hidden_units_are_explained_where_the_model_has_them(evoprune, pictures):
    assert evoprune("run", pictures, *FRONT, "--encoding", "first", "--head", "24", "-o", "run").status == 0
    found = explained(evoprune, "run", "--images", ONE, "--neurons", "top24")
    off = [one["neuron"] for one in found["top"] if not one["in_member"]]
    shown = {int(row["neuron"]) for row in table(Path("run/explain/concepts.csv"))}
    assert shown and not shown & set(off)
    assert bool(off) == any("off in the model" in sentence for sentence in found["left_out"])


def test_connections_have_frequencies_and_classes_but_no_heatmaps_of_their_own(evoprune, pictures):
    assert evoprune("run", pictures, *SMALL, "--encoding", "connections", "-o", "run").status == 0
    found = explained(evoprune, "run", "--images", ONE)
    names = {Path(file).name for file in found["files"]}
    assert "heatmaps_classes.png" in names and "heatmaps_neurons.png" not in names
    assert any("single connection" in sentence for sentence in found["left_out"])


def test_one_objective_has_one_member_and_the_strongest_neurons_come_first(evoprune, pictures_run):
    found = explained(evoprune, pictures_run, "--images", ONE, "-o", "out")
    assert found["members"] == 1 and all(one["frequency"] == 1 and one["in_member"] for one in found["top"])
    strengths = [one["strength"] for one in found["top"]]
    assert strengths == sorted(strengths, reverse=True) and strengths[0] > 0
    assert any(sentence.startswith("no box plots") for sentence in found["left_out"])


def test_a_run_on_features_says_what_cannot_be_shown_and_does_the_rest(evoprune, blobs):
    assert evoprune("run", "--features", blobs, *FRONT, "-o", "run").status == 0
    outcome = evoprune("explain", "run")
    assert outcome.status == 0, outcome.err
    assert "No heatmaps and no images: the run was made from features." in outcome.err
    names = {path.name for path in Path("run/explain").iterdir()}
    assert names == {"neurons.csv", "frequency.png", "objectives.csv", "objectives.png", "explanation.json"}
    assert "leave --images out" in refused(evoprune("explain", "run", "--images", "a.png"))
    assert "leave --method out" in refused(evoprune("explain", "run", "--method", "occlusion"))


def test_merged_fronts_are_explained_over_all_their_members(evoprune, pictures):
    run = evoprune("run", pictures, *FRONT, "--runs", "2", "-o", "seeds")
    assert run.status == 0, run.err
    found = explained(evoprune, "seeds/merged", *QUICK)
    members = json.loads(evoprune("front", "seeds/merged", "--json").out)["members"]
    assert found["members"] == len(members)
    rows = table(Path("seeds/merged/explain/neurons.csv"))
    assert sum(int(row["members"]) for row in rows) == sum(member["active_neurons"] for member in members)
    assert found["member"] == members[0]["id"] and found["member_run"] == members[0]["run"]
    shutil.move("seeds", "moved")
    assert explained(evoprune, "moved/merged", *QUICK)["members"] == len(members)
    shutil.rmtree("moved/seed-0")
    shutil.rmtree("moved/seed-1")
    assert "is not there any more; put that run back, or merge again" in refused(evoprune("explain", "moved/merged"))


@pytest.fixture
def onnx_network(tmp_path):
    """A convolution with 8 filters, ReLU, and the mean over positions."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(8, 3, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["image", "weights"], ["maps"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["maps"], ["active"]),
        helper.make_node("GlobalAveragePool", ["active"], ["pooled"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 14, 14])],
        [helper.make_tensor_value_info("pooled", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(weights, "weights")],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), tmp_path / "net.onnx")
    record = {"input_size": [14, 14], "color": "RGB", "resize": "bilinear", "mean": [127.5] * 3, "std": [127.5] * 3}
    (tmp_path / "net.json").write_text(json.dumps(record), encoding="utf-8")
    return tmp_path / "net.onnx"


def test_onnx_networks_are_explained_by_occlusion(evoprune, pictures, onnx_network):
    assert evoprune("run", pictures, "--backbone", f"onnx:{onnx_network}", *FRONT, "-o", "run").status == 0
    found = explained(evoprune, "run", *QUICK)
    assert (found["method"], found["layer"]) == ("occlusion", None)
    assert Path("run/explain/heatmaps_neurons.png").is_file()
    assert "leave --layer out" in refused(evoprune("explain", "run", "--layer", "maps"))
    assert "leave --method out" in refused(evoprune("explain", "run", "--method", "grad-cam"))


def test_a_folder_stands_for_the_images_below_it(evoprune, pictures_front):
    for number, name in enumerate(("a.png", "deep/b.png", ".hidden/c.png")):
        save_image(Path("photos", name), number, (0, 0, 150))
    Path("photos/notes.txt").write_text("no image", encoding="utf-8")
    found = explained(evoprune, pictures_front, "--images", "photos", ONE, "--neurons", "top1", "-o", "out")
    assert [image["image"] for image in found["images"]] == ["photos/a.png", "photos/deep/b.png", ONE]
    Path("empty").mkdir()
    assert "empty holds no images" in refused(evoprune("explain", pictures_front, "--images", "empty", "-o", "other"))


def test_images_that_are_gone_are_one_sentence(evoprune, pictures):
    shutil.copytree(pictures, "data")
    assert evoprune("run", "data", *FRONT, "-o", "run").status == 0
    shutil.move("data", "elsewhere")
    sentence = refused(evoprune("explain", "run"))
    assert "the images of run were in" in sentence and sentence.endswith("which is not there any more; put them back")
    assert not Path("run/explain").exists()


def test_images_that_changed_are_said_and_explained_as_they_are(evoprune, pictures):
    shutil.copytree(pictures, "data")
    assert evoprune("run", "data", *FRONT, "-o", "run").status == 0
    save_image(Path("data/red/0.png"), 999, (150, 0, 0))
    outcome = evoprune("explain", "run", *QUICK)
    assert outcome.status == 0
    assert "no longer gives exactly the features" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--neurons", "ten"), "--neurons 'ten' cannot be read; give it like top10, or like 12,40"),
        (("--neurons", "top0"), "top0 says nothing; give top1 or more"),
        (("--neurons", "3,384"), "neuron 384 does not exist"),
        (("--neurons", "3,3"), "a neuron is named twice; name each once"),
        (("--method", "lime"), "--method 'lime' is unknown; give grad-cam or occlusion"),
        (("--images", "absent.png"), "absent.png cannot be read as an image: the file does not exist"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_sentence(evoprune, pictures_front, arguments, said):
    assert said in refused(evoprune("explain", pictures_front, *arguments, "-o", "out"))
    assert not Path("out").exists()


def test_nothing_of_another_kind_is_written_over(evoprune, pictures_front):
    assert "holds a run" in refused(evoprune("explain", pictures_front, "-o", pictures_front))
    assert "holds no run" in refused(evoprune("explain", "nowhere"))
