"""`guided`: each part is switched off alone, and the tables say what rows say."""

from __future__ import annotations

from dataclasses import replace
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
from pymoo.indicators.hv import HV
from sklearn.metrics import accuracy_score, roc_auc_score

from evoprune.errors import ConfigError
from evoprune.experiments import Settings, get_experiment
from evoprune.experiments._contest import SEARCHES, Ground, Variant, compete, evaluated, searched
from evoprune.experiments._guided import PARTS, REACH_EVALUATIONS, front_of_three, reached, without_a_part
from evoprune.objectives import fit_detector
from evoprune.problem import Problem
from evoprune.search import SearchOptions
from evoprune.training import TrainingSet, head_logits, patient_recipe, soften, train_population
from evoprune.workflow import exposed_rows, extra_rows, make_config

from .conftest import cells, with_outliers

EXPERIMENT = get_experiment("guided")
SETTINGS = Settings(seeds=2, shares=(0.25, 1.0), evaluations=12)


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    """Gates are trained so briefly that they cost nothing."""
    monkeypatch.setattr("evoprune.guidance._gates.FEWEST_STEPS", 6)
    monkeypatch.setattr("evoprune.guidance._gates.EPOCHS", 1)


@pytest.fixture(scope="module")
def outlying(blobs):
    return with_outliers(blobs, 2.0, 1.0)


def arguments(**changes):
    return {"dataset": "blobs", "seed": 0, "shares": [0.25, 1.0], "evaluations": 12, "trainings": 1, **changes}


def test_there_is_a_task_for_each_part_and_seed_and_fronts_where_there_are_outliers(small):
    tasks = EXPERIMENT.tasks({"blobs": small, "others": make_config(**{**dict(small), "ood": ("far",)})}, SETTINGS)
    names = [task.id for task in tasks]
    assert len(set(names)) == len(names) == 2 * (2 * len(PARTS) + 1) + 2
    assert {name for name in names if "front" in name} == {"others/front/0", "others/front/1"}
    assert {name for name in names if "reach" in name} == {"blobs/reach", "others/reach"}
    assert all(len(ForkingPickler.dumps(task)) for task in tasks)


def test_members_are_read_by_soft_targets_too_and_so_is_the_full_head(blobs, small):
    rows = compete(blobs, small, arguments(method="guided"))
    ground = Ground.of(blobs, small, 0)
    whole = np.ones((1, ground.encoding.length), dtype=bool)
    fold = ground.parts.report[0]
    data = TrainingSet(blobs.X, blobs.y, blobs.classes, (fold,))
    soft = soften(data, ground.encoding.head, small.recipe, 8_000)
    patient = patient_recipe(small.recipe)
    (trained,) = train_population(
        soft, [ground.encoding.decode(whole[0])], head=ground.encoding.head, recipe=patient, seeds=[5_000]
    )
    expected = accuracy_score(blobs.y[fold.evaluate], trained.logits[0][0].argmax(axis=1))
    assert [row["soft_dense_test_accuracy"] for row in rows] == pytest.approx([expected] * len(rows))
    assert all(0 <= row["soft_test_accuracy"] <= 1 for row in rows)
    assert "soft_test_accuracy" not in compete(blobs, small, arguments(method="nsga2"))[0]


def test_what_it_cannot_take_is_refused(small):
    with pytest.raises(ConfigError, match="leave --methods out"):
        EXPERIMENT.tasks({"blobs": small}, replace(SETTINGS, methods=("anova",)))
    with pytest.raises(ConfigError, match="prunes features, not 'first'; leave --encoding out"):
        EXPERIMENT.tasks({"blobs": make_config(**{**dict(small), "encoding": "first"})}, SETTINGS)


def test_each_part_is_the_whole_search_without_it(blobs, small, monkeypatch):
    variants = {}

    def recorded(ground, variant, shares, evaluations):
        assert (shares, evaluations, ground.seed) == ([0.25, 1.0], 12, 3)
        variants[len(variants)] = variant
        return [{"share": 1.0, "test_accuracy": 0.5}]

    monkeypatch.setattr("evoprune.experiments._guided.searched", recorded)
    for part in PARTS:
        (row,) = without_a_part(blobs, small, arguments(part=part, seed=3))
        assert (row["kind"], row["part"], row["seed"], row["dataset"]) == ("part", part, 3, "blobs")
    found = dict(zip(PARTS, variants.values(), strict=True))
    whole = found["complete"]
    assert whole.method == "guided"
    assert whole.corrected
    assert whole.folds > 1
    assert found == {
        "complete": whole,
        "prior": replace(whole, options=SearchOptions(prior=False)),
        "recombination": replace(whole, options=SearchOptions(recombination=False)),
        "gates": replace(whole, options=SearchOptions(prior=False, recombination=False)),
        "correction": replace(whole, corrected=False),
        "folds": replace(whole, folds=1),
    }


