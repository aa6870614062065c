"""The documentation: its code runs, its commands exist, and it is built without a warning."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import evoprune
from evoprune.baselines import BASELINES
from evoprune.experiments import EXPERIMENTS
from evoprune.objectives import OBJECTIVES, OOD_SCORES
from evoprune.training import RECIPES
from tests.documents import COMMANDS, ROOT, blocks, furnish, parse, quick_gates, run_document

PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "docs").rglob("*.md")
    if not {"_build", "reference"} & set(path.parts)
)
WITH_CODE = [page for page in PAGES if blocks(page, "sh", "python")]


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """A folder with all that a page's reader has."""
    monkeypatch.chdir(tmp_path)
    quick_gates(monkeypatch)
    furnish(tmp_path)
    before = dict(OBJECTIVES)
    yield tmp_path
    OBJECTIVES.clear()
    OBJECTIVES.update(before)


@pytest.mark.parametrize("page", WITH_CODE)
def test_the_code_of_a_page_runs_from_top_to_bottom(page, workplace):
    run_document(page)


def test_every_page_with_commands_or_code_is_run():
    assert {"docs/quickstart.md", "docs/concepts.md", "docs/papers.md"} <= set(WITH_CODE)
    assert len([page for page in WITH_CODE if page.startswith("docs/recipes/")]) == 7


@pytest.mark.parametrize(
    "words",
    [words for page in WITH_CODE for block in blocks(page, "sh") for words in block.commands()],
    ids=" ".join,
)
def test_every_command_of_the_pages_exists_with_its_options(words):
    parse(words)


def test_a_block_that_is_not_run_says_why():
    reasons = [block.not_run for page in PAGES for block in blocks(page, "sh", "python") if block.not_run is not None]
    assert reasons
    assert all(re.match(r"(needs|trains|installs) \w+", reason) for reason in reasons)


def test_code_fits_a_terminal_and_a_column_of_text():
    for page in (*WITH_CODE, "README.md"):
        for block in blocks(page, "sh", "text", *(["python"] if page.startswith("docs/") else [])):
            for number, line in enumerate(block.text.splitlines(), start=1):
                assert len(line) <= (84 if block.language == "python" else 80), f"{page}:{block.line + number}: {line}"


def test_pages_name_files_that_exist():
    for page in PAGES:
        text = (ROOT / page).read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([\w./-]+\.(?:md|png))\)", text):
            generated = "reference" in target
            assert generated or (ROOT / page).parent.joinpath(target).exists(), f"{page}: {target}"
        for program in re.findall(r"\b((?:examples|benchmarks|tools)/\w+\.py)", text):
            assert (ROOT / program).is_file(), f"{page}: {program}"


def test_the_documentation_is_built_without_a_warning_and_lists_all_that_there_is(tmp_path):
    for package in ("sphinx", "myst_parser", "furo"):
        pytest.importorskip(package, reason=f"{package} is not installed (pip install '.[docs]')")
    # From a copy, so that nothing is written into the checkout while other tests read it.
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("_build", "reference"))
    for name in ("CONTRIBUTING.md", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path / name)
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "docs", "html"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    built = tmp_path / "html"
    for page in PAGES:
        assert built.joinpath(*Path(page).parts[1:]).with_suffix(".html").is_file(), page
    has_every_command(built / "reference" / "commands.html")
    has_every_public_name(built / "reference")
    names = (built / "reference" / "names.html").read_text(encoding="utf-8")
    for table in (OBJECTIVES, OOD_SCORES, RECIPES, EXPERIMENTS, BASELINES):
        for name in table:
            assert f">{name}</span>" in names, name
    # Inside the page, the drawing takes its colours, light or dark.
    assert '<svg class="flow"' in (built / "concepts.html").read_text(encoding="utf-8")


def has_every_command(page):
    text = page.read_text(encoding="utf-8")
    for name, command in COMMANDS.commands.items():
        assert f"<h2>evoprune {name}<" in text
        for parameter in command.params:
            for option in (word for word in parameter.opts if word.startswith("--")):
                assert option in text, f"{name} {option}"
        for inner in getattr(command, "commands", {}):
            assert f"<h3>evoprune {name} {inner}<" in text


def has_every_public_name(folder):
    listed = (folder / "api.html").read_text(encoding="utf-8")
    for name, home in evoprune._HOMES.items():
        anchor = f"evoprune.{home}.{name}"
        assert f'href="{home}.html#{anchor}"' in listed, name
        assert f'id="{anchor}"' in (folder / f"{home}.html").read_text(encoding="utf-8"), name


def test_the_flow_takes_its_colours_from_the_page_around_it():
    drawing = (ROOT / "docs" / "images" / "flow.svg").read_text(encoding="utf-8")
    painted = set(re.findall(r'\b(?:fill|stroke)="([^"]*)"', drawing))
    assert painted == {"none", "currentColor"}
