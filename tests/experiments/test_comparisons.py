"""`sparsity`, `pruning`, `extractors`, `paper`: every method on the same rows, and what is written of it."""

from __future__ import annotations

import csv
import json
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import psutil
import pytest
from sklearn.metrics import accuracy_score

from evoprune.baselines import BASELINES, get_baseline
from evoprune.baselines._polynomial import decay as real_decay
from evoprune.errors import ConfigError
from evoprune.experiments import Settings, get_experiment, load_sparsity, run_experiment
from evoprune.experiments._contest import SEARCHES, Ground, best_within, compete
from evoprune.experiments._markdown import escaped, percent
from evoprune.experiments._pruning import prune
from evoprune.experiments._sparsity import TOGETHER, methods_of
from evoprune.experiments._store import TaskStore
from evoprune.experiments._tasks import Task, run_tasks
from evoprune.features import from_feature_file
from evoprune.training import FAST, Trainer, TrainingSet, head_logits, train_population
from evoprune.workflow import make_config

QUICK = {"epochs": 4, "batch_size": 32, "learning_rate": 2e-2, "input_dropout": 0.0}


class Here:
    """In the place of a pool of processes: computes each task in this one, which need not be started."""

    def __init__(self, *arguments, **settings):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def submit(self, compute, task):
        future = Future()
        future.set_result(compute(task))
        return future


@pytest.fixture
def in_this_process(monkeypatch):
    monkeypatch.setattr("evoprune.experiments._tasks.ProcessPoolExecutor", Here)


@pytest.fixture(scope="module")
def blobs(tmp_path_factory):
    """A feature file: 240 rows of 20 features, three classes; only the first 5 features say anything."""
    rng = np.random.default_rng(1)
    centres = np.zeros((3, 20))
    centres[:, :5] = 2 * rng.normal(size=(3, 5))
    y = np.tile(np.arange(3), 80)
    X = (centres[y] + rng.normal(size=(240, 20))).astype(np.float32)
    path = tmp_path_factory.mktemp("features") / "blobs.npz"
    np.savez(path, X_train=X[:150], y_train=y[:150], X_test=X[150:], y_test=y[150:])
    return path


@pytest.fixture(scope="module")
def config(blobs):
    return make_config(
        data=str(blobs), kind="features", head=(6,), recipe=FAST.model_copy(update=QUICK), search={"population": 6}
    )


@pytest.fixture(scope="module")
def features(blobs):
    return from_feature_file(blobs)


def arguments(method, **changes):
    return {
        "dataset": "blobs",
        "method": method,
        "seed": 0,
        "shares": [0.25, 1.0],
        "evaluations": 12,
        "trainings": 1,
        **changes,
    }


COMPARED = [(encoding, method) for encoding in ("features", "connections") for method in methods_of(encoding, None)]


@pytest.mark.parametrize(("encoding", "method"), COMPARED)
def test_every_method_gives_a_row_for_each_share(features, config, encoding, method, monkeypatch):
    config = config.model_copy(update={"encoding": encoding})
    length = {"features": 20, "connections": 20 * 6}[encoding]
    # Gates of a few steps: what they find is not looked at.
    monkeypatch.setattr("evoprune.guidance._gates.FEWEST_STEPS", 2)
    monkeypatch.setattr("evoprune.guidance._gates.EPOCHS", 1)
    always_dense = method in ("dense", "dense_dropout")
    shares = [1.0] if always_dense else [0.25, 1.0]
    rows = compete(features, config, arguments(method, shares=shares))
    # A search may have found nothing so small.
    found = [row["share"] for row in rows]
    assert found == shares or (method in SEARCHES and found == [1.0])
    for row in rows:
        assert 0 < row["active_neurons"] <= round(length * row["share"])
        assert 0 <= row["validation_accuracy"] <= 1
        assert 0 <= row["test_accuracy"] <= 1
        assert row["parameters"] > 0
    assert rows == [
        {**row, "seconds": own["seconds"]}
        for row, own in zip(compete(features, config, arguments(method, shares=shares)), rows, strict=True)
    ]


def test_the_test_part_decides_nothing_but_its_own_figure(features, config):
    poisoned_y = features.y.copy()
    test = features.divisions[0].test
    poisoned_y[test] = np.random.default_rng(0).permutation(poisoned_y[test])
    poisoned = replace(features, y=poisoned_y)
    for method in ("genetic", "gates_iterative", "weight_pruning"):
        own, other = (compete(f, config, arguments(method)) for f in (features, poisoned))
        for a, b in zip(own, other, strict=True):
            assert a["validation_accuracy"] == b["validation_accuracy"]
            assert a["active_neurons"] == b["active_neurons"]