def test_settings_of_other_searches_are_no_concern_of_the_guided_one(small):
    config = make_config(**{**dict(small), "search": {"population": 6, "prior": False}})
    assert Variant.of("guided", config).options == SearchOptions(prior=False)
    assert Variant.of("genetic", small).options == SearchOptions(population=6)


def test_the_member_of_each_share_has_the_smallest_loss(blobs, small):
    ground = Ground.of(blobs, small, 0)
    variant = Variant.of("guided", small)
    rows = searched(ground, variant, [0.25, 1.0], 12)
    genomes, values = evaluated(ground, variant, SEARCHES["guided"], 12)
    for row, most in zip(rows, (4, 16), strict=True):
        within = genomes.sum(axis=1) <= most
        assert row["fitness"] == values[within, 0].min()
        best = np.flatnonzero(within)[values[within, 0].argmin()]
        assert row["active_neurons"] == genomes[best].sum()


def test_a_variant_says_what_is_measured(blobs, small, monkeypatch):
    problems = []
    made = Problem.__init__

    def recorded(self, data, *rest, **settings):
        made(self, data, *rest, **settings)
        problems.append(self)

    monkeypatch.setattr(Problem, "__init__", recorded)
    ground = Ground.of(blobs, small, 1)
    whole = Variant.of("guided", small)
    values = {}
    for name, variant in [("plain", replace(whole, corrected=False)), ("one", replace(whole, folds=1))]:
        problems.clear()
        genomes, values[name] = evaluated(ground, variant, SEARCHES["guided"], 8)
        (problem,) = problems
        assert len(problem.data.folds) == variant.folds
        assert np.array_equal(values[name], problem.evaluate(genomes))
    test = blobs.divisions[0].test
    assert all(not np.isin(test, fold.train).any() for fold in problem.data.folds)
    corrected_genomes, corrected = evaluated(ground, whole, SEARCHES["guided"], 8)
    assert (corrected[:, 0] >= values["plain"][:, 0] - 1e-9).all()
    assert not np.array_equal(corrected, values["plain"])
    assert corrected_genomes[0].all()
    assert corrected[0, 0] == values["plain"][0, 0]


def test_members_of_the_front_of_three_are_retrained_and_read_on_the_test_part(outlying, small, monkeypatch):
    genomes = np.arange(16)[None] < np.array([[4], [8], [12], [16]])
    # The third is worse than the second in everything.
    values = np.array([[0.5, 0.25, 0.6], [0.4, 0.5, 0.7], [0.45, 0.75, 0.65], [0.3, 1.0, 0.6]])
    asked = []
    monkeypatch.setattr(
        "evoprune.experiments._guided.evaluated",
        lambda ground, variant, objectives, evaluations: (
            asked.append((variant, objectives, evaluations)) or (genomes, values)
        ),
    )
    config = make_config(**{**dict(small), "ood": ("far",)})
    rows = front_of_three(outlying, config, arguments())
    assert asked == [(Variant.of("guided", config), (*SEARCHES["guided"], "ood"), 12)]
    assert [row["active_share"] for row in rows] == [0.25, 0.5, 1.0]
    ground = Ground.of(outlying, config, 0)
    _, heads = ground.retrained(genomes[[0, 1, 3]], ground.parts.report)
    test, report = outlying.divisions[0].test, ground.parts.report[0]
    others = extra_rows(outlying, (report,), "report", protocol="nested", seed=0)["ood"][0]
    for row, (head,) in zip(rows, heads, strict=True):
        predicted = head_logits(head, outlying.X[test]).argmax(axis=1)
        assert row["test_accuracy"] == pytest.approx(accuracy_score(outlying.y[test], predicted))
        detector = fit_detector(config.ood_score, head, outlying.X[report.train], outlying.y[report.train])
        scores = np.concatenate([detector.score(outlying.X[test]), detector.score(others)])
        assert row["test_auroc"] == pytest.approx(roc_auc_score(np.arange(len(scores)) >= len(test), scores))
    # As a run trains them, and random masks of the same sizes.
    soft = soften(
        TrainingSet(outlying.X, outlying.y, outlying.classes, (report,)), ground.encoding.head, small.recipe, 8_000
    )
    foreign = exposed_rows(outlying, report, ood_score=config.ood_score, seed=0)
    (trained,) = train_population(
        replace(soft, outliers=(foreign,)),
        [ground.encoding.decode(genomes[0])],
        head=ground.encoding.head,
        recipe=patient_recipe(small.recipe),
        seeds=[5_000],
    )
    predicted = trained.logits[0][0].argmax(axis=1)
    assert rows[0]["soft_test_accuracy"] == pytest.approx(accuracy_score(outlying.y[test], predicted))
    assert rows[0]["soft_test_auroc"] == pytest.approx(ground.detection(trained.heads[0]), abs=1e-6)
    assert np.mean([row["soft_test_auroc"] - row["test_auroc"] for row in rows]) > 0
    assert all(0 <= row["random_test_accuracy"] <= 1 and 0 <= row["random_test_auroc"] <= 1 for row in rows)
    # What all features are is no matter of chance.
    assert rows[-1]["random_test_accuracy"] == rows[-1]["soft_test_accuracy"]


