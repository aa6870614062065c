"""The code in README and CONTRIBUTING runs, in the order in which a reader meets it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import evoprune as ep
from evoprune.backbones._registry import TORCHVISION
from evoprune.cli._app import app
from evoprune.cli._completion import ALGORITHMS, ENCODINGS, EXPERIMENTS
from evoprune.objectives import OBJECTIVES, OOD_SCORES
from evoprune.training import FAST, RECIPES
from tests.documents import COMMANDS, ROOT, blocks, execute, furnish, parse, quick_gates, run_document


@pytest.fixture(autouse=True)
def _quick_gates(monkeypatch):
    quick_gates(monkeypatch)


def all_commands() -> list[list[str]]:
    return [words for block in blocks("README.md", "sh") for words in block.commands()]


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder with all that the README's reader has."""
    monkeypatch.chdir(tmp_path)
    furnish(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def _own_objectives():
    """What a document registers stays with its test."""
    before = dict(OBJECTIVES)
    yield
    OBJECTIVES.clear()
    OBJECTIVES.update(before)


def test_the_readme_runs_from_top_to_bottom(workplace):
    namespace = run_document("README.md")
    assert namespace["result"].evaluations == 200
    assert namespace["best"].shape == (384,)
    assert {path.name for path in Path("runs").iterdir()} >= {
        "flowers",
        "flowers-both",
        "nsga2",
        "random",
        "embeddings",
    }


@pytest.mark.parametrize("words", all_commands(), ids=" ".join)
def test_every_command_of_the_readme_exists_with_its_options(words):
    parse(words)


def test_the_readme_lists_every_command():
    table = re.findall(r"^\| (`evoprune .*?) \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    named = {words for cell in table for words in re.findall(r"evoprune (\w+)", cell)}
    assert named == set(COMMANDS.commands)
    (cache,) = (cell for cell in table if "cache" in cell)
    assert set(re.findall(r"\w+", cache)) - {"evoprune", "cache"} == set(COMMANDS.commands["cache"].commands)


def test_the_readme_names_all_that_options_take():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text[text.index("What can be pruned") : text.index("## Several objectives")]
    named = set(re.findall(r"`([\w.]+)`", section))
    classes = {name for name, objective in OBJECTIVES.items() if objective.task != "regression"}
    assert {*ENCODINGS, *classes, *RECIPES, "tiny", *TORCHVISION} <= named
    scores = re.search(r"`--ood-score` says by what .*?:(.*?)\.", text, re.DOTALL)
    assert scores is not None and set(re.findall(r"`(\w+)`", scores[1])) == set(OOD_SCORES)
    for name in (*ALGORITHMS, *EXPERIMENTS):
        assert f"`{name}`" in text or f"experiment {name}" in text or f"--algorithm {name}" in text, name


def test_the_readme_lists_every_file_of_a_run_folder(workplace):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text[text.index("## What is in a run folder") :]
    named = {
        name.rstrip("/")
        for name in re.findall(r"^\| `([\w./]+)` \|", section, re.MULTILINE)
        if "." in name or "/" in name
    }
    np.savez("rows.npz", X_train=np.eye(12), y_train=np.arange(12) % 2, X_test=np.eye(12), y_test=np.arange(12) % 2)
    # One objective, so that there is no front.
    words = ["-q", "run", "--features", "rows.npz", "--algorithm", "genetic", "--head", "2", "--epochs", "1"]
    done = CliRunner().invoke(app, [*words, "-n", "2", "--report-seeds", "1", "--output", "run"])
    assert done.exit_code == 0, done.output
    there = {path.name for path in Path("run").iterdir()}
    assert named == there


def row_labels(text: str) -> list[str]:
    """The first column of a printed result table: what stands before a figure, in lower case."""
    lines = (line.strip("│ ") for line in text.splitlines())
    rows = (re.split(r"\s{2,}|│", line)[0] for line in lines if re.search(r"\S(\s{2,}|│).*\d", line))
    return [label for label in rows if label[:1].islower() and "/" not in label]


def test_the_table_in_the_readme_is_laid_out_as_the_program_prints_it(workplace):
    (shown,) = blocks("README.md", "text")
    done = CliRunner().invoke(app, ["-q", "run", "flowers", "--epochs", "1", "-n", "2", "--report-seeds", "2"])
    assert len(row_labels(shown.text)) >= 5
    assert row_labels(shown.text) == row_labels(done.stdout)


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_the_files_and_targets_that_documents_name_exist(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    for path in re.findall(r"`((?:src|tests|tools|benchmarks)/[\w./]+)`|\]\((\w[\w./]*\.md)\)", text):
        assert (ROOT / (path[0] or path[1])).exists(), path
    for target in set(re.findall(r"\bmake (demo|test|lint|\w+(?=\s*#))", text)):
        subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)


def test_the_objective_of_contributing_works(workplace, monkeypatch):
    block, _ = blocks("CONTRIBUTING.md", "python")
    # The block adds to the table itself; the next test finds it as it was.
    monkeypatch.setitem(OBJECTIVES, "worst", OBJECTIVES["accuracy"])
    execute(block, {})
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    X = rng.normal(size=(90, 6)) + 3 * np.eye(6)[y]
    features = ep.from_arrays(X[:60], y[:60], X[60:], y[60:])
    recipe = FAST.model_copy(update={"epochs": 5, "batch_size": 8, "learning_rate": 1e-2})
    study = ep.Study(features, head=ep.Head(4), recipe=recipe, objectives=["accuracy", "worst"], report_seeds=1)
    result = study.run(8)
    values = np.array([[e.values[0], e.values[1]] for e in result.history])
    assert (values[:, 1] <= values[:, 0]).all()
    assert (values[:, 1] < values[:, 0]).any()


def test_the_algorithm_of_contributing_works(workplace):
    _, block = blocks("CONTRIBUTING.md", "python")
    climber = execute(block, {})["HillClimber"](8, (False,), seed=0)
    for _ in range(100):
        genomes = climber.ask()
        climber.tell(genomes, genomes.sum(axis=1, keepdims=True).astype(float))
    assert climber.ask().sum() <= 1
