"""Names and files that are meant to do harm, and the commands of the command line's tests."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import SMALL, Outcome, evoprune, here, save_image  # noqa: F401 (the fixture)

NASTY = (
    "<script>alert(1)</script>",
    "$\\frac",
    "[bold]x[-nothing]",
    "=1+1",
    "@SUM(A1)|x",
    "a\x1b[31mb\x07",
    "a\u202eb\u2066c",
    "{{data}} %s {0}",
)
"""Each means something to somebody who shows it."""

LONG, UP = "x" * 3000, "../../../up"
"""Which a folder cannot be called, but a class of a feature file can."""


class Harm:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self):
        return (open, (self.path, "w"))


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """The file that harm would make; it was seen to make it."""
    path = tmp_path / "trace"
    pickle.loads(pickle.dumps(Harm(path))).close()  # noqa: S301 (our own)
    assert path.exists(), "the harm does none, so the tests say nothing"
    path.unlink()
    return path


@pytest.fixture(scope="session")
def nasty_features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A feature file whose name and classes are nasty."""
    names = (*NASTY, LONG, UP)
    rng = np.random.default_rng(0)
    y = np.arange(30 * len(names)) % len(names)
    X = (rng.normal(size=(len(y), 12)) + np.eye(12)[y % 12]).astype(np.float32)
    path = tmp_path_factory.mktemp("nasty") / "=1+1 $x [red]<b>\x1b[31m.npz"
    np.savez(path, X=X, y=y, class_names=np.array(names))
    return path


@pytest.fixture(scope="session")
def nasty_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight images in each of some folders with nasty names."""
    root = tmp_path_factory.mktemp("nasty") / "$a_b$ <i> [red]"
    colours = np.random.default_rng(1).integers(0, 160, (len(NASTY), 3))
    for number, (name, colour) in enumerate(zip(NASTY, colours, strict=True)):
        folder = name.replace("/", "\u2215")
        for i in range(8):
            save_image(root / folder / f"={i}\x07<b>.png", 100 * number + i, colour.tolist())
    return root


@pytest.fixture(scope="session")
def nasty_run(nasty_features: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with a front on the nasty feature file; not to be changed."""
    folder = tmp_path_factory.mktemp("nasty") / "=run $x <b>"
    done = here("run", "--features", nasty_features, *SMALL, "--objectives", "loss,active", "-n", "24", "-o", folder)
    assert done.status == 0, done.err
    harmless(done)
    return folder


@pytest.fixture(scope="session")
def nasty_pictures_run(nasty_pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with a front on the nasty images; not to be changed."""
    folder = tmp_path_factory.mktemp("nasty") / "run"
    cache = str(tmp_path_factory.getbasetemp() / "cache")
    done = here(*("run", nasty_pictures, *SMALL, "--objectives", "accuracy,active", "-o", folder), EVOPRUNE_CACHE=cache)
    assert done.status == 0, done.err
    harmless(done)
    return folder


ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What acts on a terminal, or turns the direction of a text round."""


def harmless(outcome: Outcome) -> Outcome:
    """Check that nothing that a command has said acts on a terminal."""
    for said in (outcome.out, outcome.err):
        found = ACTING.search(said)
        assert found is None, (found, said[max(0, found.start() - 60) : found.end() + 20])
    assert "Traceback" not in outcome.err
    return outcome
