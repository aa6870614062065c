"""Several objectives: the front, what is measured of it, choosing from it, and merging runs."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from pymoo.indicators.hv import HV
from rich.console import Console
from sklearn.metrics import roc_auc_score

import evoprune as ep
from evoprune.errors import ConfigError, StorageError
from evoprune.objectives import odin
from evoprune.report import front_table
from evoprune.search import SearchOptions
from evoprune.workflow import Choice, RunFolder, choose, merge, read_merged, read_status

from .conftest import make_features

THREE = ("accuracy", "active", "ood")


@pytest.fixture(scope="module")
def with_outliers():
    """The blobs, and 200 rows that lie elsewhere in two sets."""
    blobs = make_features()
    rng = np.random.default_rng(5)
    X = blobs.X
    rows = [blobs.divisions[0].train, blobs.divisions[0].test]
    sets = [rng.normal(2.0, 1.0, size=(120, 16)).astype(np.float32), rng.normal(-2.0, 1.0, size=(80, 16))]
    return ep.from_arrays(
        X[rows[0]], blobs.y[rows[0]], X[rows[1]], blobs.y[rows[1]], class_names=["a", "b", "c"], ood=sets
    )


def study(features, quick, *, population=8, **settings):
    settings = {"objectives": THREE, "report_seeds": 2, **settings}
    return ep.Study(features, head=ep.Head(8), recipe=quick, search=SearchOptions(population=population), **settings)


@pytest.fixture(scope="module")
def result(with_outliers, quick, tmp_path_factory):
    return study(with_outliers, quick, output=tmp_path_factory.mktemp("front") / "run").run(40)


def test_every_member_is_measured_on_validation_and_test(result):
    assert len(result.front) > 2
    for member in (*result.front, result.dense):
        for part in (member.scores.validation, member.scores.test, member.scores.test_std):
            assert set(part) == {"accuracy", "active", "ood", "ood_aupr", "ood_fpr95"}
            assert np.isfinite(list(part.values())).all()
        assert member.scores.test["active"] == member.active_share
        assert member.scores.test_std["active"] == 0


def test_the_reported_auroc_is_of_images_that_the_search_did_not_see(with_outliers, quick):
    run = study(with_outliers, quick, report_seeds=1)
    found = run.run(12)
    model = found.best.build()
    searched, reported = (p.data.extra["ood"] for p in (run.problem, run.conclusion.scorer.report))
    assert len(reported[0]) == len(with_outliers.divisions[0].test)
    assert not {row.tobytes() for row in searched[0]} & {row.tobytes() for row in reported[0]}
    inside = with_outliers.X[with_outliers.divisions[0].test]
    scores = odin(np.concatenate([model.head.logits(inside), model.head.logits(reported[0])]).astype(np.float64))
    outlying = np.repeat([0, 1], [len(inside), len(reported[0])])
    # The engine's logits and numpy's differ in the last bits.
    assert found.best.scores.test["ood"] == pytest.approx(roc_auc_score(outlying, scores), abs=2e-3)


def test_outlying_images_change_no_other_objective(with_outliers, quick):
    alone = replace(with_outliers, ood=())
    pairs = [study(f, quick, objectives=("accuracy", "active")).run(20) for f in (with_outliers, alone)]
    values = [[e.values.tolist() for e in found.history] for found in pairs]
    assert values[0] == values[1]


def test_the_hypervolume_is_what_pymoo_counts(result):
    values = np.array([[m.values["accuracy"], m.values["active"], m.values["ood"]] for m in result.front])
    counted = HV(ref_point=np.array([0.0, 1.0, 0.0]))(values * [-1, 1, -1])
    assert result.hypervolume.reference == {"accuracy": 0.0, "active": 1.0, "ood": 0.0}
    assert result.hypervolume.trace[-1] == pytest.approx(counted)
    assert (np.diff(result.hypervolume.trace) >= 0).all()
    assert len(result.hypervolume.trace) == 40


def test_guessing_is_the_reference_of_the_loss_and_the_dense_head_that_of_sizes(features, quick):
    found = study(features, quick, objectives=("loss", "parameters")).run(16)
    assert found.hypervolume.reference["loss"] == pytest.approx(np.log(3))
    assert found.hypervolume.reference["parameters"] == found.dense.scores.parameters


def test_the_folder_holds_tables_and_figures_of_the_front(result):
    folder = RunFolder(result.run)
    names = {path.name for path in folder.figures.iterdir()}
    assert names == {"front.png", "front_3d.png", "hypervolume.png", "neurons.png", "parallel.png"}
    rows = list(csv.DictReader(folder.front.read_text().splitlines()))
    assert [int(row["id"]) for row in rows] == [member.id for member in result.front]
    assert [float(row["test_ood"]) for row in rows] == pytest.approx([m.scores.test["ood"] for m in result.front])
    trace = list(csv.DictReader(folder.hypervolume.read_text().splitlines()))
    assert [float(row["hypervolume"]) for row in trace] == pytest.approx(result.hypervolume.trace)


def test_killed_while_measuring_the_front_nothing_is_measured_twice(with_outliers, quick, tmp_path):
    whole = study(with_outliers, quick, batch=2).run(24)
    seen = []

    def stop(done, total):
        seen.append(done)
        if done > total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        study(with_outliers, quick, batch=2, output=tmp_path / "run").run(24, on_report=stop)
    again = []
    resumed = study(with_outliers, quick, batch=2, output=tmp_path / "run").run(
        24, on_report=lambda done, total: again.append(total)
    )
    trainings = 2 * 2 * (len(whole.front) + 1)
    assert again[-1] <= trainings - (trainings // 2 - 2 * 2 * 2)
    drop = ("seconds", "run")
    assert {k: v for k, v in resumed.summary().items() if k not in drop} == {
        k: v for k, v in whole.summary().items() if k not in drop
    }


def test_a_selected_member_is_the_run_s_model_and_stays_it(with_outliers, quick, tmp_path):
    path = tmp_path / "run"
    first = study(with_outliers, quick, output=path).run(24)
    smallest = min(first.front, key=lambda m: m.active_neurons)
    assert smallest.id != first.best.id
    study(with_outliers, quick, output=path).select(smallest.id, "by hand")
    for found in (read_status(RunFolder(path)).summary, study(with_outliers, quick, output=path).run(24).summary()):
        assert (found["best"]["id"], found["chosen_by"]) == (smallest.id, "by hand")
    X = with_outliers.X
    assert np.array_equal(ep.Model.load(path / "model").predict_features(X), smallest.build().predict_features(X))
    with pytest.raises(ConfigError, match="evaluation 999 is not on the front"):
        study(with_outliers, quick, output=path).select(999, "by hand")


def member(number, accuracy, share, ood):
    figures = {"accuracy": accuracy, "active": share, "ood": ood}
    test = {"accuracy": 1 - accuracy, "active": share, "ood": 1 - ood}
    sizes = {"active_neurons": int(100 * share), "active_share": share, "parameters": 1, "multiply_adds": 1}
    return {"id": number, **sizes, "validation": figures, "test": test}


FRONT = {
    "run": "runs/x",
    "protocol": "nested",
    "objectives": [{"name": n, "title": n, "maximize": n != "active"} for n in THREE],
    "front": [
        member(3, 0.95, 0.90, 0.60),
        member(5, 0.94, 0.20, 0.85),
        member(8, 0.90, 0.08, 0.95),
        member(9, 0.50, 0.01, 0.50),
    ],
}


@pytest.mark.parametrize(
    ("choice", "number"),
    [
        (Choice(best="accuracy"), 3),
        (Choice(best="accuracy", where="active<=0.1"), 8),
        (Choice(where="active <= 50%"), 5),
        (Choice(where="ood>=0.9, active_neurons<50"), 8),
        (Choice(best="active"), 9),
        (Choice(best="active_neurons", where="accuracy>0.9"), 5),
        (Choice(knee=True), 5),
        (Choice(weights={"accuracy": 1.0}), 3),
        (Choice(weights={"active": 1.0}), 9),
        (Choice(weights={"accuracy": 1.0, "active": 1.0}), 8),
        (Choice(number=9), 9),
    ],
)
def test_a_choice_is_made_on_validation_figures(choice, number):
    assert choose(FRONT, choice)[0] == number


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "nothing says which member"),
        ({"knee": True, "best": "accuracy"}, "several ways to choose"),
        ({"number": 4}, "its members are 3, 5, 8, 9"),
        ({"number": 3, "where": "active<1"}, "--where does not go with --id"),
        ({"best": "acuracy"}, "did you mean 'accuracy'"),
        ({"where": "active<0.001"}, "no member of the front"),
        ({"where": "activ<0.1"}, "active"),
        ({"weights": {"loss": 1.0}}, "which is no objective of this run"),
    ],
)
def test_a_choice_that_cannot_be_made_is_refused(settings, sentence):
    with pytest.raises(ConfigError, match=sentence):
        choose(FRONT, Choice(**settings))


@pytest.fixture(scope="module")
def ten_runs(with_outliers, quick, tmp_path_factory):
    root = tmp_path_factory.mktemp("ten")
    with pytest.MonkeyPatch.context() as patch:
        # Drawing the figures of each run would take longer than its search; merging needs none of them.
        patch.setattr("evoprune.workflow._conclusion.write_files", lambda folder, result: None)
        for seed in range(10):
            settings = {"population": 6, "seed": seed, "split_seed": 0, "report_seeds": 1}
            study(with_outliers, quick, **settings, output=root / f"seed-{seed}").run(14)
    return [RunFolder(root / f"seed-{seed}") for seed in range(10)]


def test_the_merged_front_weakly_dominates_each_of_ten_runs(ten_runs, tmp_path):
    merged = merge(ten_runs, tmp_path / "merged")
    sign = np.array([-1, 1, -1])
    points = sign * np.array([[m["values"][n] for n in THREE] for m in merged["front"]])
    for folder in ten_runs:
        with_values = read_status(folder).summary["front"]
        for own in sign * np.array([[m["values"][n] for n in THREE] for m in with_values]):
            assert (points <= own).all(axis=1).any()
    assert merged["same_folds"]
    assert merged["hypervolume"]["search"] >= max(run["hypervolume"] for run in merged["runs"])
    assert all(0.1 <= m["attained"] <= 1 for m in merged["front"])
    assert {m["run"] for m in merged["front"]} <= {str(folder.path) for folder in ten_runs}
    assert read_merged(tmp_path / "merged") == merged
    assert (tmp_path / "merged" / "front.csv").read_text().startswith("run,attained,id,")
    assert (tmp_path / "merged" / "figures" / "front_3d.png").is_file()


def test_the_dense_row_of_a_merged_front_is_of_the_trainings_of_all_runs(with_outliers, quick, tmp_path):
    trained = {part: {name: [] for name in THREE} for part in ("validation", "test")}
    folders = []
    for seed, repetitions in ((0, 3), (1, 2)):
        path = tmp_path / f"seed-{seed}"
        one = study(with_outliers, quick, population=6, seed=seed, split_seed=0, report_seeds=repetitions, output=path)
        one.run(8)
        folders.append(RunFolder(path))
        genome = one.encoding.dense_genome()[None]
        for part, problem in (("validation", one.problem), ("test", one.conclusion.scorer.report)):
            candidates = problem.train(genome, one.conclusion.scorer.training_seeds(repetitions))
            values = problem.values(genome, candidates, one.problem.objectives)[0]
            for name, column in zip(THREE, values.T, strict=True):
                trained[part][name] += column.tolist()
    merged = merge(folders, tmp_path / "merged")
    dense = merged["dense"]
    assert (dense["seeds"], dense["active_share"], dense["id"]) == (5, 1.0, 0)
    for part, measured in trained.items():
        for name, values in measured.items():
            assert dense[part][name] == pytest.approx(np.mean(values), abs=1e-9), (part, name)
            assert dense[f"{part}_std"][name] == pytest.approx(np.std(values, ddof=1), abs=1e-7), (part, name)
    assert dense["test_accuracy"] == dense["test"]["accuracy"]
    console = Console(width=240, force_terminal=False, color_system=None)
    with console.capture() as capture:
        console.print(front_table(merged))
    (row,) = (line for line in capture.get().splitlines() if " dense " in line and "mean" not in line)
    assert f"{100 * dense['test']['accuracy']:.1f}" in row
    assert "dense: mean over 5 trainings in 2 runs." in capture.get()


def test_runs_that_measure_other_things_are_not_merged(with_outliers, quick, tmp_path, ten_runs):
    other, single, unfinished = (tmp_path / name for name in ("other", "single", "unfinished"))
    study(with_outliers, quick, objectives=("accuracy", "active"), output=other).run(10)
    study(with_outliers, quick, objectives=("accuracy",), output=single).run(10)
    with pytest.raises(ConfigError, match=r"cannot be merged with .* \(objectives: "):
        merge([ten_runs[0], RunFolder(other)], tmp_path / "out")
    with pytest.raises(ConfigError, match="has one objective"):
        merge([RunFolder(single)], tmp_path / "out")
    with pytest.raises(ConfigError, match="named twice"):
        merge([ten_runs[0], ten_runs[0]], tmp_path / "out")
    with pytest.raises(StorageError, match="holds no run"):
        merge([ten_runs[0], RunFolder(unfinished)], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_merged_front_that_is_damaged_is_refused(ten_runs, tmp_path):
    merge(ten_runs[:2], tmp_path)
    assert json.loads((tmp_path / "merged.json").read_text())["front"]
    (tmp_path / "merged.json").write_text("{}")
    with pytest.raises(StorageError, match="make it again with `evoprune merge`"):
        read_merged(tmp_path)
    assert read_merged(tmp_path / "elsewhere") is None


def test_a_class_held_out_is_no_class_any_more(quick):
    features = make_features()
    rows = features.divisions[0]
    held = ep.from_arrays(
        features.X[rows.train],
        features.y[rows.train],
        features.X[rows.test],
        features.y[rows.test],
        class_names=["a", "b", "c"],
        ood=["class:b"],
    )
    found = study(held, quick).run(12)
    assert held.class_names == ("a", "c")
    assert found.best.build().class_names == ("a", "c")
    assert np.isfinite(found.best.scores.test["ood"])


def test_two_objectives_need_no_outlying_images_but_ood_does(features, quick):
    with pytest.raises(ConfigError, match="--ood"):
        study(features, quick)
