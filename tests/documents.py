"""Code blocks of documents: found, and run as a reader would run them."""

from __future__ import annotations

import re
import runpy
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from evoprune.cli._app import app

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = typer.main.get_command(app)

SMALLER = {
    "run": ["--epochs", "2", "--report-seeds", "2"],
    "legacy": ["--epochs", "2"],
    "experiment": ["--epochs", "2", "-n", "6", "--workers", "2"],
}
"""What makes the commands quick without changing what they do."""


@dataclass(frozen=True)
class Block:
    """A fenced block of code.

    Attributes:
        language: that stands behind the fence.
        text: between the fences.
        line: of the opening fence in the file, from 1.
        not_run: why it is only read, from a comment `<!-- not run: .. -->` above it; None if it runs.
    """

    language: str
    text: str
    line: int
    not_run: str | None = None

    def calls(self) -> list[list[str]]:
        """The lines of a shell block as words; lines that end in a backslash go on in the next."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [words for line in lines if (words := shlex.split(line, comments=True))]

    def commands(self) -> list[list[str]]:
        """The words of each call of evoprune, without its name."""
        return [words[1:] for words in self.calls() if words[0] == "evoprune"]


def blocks(name: str, *languages: str) -> list[Block]:
    """The code blocks of a document, named from the checkout's root, in some languages."""
    text = (ROOT / name).read_text(encoding="utf-8")
    fenced = re.compile(
        r"(?:^<!-- not run: (?P<reason>[^\n]*?) -->\n+)?^```(?P<language>[^\n]*)\n(?P<text>.*?)^```$", re.M | re.S
    )
    found = [
        Block(match["language"], match["text"], text[: match.start("language")].count("\n") + 1, match["reason"])
        for match in fenced.finditer(text)
    ]
    return [block for block in found if block.language in languages]


def resolve(words: list[str]):
    """The command object that the words call, and the words that are left for it."""
    command, rest = COMMANDS, list(words)
    while hasattr(command, "commands"):
        assert rest, f"evoprune {' '.join(words)} names no command"
        assert rest[0] in command.commands, f"evoprune has no command {' '.join(words)}"
        command = command.commands[rest.pop(0)]
    return command, rest


def parse(words: list[str]) -> None:
    """Refuse words that are no command, or have options that it has not."""
    command, rest = resolve(words)
    with command.make_context(words[0], rest):
        pass


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


def run_document(name: str) -> dict[str, object]:
    """Run the shell and Python blocks of a document in their order, in the current folder.

    Blocks that are marked `not run` are held against the program's parser instead.

    Returns:
        The names that its Python blocks defined.
    """
    namespace: dict[str, object] = {}
    for block in blocks(name, "sh", "python"):
        where = f"{name}:{block.line}"
        if block.language == "python":
            if block.not_run is None:
                namespace = execute(block, namespace)
            else:
                compile(block.text, where, "exec")
            continue
        for words in block.calls():
            if block.not_run is not None:
                if words[0] == "evoprune":
                    parse(words[1:])
            elif words[0] == "evoprune":
                _run_command(words[1:], where)
            else:
                _run_program(words, where)
    return namespace


def _run_command(words: list[str], where: str) -> None:
    done = CliRunner().invoke(app, smaller(words))
    assert done.exit_code == 0, f"{where}: evoprune {' '.join(words)}: {done.exception!r}\n{done.output}"
    assert done.stdout, f"{where}: evoprune {' '.join(words)} printed nothing"


def _run_program(words: list[str], where: str) -> None:
    """Run a Python program of this checkout, in this process."""
    assert words[0] == "python", f"{where}: nothing here runs {words[0]!r}; mark the block as not run, and say why"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", words[1:])
        runpy.run_path(str(ROOT / words[1]), run_name="__main__")


def quick_gates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gates of a few steps: as `SMALLER`, for what no option changes."""
    monkeypatch.setattr("evoprune.guidance._gates.EPOCHS", 1)
    monkeypatch.setattr("evoprune.guidance._gates.FEWEST_STEPS", 2)


def furnish(folder: Path) -> None:
    """Put into a folder all that a reader has: images, a photograph, published configuration files."""
    rng = np.random.default_rng(0)
    colours = {"daisy": (220, 220, 200), "rose": (200, 30, 60), "tulip": (230, 160, 20)}
    for name, colour in colours.items():
        for part in ("flowers", "published/train", "published/test"):
            inner = folder / part / name
            inner.mkdir(parents=True)
            for number in range(12):
                pixels = np.clip(rng.normal(colour, 60, size=(32, 32, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(inner / f"{number}.png")
    for number in range(20):
        other = folder / "other_images" / f"{number}.png"
        other.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 60, size=(32, 32, 3)).astype(np.uint8)).save(other)
    Image.fromarray(np.full((40, 50, 3), colours["rose"], dtype=np.uint8)).save(folder / "photo.jpg")
    (folder / "configDataset.csv").write_text("FLOWERS,published/train/,published/test/,1,256,256,3\n")
    (folder / "configGA.csv").write_text("4,first,512,512,0.07,6,1,1,7,0\n")