def test_figures_are_means_over_trainings(features, config):
    masks = np.arange(20) < np.array([[5], [20]])
    ground = Ground.of(features, config, 1, trainings=2)
    fold = ground.parts.report[0]
    trained = train_population(
        TrainingSet(features.X, features.y, features.classes, (fold,)),
        [ground.encoding.decode(mask) for mask in masks],
        head=ground.encoding.head,
        recipe=config.recipe,
        # Those of the first repetition are 5,000 and 5,001.
        seeds=[5_002, 5_003],
    )
    expected = [np.mean([accuracy_score(features.y[fold.evaluate], z.argmax(1)) for z in t.logits[0]]) for t in trained]
    assert len({tuple(z.argmax(1)) for z in trained[0].logits[0]}) == 2
    assert ground.retrained(masks, ground.parts.report)[0] == pytest.approx(expected)
    # One training less is another figure, not the one that is kept for the full head.
    once = replace(ground, trainings=1).retrained(masks, ground.parts.report)
    assert [len(heads) for heads in once[1]] == [1, 1]
    (row,) = compete(features, config, arguments("dense", seed=1, shares=[1.0], trainings=3))
    data = replace(ground.data(ground.parts.search[0]), refit=True)
    heads = [get_baseline("dense").models(data, ground.encoding, [20], seed)[0] for seed in (1, 100_001, 200_001)]
    X, y = features.X[fold.evaluate], features.y[fold.evaluate]
    accuracies = [accuracy_score(y, head_logits(head, X).argmax(1)) for head in heads]
    assert len(set(accuracies)) > 1
    assert row["test_accuracy"] == pytest.approx(np.mean(accuracies))


def test_another_seed_has_another_validation_part_and_the_same_test_part(features, config):
    first, second = (Ground.of(features, config, seed).parts for seed in (0, 1))
    assert not np.array_equal(first.search[0].evaluate, second.search[0].evaluate)
    assert np.array_equal(first.report[0].evaluate, second.report[0].evaluate)


def test_methods_that_share_their_pruning_give_the_rows_that_they_give_alone(features, config, monkeypatch):
    common = {"dataset": "blobs", "seed": 0, "shares": [0.25, 1.0], "trainings": 1}
    # What is shared is kept with the features, so that a copy of them has nothing yet.
    alone = [row for m in TOGETHER for row in compete(replace(features), config, {**common, "method": m})]
    decays = []
    monkeypatch.setattr(
        "evoprune.baselines._polynomial.decay", lambda *given: decays.append(given) or real_decay(*given)
    )
    together = compete(replace(features), config, {**common, "method": "+".join(TOGETHER)})
    assert [{**row, "seconds": 0} for row in together] == [{**row, "seconds": 0} for row in alone]
    assert len(decays) == 2  # for validation, and for the test part
    names = [task.id for task in get_experiment("sparsity").tasks({"blobs": config}, Settings(seeds=1))]
    assert "blobs/polynomial_decay+polynomial_lottery/0" in names
    assert len(names) == len(set(names))
    only = Settings(seeds=1, methods=("polynomial_lottery", "anova"))
    names = [task.id for task in get_experiment("sparsity").tasks({"blobs": config}, only)]
    assert names == ["blobs/polynomial_lottery/0", "blobs/anova/0"]


def test_full_heads_and_dense_weights_are_trained_once_for_all_methods_of_a_seed(features, config, monkeypatch):
    methods = ("anova", "random", "magnitude", "taylor", "weight_pruning", "weight_lottery")
    common = {"dataset": "blobs", "shares": [0.25, 1.0], "trainings": 1}
    alone = [row for m in methods for row in compete(replace(features), config, {**common, "seed": 0, "method": m})]
    trained = []

    def counted(self, structures, *given):
        trained.append(sum(s.matrix is None and bool(s.inputs.all()) for s in structures))
        return real_train(self, structures, *given)

    real_train = Trainer.train
    monkeypatch.setattr(Trainer, "train", counted)
    features = replace(features)
    shared = [row for m in methods for row in compete(features, config, {**common, "seed": 0, "method": m})]
    assert [{**row, "seconds": 0} for row in shared] == [{**row, "seconds": 0} for row in alone]
    # The full head and the dense weights, each on the rows of the search and on those of the report.
    assert sum(trained) == 4
    compete(features, config, {**common, "seed": 1, "method": "anova"})
    assert sum(trained) == 6


