"""The figures of a page are those of the run's store."""

from __future__ import annotations

import json
import shutil
import sqlite3

import numpy as np
import pytest
from pymoo.indicators.hv import HV
from scipy.stats import ttest_1samp, ttest_ind
from sklearn.metrics import confusion_matrix, recall_score

from evoprune.errors import ConfigError, StorageError
from evoprune.page import page_data, render, write_page
from evoprune.page._certainty import of_predictions, of_spreads
from evoprune.workflow import Choice, RunFolder, choose, merge, read_status

from ..sealed import reseal
from .conftest import blobs, data_of, study


@pytest.fixture(scope="module")
def run(front_page):
    (found,) = data_of(front_page)["runs"]
    return found


@pytest.fixture(scope="module")
def store(front_run):
    connection = sqlite3.connect(front_run / "study.sqlite")
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def summary(store):
    return json.loads(store.execute("SELECT value FROM results WHERE name = 'summary'").fetchone()[0])


@pytest.fixture(scope="module")
def predictions(store):
    kept = json.loads(store.execute("SELECT value FROM results WHERE name = 'predictions'").fetchone()[0])
    return {name: np.array(kept[name]) for name in ("labels", "dense", "evolved", "rows")}


def test_every_evaluation_of_the_store_is_drawn_with_its_values(run, store):
    rows = store.execute("SELECT evaluation, objective, value FROM objective_values ORDER BY 1").fetchall()
    cloud = run["front"]["cloud"]
    assert cloud["id"] == sorted({row[0] for row in rows})
    for number, objective, value in rows:
        assert cloud["values"][objective][cloud["id"].index(number)] == pytest.approx(value, abs=1e-8)


def test_members_have_the_figures_of_the_summary(run, summary):
    assert [member["id"] for member in run["front"]["members"]] == [member["id"] for member in summary["front"]]
    for ours, theirs in zip(
        [*run["front"]["members"], run["front"]["dense"]], [*summary["front"], summary["dense"]], strict=True
    ):
        for part in ("validation", "test"):
            for name, value in theirs[part].items():
                assert ours[part][name] == value
            assert ours[f"{part}_std"] == theirs[f"{part}_std"]
        assert {name: ours["search"][name] for name in theirs["values"]} == theirs["values"]
        assert (ours["active"], ours["neurons"]) == (theirs["active_share"], theirs["active_neurons"])
        assert ours["parameters"] == theirs["parameters"]
    assert run["front"]["chosen"] == summary["best"]["id"]


def test_the_sentences_say_the_figures_of_the_table(run, summary):
    said = " ".join(sentence["text"] for sentence in run["words"])
    best, dense = summary["best"], summary["dense"]
    for head in (best, dense):
        assert f"{100 * head['test_accuracy']:.2f} ± {100 * head['test_accuracy_std']:.2f} %" in said
    assert f"{best['active_neurons']} of 16 features ({100 * best['active_share']:.1f} %)" in said
    assert f"{best['parameters']:,} parameters instead of {dense['parameters']:,}" in said
    assert f"AUROC of {best['test']['ood']:.4f}" in said
    assert "read once, after the search" in said
    assert "over 3 trainings" in said


def test_the_curves_end_where_the_search_ended(run, summary, store):
    values = np.array(
        store.execute("SELECT value FROM objective_values WHERE objective = 'accuracy' ORDER BY evaluation").fetchall()
    ).ravel()
    curve = run["convergence"]
    running = np.maximum.accumulate(values)
    for at, value in zip(curve["x"], curve["y"], strict=True):
        assert value == running[at - 1]
    assert curve["x"][-1] == len(values)
    # Every step up is a corner.
    assert set(np.flatnonzero(np.diff(running)) + 2) <= set(curve["x"])
    assert run["hypervolume"]["y"][-1] == pytest.approx(summary["hypervolume"]["search"])
    assert run["hypervolume"]["test"] == summary["hypervolume"]["test"]


