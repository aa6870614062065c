"""Masks: exactly as many units as asked for, the same for a seed, and those that matter."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from evoprune.baselines import BASELINES, SelectionData, get_baseline
from evoprune.data import Fold, load_feature_file
from evoprune.heads import Head, parse_encoding
from evoprune.training import FAST, TrainingSet, train_population

MASKS = [name for name, baseline in BASELINES.items() if baseline.kind == "mask"]
SERVED = [(name, encoding) for name in MASKS for encoding in BASELINES[name].encodings]


@pytest.mark.parametrize(("name", "encoding"), SERVED)
def test_masks_have_the_counts_asked_for_and_lie_within_each_other(setting, name, encoding):
    data, plan = setting(encoding)
    counts = [5, plan.length, 2, 7]
    masks = get_baseline(name).masks(data, plan, counts, 3)
    assert masks.shape == (4, plan.length)
    assert masks.dtype == np.bool_
    assert masks.sum(axis=1).tolist() == counts
    assert (masks[2] <= masks[0]).all()
    assert (masks[0] <= masks[3]).all()
    if encoding == "both":
        assert masks[:, :20].any(axis=1).all()
        assert masks[:, 20:].any(axis=1).all()


@pytest.mark.parametrize("name", MASKS)
def test_a_mask_depends_on_seed_and_count_alone(setting, name):
    data, plan = setting(BASELINES[name].encodings[-1])
    masks = []
    for counts, state in (([3, 9, 12], 1), ([9], 2)):
        torch.manual_seed(state)
        np.random.seed(state)  # noqa: NPY002
        masks.append(get_baseline(name).masks(data, plan, counts, 4))
    assert np.array_equal(masks[0][1], masks[1][0])


@pytest.mark.parametrize("name", [name for name in MASKS if name != "random"])
def test_informed_methods_find_the_planted_features(setting, planted, name):
    data, plan = setting("features")
    (mask,) = get_baseline(name).masks(data, plan, [len(planted)], 0)
    assert np.flatnonzero(mask).tolist() == planted.tolist()


def test_chance_takes_every_feature_equally_often(setting):
    data, plan = setting("features")
    drawn = np.stack([get_baseline("random").masks(data, plan, [10], seed)[0] for seed in range(400)])
    # 400 draws of 10 out of 40: 100 each, with a standard deviation of 8.7.
    assert np.abs(drawn.sum(axis=0) - 100).max() < 40
    assert len(np.unique(drawn, axis=0)) == 400


@pytest.mark.parametrize("name", ["magnitude", "taylor", "gradient", "gates"])
def test_each_layer_keeps_the_same_share(setting, name):
    (mask,) = get_baseline(name).masks(*setting("both"), [8], 0)
    assert (mask[:20].sum(), mask[20:].sum()) == (5, 3)


def test_gates_beat_the_filter_at_two_percent_of_real_features(shared_data):
    arrays = load_feature_file(shared_data / "features" / "sign_digits.npz")
    train, test = arrays.divisions[0].train, arrays.divisions[0].test
    head, classes = Head(512), len(arrays.class_names)
    plan = parse_encoding("features", head, width=arrays.X.shape[1], classes=classes)
    data = SelectionData(
        arrays.X[train], arrays.y[train], classes, arrays.X[train[:99]], arrays.y[train[:99]], head, FAST
    )
    names = ["random", "anova", "gates"]
    structures = [plan.decode(get_baseline(name).masks(data, plan, [26], 0)[0]) for name in names]
    tested = TrainingSet(arrays.X, arrays.y, classes, (Fold(train, test),))
    trained = train_population(tested, structures, head=head, recipe=FAST, seeds=[0, 1])
    chance, anova, gates = (
        np.mean([(logits.argmax(axis=1) == arrays.y[test]).mean() for logits in t.logits[0]]) for t in trained
    )
    # Measured over three seeds: .68, .78, .86.
    assert chance + 0.03 < anova
    assert anova + 0.03 < gates
