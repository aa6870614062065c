"""An AUROC below one half means that the score ranks the other way round, which every table says under it."""

from __future__ import annotations

import numpy as np
import pytest
from rich.console import Console
from sklearn.metrics import roc_auc_score

from evoprune.objectives import auroc
from evoprune.report import ensemble_table, front_table, result_table, reversed_remark, write_ensemble_tables

from .test_ensemble_report import contender
from .test_ensemble_report import summary as of_ensemble
from .test_report import scores
from .test_report import summary as of_run

OBJECTIVES = [
    {"name": "accuracy", "title": "accuracy", "maximize": True},
    {"name": "ood", "title": "OOD AUROC", "maximize": True},
]


def on_screen(table):
    console = Console(width=80, force_terminal=False, color_system=None)
    with console.capture() as capture:
        console.print(table)
    return " ".join(capture.get().split())


def head(number, validation, test):
    found = scores(id=number)
    for part, value in (("validation", validation), ("test", test)):
        found |= {
            part: {**found[part], "ood": value},
            f"{part}_std": {**found[f"{part}_std"], "ood": None if value is None else 0.01},
        }
    return found


def run(protocol="nested", *, dense=(0.9, 0.9), best=(0.9, 0.9), other=(0.9, 0.9)):
    members = [head(7, *best), head(8, *other)]
    return of_run(
        protocol=protocol,
        objectives=OBJECTIVES,
        dense=head(0, *dense),
        best=members[0],
        front=members,
        hypervolume=None,
    )


def test_below_one_half_foreign_images_score_as_less_outlying():
    inside, beyond = np.array([0.4, 0.5, 0.9]), np.array([0.1, 0.2, 0.45])
    found = float(auroc(inside, beyond))
    assert found == pytest.approx(roc_auc_score([0] * 3 + [1] * 3, [*inside, *beyond])) == pytest.approx(1 / 9)
    (remark,) = reversed_remark([0.9, None, float("nan"), found])
    assert remark.startswith("OOD AUROC below 0.5: there the score ranks the other way round")
    assert reversed_remark([found], "ask somebody")[0].endswith("own; ask somebody.")
    assert reversed_remark([0.5, 0.9, None, float("nan")]) == []


@pytest.mark.parametrize(
    ("low", "protocol", "said"),
    [
        ({}, "nested", (False, False)),
        ({"dense": (0.9, 0.3)}, "nested", (True, True)),
        ({"best": (0.4, 0.9)}, "nested", (True, True)),
        # A table shows what it remarks on: the result has no other members, the paper protocol no validation part.
        ({"other": (0.9, 0.2)}, "nested", (False, True)),
        ({"best": (0.4, 0.9)}, "paper", (False, False)),
        ({"best": (None, 0.2)}, "paper", (True, True)),
    ],
    ids=str,
)
def test_tables_of_a_run_and_its_front_say_so(low, protocol, said):
    shown = run(protocol, **low)
    assert tuple("ranks the other way round" in on_screen(of(shown)) for of in (result_table, front_table)) == said


def test_tables_of_an_ensemble_say_so(tmp_path):
    for value, said in ((0.31, True), (0.62, False)):
        measured = {"ood": value, "ood_std": 0.0}
        measured["by_repetition"] = {"accuracy": [0.9, 0.9], "calibration": [0.1, 0.1], "ood": [value, value]}
        shown = of_ensemble(contenders=[contender("ensemble", "ensemble", 0.9, **measured)])
        write_ensemble_tables(tmp_path, shown)
        for text in (on_screen(ensemble_table(shown)), (tmp_path / "ensemble.md").read_text()):
            assert ("ranks the other way round" in text) is said
