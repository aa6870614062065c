"""Small runs of every kind that a page has to show, and a browser to look at it."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import evoprune as ep
from evoprune.page import page_data, render
from evoprune.search import SearchOptions
from evoprune.training import FAST

NASTY = "</script><script>alert(1)</script>"
"""A class called like this must do no harm."""

NAMES = (NASTY, "a\u202eb\x1b[31m & \"quoted\" 'too'", "plain")

RECIPE = FAST.model_copy(update={"epochs": 4, "batch_size": 32, "learning_rate": 2e-2, "input_dropout": 0.0})


def blobs(classes: tuple[str, ...] = NAMES, seed: int = 0, outside: bool = True) -> ep.Features:
    """300 rows of 16 features, three classes that overlap, and rows of no class."""
    rng = np.random.default_rng(seed)
    centres = np.zeros((3, 16))
    centres[:, :8] = rng.normal(scale=0.8, size=(3, 8))
    y = np.tile(np.arange(3), 100)
    X = (centres[y] + rng.normal(size=(300, 16))).astype(np.float32)
    ood = [rng.normal(2.0, 1.0, size=(80, 16)).astype(np.float32)] if outside else []
    return ep.from_arrays(X[:210], y[:210], X[210:], y[210:], class_names=classes, name="blobs", ood=ood)


def study(features: ep.Features, output: Path | None, **settings: Any) -> ep.Study:
    settings = {"objectives": ("accuracy", "active", "ood"), "report_seeds": 3, "algorithm": "nsga2", **settings}
    options = SearchOptions(population=8)
    return ep.Study(features, head=ep.Head(8), recipe=RECIPE, search=options, output=output, **settings)


@pytest.fixture(scope="session")
def front_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with three objectives and names that try to do harm; not to be changed."""
    folder = tmp_path_factory.mktemp("page") / "it's <b>a run"
    study(blobs(), folder).run(40)
    return folder


@pytest.fixture(scope="session")
def single_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with one objective under the paper protocol."""
    folder = tmp_path_factory.mktemp("page") / "single"
    settings = {"objectives": ("accuracy",), "protocol": "paper", "algorithm": "genetic", "report_seeds": 1}
    study(blobs(outside=False), folder, **settings).run(12)
    return folder


@pytest.fixture(scope="session")
def image_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run on images of two colours that are hard to tell apart, in folders with markup in their names."""
    root = tmp_path_factory.mktemp("page")
    rng = np.random.default_rng(0)
    for name, colour in {"<img src=x onerror=alert(1)>": 120, "b & c": 121}.items():
        folder = root / "pictures" / name
        folder.mkdir(parents=True)
        for number in range(50):
            pixels = np.clip(rng.normal(colour, 40, (24, 24, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / f"{number}.png")
    features = ep.extract(root / "pictures")
    study(features, root / "run", objectives=("accuracy", "active")).run(16)
    # As the command line keeps it, where images can be found again.
    config = root / "run" / "config.toml"
    # Without its first line, as one that was changed by hand.
    text = config.read_text().partition("\n")[2].replace('kind = "arrays"', 'kind = "images"')
    config.write_text(re.sub(r'^data = ".*"$', f'data = "{root / "pictures"}"', text, flags=re.MULTILINE))
    return root / "run"


@pytest.fixture
def growing(front_run: Path, tmp_path: Path) -> Path:
    """A copy of the run as it was before its end: 10 evaluations and no result."""
    folder = tmp_path / "growing"
    shutil.copytree(front_run, folder)
    for path in (folder / "history.csv", folder / "run.lock"):
        path.unlink()
    connection = sqlite3.connect(folder / "study.sqlite")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("DELETE FROM evaluations WHERE id > 10")
    connection.execute("DELETE FROM results")
    connection.commit()
    connection.close()
    return folder


def data_of(page: str) -> dict[str, Any]:
    """What a page holds, as a browser reads it."""
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.fixture(scope="session")
def front_page(front_run: Path) -> str:
    return render(page_data([front_run]))


def chromium() -> str | None:
    """The system's browser."""
    named = os.environ.get("EVOPRUNE_TEST_BROWSER")
    found = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    return named or next(filter(None, found), None)


@pytest.fixture(scope="session")
def browser() -> Any:
    """A real browser without a window; tests that need one are skipped where it or playwright is absent."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = chromium()
    if program is None:
        pytest.skip("no chromium is installed (set EVOPRUNE_TEST_BROWSER)")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()
