"""A guided study: killed and continued it is the same, and nothing that the guide said is worked out twice."""

from __future__ import annotations

import json
import sqlite3
import time

import numpy as np
import pytest
import torch

import evoprune as ep
from evoprune.errors import StorageError
from evoprune.guidance import Guide, guidance_for
from evoprune.study import Interrupted
from evoprune.training import WeightTraining

from ..sealed import reseal

BUDGET = 46


def shorten(patch):
    """Gates are trained so briefly that a study takes no longer than an unguided one, and choose from few bits too."""
    patch.setattr("evoprune.guidance._gates.FEWEST_STEPS", 6)
    patch.setattr("evoprune.guidance._gates.EPOCHS", 1)
    patch.setattr("evoprune.search._guided.GATED_FROM", 1)


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    shorten(monkeypatch)


@pytest.fixture
def shortest(quick):
    return quick.model_copy(update={"epochs": 2})


@pytest.fixture
def asked(monkeypatch):
    """What the guide is asked: `scores`, and the pools, size and seed of each recombination."""
    questions = []
    scores, recombine = Guide.scores, Guide.recombine

    def recorded_scores(self):
        questions.append("scores")
        return scores(self)

    def recorded_recombine(self, pools, count, seed):
        questions.append((pools.tobytes(), count, seed))
        return recombine(self, pools, count, seed)

    monkeypatch.setattr(Guide, "scores", recorded_scores)
    monkeypatch.setattr(Guide, "recombine", recorded_recombine)
    return questions


def study(features, recipe, **settings):
    common = {"algorithm": "guided", "folds": 3, "objectives": ["calibrated_loss", "active"], "report_seeds": 1}
    return ep.Study(features, head=ep.Head(8), recipe=recipe, **{**common, **settings})


def table(result):
    return [(e.id, e.genome.tobytes(), e.values.tobytes(), e.state) for e in result.history]


def interrupted(features, recipe, folder, batches):
    """A session that is stopped after so many batches."""
    left = [batches]

    def should_stop():
        left[0] -= 1
        return left[0] < 0

    with pytest.raises(Interrupted):
        study(features, recipe, output=folder, batch=5).run(BUDGET, should_stop=should_stop)


@pytest.fixture(scope="module")
def straight(features, quick):
    """The history of a run that nothing disturbed."""
    with pytest.MonkeyPatch.context() as patch:
        shorten(patch)
        return table(study(features, quick.model_copy(update={"epochs": 2})).run(BUDGET))


def test_a_killed_run_continues_as_if_nothing_had_happened_and_asks_the_guide_nothing_twice(
    features, shortest, straight, asked, tmp_path
):
    sessions = []
    for batches in (3, 5):
        interrupted(features, shortest, tmp_path / "run", batches)
        sessions.append(asked.copy())
        asked.clear()
    result = study(features, shortest, output=tmp_path / "run", batch=5).run(BUDGET)
    sessions.append(asked.copy())
    assert table(result) == straight
    assert len(straight) == BUDGET
    recombinations = [question for session in sessions for question in session if question != "scores"]
    assert len(recombinations) == len(set(recombinations)) > 0
    assert "scores" in sessions[0]
    assert "scores" not in sessions[1] + sessions[2]


def test_a_study_of_connections_goes_on_likewise_from_the_same_initial_weights(
    features, shortest, monkeypatch, tmp_path
):
    trained = []
    weights = WeightTraining.weights

    def counted(self, *arguments):
        trained.append(self)
        return weights(self, *arguments)

    monkeypatch.setattr(WeightTraining, "weights", counted)
    wanted = {"encoding": "connections", "folds": 1, "batch": 5, "seed": 3}
    straight = study(features, shortest, **wanted)
    assert straight.config.recipe.initial_seed == 3
    expected, asked = table(straight.run(110)), len(trained)
    trained.clear()
    study(features, shortest, output=tmp_path / "run", **wanted).run(80)
    first = len(trained)
    result = study(features, shortest, output=tmp_path / "run", **wanted).run(110)
    assert table(result) == expected
    # What was pruned in the first session is not pruned again.
    assert 0 < first < len(trained) == asked


def test_a_second_session_works_nothing_out_that_the_first_one_knew(
    features, shortest, straight, asked, monkeypatch, tmp_path
):
    # Stopped when children have been made and before the first of them is evaluated.
    with pytest.raises(Interrupted):
        study(features, shortest, output=tmp_path / "run", batch=1).run(
            BUDGET, should_stop=lambda: any(question != "scores" for question in asked)
        )

    def refuse(*arguments, **settings):
        raise AssertionError("asked again")

    for name in ("guidance.Guide.recombine", "guidance.Guide.scores", "guidance._guidance.measured_correction"):
        monkeypatch.setattr(f"evoprune.{name}", refuse)
    monkeypatch.setattr("evoprune.guidance._elimination.gate_sizes", refuse)
    with sqlite3.connect(tmp_path / "run" / "study.sqlite") as connection:
        ((known,),) = connection.execute("SELECT count(*) FROM evaluations")
    connection.close()
    assert 1 < known < BUDGET
    assert table(study(features, shortest, output=tmp_path / "run").run(known + 1)) == straight[: known + 1]


