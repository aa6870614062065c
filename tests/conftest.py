"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

# Two test processes share two cores: more threads than cores would only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real images, backbones and features; the test is skipped where it is absent."""
    folder = Path(os.environ.get("EVOPRUNE_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "features").is_dir():
        pytest.skip(f"no real test data at {folder} (set EVOPRUNE_TEST_DATA)")
    return folder


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's feature cache out of the tests: each test session has its own."""
    monkeypatch.setenv("EVOPRUNE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(autouse=True)
def _heard_interrupts() -> None:
    """Some tests interrupt themselves; a shell in the background and a command that failed leave that ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
