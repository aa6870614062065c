"""`ensembles`: what a task gives, what its tables say of it, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting

import evoprune as ep
from evoprune.errors import ConfigError
from evoprune.experiments import Settings, get_experiment
from evoprune.experiments._ensembles import _merged_front

from .conftest import cells, computed, make_settings, with_outliers

EXPERIMENT = get_experiment("ensembles")
SETTINGS = Settings(seeds=2, evaluations=16)
CONTENDERS = (
    "ensemble",
    "best_member",
    "best_in_hindsight",
    "best_of_front",
    "dense",
    "dense_ensemble",
    "random_ensemble",
)


@pytest.fixture(scope="module")
def outlying(blobs):
    return with_outliers(blobs, 1.0, 1.5)


@pytest.fixture(scope="module")
def rows(outlying, small):
    return computed(EXPERIMENT, outlying, small, SETTINGS)


@pytest.fixture(scope="module")
def written(rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ensembles")
    return EXPERIMENT.write(rows, {}, SETTINGS, folder), folder


def of(rows, kind, **where):
    return [row for row in rows if row["kind"] == kind and all(row[k] == v for k, v in where.items())]


def section(report, title):
    return report.split(f"{title}\n")[1].split("\n#")[0]


def test_every_way_to_choose_meets_every_contender(rows):
    for seed in (0, 1):
        found = [(r["method"], r["vote"], r["contender"]) for r in of(rows, "contender", seed=seed)]
        methods = ("windows", "all", "greedy", "diverse")
        assert found == [(m, v, c) for m in methods for v in ("majority", "soft") for c in CONTENDERS]
    for row in of(rows, "contender"):
        assert 0 <= row["accuracy"] <= 1
        assert np.isfinite([row["calibration"], row["ood"]]).all()
    for row in of(rows, "contender", method="all", contender="ensemble"):
        assert row["heads"] == row["front"]


def test_equally_many_heads_are_compared(rows):
    for row in of(rows, "contender", contender="ensemble"):
        where = {key: row[key] for key in ("seed", "method", "vote")}
        (dense,), (random,), (best,) = (
            of(rows, "contender", contender=name, **where)
            for name in ("dense_ensemble", "random_ensemble", "best_member")
        )
        assert row["heads"] == dense["heads"] == random["heads"] > 0
        assert row["parameters"] == random["parameters"] <= dense["parameters"]
        assert best["heads"] == 1


def test_the_front_is_merged_of_runs_that_share_their_validation_part(outlying, small, monkeypatch):
    studies = []
    made = ep.Study.from_config
    monkeypatch.setattr(
        "evoprune.experiments._ensembles.Study.from_config",
        lambda features, config: studies.append(made(features, config)) or studies[-1],
    )
    first, genomes = _merged_front(outlying, small, {"seed": 4, "evaluations": 16, "runs": 2})
    assert [study.config.seed for study in studies] == [8, 9]
    assert first is studies[0]
    parts = [study.partition.search[0].evaluate for study in studies]
    assert np.array_equal(*parts)
    everything = [e for study in studies for e in study.run(16).history]
    values = np.array([e.values * [-1, 1, -1] for e in everything])
    front = NonDominatedSorting().do(values, only_non_dominated_front=True)
    assert {everything[row].genome.tobytes() for row in front} == {genome.tobytes() for genome in genomes}
    assert len({genome.tobytes() for genome in genomes}) == len(genomes)


def test_tables_show_means_and_deviations_over_seeds(written, rows):
    table = section(written[0], "### Test accuracy")
    shown = cells(table, "greedy, soft")
    for name, cell in zip(CONTENDERS, shown[1:], strict=True):
        found = of(rows, "contender", method="greedy", vote="soft", contender=name)
        values = 100 * np.array([row["accuracy"] for row in sorted(found, key=lambda row: row["seed"])])
        assert cell == f"{values.mean():.1f} ± {values.std(ddof=1):.1f}"
    assert "### Detection of foreign images" in written[0]
    assert (written[1] / "windows-1-blobs.png").is_file()


def test_windows_stand_as_they_were_measured(written, rows):
    table = section(written[0], "### Test accuracy, by window")
    for window in ("50-60", "85-95"):
        heads, *shown = cells(table, window)
        found = of(rows, "window", by="accuracy", window=window)
        assert heads.startswith(f"{np.mean([row['heads'] for row in found]):.1f}")
        for name, cell in zip(("ensemble", "best_in_hindsight", "best_member"), shown, strict=True):
            values = [100 * row[name] for row in found if row[name] is not None]
            assert cell.startswith(f"{np.mean(values):.1f}" if values else "nobody")
    for row in of(rows, "window"):
        alone = of(rows, "member", seed=row["seed"], by=row["by"], window=row["window"])
        assert len(alone) == row["heads"]


def test_published_windows_stand_beside_a_data_set_of_that_name(rows, tmp_path):
    renamed = [{**row, "dataset": "rps"} for row in rows]
    report = EXPERIMENT.write(renamed, {}, SETTINGS, tmp_path)
    assert cells(section(report, "### Test accuracy, by window"), "50-60")[-1] == ".957/.906"


def test_gains_are_compared_pair_by_pair(written, rows):
    part = section(written[0], "### all, soft vote: test accuracy")
    difference, counts, *_ = cells(part, "as many random masks")
    values = {
        name: np.array([r["accuracy"] for r in of(rows, "contender", method="all", vote="soft", contender=name)])
        for name in ("ensemble", "random_ensemble")
    }
    gap = values["ensemble"] - values["random_ensemble"]
    assert difference == f"{100 * gap.mean():+.2f}"
    assert counts == f"{(gap > 0).sum()}/{(gap == 0).sum()}/{(gap < 0).sum()}"


def test_the_count_of_windows_leaves_single_members_out(written, rows):
    table = section(written[0], "### Windows in which the vote beats its best member (mean difference, points)")
    windows = [row for row in of(rows, "window", by="accuracy") if row["heads"] > 1]
    wins = sum(row["ensemble"] > row["best_in_hindsight"] for row in windows)
    assert cells(table, "test accuracy")[0].startswith(f"{wins}/{len(windows)} ")


def test_methods_are_those_that_choose_who_votes(small):
    with pytest.raises(ConfigError, match="'anova' does not choose an ensemble; choose among windows, all"):
        EXPERIMENT.tasks({"blobs": small}, Settings(methods=("anova",)))
    (task,) = EXPERIMENT.tasks({"blobs": small}, Settings(seeds=1, methods=("greedy",)))
    assert task.arguments["methods"] == ["greedy"]


def test_without_foreign_images_there_is_no_detection(blobs, tmp_path):
    settings = Settings(seeds=1, evaluations=8, methods=("all",))
    found = computed(EXPERIMENT, blobs, make_settings(), settings)
    assert {row["by"] for row in of(found, "window")} == {"accuracy"}
    report = EXPERIMENT.write(found, {}, settings, tmp_path)
    assert "foreign" not in report
    assert EXPERIMENT.write([], {"blobs/0": "no"}, settings, tmp_path).startswith("No figures")