def test_the_hypervolume_of_a_search_under_way_is_that_of_pymoo(growing, store):
    (run,) = page_data([growing])["runs"]
    names = [objective["name"] for objective in run["objectives"]]
    query = "SELECT value FROM objective_values WHERE objective = ? AND evaluation <= 10 ORDER BY evaluation"
    values = np.hstack([np.array(store.execute(query, (name,)).fetchall()) for name in names])
    sign = np.where([objective["maximize"] for objective in run["objectives"]], -1.0, 1.0)
    reference = np.array([run["hypervolume"]["reference"][name] for name in names])
    assert reference.tolist() == [0.0, 1.0, 0.0]
    assert run["hypervolume"]["y"][-1] == pytest.approx(float(HV(ref_point=sign * reference)(sign * values)))


def test_neurons_are_counted_over_the_members(run, store, summary):
    packed = dict(store.execute("SELECT id, genome FROM evaluations").fetchall())
    genomes = np.array(
        [np.unpackbits(np.frombuffer(packed[m["id"]], np.uint8), count=16) for m in summary["front"]], dtype=bool
    )
    counts = genomes.sum(axis=0)
    assert {one["neuron"]: one["members"] for one in run["neurons"]["top"]} == {
        n: c for n, c in enumerate(counts.tolist()) if c
    }
    assert [one["members"] for one in run["neurons"]["top"]] == sorted(counts[counts > 0].tolist(), reverse=True)
    assert run["neurons"]["never"] == (counts == 0).sum()
    for one in run["neurons"]["top"]:
        having = np.flatnonzero(genomes[:, one["neuron"]])
        having = [summary["front"][row]["validation"]["accuracy"] for row in having]
        assert one["mean"]["accuracy"] == pytest.approx(np.mean(having))


def test_confusion_is_that_of_scikit_learn(run, predictions, summary):
    labels = predictions["labels"]
    for head, key in (("dense", "dense"), ("evolved", "best")):
        expected = sum(confusion_matrix(labels, row, labels=range(3)) for row in predictions[head])
        assert run["confusion"][head] == expected.tolist()
        recalls = np.mean(
            [recall_score(labels, row, average=None, labels=range(3)) for row in predictions[head]], axis=0
        )
        assert run["confusion"]["recall"][head] == pytest.approx(recalls.tolist())
        # The same trainings as those behind the result table.
        assert np.trace(expected) / expected.sum() == pytest.approx(summary[key]["test_accuracy"])
        by_seed = (predictions[head] == labels).mean(axis=1)
        assert by_seed.std(ddof=1) == pytest.approx(summary[key]["test_accuracy_std"])


def test_what_changed_sides_is_right_in_most_trainings_of_one_head_alone(run, predictions):
    labels = predictions["labels"]
    before, after = ((predictions[head] == labels).mean(axis=0) for head in ("dense", "evolved"))
    won = {int(row) for row in predictions["rows"][(after > 0.5) & (before <= 0.5)]}
    lost = {int(row) for row in predictions["rows"][(after <= 0.5) & (before > 0.5)]}
    assert {one["row"] for one in run["confusion"]["won"]} == won
    assert {one["row"] for one in run["confusion"]["lost"]} == lost
    assert won
    for one in run["confusion"]["won"]:
        place = predictions["rows"].tolist().index(one["row"])
        assert one["label"] == labels[place]
        assert one["evolved"] == labels[place] != one["dense"]
        assert one["picture"] is None


def test_over_fitting_is_validation_minus_test(run, summary):
    rows = {row["label"]: row for row in run["overfitting"]["rows"]}
    chosen, front, dense, random = rows.values()
    best = summary["best"]
    assert chosen["gap"] == pytest.approx(best["validation_accuracy"] - best["test_accuracy"])
    gaps = [member["validation_accuracy"] - member["test_accuracy"] for member in summary["front"]]
    assert front["gap"] == pytest.approx(np.mean(gaps))
    assert dense["gap"] == pytest.approx(summary["dense"]["validation_accuracy"] - summary["dense"]["test_accuracy"])
    assert (random["gap"], random["gap_std"]) == (
        summary["overfitting"]["random"],
        summary["overfitting"]["random_std"],
    )


def test_commands_choose_the_member_that_they_stand_for(run, summary):
    for member in run["front"]["members"]:
        words = member["commands"]["select"]
        assert words.startswith("evoprune select '")
        assert choose(summary, Choice(number=int(words.rsplit(" ", 1)[1])))[0] == member["id"]


