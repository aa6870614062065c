"""Candidates that cannot be measured, and what a run says of itself."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest

import evoprune as ep
from evoprune.errors import ConfigError, EvoPruneError
from evoprune.objectives import OBJECTIVES
from evoprune.search import SearchOptions
from evoprune.workflow import RunConfig, RunFolder, make_config, read_config, read_status


@pytest.fixture
def failing(monkeypatch):
    """An accuracy that cannot be had where the first feature is on, and would be best there."""
    accuracy = OBJECTIVES["accuracy"]

    def compute(evaluated):
        return float("nan") if evaluated.genome[0] else accuracy.compute(evaluated)

    monkeypatch.setitem(OBJECTIVES, "accuracy", replace(accuracy, compute=compute))


def study(features, quick, **settings):
    return ep.Study(
        features, head=ep.Head(8), recipe=quick, search=SearchOptions(population=8), report_seeds=1, **settings
    )


@pytest.mark.parametrize("objectives", [["accuracy"], ["accuracy", "active"]])
def test_a_candidate_without_a_value_fails_is_counted_and_never_chosen(failing, features, quick, tmp_path, objectives):
    result = study(features, quick, objectives=objectives, output=tmp_path / "run").run(30)
    failed = [e for e in result.history if e.genome[0]]
    assert 0 < len(failed) < 30
    assert [e for e in result.history if e.state == "failed"] == failed
    assert all(e.error == "not a finite number: accuracy = nan" for e in failed)
    assert (result.evaluations, result.failed) == (30, len(failed))
    assert not any(s.genome[0] for s in (result.best, *result.front))
    summary = read_status(RunFolder(tmp_path / "run")).summary
    assert summary["failed"] == len(failed)
    # The head that is not pruned has the first feature on: there is no figure, and no NaN in the JSON either.
    assert summary["dense"]["values"]["accuracy"] is None
    rows = list(csv.DictReader((tmp_path / "run" / "history.csv").read_text().splitlines()))
    assert [row["state"] == "failed" for row in rows] == [bool(e.genome[0]) for e in result.history]
    again = study(features, quick, objectives=objectives, output=tmp_path / "run").run(30)
    assert [e.state for e in again.history] == [e.state for e in result.history]


def test_a_run_in_which_everything_fails_says_why_each_time(monkeypatch, features, quick, tmp_path):
    broken = replace(OBJECTIVES["accuracy"], compute=lambda evaluated: float("nan"))
    monkeypatch.setitem(OBJECTIVES, "accuracy", broken)
    for _ in range(2):
        with pytest.raises(EvoPruneError, match=r"all of the first 8 evaluations failed \(not a finite number"):
            study(features, quick, output=tmp_path / "run").run(30)
    assert read_status(RunFolder(tmp_path / "run")).evaluations == 8
    assert "stopped: all of the first 8 evaluations failed" in (tmp_path / "run" / "log.txt").read_text()


def test_a_defect_leaves_its_traceback_in_the_log(monkeypatch, features, quick, tmp_path):
    def defect(evaluated):
        raise ZeroDivisionError("a defect")

    monkeypatch.setitem(OBJECTIVES, "accuracy", replace(OBJECTIVES["accuracy"], compute=defect))
    with pytest.raises(ZeroDivisionError):
        study(features, quick, output=tmp_path / "run").run(30)
    log = (tmp_path / "run" / "log.txt").read_text()
    assert "stopped by a defect of evoprune" in log
    assert "ZeroDivisionError: a defect" in log
    assert not (tmp_path / "run" / "owner.txt").exists()


def test_the_report_tells_its_progress(features, quick):
    heard = []
    ep.Study(features, head=ep.Head(8), recipe=quick, search=SearchOptions(population=8), report_seeds=3).run(
        8, on_report=lambda done, total: heard.append((done, total))
    )
    assert heard[-1] == (12, 12)
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)
    assert {total for _, total in heard} == {12}


SETTINGS = {
    "data": "/images/ü [x] \"'\\ #",
    "backbone": "onnx:/x y.onnx",
    "head": (7, 9),
    "encoding": "both",
    "objectives": ("accuracy", "active"),
    "algorithm": "nsga2",
    "search": SearchOptions(population=12, initial_density=(0.25, 0.5)),
    "folds": 3,
    "seed": 11,
}


def test_a_configuration_survives_its_file(tmp_path):
    for settings in (
        {"data": "digits"},
        SETTINGS,
        {**SETTINGS, "recipe": ep.Recipe(optimizer="sgd", learning_rate=0.1, batch_size=3, epochs=2)},
    ):
        config = make_config(**settings)
        config.write(tmp_path / "config.toml")
        assert read_config(tmp_path / "config.toml") == config
        assert read_config(tmp_path / "config.toml").identity() == config.identity()


def test_what_may_change_when_a_run_is_continued(tmp_path):
    config = make_config(**SETTINGS)
    assert config.identity() == make_config(**SETTINGS, evaluations=7, batch=3).identity()
    assert config.differences(make_config(**SETTINGS, evaluations=7)) == []
    other = make_config(**{**SETTINGS, "seed": 12, "search": SearchOptions(population=13)})
    assert config.identity() != other.identity()
    divided = config.model_copy(update={"recipe": config.recipe.model_copy(update={"groups": 2})})
    assert config.differences(divided) == ["recipe.groups: 1 -> 2"]
    assert config.identity() != divided.identity()
    assert config.differences(other) == [
        "search.initial_density: [0.25, 0.5] -> [0.0, 1.0]",
        "search.population: 12 -> 13",
        "seed: 11 -> 12",
    ]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({}, "setting 'data' is missing"),
        ({"data": "x", "colour": "red"}, "setting 'colour' is unknown"),
        ({"data": "x", "protocol": "peper"}, "protocol = 'peper' is not possible: it should be 'nested' or 'paper'"),
        ({"data": "x", "folds": 0, "seed": -1}, r"folds = 0 is not possible: .*; seed = -1 is not possible"),
        ({"data": "x\udcff"}, "are no UTF-8 text; rename it"),
    ],
)
def test_settings_are_refused_all_in_one_sentence(settings, sentence):
    with pytest.raises(ConfigError, match=sentence):
        make_config(**settings)


def test_a_configuration_cannot_be_changed_by_accident():
    config = make_config(data="digits")
    assert isinstance(config, RunConfig)
    with pytest.raises(ValueError, match="frozen"):
        config.seed = 3
