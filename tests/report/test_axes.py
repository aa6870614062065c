"""Figures that notebooks draw: the sparsity curve (those of a result are tested with results)."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from evoprune.errors import ConfigError
from evoprune.report import SparsityCurve, plot_sparsity


def curve(height):
    shares = np.array([0.5, 0.1, 0.25])
    return SparsityCurve(shares, height + shares / 10, np.full(3, 0.01), 5)


def test_a_sparsity_curve_is_drawn_with_its_legend():
    axes = Figure().subplots()
    drawn = plot_sparsity({"ours": curve(0.9), "random": curve(0.8)}, (0.93, 0.01), emphasised=["ours"], axes=axes)
    assert drawn is axes
    lines = {line.get_label(): line for line in axes.lines}
    assert lines["ours"].get_xdata().tolist() == [10, 25, 50]
    assert lines["ours"].get_ydata() == pytest.approx([91, 92.5, 95])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["ours", "random", "not pruned"]
    assert "paper" not in axes.get_ylabel()
    assert "paper" in plot_sparsity({"ours": curve(0.9)}, protocol="paper", axes=Figure().subplots()).get_ylabel()


def test_no_curve_is_refused():
    with pytest.raises(ConfigError, match="no method is given"):
        plot_sparsity({}, axes=Figure().subplots())
