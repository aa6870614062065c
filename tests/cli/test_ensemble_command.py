"""`evoprune ensemble` and `evoprune experiment ensembles`, as a user types them."""

from __future__ import annotations

import json
import shutil

import pytest

from evoprune.model import Model

from .conftest import SMALL, here, refused

FRONT = (
    "--algorithm",
    "nsga2",
    "--objectives",
    "accuracy,active,calibration",
    "--head",
    "8",
    "--epochs",
    "15",
    "-n",
    "40",
    "--report-seeds",
    "2",
)


@pytest.fixture(scope="module")
def searched(blobs, tmp_path_factory):
    """A finished run with a front; not to be changed."""
    folder = tmp_path_factory.mktemp("searched") / "front"
    assert here("run", "--features", blobs, *FRONT, "-o", folder).status == 0
    return folder


@pytest.fixture
def run(evoprune, searched):
    shutil.copytree(searched, "front")


def test_an_ensemble_is_made_shown_and_kept(evoprune, run, tmp_path):
    made = evoprune("ensemble", "front", "--method", "greedy", "--seeds", "2")
    assert made.status == 0, made.err
    assert "as many random masks" in made.out
    assert "Mean ± standard deviation over 2 seeds" in made.out
    assert "Tables, figure and model: front/ensemble" in made.out
    assert all(len(line) <= 80 for line in made.out.splitlines())
    assert {"ensemble.csv", "ensemble.md", "windows.csv", "windows.png"} <= {
        path.name for path in (tmp_path / "front" / "ensemble").iterdir()
    }
    assert Model.load(tmp_path / "front" / "ensemble" / "model").about["ensemble"]["vote"] == "soft"
    # The run's own model stays what it was.
    assert "ensemble" not in Model.load(tmp_path / "front" / "model").about


def test_windows_with_a_majority_are_the_default_as_published(evoprune, run):
    outcome = evoprune("ensemble", "front", "--json", "-o", "out")
    summary = json.loads(outcome.out)
    assert (summary["method"], summary["vote"], summary["repetitions"]) == ("windows", "majority", 2)
    assert summary["window"] is not None
    assert summary["protocol"] == "nested"
    assert json.loads(evoprune("ensemble", "front", "--vote", "soft", "--json", "-o", "o").out)["vote"] == "soft"


def test_pictures_are_charged_with_one_pass_of_the_backbone(evoprune, pictures):
    assert evoprune("run", pictures, *FRONT, "-o", "front").status == 0
    made = evoprune("ensemble", "front", "-m", "all", "--seeds", "1", "--json")
    assert made.status == 0, made.err
    cost = json.loads(made.out)["cost"]
    assert cost["backbone_passes"] == 1
    assert cost["backbone_multiply_adds"] > 0
    assert 0 < cost["heads_share"] < 1
    assert cost["of_as_many_networks"] < 1


def test_what_cannot_vote_is_refused(evoprune, run, blobs):
    assert "'loud' is unknown; choose soft or majority" in refused(evoprune("ensemble", "front", "--vote", "loud"))
    assert "method 'best' is unknown; choose among windows" in refused(evoprune("ensemble", "front", "-m", "best"))
    assert "front holds a run" in refused(evoprune("ensemble", "front", "-o", "front"))
    assert "holds no run" in refused(evoprune("ensemble", "nothing"))
    assert evoprune("run", "--features", blobs, *SMALL, "-o", "one").status == 0
    assert "an ensemble takes two or more" in refused(evoprune("ensemble", "one"))
    experiment = ("experiment", "ensembles", "--features", blobs, "--methods", "anova")
    assert "does not choose an ensemble" in refused(evoprune(*experiment))


@pytest.mark.slow
def test_the_experiment_writes_its_report_and_continues(evoprune, blobs, tmp_path):
    words = ("experiment", "ensembles", "--features", blobs, "--seeds", "1", "-n", "10", "--epochs", "2", "--head", "8")
    first = evoprune(*words, "--workers", "1", "-o", "exp")
    assert first.status == 0, first.err
    again = evoprune(*words, "--workers", "1", "-o", "exp")
    assert again.out == first.out
    assert "## All data sets" in (tmp_path / "exp" / "ensembles.md").read_text()
