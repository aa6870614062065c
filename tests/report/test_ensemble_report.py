"""The figure and the table of ensembles: where marks stand, and what is said of what is missing."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from rich.console import Console

from evoprune.errors import ConfigError
from evoprune.report import (
    WindowPanel,
    ensemble_table,
    ensemble_windows,
    write_ensemble_tables,
    write_ensemble_windows,
)

NAN = float("nan")
WINDOWS = ((50, 60), (55, 65), (85, 95))


def panel(**changes):
    parts = {
        "title": "by accuracy",
        "measure": "test accuracy, % ↑",
        "windows": WINDOWS,
        "alone": (np.array([90.0, 91.0]), np.array([]), np.array([93.0])),
        "best": np.array([[91.0, 93.0], [NAN, NAN], [93.0, 93.0]]),
        "ensemble": np.array([[92.0, 94.0], [NAN, NAN], [93.0, 95.0]]),
        "dense": 92.5,
    }
    return WindowPanel(**{**parts, **changes})


def marks(axes, marker):
    return [(x, y) for line in axes.lines if line.get_marker() == marker for x, y in line.get_xydata()]


def test_each_window_has_its_members_their_best_and_their_vote():
    axes = ensemble_windows(Figure().subplots(), panel())
    assert sorted(y for _, y in marks(axes, "o")) == [90, 91, 93]
    assert [y for _, y in marks(axes, "s")] == [92, 93]
    assert [y for _, y in marks(axes, "*")] == [93, 94]
    for marker in "os*":
        assert {round(x) for x, _ in marks(axes, marker)} == {0, 2}
    bars = sorted(path.vertices[:, 1].tolist() for group in axes.collections for path in group.get_paths())
    means = ((92, 2**0.5), (93, 0), (93, 2**0.5), (94, 2**0.5))
    expected = sorted([mean - std, mean + std] for mean, std in means)
    assert np.array(bars) == pytest.approx(np.array(expected))
    assert [text.get_text() for text in axes.get_xticklabels()] == ["50-60", "55-65", "85-95"]


def test_a_window_without_members_is_marked_at_the_bottom():
    axes = ensemble_windows(Figure().subplots(), panel())
    assert marks(axes, "x") == [(1, 0.03)]


def test_the_figure_is_written_the_same_each_time(tmp_path):
    for name in ("a.png", "b.png"):
        write_ensemble_windows(tmp_path / name, [panel(), panel()], "Votes", protocol="paper")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as image:
        assert image.size[0] == 1300


def test_panels_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="do not go together"):
        panel(best=np.zeros((2, 2)))
    with pytest.raises(ConfigError, match="do not go together"):
        panel(alone=())
    with pytest.raises(ConfigError, match="no panel is given"):
        write_ensemble_windows(tmp_path / "x.png", [], "Votes", protocol="nested")


def contender(name, title, accuracy, **changes):
    by_repetition = {"accuracy": [accuracy - 0.01, accuracy + 0.01], "calibration": [0.02, 0.02], "ood": [None, None]}
    return {
        "name": name,
        "title": title,
        "heads": 2,
        "accuracy": accuracy,
        "accuracy_std": 0.01 * 2**0.5,
        "calibration": 0.02,
        "calibration_std": 0.0,
        "ood": None,
        "ood_std": None,
        "parameters": 1234,
        "multiply_adds": 1200,
        "hindsight": name == "best_in_hindsight",
        "by_repetition": by_repetition,
        **changes,
    }


def summary(**changes):
    members = [
        {
            "id": str(number),
            "votes": votes,
            "active_neurons": 10,
            "active_share": 0.25,
            "validation_accuracy": 0.9,
            "test_accuracy": 0.89,
        }
        for number, votes in ((7, 2), (9, 1))
    ]
    window = {
        "by": "accuracy",
        "quantiles": [50, 60],
        "members": ["7", "9"],
        **{
            f"{n}{s}": v
            for n, v in (("ensemble", 0.93), ("hindsight", 0.92), ("best", 0.91))
            for s, v in (("", v), ("_std", 0.01))
        },
        "alone": [0.9, 0.91],
    }
    return {
        "run": "runs/x",
        "protocol": "nested",
        "method": "greedy",
        "chosen_by": "greedy forward selection",
        "vote": "soft",
        "window": None,
        "repetitions": 2,
        "front": 9,
        "members": members,
        "contenders": [
            contender("ensemble", "ensemble", 0.93),
            contender("best_in_hindsight", "best in hindsight", 0.92),
        ],
        "windows_vote": "majority",
        "windows": [window],
        "cost": {
            "backbone_passes": 1,
            "heads": 2,
            "multiply_adds_of_one_not_pruned": 0.6,
            "multiply_adds_of_as_many_not_pruned": 0.3,
            "backbone_multiply_adds": 1000,
            "heads_share": 0.01,
            "of_as_many_networks": 0.51,
        },
        **changes,
    }


def shown(value):
    console = Console(width=80, force_terminal=False, color_system=None)
    with console.capture() as capture:
        console.print(ensemble_table(value))
    return capture.get()


def test_the_table_shows_means_spreads_and_cost():
    text = shown(summary())
    assert "93.00 ± 1.41" in text
    assert "2.00 ± 0.00" in text
    # Nothing was measured on foreign images.
    assert "AUROC" not in text
    assert "±" not in shown(summary(repetitions=1))
    flat = " ".join(text.split())
    assert "2 of 9 members, 3 votes, soft vote: greedy forward selection." in flat
    assert "1 pass of the backbone and 2 heads, whose multiply-adds are 60 % of one head" in flat
    assert "1 % of all multiply-adds are the heads', and the whole is 51 % of as many separate networks." in flat
    assert all(len(line) <= 80 for line in text.splitlines())


def test_the_paper_protocol_is_named():
    text = " ".join(shown(summary(protocol="paper")).split())
    assert "on the test part (paper)" in text
    assert "members were selected on this test part; figures are optimistic" in text


def test_a_run_without_a_backbone_has_no_share_of_it():
    cost = {**summary()["cost"], "backbone_multiply_adds": None}
    text = " ".join(shown(summary(cost=cost)).split())
    assert "30 % of as many." in text
    assert "networks" not in text


def test_the_files_hold_the_figures(tmp_path):
    write_ensemble_tables(tmp_path, summary())
    rows = list(csv.DictReader((tmp_path / "ensemble.csv").read_text().splitlines()))
    assert [(r["contender"], r["repetition"], r["accuracy"], r["ood"], r["hindsight"]) for r in rows[1:3]] == [
        ("ensemble", "1", "0.94", "", "0"),
        ("best_in_hindsight", "0", "0.91", "", "1"),
    ]
    (window,) = csv.DictReader((tmp_path / "windows.csv").read_text().splitlines())
    assert (window["members"], window["best_in_hindsight"], window["best_member"]) == ("7 9", "0.92", "0.91")
    text = (tmp_path / "ensemble.md").read_text()
    assert "| 7 | 2 | 10 (25.0 %) | 90.00 | 89.00 |" in text
    assert "| 50-60 | 2 | 93.00 ± 1.00 | 92.00 ± 1.00 | 91.00 ± 1.00 |" in text
