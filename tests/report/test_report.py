"""Tables and figures of results that were made by hand."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from evoprune.objectives import get_objectives
from evoprune.report import (
    best_so_far,
    draw_convergence,
    printable,
    result_table,
    unpruned_remark,
    write_convergence,
    write_history,
)
from evoprune.study import Evaluation
from evoprune.workflow import Choice, choose


def make_evaluations(values, seed=0):
    """Evaluations with these objective values `[P, M]`; NaN failed."""
    rng = np.random.default_rng(seed)
    rows = np.asarray(values, dtype=np.float64)
    return [
        Evaluation(
            number,
            rng.random(10) < 0.5,
            row,
            "complete" if np.isfinite(row).all() else "failed",
            0.5,
            None if np.isfinite(row).all() else "not a finite number",
        )
        for number, row in enumerate(rows, start=1)
    ]


def scores(**changes):
    return {
        "id": 1,
        "values": {"accuracy": 0.9},
        "validation_accuracy": 0.91234,
        "validation_accuracy_std": 0.01,
        "test_accuracy": 0.9,
        "test_accuracy_std": 0.02,
        "validation": {"accuracy": 0.91234},
        "validation_std": {"accuracy": 0.01},
        "test": {"accuracy": 0.9},
        "test_std": {"accuracy": 0.02},
        "seeds": 5,
        "active_neurons": 1280,
        "active_share": 1.0,
        "parameters": 657924,
        "multiply_adds": 657408,
        **changes,
    }


def summary(**changes):
    return {
        "run": "runs/x",
        "protocol": "nested",
        "encoding": "features",
        "evaluations": 200,
        "failed": 0,
        "seconds": 100.0,
        "objectives": [{"name": "accuracy", "title": "accuracy", "maximize": True}],
        "dense": scores(),
        "best": scores(id=7, active_neurons=521, active_share=0.40703),
        "front": [{}],
        "chosen_by": "lowest cross entropy in the search",
        **changes,
    }


def shown(value, **options):
    console = Console(width=80, force_terminal=False, color_system=None)
    with console.capture() as capture:
        console.print(result_table(value, **options))
    return capture.get()


def test_the_table_of_a_nested_run():
    text = shown(summary())
    assert text.startswith("runs/x  (nested protocol)")
    assert "91.23 ± 1.00" in text
    assert "1,280 (100 %)" in text
    assert "521 (40.7 %)" in text
    assert "657,924" in text
    assert "200 evaluations in 100.0 s, 2.0 a second." in text
    assert "over 5 seeds not used in the search" in text
    assert "front" not in text
    assert "failed" not in text


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"evaluations": 1}, "1 evaluation in"),
        ({"failed": 3}, "200 evaluations (3 failed) in"),
        ({"seconds": 0.0}, "200 evaluations in 0.0 s."),
        ({"encoding": "connections"}, "active connections"),
        ({"protocol": "paper"}, "accuracy on the test part, % (paper)"),
        ({"best": scores(seeds=1), "dense": scores(seeds=1)}, "of one training, with a seed not used"),
        ({"run": "a\x1b[2Jb[red]"}, "a\\x1b[2Jb[red]  (nested protocol)"),
    ],
)
def test_the_wording_of_the_table(changes, sentence):
    assert sentence in shown(summary(**changes))


def test_a_figure_that_could_not_be_had_is_a_dash():
    (row,) = (line for line in shown(summary(best=scores(test_accuracy=None))).splitlines() if "test acc" in line)
    assert row.split() == ["test", "accuracy,", "%", "90.00", "±", "2.00", "-"]


def test_a_single_seed_has_no_spread():
    assert "±" not in shown(summary(best=scores(seeds=1), dense=scores(seeds=1)))


ACTIVE = {"name": "active", "title": "active share", "maximize": False}


def unpruned(shares, *objectives):
    """The result of a run that chose the full head from a front with members of these sizes."""
    front = [scores(id=n, active_neurons=round(1280 * share), active_share=share) for n, share in enumerate(shares)]
    return summary(best=scores(id=7), front=front, objectives=[*summary()["objectives"], *objectives])


@pytest.mark.parametrize(
    ("shares", "condition"),
    [((1.0, 0.2, 0.03), "active<=10%"), ((1.0, 0.11), "active<=25%"), ((0.6, 1.0), "active<=75%")],
)
def test_a_full_head_that_is_chosen_comes_with_the_way_to_a_smaller_one(shares, condition):
    chosen = unpruned(shares, ACTIVE)
    text = " ".join(shown(chosen).split())
    assert "The full head is chosen, so nothing is pruned" in text
    assert f'evoprune select RUN --where "{condition}"' in text
    assert shown(chosen).count("full head") == 1
    # It leads somewhere: a member satisfies the condition, and is smaller.
    number, _ = choose(chosen, Choice(where=condition))
    assert chosen["front"][number]["active_neurons"] < 1280


def test_a_full_head_without_a_smaller_one_to_choose_is_said_too():
    assert unpruned_remark(unpruned([1.0], ACTIVE)) == ["The full head is chosen, so nothing is pruned."]
    assert unpruned_remark(unpruned([1.0, 0.999], ACTIVE)) == ["The full head is chosen, so nothing is pruned."]
    (single,) = unpruned_remark(unpruned([1.0]))
    assert single.endswith("with `active` among the --objectives, a search gives smaller heads to choose from.")


def test_a_head_that_is_smaller_by_one_is_pruned():
    best = scores(id=7, active_neurons=1279, active_share=1279 / 1280)
    assert unpruned_remark(summary(best=best)) == []
    assert "full head" not in shown(summary(best=best))


@pytest.mark.parametrize(("front", "sentence"), [([{}], "has 1 member;"), ([{}] * 4, "has 4 members;")])
def test_the_table_of_several_objectives(front, sentence):
    both = [
        {"name": "loss", "title": "cross entropy", "maximize": False},
        {"name": "active", "title": "active share", "maximize": False},
    ]
    values = {
        part: {"loss": mean, "active": 0.4}
        for part, mean in {
            "values": 0.2,
            "validation": 0.25,
            "validation_std": 0.03,
            "test": 0.35,
            "test_std": 0.04,
        }.items()
    }
    best = scores(**values, active_neurons=512, active_share=0.4)
    text = shown(summary(objectives=both, front=front, best=best, dense=scores(**values)))
    assert f"The front {sentence} chosen: lowest cross entropy in the search." in text
    (validation,) = (line for line in text.splitlines() if "validation cross entropy" in line)
    (test,) = (line for line in text.splitlines() if "test cross entropy" in line)
    assert "0.2500 ± 0.0300" in validation
    assert "0.3500 ± 0.0400" in test


def test_an_ascii_table_holds_ascii():
    assert "91.23 +- 1.00" in shown(summary(), ascii_only=True)


def test_text_from_elsewhere_cannot_act_on_a_terminal():
    assert printable("a\x1b[31mb\nc\u202ed\udcffe[red]ö 漢") == "a\\x1b[31mb\\nc\\u202ed\\udcffe[red]ö 漢"


def test_best_so_far_passes_failures_over():
    values = np.array([np.nan, 0.5, 0.4, np.nan, 0.7])
    assert np.array_equal(best_so_far(values, maximize=True), [np.nan, 0.5, 0.5, 0.5, 0.7], equal_nan=True)
    assert np.array_equal(best_so_far(values, maximize=False), [np.nan, 0.5, 0.4, 0.4, 0.4], equal_nan=True)


def test_the_history_has_one_line_an_evaluation(tmp_path):
    evaluations = make_evaluations([[0.5, 0.3], [np.nan, 0.2], [0.75, 0.1]])
    write_history(tmp_path / "h.csv", evaluations, get_objectives(["accuracy", "active"]))
    rows = list(csv.DictReader((tmp_path / "h.csv").read_text().splitlines()))
    assert [row["state"] for row in rows] == ["complete", "failed", "complete"]
    assert [row["accuracy"] for row in rows] == ["0.5", "", "0.75"]
    assert [row["best_accuracy"] for row in rows] == ["0.5", "0.5", "0.75"]
    assert [int(row["active_neurons"]) for row in rows] == [int(e.genome.sum()) for e in evaluations]


def drawn(values, name="accuracy", **options):
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    (objective,) = get_objectives([name])
    draw_convergence(axes, make_evaluations(values), objective, 0, **{"protocol": "nested", **options})
    axes.figure.canvas.draw()
    return axes


def test_the_figure_shows_every_evaluation_and_the_best_so_far():
    values = [[0.5], [0.7], [0.6], [np.nan], [0.8]]
    axes = drawn(values, dense=0.75)
    (dots,) = axes.collections
    assert dots.get_offsets().data.tolist() == [[1, 0.5], [2, 0.7], [3, 0.6], [5, 0.8]]
    lines = {line.get_label(): line.get_ydata() for line in axes.lines}
    assert np.array_equal(lines["best so far"], [0.5, 0.7, 0.7, 0.7, 0.8])
    assert set(lines["not pruned"]) == {0.75}
    assert len(lines["failed"]) == 1
    assert [text.get_text() for text in axes.get_legend().texts] == [
        "evaluation",
        "best so far",
        "not pruned",
        "failed",
    ]
    assert "validation part" in axes.get_ylabel()
    assert "paper protocol" in drawn(values, protocol="paper").get_ylabel()


def test_values_far_out_do_not_squeeze_the_others():
    values = [[0.1], *([0.9 + 0.001 * i] for i in range(20))]
    axes = drawn(values)
    low, high = axes.get_ylim()
    assert 0.85 < low < 0.9 < 0.919 < high
    assert any(line.get_label() == "below the axis" for line in axes.lines)


@pytest.mark.parametrize("values", [[[0.5]], [[0.5]] * 9, [[np.nan], [0.5]], [[0.0], [0.0], [0.0], [1.0]]])
def test_few_or_equal_values_are_drawn(values):
    low, high = drawn(values).get_ylim()
    finite = np.array(values)[np.isfinite(values)]
    assert low < finite.min() <= finite.max() < high


def test_the_same_run_gives_the_same_picture(tmp_path):
    objectives = get_objectives(["accuracy", "active"])
    evaluations = make_evaluations(np.random.default_rng(0).random((30, 2)))
    for name in ("a.png", "b.png"):
        write_convergence(
            tmp_path / name, evaluations, objectives, protocol="nested", dense={"accuracy": 0.5, "active": 1.0}
        )
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    with Image.open(tmp_path / "a.png") as figure:
        assert figure.size[0] >= 1200
        assert figure.size[1] > figure.size[0]