def test_the_best_within_a_count_has_the_highest_fitness_and_then_the_fewest_active():
    fitness, active = np.array([0.9, 0.8, 0.8, 0.7]), np.array([10, 5, 4, 2])
    assert [best_within(fitness, active, count) for count in (10, 9, 4, 3, 1)] == [0, 2, 2, 3, None]


def test_pruning_compares_at_the_sparsity_that_the_search_reached(features, config):
    rows = prune(features, config, {**arguments("genetic"), "methods": ["dense", "anova", "weight_pruning"]})
    evolved, dense, *others = rows
    assert (evolved["method"], dense["active_share"]) == ("genetic", 1.0)
    assert {row["active_neurons"] for row in others} == {evolved["active_neurons"]}
    assert evolved["fitness"] == pytest.approx(evolved["validation_accuracy"], abs=0.25)


SETTINGS = Settings(seeds=2, shares=(0.25, 1.0), methods=("nsga2", "anova", "random", "dense"), evaluations=10)


@pytest.fixture(scope="module")
def finished(features, config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("experiment") / "out"
    report = run_experiment(
        get_experiment("sparsity"), {"blobs": config}, {"blobs": features}, SETTINGS, folder, workers=2
    )
    return folder, report


def test_an_experiment_writes_a_tidy_table_a_report_and_a_figure(finished):
    folder, report = finished
    rows = list(csv.DictReader((folder / "sparsity.csv").read_text().splitlines()))
    assert len(rows) == 2 * (3 * 2 + 1)
    assert (folder / "sparsity.png").read_bytes()[:4] == b"\x89PNG"
    assert (folder / "sparsity.md").read_text() == report + "\n"
    anova = [float(r["test_accuracy"]) for r in rows if (r["method"], r["share"]) == ("anova", "0.25")]
    line = next(line for line in report.splitlines() if line.startswith("| ANOVA F | "))
    shown = line.split("|")[2].strip()
    assert shown == f"{100 * np.mean(anova):.1f} ± {100 * np.std(anova, ddof=1):.1f}"


def test_its_table_is_opened_again_with_the_figures_of_the_report(finished):
    folder, report = finished
    curve = load_sparsity(folder).curves("blobs")["ANOVA F"]
    line = next(line for line in report.splitlines() if line.startswith("| ANOVA F | "))
    shown = [cell.strip() for cell in line.split("|")[2:4]]
    assert shown == [f"{100 * mean:.1f} ± {100 * std:.1f}" for mean, std in zip(curve.mean, curve.std, strict=True)]


def test_what_is_done_is_not_computed_again(finished, features, config, monkeypatch):
    folder, report = finished
    monkeypatch.setattr("evoprune.experiments._tasks.ProcessPoolExecutor", lambda *a, **k: pytest.fail("computed"))
    again = run_experiment(get_experiment("sparsity"), {"blobs": config}, {"blobs": features}, SETTINGS, folder)
    assert again == report
    with pytest.raises(ConfigError, match="other data or settings"):
        run_experiment(
            get_experiment("sparsity"),
            {"blobs": config.model_copy(update={"head": (9,)})},
            {"blobs": features},
            SETTINGS,
            folder,
        )
    # Another budget is other work for the searches alone.
    fewer = get_experiment("sparsity").tasks({"blobs": config}, replace(SETTINGS, evaluations=11))
    same = {task.key for task in get_experiment("sparsity").tasks({"blobs": config}, SETTINGS)}
    assert {task.arguments["method"] for task in fewer if task.key not in same} == {"nsga2"}


def test_a_smaller_call_says_that_there_is_more(finished, features, config, tmp_path):
    folder, whole = finished
    shutil.copytree(folder, tmp_path / "out")
    experiment, given = get_experiment("sparsity"), ({"blobs": config}, {"blobs": features})
    smaller = run_experiment(experiment, *given, replace(SETTINGS, seeds=1, methods=("anova",)), tmp_path / "out")
    assert "the folder also keeps 7 tasks that are no part of this call" in smaller
    assert "also keeps" not in whole
    assert run_experiment(experiment, *given, SETTINGS, tmp_path / "out") == whole


def test_other_trainings_are_other_work_in_the_same_folder(in_this_process, finished, features, config, tmp_path):
    folder, whole = finished
    shutil.copytree(folder, tmp_path / "out")
    experiment, given = get_experiment("sparsity"), ({"blobs": config}, {"blobs": features})
    once = replace(SETTINGS, seeds=1, methods=("anova", "dense"), trainings=1)
    report = run_experiment(experiment, *given, once, tmp_path / "out")
    assert "the folder also keeps 8 tasks" in report
    assert "Each head is trained once;" in report
    assert "Each head is trained 3 times;" in whole


def test_the_same_data_are_not_two_data_sets(in_this_process, features, config, tmp_path):
    other = replace(features, digest="another")
    for name, of, same in (("copy", features, True), ("other", other, False)):
        call = (
            get_experiment("sparsity"),
            {"blobs": config, name: config},
            {"blobs": features, name: of},
            replace(SETTINGS, seeds=1, methods=("dense",)),
            tmp_path / name,
        )
        if same:
            with pytest.raises(ConfigError, match="copy and blobs are the same data, and would count as two data sets"):
                run_experiment(*call)
            assert not (tmp_path / name).exists()
        else:
            assert run_experiment(*call, workers=1)


def works(features, config, arguments):
    return [{"value": arguments["value"]}]


def breaks(features, config, arguments):
    raise ZeroDivisionError("no figure")


def test_a_failed_task_is_recorded_and_tried_again(tmp_path, config):
    tasks = [Task("good", config, works, {"value": 3}), Task("bad", config, breaks, {})]
    store = TaskStore(tmp_path / "tasks.sqlite", "key")
    heard = []
    run_tasks(tasks, store, workers=1, on_progress=lambda done, total: heard.append((done, total)))
    assert heard == [(0, 2), (1, 2), (2, 2)]
    assert store.result(tasks[0].key).rows == [{"value": 3}]
    assert store.result(tasks[1].key).rows is None
    assert "ZeroDivisionError: no figure" in store.result(tasks[1].key).error
    assert (store.done(tasks[0].key), store.done(tasks[1].key)) == (True, False)
    store.close()


def test_no_process_outlives_a_killed_experiment(blobs, tmp_path):
    words = ["experiment", "sparsity", "--features", str(blobs), "--methods", "genetic", "-n", "100000"]
    command = [sys.executable, "-m", "evoprune", *words, "--seeds", "2", "--workers", "2", "-o", str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as parent:
        process = psutil.Process(parent.pid)
        workers = _waited(lambda: [c for c in process.children() if "spawn_main" in " ".join(c.cmdline())])
        # They watch once they have begun to work.
        _waited(lambda: all(worker.cpu_times().user > 1 for worker in workers))
        parent.kill()
    gone, alive = psutil.wait_procs(workers, timeout=30)
    assert (len(gone), alive) == (len(workers), [])


def _waited(found, seconds=60):
    """What is found, once there is something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if result := found():
            return result
        time.sleep(0.1)
    raise AssertionError("it never came")


def test_a_failed_cell_is_shown_and_named(features, config, tmp_path):
    experiment = get_experiment("sparsity")
    rows = [
        r for m in ("nsga2", "random", "anova") for s in (0, 1) for r in compete(features, config, arguments(m, seed=s))
    ]
    kept = [row for row in rows if (row["method"], row["seed"]) != ("anova", 1)]
    text = experiment.write(kept, {"blobs/anova/1": "why"}, SETTINGS, tmp_path)
    line = next(line for line in text.splitlines() if line.startswith("| ANOVA F"))
    assert line.count("(1 missing)") == 2
    assert "no share that every method reaches" in text


@pytest.mark.parametrize(
    ("methods", "sentence"),
    [(("anovva",), "did you mean 'anova'"), (("fixed_grid",), "does not prune 'features'")],
)
def test_a_method_that_cannot_compete_is_refused(config, methods, sentence):
    with pytest.raises(ConfigError, match=sentence):
        get_experiment("sparsity").tasks({"blobs": config}, replace(SETTINGS, methods=methods))


def test_extractors_are_compared_in_one_table(features, config, tmp_path):
    experiment = get_experiment("extractors")
    configs = {name: config.model_copy(update={"kind": "images", "backbone": name}) for name in ("tiny", "onnx:big")}
    settings = replace(SETTINGS, seeds=2, methods=None)
    tasks = experiment.tasks(configs, settings)
    rows = [row for task in tasks for row in task.compute(features, config, task.arguments)]
    text = experiment.write(rows, {}, settings, tmp_path)
    (line,) = (line for line in text.splitlines() if line.startswith("| ANOVA F"))
    assert "| test accuracy, % | tiny | onnx:big |" in text
    cells = [r["test_accuracy"] for r in rows if (r["method"], r["extractor"]) == ("anova", "tiny")]
    assert f"{100 * np.mean(cells):.1f} ± {100 * np.std(cells, ddof=1):.1f}" in line
    assert (tmp_path / "extractors.png").is_file()


def test_extractors_need_images(config):
    with pytest.raises(ConfigError, match="a feature file has none"):
        get_experiment("extractors").tasks({"blobs": config}, SETTINGS)


def test_the_pruning_report_has_published_figures_beside_its_own_data_set(features, config, tmp_path):
    experiment = get_experiment("pruning")
    settings = replace(SETTINGS, seeds=1, methods=("dense", "random", "weight_pruning"), encodings=("features",))
    (task,) = experiment.tasks({"rps": config}, settings)
    rows = task.compute(features, config, task.arguments)
    text = experiment.write(rows, {}, settings, tmp_path)
    assert "| evolved, features (accuracy / % active) | .985 / 45 |" in text
    assert "(paper)" not in text
    as_published = [{**row, "protocol": "paper"} for row in rows]
    assert "test accuracy, % (paper)" in experiment.write(as_published, {}, settings, tmp_path)


def test_paper_holds_every_part_under_both_protocols(config):
    tasks = get_experiment("paper").tasks({"blobs": config}, replace(SETTINGS, seeds=1, methods=None))
    parts = {tuple(task.id.split("/")[:2]) for task in tasks}
    assert parts == {
        (protocol, part)
        for protocol in ("nested", "paper")
        for part in ("pruning", "convergence", "initial-density", "classes", "cka", "fronts")
    }
    assert len({task.id for task in tasks}) == len(tasks)
    assert {task.config.protocol for task in tasks if task.id.startswith("paper/")} == {"paper"}


def test_names_of_data_sets_cannot_act_in_the_report():
    assert escaped("a|b\n<script>") == "a\\|b &lt;script&gt;"
    assert (percent([]), percent([np.nan]), percent([0.5])) == ("-", "failed", "50.0")
    assert percent([np.nan], none="none") == "none"


def test_every_baseline_has_a_title_and_a_source():
    assert all(baseline.title and baseline.source for baseline in BASELINES.values())
    assert not re.search("[|]", "".join(json.dumps(b.title) for b in BASELINES.values()))


def test_other_shares_are_computed_and_not_read_from_the_store(in_this_process, features, config, tmp_path):
    reports = [
        run_experiment(
            get_experiment("sparsity"),
            {"blobs": config},
            {"blobs": features},
            replace(SETTINGS, seeds=1, methods=("anova",), shares=shares),
            tmp_path,
            workers=1,
        )
        for shares in ((0.25,), (0.25, 0.5))
    ]
    assert "| test accuracy, % | 25 % | 50 % |" in reports[1]
    assert "failed" not in reports[1]


def test_one_method_that_fails_leaves_the_others_their_figures(features, config, tmp_path, monkeypatch):
    def refuse(*arguments):
        raise ZeroDivisionError("no figure")

    monkeypatch.setattr("evoprune.experiments._contest._modelled", refuse)
    experiment = get_experiment("pruning")
    settings = replace(SETTINGS, seeds=1, methods=("random", "weight_pruning"), encodings=("features",))
    (task,) = experiment.tasks({"blobs": config}, settings)
    text = experiment.write(task.compute(features, config, task.arguments), {}, settings, tmp_path)
    assert "| weight pruning | failed |" in text
    assert re.search(r"\| random mask \| \d", text)


def test_data_sets_of_one_name_are_told_apart(config):
    configs = {
        label: config.model_copy(update={"kind": "images", "backbone": "tiny", "data": f"/{label}/flowers"})
        for label in ("a", "b")
    }
    tasks = get_experiment("extractors").tasks(configs, replace(SETTINGS, seeds=1, methods=None))
    assert [task.arguments["dataset"] for task in tasks] == ["flowers", "flowers-2"]
