"""The code in README and CONTRIBUTING runs, in the order in which a reader meets it."""

from __future__ import annotations

import re
import runpy
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

import evoprune as ep
from evoprune.cli._app import app
from evoprune.objectives import OBJECTIVES
from evoprune.training import FAST

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = typer.main.get_command(app)

SMALLER = {
    "run": ["--epochs", "2", "--report-seeds", "2"],
    "legacy": ["--epochs", "2"],
    "experiment": ["--epochs", "2", "-n", "6", "--workers", "2"],
}
"""What makes the commands quick without changing what they do."""


@pytest.fixture(autouse=True)
def _quick_gates(monkeypatch):
    """Gates of a few steps: as `SMALLER`, for what no option changes."""
    monkeypatch.setattr("evoprune.guidance._gates.EPOCHS", 1)
    monkeypatch.setattr("evoprune.guidance._gates.FEWEST_STEPS", 2)


@dataclass(frozen=True)
class Block:
    """A fenced block of code: its language, its text, and its line in the file."""

    language: str
    text: str
    line: int

    def commands(self) -> list[list[str]]:
        """The lines of a shell block that call evoprune, as words."""
        lines = [shlex.split(line, comments=True) for line in self.text.splitlines()]
        return [words[1:] for words in lines if words[:1] == ["evoprune"]]


def blocks(name: str, *languages: str) -> list[Block]:
    text = (ROOT / name).read_text(encoding="utf-8")
    found = [
        Block(match[1], match[2], text[: match.start()].count("\n") + 1)
        for match in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    ]
    return [block for block in found if block.language in languages]


def all_commands() -> list[list[str]]:
    return [words for block in blocks("README.md", "sh") for words in block.commands()]


def resolve(words: list[str]):
    """The command object that the words call, and the words that are left for it."""
    command, rest = COMMANDS, list(words)
    while hasattr(command, "commands"):
        assert rest, f"evoprune {' '.join(words)} names no command"
        assert rest[0] in command.commands, f"evoprune has no command {' '.join(words)}"
        command = command.commands[rest.pop(0)]
    return command, rest


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder with all that the README's reader has: images, a photograph, published configuration files."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    colours = {"daisy": (220, 220, 200), "rose": (200, 30, 60), "tulip": (230, 160, 20)}
    for name, colour in colours.items():
        for part in ("flowers", "published/train", "published/test"):
            folder = tmp_path / part / name
            folder.mkdir(parents=True)
            for number in range(12):
                pixels = np.clip(rng.normal(colour, 60, size=(32, 32, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    for number in range(20):
        other = tmp_path / "other_images" / f"{number}.png"
        other.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 60, size=(32, 32, 3)).astype(np.uint8)).save(other)
    Image.fromarray(np.full((40, 50, 3), colours["rose"], dtype=np.uint8)).save("photo.jpg")
    Path("configDataset.csv").write_text("FLOWERS,published/train/,published/test/,1,256,256,3\n")
    Path("configGA.csv").write_text("4,first,512,512,0.07,6,1,1,7,0\n")
    return tmp_path


@pytest.fixture(autouse=True)
def _own_objectives():
    """What a document registers stays with its test."""
    before = dict(OBJECTIVES)
    yield
    OBJECTIVES.clear()
    OBJECTIVES.update(before)


def smaller(words: list[str]) -> list[str]:
    """The same command on the bundled backbone, with a search of a few evaluations."""
    words = ["tiny" if word == "resnet50" else word for word in words]
    # So few evaluations may find no small head.
    words = ["active<=100%" if word.startswith("active<=") else word for word in words]
    if words[0] == "run" and "-n" in words:
        words[words.index("-n") + 1] = "8"
    elif words[0] == "run":
        words += ["-n", "6"]
    if "paper" in words[1:]:
        words += ["--batch", "2"]
    return words + SMALLER.get(words[0], [])


def execute(block: Block, namespace: dict[str, object]) -> dict[str, object]:
    """Run a Python block with the names that earlier ones defined; gives the names defined now."""
    script = Path("block.py")
    # Empty lines before it, so that a failure names the line of the document.
    script.write_text("\n" * block.line + block.text.replace('"resnet50"', '"tiny"'), encoding="utf-8")
    return runpy.run_path(str(script), init_globals=namespace)


def test_the_readme_runs_from_top_to_bottom(workplace):
    namespace: dict[str, object] = {}
    runner = CliRunner()
    for block in blocks("README.md", "python", "sh"):
        if block.language == "python":
            namespace = execute(block, namespace)
            continue
        for words in block.commands():
            done = runner.invoke(app, smaller(words))
            assert done.exit_code == 0, f"README.md:{block.line}: evoprune {' '.join(words)}: {done.exception!r}"
            assert done.stdout
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
    command, rest = resolve(words)
    with command.make_context(words[0], rest):
        pass


def test_the_readme_lists_every_command():
    table = re.findall(r"^\| (`evoprune .*?) \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    named = {words for cell in table for words in re.findall(r"evoprune (\w+)", cell)}
    assert named == set(COMMANDS.commands)
    (cache,) = (cell for cell in table if "cache" in cell)
    assert set(re.findall(r"\w+", cache)) - {"evoprune", "cache"} == set(COMMANDS.commands["cache"].commands)


def test_the_readme_lists_every_file_of_a_run_folder(workplace):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text[text.index("## What is in a run folder") :]
    named = {
        name.rstrip("/")
        for name in re.findall(r"^\| `([\w./]+)` \|", section, re.MULTILINE)
        if "." in name or "/" in name
    }
    features = ep.from_arrays(np.eye(12), np.arange(12) % 2, np.eye(12), np.arange(12) % 2)
    recipe = FAST.model_copy(update={"epochs": 1})
    ep.Study(features, head=ep.Head(2), recipe=recipe, report_seeds=1, output="run").run(2)
    there = {path.name for path in Path("run").iterdir()}
    assert named == there


def row_labels(text: str) -> list[str]:
    """The first column of a printed result table: what stands before a figure, in lower case."""
    rows = (re.split(r"\s{2,}|│", line.strip("│ "))[0] for line in text.splitlines() if re.search(r"\d", line))
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