def test_reaching_is_counted_from_the_hypervolume_that_the_published_search_ends_with(blobs, small, monkeypatch):
    runs = {
        "nsga2": np.array([[0.6, 0.9], [0.5, 0.6], [0.45, 0.55]]),
        "guided": np.array([[0.7, 1.0], [0.5, 0.5], [0.4, 0.5], [0.3, 0.2]]),
    }
    asked = []

    def run(ground, variant, objectives, evaluations):
        asked.append((variant.method, variant.folds, variant.corrected, objectives, evaluations))
        return np.ones((len(runs[variant.method]), 16), dtype=bool), runs[variant.method]

    monkeypatch.setattr("evoprune.experiments._guided.evaluated", run)
    (row,) = reached(blobs, small, arguments())
    folds = Variant.of("guided", small).folds
    loss = SEARCHES["guided"]
    assert asked == [("nsga2", folds, False, loss, REACH_EVALUATIONS), ("guided", folds, False, loss, 12)]
    volume = HV(ref_point=np.array([np.log(3), 1.0]))
    goal = volume(runs["nsga2"])
    ours = [volume(runs["guided"][: n + 1]) for n in range(4)]
    assert row["published_hypervolume"] == pytest.approx(goal)
    assert row["guided_hypervolume"] == pytest.approx(ours[-1])
    assert row["guided_evaluations"] == 1 + int(np.argmax(np.array(ours) >= goal))
    runs["guided"] = runs["guided"][:1]
    assert reached(blobs, small, arguments())[0]["guided_evaluations"] is None


def part_rows(dataset, part, seed, accuracies):
    about = {"kind": "part", "dataset": dataset, "part": part, "seed": seed, "protocol": "nested"}
    return [{**about, "share": s, "test_accuracy": a} for s, a in zip(SETTINGS.shares, accuracies, strict=False)]


def test_the_report_has_budgeted_accuracies_and_evaluations_needed(tmp_path):
    rows = [
        *part_rows("a|b", "complete", 0, (0.6, 0.8)),
        *part_rows("a|b", "complete", 1, (0.7, 0.8)),
        *part_rows("other", "complete", 0, (0.5, 0.5)),
        # A seed that has nothing within a share has no budgeted accuracy.
        *part_rows("other", "complete", 1, (0.9,)),
        *part_rows("a|b", "prior", 0, (0.6, 0.6)),
    ]
    rows += [
        {"kind": "reach", "dataset": name, "protocol": "nested", "published_evaluations": 2000, "guided_evaluations": n}
        for name, n in (("a|b", 41), ("other", None))
    ]
    report = EXPERIMENT.write(rows, {}, SETTINGS, tmp_path)
    assert "| search | a\\|b | other | all |" in report
    first, second = 100 * np.array([0.7, 0.75])
    spread = np.std([first, second], ddof=1)
    assert cells(report, "complete")[0] == f"{(first + second) / 2:.1f} ± {spread:.1f}"
    assert cells(report, "complete")[1].startswith("50.0")
    assert cells(report, "without the prior")[0].startswith("60.0")
    assert "| a\\|b | 2000 | 41 |" in report
    assert "| other | 2000 | not reached |" in report
    assert "protocol nested" in report
    assert EXPERIMENT.write([], {"blobs/complete/0": "why"}, SETTINGS, tmp_path).startswith("No figures")
