"""The table of baselines, and what it says to what it cannot do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evoprune.baselines import BASELINES, get_baseline
from evoprune.errors import ConfigError, DataError
from evoprune.heads import Head, parse_encoding


def test_every_baseline_has_a_source_and_gives_masks_or_models():
    for name, baseline in BASELINES.items():
        assert baseline.name == name
        assert baseline.title
        assert baseline.source
        assert (baseline.rank is None) != (baseline.build is None)
        assert baseline.kind == ("mask" if baseline.build is None else "model")
        assert set(baseline.encodings) <= {"features", "first", "second", "both", "connections"}


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'gates_iterative'"):
        get_baseline("gates-iterative")
    assert get_baseline("anova") is BASELINES["anova"]


def test_masks_are_not_models(setting):
    data, encoding = setting("features")
    with pytest.raises(ConfigError, match="ask it for masks"):
        get_baseline("anova").models(data, encoding, [4], 0)
    with pytest.raises(ConfigError, match="ask it for models"):
        get_baseline("dense").masks(data, encoding, [40], 0)


def test_a_filter_of_features_does_not_prune_units(setting):
    with pytest.raises(ConfigError, match="'anova' does not prune encoding 'first'; give one of features"):
        get_baseline("anova").masks(*setting("first"), [4], 0)


@pytest.mark.parametrize(("name", "count"), [("features", 0), ("features", 41), ("both", 1), ("features", 2.0)])
def test_a_count_that_no_genome_has_is_refused(setting, name, count):
    with pytest.raises(ConfigError, match=f"count {count} is not possible"):
        get_baseline("random").masks(*setting(name), [4, count], 0)


def test_an_encoding_of_another_head_is_refused(data):
    with pytest.raises(ConfigError, match="parse the encoding with those of the data"):
        get_baseline("random").masks(data, parse_encoding("features", Head(8), width=40, classes=3), [4], 0)


def test_rows_that_do_not_fit_are_refused(data):
    with pytest.raises(DataError, match="X_val is float32 of shape"):
        replace(data, X_val=data.X_val[:, :5])
    with pytest.raises(DataError, match="the labels of X must be 240 class numbers"):
        replace(data, y=data.y[:-1])
    with pytest.raises(DataError, match=r"0\.\.1"):
        replace(data, classes=2)
    with pytest.raises(DataError, match="at least one row"):
        replace(data, X_val=data.X_val[:0], y_val=data.y_val[:0])


@pytest.mark.parametrize("name", ["weight_lottery", "polynomial_lottery"])
def test_a_ticket_of_the_output_layer_is_refused(data, name):
    encoding = parse_encoding("first", data.head, width=40, classes=3)
    with pytest.raises(ConfigError, match=r"the output layer of Head\(16\)"):
        get_baseline(name).models(data, encoding, [4], 0)


def test_models_are_trained_on_the_validation_rows_only_if_asked(setting):
    data, encoding = setting("features")
    swapped = replace(data, X_val=data.X, y_val=data.y)
    for name in ("dense", "weight_pruning"):
        first, other = (get_baseline(name).models(d, encoding, [40], 0)[0].logits(data.X) for d in (data, swapped))
        assert np.array_equal(first, other)
        both = get_baseline(name).models(replace(data, refit=True), encoding, [40], 0)[0].logits(data.X)
        assert not np.array_equal(first, both)
