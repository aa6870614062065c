"""Initial individuals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from evoprune.errors import ConfigError
from evoprune.search import InitialDensity


@settings(deadline=None)
@given(share=st.floats(0, 1), length=st.integers(1, 300), seed=st.integers(0, 2**32))
def test_fixed_share_gives_exactly_the_rounded_number_of_ones(share, length, seed):
    genomes = InitialDensity(share, share).draw(3, length, np.random.default_rng(seed))
    assert genomes.shape == (3, length)
    assert genomes.dtype == np.bool_
    assert (genomes.sum(axis=1) == round(share * length)).all()


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.3, 0.7)])
def test_shares_are_uniform_over_the_range(low, high):
    genomes = InitialDensity(low, high).draw(2000, 1000, np.random.default_rng(5))
    shares = genomes.mean(axis=1)
    assert shares.min() >= low - 0.0005
    assert shares.max() <= high + 0.0005
    assert stats.kstest(shares, stats.uniform(low, high - low).cdf).pvalue > 0.01


def test_ones_stand_at_random_positions():
    genomes = InitialDensity(0.5, 0.5).draw(4000, 20, np.random.default_rng(6))
    # Exactly half of each row are ones, which makes the column counts vary less than binomially.
    assert np.abs(genomes.mean(axis=0) - 0.5).max() < 0.04
    pairs = (genomes[:, :-1] & genomes[:, 1:]).mean(axis=0)
    assert np.abs(pairs - 0.5 * 9 / 19).max() < 0.04


@pytest.mark.parametrize("ends", [(-0.1, 0.5), (0.5, 1.1), (0.7, 0.3), (float("nan"), 1.0)])
def test_a_range_that_is_none_is_refused(ends):
    with pytest.raises(ConfigError, match="two numbers from 0 to 1"):
        InitialDensity(*ends)