def test_what_a_run_does_not_have_is_left_out(single_run):
    (run,) = page_data([single_run])["runs"]
    for section in ("hypervolume", "neurons", "overfitting", "sparsity", "explained", "ensemble"):
        assert section not in run
    assert {"front", "convergence", "confusion", "facts"} <= run.keys()
    assert run["front"]["parts"] == ["test"]
    said = " ".join(sentence["text"] for sentence in run["words"])
    assert "optimistic" in said
    assert "one training" in said


def test_a_full_head_that_is_chosen_is_said_with_the_way_to_a_smaller_one(front_run, tmp_path):
    folder = tmp_path / "a run"
    shutil.copytree(front_run, folder)
    connection = sqlite3.connect(folder / "study.sqlite")
    (text,) = connection.execute("SELECT value FROM results WHERE name = 'summary'").fetchone()
    summary = json.loads(text)
    summary["best"] = {**summary["dense"], "id": summary["best"]["id"]}
    summary["front"] = [summary["best"] if one["id"] == summary["best"]["id"] else one for one in summary["front"]]
    connection.execute("UPDATE results SET value = ? WHERE name = 'summary'", (json.dumps(summary),))
    reseal(connection)
    connection.commit()
    connection.close()
    (run,) = page_data([folder])["runs"]
    said = {sentence["about"]: sentence["text"] for sentence in run["words"]}
    assert said["size"].startswith("The full head is chosen, so nothing is pruned; the best head of at most ")
    assert f"evoprune select '{folder}' --where" in said["size"]
    assert "sure" not in said
    assert "evolved" not in said["gain"]
    assert run["result"]["difference"] is None


def test_a_search_under_way_is_shown_without_a_result(growing):
    (run,) = page_data([growing])["runs"]
    assert not run["complete"]
    assert (run["evaluations"], run["budget"]) == (10, 40)
    assert run["result"] is None
    assert run["front"]["parts"] == []
    assert run["words"][0]["text"] == "The search has 10 of 40 evaluations."
    assert all("commands" not in member for member in run["front"]["members"])


def test_a_run_without_an_evaluation_has_a_page(growing):
    (growing / "study.sqlite").unlink()
    (run,) = page_data([growing])["runs"]
    assert "front" not in run
    assert run["words"][0]["text"] == "The search has 0 of 40 evaluations."
    assert data_of(render(page_data([growing])))["runs"][0]["evaluations"] == 0


def test_several_runs_are_compared_by_names_that_tell_them_apart(front_run, single_run, tmp_path):
    copy = tmp_path / "other" / front_run.name
    shutil.copytree(front_run, copy)
    data = page_data([front_run, single_run, copy])
    names = [run["name"] for run in data["runs"]]
    assert len(set(names)) == 3
    assert all(name.endswith(folder.name) for name, folder in zip(names, (front_run, single_run, copy), strict=True))
    assert data["title"] == "3 runs"


def test_merged_runs_have_a_page_whose_commands_name_the_run_of_each_member(tmp_path):
    folders = [tmp_path / f"seed-{seed}" for seed in range(2)]
    for seed, folder in enumerate(folders):
        study(blobs(), folder, seed=seed, split_seed=0, objectives=("accuracy", "active"), report_seeds=2).run(16)
    merged = merge([RunFolder(folder) for folder in folders], tmp_path / "merged")
    (run,) = page_data([tmp_path / "merged"])["runs"]
    assert run["merged"]
    for ours, theirs in zip(run["front"]["members"], merged["front"], strict=True):
        assert ours["commands"]["select"] == f"evoprune select {theirs['run']} --id {theirs['id']}"
        assert ours["attained"] == theirs["attained"]
    assert run["neurons"]["members"] == len(merged["front"])


def test_pictures_are_of_the_images_that_changed_sides(image_run):
    (run,) = page_data([image_run])["runs"]
    changed = run["confusion"]["won"] + run["confusion"]["lost"]
    assert changed
    for one in changed:
        assert one["picture"].startswith("data:image/jpeg;base64,")
        assert run["confusion"]["classes"][one["label"]] in one["name"]


