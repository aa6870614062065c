"""`initial-density`: searches start where they are told to, and the table says where they end."""

from __future__ import annotations

import numpy as np
import pytest

from evoprune.experiments import Settings, get_experiment
from evoprune.experiments._convergence import converge
from evoprune.experiments._initial_density import start_from
from evoprune.workflow import make_config

from .conftest import cells, computed

EXPERIMENT = get_experiment("initial-density")
SETTINGS = Settings(seeds=2, evaluations=6)
"""So few evaluations that only initial individuals are evaluated."""


@pytest.fixture(scope="module")
def rows(blobs, small):
    return computed(EXPERIMENT, blobs, small, SETTINGS)


@pytest.mark.parametrize(("start", "ones"), [("0.3", 5), ("0.4", 6), ("0.5", 8), ("0.6", 10), ("0.7", 11)])
def test_individuals_of_a_fixed_share_have_just_so_many_ones(rows, start, ones):
    assert [row["active_neurons"] for row in rows if row["start"] == start] == [ones, ones]


def test_the_density_of_a_range_lies_within_it(rows):
    assert all(5 <= row["active_neurons"] <= 11 for row in rows if row["start"] == "U(.3, .7)")


def test_the_whole_range_is_the_search_as_published(rows, blobs, small):
    arguments = {"dataset": "blobs", "method": "genetic", "seed": 1, "evaluations": 6}
    last = converge(blobs, small, arguments)[-1]
    (own,) = (row for row in rows if (row["start"], row["seed"]) == ("U(0, 1)", 1))
    assert {name: own[name] for name in ("fitness", "test_accuracy", "active_neurons")} == {
        name: last[name] for name in ("fitness", "test_accuracy", "active_neurons")
    }


def test_the_report_has_means_over_seeds_and_published_figures_that_are_marked(rows, tmp_path):
    report = EXPERIMENT.write(rows, {}, SETTINGS, tmp_path)
    ours, published = report.split("## Published")
    own = [row for row in rows if row["start"] == "0.4"]
    columns = [100 * np.array([row[name] for row in own]) for name in ("fitness", "test_accuracy", "active_share")]
    assert cells(ours.split("## Test accuracy")[0], "0.4") == [
        f"{column.mean():.1f} ± {column.std(ddof=1):.1f}" for column in columns
    ]
    assert "(paper)" not in ours
    assert "| PLANTS (paper) | CATARACT (paper) |" in published
    assert cells(published, "0.4") == ["46.3 / 40", "74.0 / 40"]
    assert (tmp_path / "initial-density.png").is_file()


def test_a_start_that_failed_is_shown(rows, tmp_path):
    kept = [row for row in rows if row["start"] != "0.5" and (row["start"], row["seed"]) != ("0.6", 0)]
    ours = EXPERIMENT.write(kept, {}, SETTINGS, tmp_path).split("## Test accuracy")[0]
    assert cells(ours, "0.5") == ["failed"] * 3
    assert all(cell.endswith("(1 missing)") for cell in cells(ours, "0.6"))


def test_units_of_hidden_layers_can_be_searched_too(blobs, small):
    config = make_config(**{**dict(small), "encoding": "both", "head": (10, 10)})
    (row,) = start_from(blobs, config, {"dataset": "blobs", "start": "0.3", "seed": 0, "evaluations": 6})
    assert (row["encoding"], row["active_neurons"]) == ("both", 6)
