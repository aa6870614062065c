"""Every program in examples/ runs, with a small search, and says what it promises."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from sklearn.datasets import load_digits

from tests.documents import ROOT

EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
SEARCHES = [path for path in EXAMPLES if path.name != "predict_onnx.py"]


def run(path, *words, where):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(path), *words],
        cwd=where,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=550,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("path", SEARCHES, ids=lambda path: path.name)
def test_examples_are_short_and_say_how_they_are_called(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) < 60
    assert f"python examples/{path.name}" in text


def test_a_head_on_embeddings(tmp_path):
    said = run(ROOT / "examples" / "embeddings_to_head.py", "20", where=tmp_path)
    dense, chosen = (re.search(rf"^{name}: (\d+) inputs", said, re.MULTILINE)[1] for name in ("dense", "chosen"))
    assert int(dense) == 64
    assert 0 < int(chosen) <= 64
    assert float(re.search(r"the saved model: ([.\d]+)", said)[1]) > 0.8
    assert list(tmp_path.iterdir()) == []


def test_the_selector_in_a_pipeline(tmp_path):
    said = run(ROOT / "examples" / "sklearn_pipeline.py", "10", where=tmp_path)
    lines = re.findall(r"^(.{11})  ([.\d]+) on the test rows; columns: (.*)$", said, re.MULTILINE)
    accuracy = {name.strip(): float(value) for name, value, _ in lines}
    kept = {name.strip(): columns.split(", ") for name, _, columns in lines}
    assert kept["all columns"] == ["all 60"]
    assert len(kept["evolved"]) == len(kept["ANOVA F"]) == 6
    assert accuracy["evolved"] > accuracy["ANOVA F"]


def test_a_member_of_a_front_is_chosen_and_exported(tmp_path):
    said = run(ROOT / "examples" / "front_select_export.py", "12", where=tmp_path)
    assert "highest accuracy where active<=50%" in said
    accuracy = float(re.search(r"of the file itself: ([.\d]+)", said)[1])
    assert accuracy > 0.6
    # The file needs nothing but itself, and the other example predicts with it.
    digit = ndimage.zoom(load_digits().images[0], 4, order=0) * 15
    Image.fromarray(digit.astype(np.uint8)).save(tmp_path / "digit.png")
    model = tmp_path / "runs" / "example" / "model.onnx"
    answer = json.loads(run(ROOT / "examples" / "predict_onnx.py", str(model), "digit.png", where=tmp_path))
    assert answer["image"] == "digit.png"
    assert answer["nearest"] in set("0123456789")


def test_a_classifier_that_says_unknown(tmp_path):
    said = run(ROOT / "examples" / "ood_rejection.py", "12", where=tmp_path)
    own, photographs, nines = map(int, re.findall(r"(\d+)% of (?:its own test images|the \w+)$", said, re.MULTILINE))
    assert own < 20
    assert nines <= 100
    assert photographs > 50


def test_an_objective_of_ones_own(tmp_path):
    said = run(ROOT / "examples" / "own_objective.py", "12", where=tmp_path)
    found = re.findall(r"test accuracy ([.\d]+), worst class ([.\d]+)", said)
    assert len(found) == 2
    assert all(float(worst) < float(mean) for mean, worst in found)