def test_an_image_that_is_gone_is_named_without_a_picture(image_run, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(image_run, folder)
    connection = sqlite3.connect(folder / "study.sqlite")
    (text,) = connection.execute("SELECT value FROM results WHERE name = 'predictions'").fetchone()
    kept = json.loads(text)
    kept["names"] = [f"/gone/{number}.png" for number in range(len(kept["names"]))]
    connection.execute("UPDATE results SET value = ? WHERE name = 'predictions'", (json.dumps(kept),))
    reseal(connection)
    connection.commit()
    connection.close()
    (run,) = page_data([folder])["runs"]
    changed = run["confusion"]["won"] + run["confusion"]["lost"]
    assert {one["picture"] for one in changed} == {None}


@pytest.mark.parametrize("part", ["labels", "dense", "evolved"])
def test_predictions_of_a_class_that_there_is_not_are_no_predictions(image_run, tmp_path, part):
    folder = tmp_path / "run"
    shutil.copytree(image_run, folder)
    connection = sqlite3.connect(folder / "study.sqlite")
    (text,) = connection.execute("SELECT value FROM results WHERE name = 'predictions'").fetchone()
    kept = json.loads(text)
    (kept[part] if part == "labels" else kept[part][0])[-1] = 2001
    connection.execute("UPDATE results SET value = ? WHERE name = 'predictions'", (json.dumps(kept),))
    reseal(connection)
    connection.commit()
    connection.close()
    (run,) = page_data([folder])["runs"]
    assert "confusion" not in run


SPARSITY = """dataset,encoding,protocol,method,seed,share,validation_accuracy,test_accuracy
{name},features,nested,guided,0,0.1,0.9,0.8
{name},features,nested,guided,1,0.1,0.9,0.9
{name},features,nested,random,0,0.5,0.71,0.70
{name},features,nested,random,1,0.5,0.75,0.71
{name},features,nested,random,0,0.1,0.5,0.6
{name},features,nested,random,1,0.1,0.5,0.6
{name},features,nested,dense,0,1.0,0.9,0.95
elsewhere,features,nested,guided,0,0.2,0.1,0.1
"""


@pytest.fixture
def compared(front_run, tmp_path):
    """A run of an earlier version, without random masks of its own, and an experiment beside it."""
    shutil.copytree(front_run, tmp_path / "run")
    connection = sqlite3.connect(tmp_path / "run" / "study.sqlite")
    (text,) = connection.execute("SELECT value FROM results WHERE name = 'summary'").fetchone()
    earlier = {name: value for name, value in json.loads(text).items() if name != "overfitting"}
    connection.execute("UPDATE results SET value = ? WHERE name = 'summary'", (json.dumps(earlier),))
    reseal(connection)
    connection.commit()
    connection.close()
    experiment = tmp_path / "experiment"
    experiment.mkdir()
    (experiment / "sparsity.csv").write_text(SPARSITY.format(name="blobs"))
    (experiment / "tasks.sqlite").touch()
    return tmp_path / "run"


def test_an_experiment_beside_the_run_gives_the_other_methods(compared):
    (run,) = page_data([compared])["runs"]
    guided, random = run["sparsity"]["curves"]
    assert guided["title"] == "guided search"
    assert (guided["share"], guided["mean"]) == ([0.1], [pytest.approx(0.85)])
    assert guided["std"] == [pytest.approx(np.std([0.8, 0.9], ddof=1))]
    assert random["share"] == [0.1, 0.5]
    assert run["sparsity"]["dense"] == 0.95


def test_random_masks_of_the_nearest_size_stand_beside_the_over_fitting(compared, summary):
    (run,) = page_data([compared])["runs"]
    last = run["overfitting"]["rows"][-1]
    share = summary["best"]["active_share"]
    expected = (0.5, 0.025) if abs(np.log(0.5 / share)) < abs(np.log(0.1 / share)) else (0.1, -0.1)
    assert f"{100 * expected[0]:g} % active" in last["label"]
    assert last["gap"] == pytest.approx(expected[1])


def test_an_experiment_on_other_data_is_refused(compared, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "sparsity.csv").write_text(SPARSITY.format(name="not-these"))
    with pytest.raises(ConfigError, match=r"no figures of blobs .* leave --experiment out"):
        page_data([compared], experiment=other)
    with pytest.raises(StorageError, match=r"holds no sparsity\.csv"):
        page_data([compared], experiment=tmp_path / "nowhere")


def test_the_interval_of_one_training_is_that_of_paired_rows():
    rng = np.random.default_rng(0)
    dense, evolved = rng.random((1, 4000)) < 0.8, rng.random((1, 4000)) < 0.85
    found = of_predictions(dense, evolved)
    expected = ttest_1samp(evolved[0].astype(float) - dense[0], 0).confidence_interval(0.95)
    # Student's t and the normal distribution are alike for so many rows.
    assert (found.low, found.high) == (pytest.approx(expected.low, abs=1e-4), pytest.approx(expected.high, abs=1e-4))
    assert found.verdict == "better"


def test_the_interval_holds_the_truth_in_about_19_of_20_cases():
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        # A row is hard or easy for both heads, and a training is good or bad for all rows.
        easy = rng.normal(1.2, 1.0, size=300)
        heads = [
            easy + gain + rng.normal(0, 0.05, size=(5, 1)) + rng.normal(0, 0.5, size=(5, 300)) for gain in (0, 0.3)
        ]
        found = of_predictions(heads[0] > 0, heads[1] > 0)
        held += found.low <= TRUE_GAIN <= found.high
    assert held >= 0.93 * 400


_EASY = np.random.default_rng(2).normal(1.2, 1.0, size=2_000_000)
_NOISE = np.random.default_rng(3).normal(0, np.hypot(0.5, 0.05), size=2_000_000)
TRUE_GAIN = float(((_EASY + 0.3 + _NOISE) > 0).mean() - ((_EASY + _NOISE) > 0).mean())


def test_two_trainings_say_nothing_of_their_spread():
    rng = np.random.default_rng(0)
    dense, evolved = rng.random((2, 400)) < 0.8, rng.random((2, 400)) < 0.85
    found = of_predictions(dense, evolved)
    gains = evolved.mean(axis=0) - dense.mean(axis=0)
    assert found.about == "over test rows alone"
    assert found.high - found.mean == pytest.approx(1.959964 * gains.std(ddof=1) / 20, rel=1e-6)
    head = {"test_accuracy": 0.9, "test_accuracy_std": 0.01, "seeds": 2}
    assert of_spreads(head, head) is None


def test_the_interval_of_spreads_is_that_of_welch():
    rng = np.random.default_rng(0)
    a, b = rng.normal(0.9, 0.01, 5), rng.normal(0.92, 0.02, 7)
    heads = [
        {"test_accuracy": float(v.mean()), "test_accuracy_std": float(v.std(ddof=1)), "seeds": len(v)} for v in (a, b)
    ]
    expected = ttest_ind(b, a, equal_var=False).confidence_interval(0.95)
    found = of_spreads(*heads)
    assert (found.low, found.high) == (pytest.approx(expected.low), pytest.approx(expected.high))


def test_a_page_of_a_selected_member_has_its_predictions(tmp_path):
    features = blobs()
    folder = tmp_path / "run"
    made = study(features, folder, report_seeds=2)
    result = made.run(16)
    other = next(member for member in result.front if member.id != result.best.id)
    made.select(other.id, "by its number")
    (run,) = page_data([folder])["runs"]
    assert run["front"]["chosen"] == other.id
    counts = np.array(run["confusion"]["evolved"])
    assert np.trace(counts) / counts.sum() == pytest.approx(other.scores.test_accuracy)


def test_a_resumed_run_keeps_the_predictions_that_it_would_have_had(front_run, tmp_path):
    kept = {}
    folder = tmp_path / "run"
    study(blobs(), folder).run(20)
    study(blobs(), folder).run(40)
    for name, path in (("whole", front_run), ("resumed", folder)):
        connection = sqlite3.connect(path / "study.sqlite")
        kept[name] = dict(connection.execute("SELECT name, value FROM results WHERE name IN ('predictions', 'data')"))
        connection.close()
    assert kept["whole"] == kept["resumed"]


def test_a_page_is_written_whole_and_small(front_run, tmp_path):
    page = write_page([front_run], tmp_path / "folder" / "page.html")
    assert page.stat().st_size < 400_000
    assert page.read_text().rstrip().endswith("</html>")
    assert read_status(RunFolder(front_run)).summary is not None
