"""Names of classes, images and data sets do no harm wherever they are shown: terminal, HTML, Markdown, CSV, figures."""

from __future__ import annotations

import csv
import html
import json
import re
import shutil
from pathlib import Path

import onnx
import pytest
from PIL import Image

from evoprune.report import csv_cell, markdown

from .conftest import ACTING, LONG, NASTY, UP, harmless


def texts(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.suffix in (".html", ".md", ".csv", ".json", ".txt")]


def check_files(folder: Path) -> set[str]:
    """Check all files that commands have written for people, and give their endings."""
    found = set()
    for path in texts(folder):
        text = path.read_text(encoding="utf-8")
        found.add(path.suffix)
        if path.suffix != ".json":
            assert ACTING.search(text) is None, path
        if path.suffix == ".html":
            outside = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
            assert "alert(1)" not in re.sub(re.escape(html.escape(NASTY[0])), "", outside), path
            assert text.count("<script>alert") == 0, path
        if path.suffix == ".md":
            prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
            assert not re.search(r"(?<!\\)<(script|b|i)\b", prose), path
        if path.suffix == ".csv":
            with path.open(encoding="utf-8", newline="") as file:
                for row in csv.reader(file):
                    assert all(cell == csv_cell(cell) for cell in row), (path, row)
        if path.suffix == ".json":
            json.loads(text)
    for path in folder.rglob("*.png"):
        with Image.open(path) as image:
            image.verify()
        found.add(".png")
    return found


def test_cells_that_a_spreadsheet_would_compute_are_quoted():
    assert csv_cell("=1+1") == "'=1+1"
    assert csv_cell("@SUM(A1)") == "'@SUM(A1)"
    assert csv_cell("-cmd|' /C calc'!A0") == "'-cmd|' /C calc'!A0"
    assert csv_cell("+a") == "'+a"
    assert csv_cell("\t=1") == "\\t=1"
    for plain in ("-0.5", "+3", "-1e-9", "a=b", "", "1-2"):
        assert csv_cell(plain) == plain
    assert csv_cell(-3) == -3


def test_markdown_is_text_alone():
    assert markdown("<script>\n| a | `b` [c](d) # *e*") == r"&lt;script&gt; \| a \| \`b\` \[c\](d) \# \*e\*"
    assert markdown("a\x1b[31m\u202e") == r"a\\x1b\[31m\\u202e" or ACTING.search(markdown("a\x1b[31m\u202e")) is None


def test_commands_on_a_run_of_features(evoprune, tmp_path, nasty_run, nasty_features):
    shutil.copytree(nasty_run, tmp_path / "runs" / "one")
    before = {path for path in tmp_path.parent.rglob("*") if tmp_path not in path.parents}
    for words in (
        ("show", "runs/one"),
        ("list", "runs"),
        ("front", "runs/one"),
        ("report", "runs/one"),
        ("explain", "runs/one"),
        ("ensemble", "runs/one"),
        ("resume", "runs/one"),
        ("export", "runs/one", "--head-only", "-o", "head.onnx"),
    ):
        outcome = harmless(evoprune(*words))
        assert outcome.status == 0, (words, outcome.err)
    outcome = harmless(
        evoprune(
            *("experiment", "sparsity", "--features", nasty_features, "--methods", "random", "--seeds", "1"),
            *("-o", "runs/experiment"),
            *("--epochs", "1"),
        )
    )
    assert outcome.status == 0, outcome.err
    assert check_files(tmp_path) == {".html", ".md", ".csv", ".json", ".txt", ".png"}
    assert {path for path in tmp_path.parent.rglob("*") if tmp_path not in path.parents} == before
    (facts,) = [entry.value for entry in onnx.load(tmp_path / "head.onnx").metadata_props]
    assert json.loads(facts)["class_names"] == [*NASTY, LONG, UP]
    assert facts.isascii()


def test_commands_on_a_run_of_images(evoprune, tmp_path, nasty_pictures, nasty_pictures_run):
    shutil.copytree(nasty_pictures_run, tmp_path / "run")
    image = next(nasty_pictures.rglob("*.png"))
    for words in (
        ("predict", "run", nasty_pictures),
        ("predict", "run", image, "--json"),
        ("report", "run"),
        ("explain", "run", "--images", image),
        ("export", "run", "-o", "model.onnx"),
        ("predict", "model.onnx", nasty_pictures),
    ):
        outcome = harmless(evoprune(*words))
        assert outcome.status == 0, (words, outcome.err)
    shown = harmless(evoprune("predict", "model.onnx", nasty_pictures)).out
    assert "[bold]x[-nothing]" in shown, "what looks like markup is shown as it is"
    assert check_files(tmp_path) >= {".html", ".md", ".csv", ".json", ".png"}


def test_an_unreadable_image_with_a_nasty_name_is_named_safely(evoprune, tmp_path, nasty_pictures):
    shutil.copytree(nasty_pictures, tmp_path / "data")
    broken = next((tmp_path / "data").rglob("*.png"))
    broken.write_text("no image")
    outcome = harmless(evoprune("run", "data"))
    assert outcome.status == 2
    assert "cannot be read" in outcome.err


@pytest.mark.parametrize("name", ["..npz", "...npz", "x.npz"])
def test_a_default_folder_lies_below_runs(name):
    from evoprune.cli._run import default_name
    from evoprune.workflow import RunConfig

    found = default_name(RunConfig(data=f"/data/{name}", kind="features"))
    assert (Path("runs") / found).resolve().parent == Path("runs").resolve()
