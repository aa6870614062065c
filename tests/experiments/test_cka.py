"""`cka`: the models that are compared are those that are named, in the layout that is stated."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.preprocessing import StandardScaler

from evoprune.errors import ConfigError
from evoprune.experiments import Settings, get_experiment
from evoprune.experiments._cka import _first_weights, align
from evoprune.experiments._contest import Ground, Variant, history
from evoprune.training import penultimate
from evoprune.workflow import make_config

from .conftest import cells, computed, make_settings

EXPERIMENT = get_experiment("cka")
SETTINGS = Settings(seeds=2, evaluations=14)


@pytest.fixture(scope="module")
def rows(blobs, small):
    return computed(EXPERIMENT, blobs, small, SETTINGS)


def plain_cka(X, Y):
    """Linear CKA from cross-covariances, as Kornblith et al. write it in feature space."""
    X, Y = X - X.mean(axis=0), Y - Y.mean(axis=0)
    return np.linalg.norm(Y.T @ X) ** 2 / (np.linalg.norm(X.T @ X) * np.linalg.norm(Y.T @ Y))


def test_distances_are_to_the_nearest_evaluated_genome_and_to_the_full_head(rows, blobs, small):
    ground = Ground.of(blobs, small, 1)
    genomes, values = history(ground, Variant.of("genetic", small), 14)
    best = np.lexsort((genomes.sum(axis=1), -values[:, 0]))[0]
    distances = cdist(genomes[best : best + 1], genomes, "hamming")[0]
    shown = {row["model"]: row for row in rows if row["seed"] == 1}
    assert shown["closest"]["hamming_distance"] == pytest.approx(np.min(distances[distances > 0]))
    assert shown["full"]["hamming_distance"] == pytest.approx(1 - genomes[best].mean())
    assert shown["random"]["active_share"] == genomes[best].mean()
    assert shown["full"]["active_share"] == 1


@pytest.mark.parametrize("standardize", [True, False])
def test_weights_are_those_on_the_scale_of_training_with_zero_rows_where_off(blobs, standardize):
    config = make_settings()
    config = make_config(**{**dict(config), "recipe": config.recipe.model_copy(update={"standardize": standardize})})
    ground = Ground.of(blobs, config, 0)
    mask = np.arange(16) % 3 == 0
    _, ((head,),) = ground.retrained(mask[None], ground.parts.search)
    weights = _first_weights(head, ground)
    assert weights.shape == (16, 8)
    assert not weights[~mask].any()
    X = blobs.X
    if standardize:
        X = StandardScaler().fit(X[ground.parts.search[0].train]).transform(X)
    assert np.maximum(X @ weights, 0) == pytest.approx(penultimate(head, blobs.X), abs=1e-4)


def test_the_linear_estimate_is_that_of_the_models_named(rows, blobs, small):
    ground = Ground.of(blobs, small, 0)
    genomes, values = history(ground, Variant.of("genetic", small), 14)
    best = genomes[np.lexsort((genomes.sum(axis=1), -values[:, 0]))[0]]
    _, heads = ground.retrained(np.stack([best, np.ones(16, dtype=bool)]), ground.parts.search)
    rows_seen = ground.parts.search[0].evaluate
    expected = {
        "weights": plain_cka(*(_first_weights(head, ground).astype(np.float64) for (head,) in heads)),
        "activations": plain_cka(*(penultimate(head, blobs.X[rows_seen]).astype(np.float64) for (head,) in heads)),
    }
    for of, value in expected.items():
        (row,) = (r for r in rows if (r["seed"], r["model"], r["of"], r["estimator"]) == (0, "full", of, "linear"))
        assert row["cka"] == pytest.approx(value, abs=1e-6)


def test_there_is_a_row_for_each_model_representation_and_estimator(rows):
    assert len(rows) == 2 * 3 * 2 * 3
    assert all(row["cka"] is not None and row["cka"] <= 1 for row in rows)


def test_units_that_are_off_change_no_distance_of_features(blobs):
    ground = Ground.of(blobs, make_settings(encoding="first", head=(8, 8)), 0)
    mask = np.arange(8) < 5
    _, ((head,),) = ground.retrained(mask[None], ground.parts.search)
    weights = _first_weights(head, ground)
    assert weights.shape == (16, 5)
    found = align(blobs, ground.config, {"dataset": "blobs", "seed": 0, "evaluations": 8})
    assert np.isfinite([row["cka"] for row in found]).all()


def test_the_report_has_means_over_seeds_and_published_ranges(rows, tmp_path):
    report = EXPERIMENT.write(rows, {}, SETTINGS, tmp_path)
    ours, published = report.split("## Published")
    own = [r for r in rows if (r["model"], r["of"], r["estimator"]) == ("full", "weights", "RBF")]
    values = np.array([row["cka"] for row in own])
    distances = np.array([row["hamming_distance"] for row in own])
    shown = cells(ours.split("## RBF")[0], "not pruned")
    assert shown[0] == f"{distances.mean():.3f} ± {distances.std(ddof=1):.3f}"
    assert shown[3] == f"{values.mean():.3f} ± {values.std(ddof=1):.3f}"
    assert "`[D, h]`" in ours
    assert "protocol paper" in published
    assert cells(published, "not pruned") == [".202-.291", ".43-.50"]
    assert (tmp_path / "cka.png").is_file()


def test_a_seed_that_failed_is_shown(rows, tmp_path):
    kept = [row for row in rows if row["seed"] == 0]
    report = EXPERIMENT.write(kept, {"blobs/1": "why"}, SETTINGS, tmp_path)
    assert all(cell.endswith("(1 missing)") for cell in cells(report.split("## RBF")[0], "not pruned"))


def test_single_connections_are_refused():
    with pytest.raises(ConfigError, match="give encoding features, first, second or both"):
        EXPERIMENT.tasks({"blobs": make_settings(encoding="connections")}, SETTINGS)
