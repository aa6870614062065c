"""The figure of accuracy over active share: what is drawn, where, and what is said of what is missing."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from evoprune.errors import ConfigError
from evoprune.report import SparsityCurve, sparsity_curves, write_sparsity

NAN = float("nan")
SHARES = np.array([0.01, 0.1, 0.02, 1.0])


def curve(mean=(0.5, 0.8, 0.6, 0.94), std=0.01, shares=SHARES, seeds=5):
    return SparsityCurve(np.array(shares), np.array(mean), np.full(len(shares), std), seeds)


def drawn(curves, dense=None, **options):
    axes = Figure(layout="constrained").subplots()
    sparsity_curves(axes, curves, dense, **{"protocol": "nested", **options})
    axes.figure.canvas.draw()
    return axes


def line(axes, label):
    (found,) = (one for one in axes.lines if one.get_label() == label)
    return found


def test_a_line_goes_through_the_means_in_order_of_share():
    found = line(drawn({"a": curve()}), "a")
    assert found.get_xdata() == pytest.approx([1, 2, 10, 100])
    assert found.get_ydata() == pytest.approx([50, 60, 80, 94])


def test_the_band_is_one_standard_deviation_to_each_side():
    axes = drawn({"a": curve(std=0.02)})
    band = axes.collections[0].get_paths()[0].vertices
    assert band[:, 1].min() == pytest.approx(48)
    assert band[:, 1].max() == pytest.approx(96)


def test_shares_are_plain_numbers_on_a_logarithmic_axis():
    axes = drawn({"a": curve()})
    assert axes.get_xscale() == "log"
    assert [text.get_text() for text in axes.get_xticklabels()] == ["1", "2", "5", "10", "25", "50", "100"]


@pytest.mark.parametrize("shares", [[0.3, 0.4], [0.003, 0.004], [1.0, 1.0], [0.0001, 0.00011]])
def test_a_narrow_range_of_shares_has_an_axis(shares):
    axes = drawn({"a": curve([0.5, 0.6], shares=shares)})
    low, high = axes.get_xlim()
    assert low <= 100 * min(shares)
    assert 100 * max(shares) <= high


@pytest.mark.parametrize(
    "mean",
    [[0.2, 0.94], [0.93, 0.945], [0.99, 1.0], [0.45, 0.451], [0.0, 1.0], [0.8, 0.8], [0.0, 0.0], [NAN, 0.7]],
)
def test_accuracies_stand_within_the_axis_with_ticks_that_do_not_touch(mean):
    axes = drawn({"a": curve(mean, 0.0, [0.1, 0.5])})
    low, high = axes.get_ylim()
    assert low < 100 * np.nanmin(mean) <= 100 * np.nanmax(mean) < high
    boxes = [text.get_window_extent() for text in axes.get_yticklabels()]
    boxes.sort(key=lambda box: box.y0)
    assert len(boxes) >= 3
    assert all(lower.y1 < upper.y0 for lower, upper in itertools.pairwise(boxes))
    assert [float(text.get_text()) for text in axes.get_yticklabels()] == pytest.approx(list(axes.get_yticks()))


def test_a_percent_takes_more_room_where_few_errors_are_left():
    axes = drawn({"a": curve([0.3, 0.99], shares=[0.1, 0.5])})
    heights = axes.transData.transform([(10, y) for y in (40, 41, 97, 98)])[:, 1]
    assert 5 * (heights[1] - heights[0]) < heights[3] - heights[2]


def test_what_is_missing_breaks_the_line_and_is_marked():
    axes = drawn({"a": curve([0.5, NAN, 0.6, 0.94])})
    assert np.isnan(line(axes, "a").get_ydata()).tolist() == [False, False, True, False]
    (mark,) = (one for one in axes.lines if one.get_marker() == "x")
    assert mark.get_xdata() == pytest.approx([10])
    # In the coordinates of the axes, not of the data.
    assert mark.get_ydata() == pytest.approx([0.02])
    assert not [one for one in drawn({"a": curve()}).lines if one.get_marker() == "x"]


def test_a_point_alone_has_a_bar_for_a_band():
    axes = drawn({"a": curve([0.7], 0.03, [0.4])})
    ends = [path.vertices.tolist() for group in axes.collections for path in group.get_paths() if len(path) == 2]
    assert np.array(ends) == pytest.approx(np.array([[[40, 67], [40, 73]]]))


def test_one_seed_has_a_line_without_a_band():
    axes = drawn({"a": curve(std=NAN, seeds=1)})
    assert line(axes, "a").get_ydata() == pytest.approx([50, 60, 80, 94])
    band = axes.collections[0].get_paths()[0].vertices
    assert {round(y, 9) for y in band[:, 1]} == {50, 60, 80, 94}


def test_the_head_that_is_not_pruned_is_a_dashed_line():
    axes = drawn({"a": curve()}, (0.9, 0.01))
    assert set(line(axes, "not pruned").get_ydata()) == {90}
    assert axes.get_ylim()[0] < 50 < 94 < axes.get_ylim()[1]
    # It is within the axis where no method comes near.
    assert drawn({"a": curve([0.2] * 4)}, (0.9, NAN)).get_ylim()[1] > 90


def test_emphasised_methods_stand_in_front_with_thicker_lines():
    axes = drawn({name: curve() for name in "abc"}, emphasised=["b"])
    widths = {name: line(axes, name).get_linewidth() for name in "abc"}
    heights = {name: line(axes, name).get_zorder() for name in "abc"}
    assert widths["b"] > widths["a"] == widths["c"]
    assert heights["b"] > heights["a"] == heights["c"]


def test_fifteen_methods_all_look_different():
    names = [f"method {i}" for i in range(15)]
    axes = drawn({name: curve() for name in names}, emphasised=names[:3])
    looks = {(one.get_color(), one.get_marker(), one.get_linestyle()) for one in axes.lines}
    assert len(looks) == 15
    assert len({one.get_marker() for one in axes.lines}) == 15


def test_a_method_looks_the_same_in_every_panel():
    order = ["a", "b", "c"]
    alone, all_three = (
        drawn({name: curve() for name in names}, order=order, emphasised=["a"]) for names in ("c", "abc")
    )
    first, second = line(alone, "c"), line(all_three, "c")
    assert (first.get_color(), first.get_marker()) == (second.get_color(), second.get_marker())


def test_the_paper_protocol_is_named_where_accuracy_is_shown():
    assert drawn({"a": curve()}).get_ylabel() == "test accuracy, % ↑"
    assert "paper protocol" in drawn({"a": curve()}, protocol="paper").get_ylabel()


def written(tmp_path, monkeypatch, panels, **options):
    """The figure that is written, and its file."""
    figures = []
    savefig = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *args, **kw: (figures.append(self), savefig(self, *args, **kw)))
    write_sparsity(tmp_path / "s.png", panels, **{"protocol": "nested", **options})
    return figures[0], tmp_path / "s.png"


def test_one_panel_a_data_set_and_one_legend_for_all(tmp_path, monkeypatch):
    panels = {
        "digits": {"filter": curve(), "ours": curve()},
        "trash": {"ours": curve(seeds=3), "random": curve([NAN, 0.8, 0.6, 0.9])},
        "$rps": {"ours": curve()},
    }
    figure, path = written(tmp_path, monkeypatch, panels, dense={"trash": (0.9, 0.01)}, emphasised=["ours"])
    shown = [axes for axes in figure.axes if axes.axison]
    assert [axes.get_title(loc="left") for axes in shown] == ["digits", "trash", r"\$rps"]
    assert [len([one for one in axes.lines if one.get_label() == "not pruned"]) for axes in shown] == [0, 1, 0]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.texts] == ["ours", "filter", "random", "not pruned", "missing"]
    drawn_as = {text.get_text(): handle for text, handle in zip(legend.texts, legend.legend_handles, strict=True)}
    for axes, curves in zip(shown, panels.values(), strict=True):
        for name in curves:
            assert line(axes, name).get_color() == drawn_as[name].get_color()
            assert line(axes, name).get_marker() == drawn_as[name].get_marker()
    assert figure.get_suptitle() == "Mean ± standard deviation over 3 to 5 seeds"
    with Image.open(path) as image:
        assert image.size[0] == 1300
        assert image.size[1] > 1000


def test_the_legend_hides_nothing_and_nothing_is_cut_off(tmp_path, monkeypatch):
    names = [f"a method of a fairly long name, {i}" for i in range(15)]
    panels = {f"data set {i}": {name: curve() for name in names} for i in range(3)}
    figure, _ = written(tmp_path, monkeypatch, panels, protocol="paper", emphasised=names[:2])
    assert "paper protocol" in figure.get_suptitle()
    legend = figure.legends[0].get_window_extent()
    for axes in figure.axes:
        if axes.axison:
            box = axes.get_tightbbox()
            assert box.y0 >= legend.y1 - 1
            assert axes.bbox.height > 1.6 * figure.dpi
    assert legend.x0 >= 0
    assert legend.x1 <= figure.bbox.width
    assert legend.y0 >= 0


def test_equal_curves_give_equal_files(tmp_path):
    for name in ("a.png", "b.png"):
        write_sparsity(tmp_path / name, {"digits": {"ours": curve()}}, protocol="nested")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_nothing_to_draw_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no method is given"):
        drawn({})
    with pytest.raises(ConfigError, match="the order lacks 'a'"):
        drawn({"a": curve()}, order=["b"])
    with pytest.raises(ConfigError, match="no data set is given"):
        write_sparsity(tmp_path / "s.png", {}, protocol="nested")


def test_curves_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match=r"shapes \[\(2,\), \(3,\), \(2,\)\]; give \[K\] of one length"):
        curve([0.1, 0.2, 0.3], shares=[0.1, 0.2])
    with pytest.raises(ConfigError, match=r"give \[K\] of one length, 1 or more"):
        curve([], shares=[])
    for share in (0.0, 1.5, NAN):
        with pytest.raises(ConfigError, match="is no share of active neurons"):
            curve([0.1], shares=[share])