def test_what_guidance_works_out_beforehand_counts_as_time_of_the_search(features, shortest, monkeypatch):
    prepared = guidance_for

    def ponderous(*arguments, **settings):
        time.sleep(0.5)
        return prepared(*arguments, **settings)

    monkeypatch.setattr("evoprune.workflow._study.guidance_for", ponderous)
    assert study(features, shortest).run(4).seconds >= 0.5
    # The time is up before the first batch, which is evaluated in any case.
    assert len(study(features, shortest, batch=3).run(seconds=0.5).history) == 3


@pytest.mark.parametrize("batch", [1, 30])
def test_the_batch_changes_nothing(features, shortest, straight, batch):
    assert table(study(features, shortest, batch=batch).run(BUDGET)) == straight


def test_the_number_of_threads_changes_nothing(features, shortest, straight):
    before = torch.get_num_threads()
    torch.set_num_threads(2 if before == 1 else 1)
    try:
        assert table(study(features, shortest).run(4)) == straight[:4]
    finally:
        torch.set_num_threads(before)


def test_a_shorter_run_is_the_beginning_of_a_longer_one_and_another_seed_another_run(features, shortest, straight):
    assert table(study(features, shortest).run(35)) == straight[:35]
    assert table(study(features, shortest, seed=1).run(35)) != straight[:35]


def test_with_folds_values_are_corrected_and_with_one_validation_part_they_are_not(features, shortest):
    whole = study(features, shortest)
    corrected, plain = whole.run(20), whole.problem
    genomes = np.stack([e.genome for e in corrected.history])
    gaps = np.stack([e.values for e in corrected.history]) - plain.evaluate(genomes)
    assert (gaps[genomes.all(axis=1)] == 0).all()
    assert (gaps >= -1e-12).all()
    assert gaps[:, 0].max() > 0
    assert np.abs(gaps[:, 1]).max() < 1e-12
    single = study(features, shortest, folds=1)
    result = single.run(20)
    values = np.stack([e.values for e in result.history])
    assert np.array_equal(values, single.problem.evaluate(np.stack([e.genome for e in result.history])))


def test_an_encoding_without_a_guide_is_searched_too(features, shortest, asked):
    result = study(features, shortest, encoding="first").run(20)
    assert len(result.history) == 20
    assert asked == []
    genomes = np.stack([e.genome for e in result.history])
    problem = study(features, shortest, encoding="first").problem
    assert np.array_equal(np.stack([e.values for e in result.history]), problem.evaluate(genomes))


def damaged_answers(stored):
    """A stored answer, damaged in several ways."""
    yield "not base 85", {**stored, "data": "\\ \\"}
    yield "not compressed", {**stored, "data": "VPRomVPRn"}
    yield "too short", {**stored, "data": stored["data"][:-5]}
    yield "no shape", {"data": stored["data"]}
    yield "another shape", {**stored, "shape": [stored["shape"][0] + 40, *stored["shape"][1:]]}
    yield "a narrower shape", {**stored, "shape": [stored["shape"][0], stored["shape"][1] - 1]}
    yield "a number", 7
    yield "a list", [1, 2]


def test_a_damaged_answer_of_the_guide_is_refused_in_one_sentence(features, shortest, tmp_path):
    folder = tmp_path / "run"
    study(features, shortest, output=folder).run(BUDGET)
    with sqlite3.connect(folder / "study.sqlite") as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM results WHERE name LIKE 'guide/%'")]
    recombination = next(name for name in names if name not in ("guide/scores", "guide/correction"))
    refused = []
    for name in ("guide/scores", recombination):
        text = _set(folder, name, None)
        for what, value in damaged_answers(json.loads(text)):
            _set(folder, name, json.dumps(value))
            refused.append((name, what, _sentence(features, shortest, folder)))
        _set(folder, name, text)
    text = _set(folder, "guide/correction", None)
    stored = json.loads(text)
    for what, value in [
        ("no gaps", {k: v for k, v in stored.items() if k != "gaps"}),
        ("fewer sizes", {**stored, "sizes": stored["sizes"][1:]}),
        ("flat", {**stored, "gaps": [0.0] * len(stored["gaps"])}),
        ("text", {**stored, "length": "long"}),
    ]:
        _set(folder, "guide/correction", json.dumps(value))
        refused.append(("guide/correction", what, _sentence(features, shortest, folder)))
    assert [(name, what) for name, what, sentence in refused if sentence is None] == []
    for name, _, sentence in refused:
        assert f"its result '{name}' cannot be read" in sentence
        assert "\n" not in sentence
        assert str(folder / "study.sqlite") in sentence
    _set(folder, "guide/correction", text)
    assert len(study(features, shortest, output=folder).run(BUDGET + 1).history) == BUDGET + 1


def _set(folder, name, value):
    """The stored text of a result, replaced by another where one is given."""
    with sqlite3.connect(folder / "study.sqlite") as connection:
        ((text,),) = connection.execute("SELECT value FROM results WHERE name = ?", (name,))
        if value is not None:
            connection.execute("UPDATE results SET value = ? WHERE name = ?", (value, name))
            reseal(connection)
    connection.close()
    return text


def _sentence(features, recipe, folder):
    """How a continued run is refused; None where it is not."""
    try:
        study(features, recipe, output=folder).run(BUDGET + 1, should_stop=lambda: True)
    except Interrupted:
        return None
    except StorageError as error:
        return str(error)
    raise AssertionError("neither refused nor stopped")
