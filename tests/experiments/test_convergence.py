"""`convergence`: the curves are those of the searches, and the table reads them where it says."""

from __future__ import annotations

from dataclasses import replace
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
from matplotlib.figure import Figure
from sklearn.metrics import accuracy_score

import evoprune as ep
from evoprune.errors import ConfigError
from evoprune.experiments import EXPERIMENTS, Settings, get_experiment
from evoprune.experiments._contest import Ground, Variant, history
from evoprune.experiments._convergence import converge
from evoprune.heads import Head
from evoprune.training import TrainingSet, train_population
from evoprune.workflow import make_config

from .conftest import cells, computed

EXPERIMENT = get_experiment("convergence")
SETTINGS = Settings(seeds=2, evaluations=12)


def arguments(method, seed=0, evaluations=12):
    return {"dataset": "blobs", "method": method, "seed": seed, "evaluations": evaluations}


@pytest.fixture(scope="module")
def rows(blobs, small):
    return computed(EXPERIMENT, blobs, small, SETTINGS)


def of(rows, method, seed):
    return [row for row in rows if (row["method"], row["seed"]) == (method, seed)]


@pytest.mark.parametrize("method", ["genetic", "nsga2", "random"])
def test_the_best_is_the_largest_fitness_so_far(rows, method):
    run = of(rows, method, 1)
    assert [row["evaluation"] for row in run] == list(range(1, 13))
    fitness = [row["evaluated_fitness"] for row in run]
    assert [row["best_fitness"] for row in run] == np.maximum.accumulate(fitness).tolist()
    assert run[-1]["fitness"] == max(fitness)


@pytest.mark.parametrize("method", ["genetic", "nsga2"])
def test_a_run_is_the_search_that_a_study_runs(rows, blobs, small, method):
    objectives = ("accuracy",) if method == "genetic" else ("accuracy", "active")
    config = make_config(**{**dict(small), "seed": 1, "algorithm": method, "objectives": objectives, "report_seeds": 1})
    history = ep.Study.from_config(blobs, config).run(12).history
    assert [row["evaluated_fitness"] for row in of(rows, method, 1)] == [e.values[0] for e in history]


@pytest.mark.parametrize("part", ["validation", "test"])
def test_both_heads_are_retrained_and_read_by_the_same_rule(rows, blobs, small, part):
    ground = Ground.of(blobs, small, 1)
    fold = (ground.parts.search if part == "validation" else ground.parts.report)[0]
    if part == "test":
        rest = np.setdiff1d(np.arange(len(blobs.y)), blobs.divisions[0].test)
        assert (set(fold.train), set(fold.evaluate)) == (set(rest), set(blobs.divisions[0].test))
    genomes, values = history(ground, Variant.of("genetic", small), 12)
    best = genomes[np.lexsort((genomes.sum(axis=1), -values[:, 0]))[0]]
    trained = train_population(
        TrainingSet(blobs.X, blobs.y, 3, (fold,)),
        [ground.encoding.decode(genome) for genome in (best, np.ones(16, dtype=bool))],
        head=Head(8),
        recipe=small.recipe,
        seeds=[5_001],
    )
    accuracies = [accuracy_score(blobs.y[fold.evaluate], t.logits[0][0].argmax(axis=1)) for t in trained]
    last = of(rows, "genetic", 1)[-1]
    assert [last[f"{part}_accuracy"], last[f"dense_{part}_accuracy"]] == accuracies
    assert last["active_neurons"] == best.sum()


def test_the_table_reads_the_curves_at_its_marks(blobs, small, tmp_path):
    settings = Settings(seeds=2, evaluations=40, methods=("random",))
    rows = computed(EXPERIMENT, blobs, small, settings)
    report = EXPERIMENT.write(rows, {}, settings, tmp_path)
    assert "| best fitness, % | at 30 | at 40 |" in report
    best = np.array([[row["best_fitness"] for row in of(rows, "random", seed)] for seed in (0, 1)])
    shown = cells(report, "random search")
    for cell, mark in zip(shown, (30, 40), strict=False):
        values = 100 * best[:, mark - 1]
        assert cell == f"{values.mean():.1f} ± {values.std(ddof=1):.1f}"
    assert (tmp_path / "convergence.png").read_bytes()[:4] == b"\x89PNG"


def test_a_run_that_ended_early_stays_at_its_best_and_a_failed_one_is_said(rows, tmp_path):
    kept = [row for row in rows if (row["method"], row["seed"]) != ("nsga2", 1)]
    short = [
        {**row, "best_fitness": row["evaluation"] / 100 + row["seed"]} if row["method"] == "random" else row
        for row in kept
        if row["method"] != "random" or row["evaluation"] < 10
    ]
    report = EXPERIMENT.write(short, {"blobs/nsga2/1": "why"}, SETTINGS, tmp_path)
    nsga2 = cells(report.split("## Test accuracy")[0], "NSGA-II (published), its accuracy")
    assert nsga2[0] == f"{100 * of(rows, 'nsga2', 0)[-1]['fitness']:.1f} (1 missing)"
    random = cells(report.split("## Test accuracy")[0], "random search")
    assert random[0] == "59.0 ± 70.7"
    # What the last evaluation would have said is lost with it.
    assert random[1] == "failed"


def test_figures_of_the_paper_protocol_say_so(blobs, small, tmp_path, monkeypatch):
    titles = []
    savefig = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda self, *a, **kw: (titles.append(self.get_suptitle()), savefig(self, *a, **kw))
    )
    config = make_config(**{**dict(small), "protocol": "paper"})
    settings = Settings(seeds=1, evaluations=8, methods=("genetic",))
    rows = computed(EXPERIMENT, blobs, config, settings)
    report = EXPERIMENT.write(rows, {}, settings, tmp_path)
    assert "paper protocol" in titles[0]
    assert "test accuracy, % (paper)" in report
    # Fitness is that of the test part then: the search sees what the report reads.
    assert rows[-1]["validation_accuracy"] == rows[-1]["test_accuracy"]


def test_what_is_no_search_is_refused(small):
    with pytest.raises(ConfigError, match="'anova' is no search; choose among genetic, nsga2, random"):
        EXPERIMENT.tasks({"blobs": small}, replace(SETTINGS, methods=("anova",)))


def test_without_any_row_there_are_no_figures(tmp_path):
    assert EXPERIMENT.write([], {"blobs/genetic/0": "why"}, SETTINGS, tmp_path).startswith("No figures")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["convergence", "initial-density", "classes", "cka", "fronts"])
def test_tasks_can_be_sent_to_other_processes_and_have_names_of_their_own(small, name):
    tasks = EXPERIMENTS[name].tasks({"blobs": small, "others": small}, Settings(seeds=3))
    assert len({task.id for task in tasks}) == len(tasks)
    assert all(len(ForkingPickler.dumps(task)) for task in tasks)


def test_the_same_task_gives_the_same_rows(rows, blobs, small):
    assert converge(blobs, small, arguments("genetic")) == of(rows, "genetic", 0)
