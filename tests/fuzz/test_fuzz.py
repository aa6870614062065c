"""A small part of `make fuzz`: every kind of input, some dozens of each, the same ones each time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INPUTS = 600


def test_whatever_is_read_the_answer_is_a_result_or_a_sentence(tmp_path):
    report = tmp_path / "report.json"
    words = ("--inputs", str(INPUTS), "--seed", "1", "--report", str(report), "--keep", str(tmp_path / "faults"))
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.run", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=550,
    )
    assert report.exists(), done.stderr
    kinds = json.loads(report.read_text(encoding="utf-8"))["kinds"]
    assert {kind["name"]: kind["faults"] for kind in kinds if kind["faults"]} == {}
    assert done.returncode == 0, done.stderr
    assert len(kinds) >= 25
    assert all(kind["inputs"] for kind in kinds)
    assert sum(kind["inputs"] for kind in kinds) > 0.95 * INPUTS
