"""`benchmarks/evidence.py` finds in the tables of real experiments what its verdicts are counted from."""

from __future__ import annotations

import csv
import importlib.util
import re
import sys

import numpy as np
import pytest

from tests.conftest import ROOT

from .test_comparisons import Here


@pytest.fixture
def evidence():
    spec = importlib.util.spec_from_file_location("evidence_benchmark", ROOT / "benchmarks" / "evidence.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def feature_files(tmp_path):
    """Two small data sets."""
    for name, shift in (("one", 0.0), ("two", 3.0)):
        rng = np.random.default_rng(int(shift))
        y = np.tile(np.arange(3), 40)
        X = (shift + 2 * np.eye(3, 12)[y] + rng.normal(size=(120, 12))).astype(np.float32)
        np.savez(tmp_path / f"{name}.npz", X_train=X[:90], y_train=y[:90], X_test=X[90:], y_test=y[90:])
    return [tmp_path / "one.npz", tmp_path / "two.npz"]


def test_every_claim_is_judged_from_the_tables_of_its_experiment(evidence, feature_files, tmp_path, monkeypatch):
    monkeypatch.setattr("evoprune.experiments._tasks.ProcessPoolExecutor", Here)
    monkeypatch.setattr(evidence, "PRUNING_METHODS", ("dense", "random", "anova", "weight_pruning"))
    fast = evidence.get_recipe("fast").model_copy(update={"epochs": 2})
    monkeypatch.setattr(evidence, "get_recipe", lambda name: fast)
    document, output = tmp_path / "docs" / "evidence.md", tmp_path / "out"
    arguments = ["evidence.py", "--output", str(output), "--document", str(document)]
    arguments += ["--seeds", "1", "--evaluations", "12", "--parts", "pruning,fronts,classes,cka"]
    for path in feature_files:
        arguments += ["--features", str(path), "--ood", str(path)]
    monkeypatch.setattr(sys, "argv", arguments)
    assert evidence.main() == 0
    text = document.read_text()
    sections = dict(
        zip(re.findall(r"^## \((\w)\)", text, re.M), re.split(r"^## \(\w\)", text, flags=re.M)[1:], strict=True)
    )
    assert {c for c, said in sections.items() if "Not measured." in said} == {"e"}
    assert "Seeds and evaluations of a search: pruning 1 and 12, " in text

    with (output / "pruning" / "pruning.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["method"] == "genetic"]
    shares = np.array([float(row["active_share"]) for row in rows])
    assert f"In {((shares >= 0.12) & (shares <= 0.68)).sum()} of {len(rows)} runs they do." in sections["c"]
    with (output / "cka" / "cka.csv").open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if (r["of"], r["estimator"]) == ("weights", "RBF")]
    near, full = ([float(r["cka"]) for r in rows if r["model"] == model] for model in ("closest", "full"))
    won = sum(a > b for a, b in zip(near, full, strict=True))
    assert f"in {won} of 2 runs" in sections["g"]
    with (output / "classes" / "classes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    better = sum(float(row["test_accuracy"]) > float(row["dense_test_accuracy"]) for row in rows)
    assert f"In {better} of {len(rows)} cases it does." in sections["f"]
