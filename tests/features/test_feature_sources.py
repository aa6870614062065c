"""Features from files and arrays, and the digest."""

from __future__ import annotations

import numpy as np
import pytest

from evoprune.data import Division
from evoprune.errors import DataError
from evoprune.features import features_digest, from_arrays, from_feature_file


@pytest.fixture
def matrices():
    rng = np.random.default_rng(0)
    return rng.normal(size=(8, 3)), np.arange(8) % 2, rng.normal(size=(4, 3)), np.arange(4) % 2


def test_arrays_and_files_give_the_same_features(matrices, tmp_path):
    X, y, X_test, y_test = matrices
    np.savez(tmp_path / "f.npz", X_train=X, y_train=y, X_test=X_test, y_test=y_test)
    from_file, direct = from_feature_file(tmp_path / "f.npz"), from_arrays(*matrices, name="f")
    assert from_file.digest == direct.digest and from_file.name == direct.name == "f"
    np.testing.assert_array_equal(direct.X, np.concatenate([X, X_test]).astype(np.float32))
    assert (direct.width, direct.classes, direct.backbone, direct.duplicates) == (3, 2, None, 0)
    np.testing.assert_array_equal(direct.divisions[0].test, np.arange(8, 12))


def test_the_seed_moves_the_split_and_with_it_the_digest(matrices):
    X, y, *_ = matrices
    digests = {from_arrays(X, y, seed=seed).digest for seed in (0, 0, 1, 2)}
    assert len(digests) == 3


def test_refusals_are_those_of_the_data_room(matrices, tmp_path):
    X, y, X_test, y_test = matrices
    X[2, 1] = np.nan
    with pytest.raises(DataError, match="nan"):
        from_arrays(X, y, X_test, y_test)
    with pytest.raises(DataError, match=r"absent\.npz"):
        from_feature_file(tmp_path / "absent.npz")


def test_digest_sees_values_labels_shapes_and_divisions():
    X = np.arange(12, dtype=np.float32).reshape(6, 2)
    y = np.array([0, 1, 0, 1, 0, 1])
    train, test, none = np.arange(4), np.array([4, 5]), np.arange(0)
    base = features_digest(X, y, [Division(train, test)])
    assert base == features_digest(X.copy(), y.copy(), [Division(train.copy(), test.copy())])
    assert base == features_digest(np.asfortranarray(X), y, [Division(train, test)])
    changed = X.copy()
    changed[5, 1] += 1e-3
    others = [
        features_digest(changed, y, [Division(train, test)]),
        features_digest(X.reshape(4, 3), y, [Division(train, test)]),
        features_digest(X, y[::-1], [Division(train, test)]),
        features_digest(X, y, [Division(test, train)]),
        features_digest(X, y, [Division(train, test, none)]),
        features_digest(X, y, [Division(train, none, test)]),
        features_digest(X, y, [Division(train, test), Division(train, test)]),
        features_digest(X, y, []),
    ]
    assert len({base, *others}) == 9
