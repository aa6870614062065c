"""The figure of runs by category: where dots stand, and what is said of what is missing."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from evoprune.errors import ConfigError
from evoprune.report import Strip, strip_chart, write_strips

NAN = float("nan")


def strip(series=None, categories=("a", "b", "c"), title="digits"):
    values = {"ours": [[90.0, 92.0], [80.0, 81.0], [NAN, 70.0]]} if series is None else series
    return Strip(title, "test accuracy, % ↑", categories, {name: np.array(v) for name, v in values.items()})


def drawn(panel, **options):
    axes = Figure(layout="constrained").subplots()
    strip_chart(axes, panel, **options)
    axes.figure.canvas.draw()
    return axes


def means(axes, label):
    return [(one.get_xdata()[0], one.get_ydata()[0]) for one in axes.lines if one.get_label() == label]


def test_each_category_has_its_runs_their_mean_and_one_deviation_to_each_side():
    axes = drawn(strip())
    assert means(axes, "ours") == pytest.approx(np.array([(0, 91), (1, 80.5), (2, 70)]))
    runs = [one.get_ydata().tolist() for one in axes.lines if one.get_label() == "_run"]
    assert runs == [[90, 92], [80, 81], [70]]
    bars = [path.vertices.tolist() for group in axes.collections for path in group.get_paths()]
    assert np.array(bars) == pytest.approx(
        np.array([[[x, y - s], [x, y + s]] for x, y, s in ((0, 91, 2**0.5), (1, 80.5, 0.5**0.5))])
    )
    assert [text.get_text() for text in axes.get_xticklabels()] == ["a", "b", "c"]


def test_series_stand_beside_each_other_around_their_category():
    both = {"ours": [[1.0], [2.0]], "theirs": [[3.0], [4.0]]}
    axes = drawn(strip(both, ("a", "b")))
    (first, _), (second, _) = means(axes, "ours")[0], means(axes, "theirs")[0]
    assert first == pytest.approx(-second)
    assert -0.5 < first < 0 < second < 0.5


def test_a_category_without_any_run_is_marked_at_the_bottom():
    axes = drawn(strip({"ours": [[90.0, 92.0], [NAN, NAN], [70.0, 71.0]]}))
    (mark,) = (one for one in axes.lines if one.get_marker() == "x")
    assert (mark.get_xdata()[0], mark.get_ydata()[0]) == (1, 0.02)
    assert len(means(axes, "ours")) == 2


def test_long_names_of_categories_are_turned_and_do_not_touch():
    names = tuple(f"a class of name {number}" for number in range(8))
    axes = drawn(strip({"ours": np.full((8, 1), 0.5)}, names), columns=2)
    boxes = [text.get_window_extent() for text in axes.get_xticklabels()]
    assert all(text.get_rotation() == 35 for text in axes.get_xticklabels())
    assert all(left.x0 < right.x0 for left, right in itertools.pairwise(boxes))
    assert {text.get_rotation() for text in drawn(strip()).get_xticklabels()} == {0}


def test_text_from_elsewhere_makes_no_formula():
    axes = drawn(strip({"ours": [[0.5]]}, ("$x^2$ \x1b[31m",), title="$y$"))
    assert axes.get_xticklabels()[0].get_text().startswith(r"\$x^2\$ \x1b")
    assert axes.get_title(loc="left") == r"\$y\$"


def test_a_series_looks_the_same_in_every_panel_and_the_legend_names_it(tmp_path, monkeypatch):
    figures = []
    savefig = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **kw: (figures.append(self), savefig(self, *a, **kw)))
    panels = [
        strip({"ours": [[1.0]], "theirs": [[2.0]]}, ("a",), "first"),
        strip({"theirs": [[2.0]]}, ("a",), "second"),
        strip({"ours": [[1.0]]}, ("a",), "third"),
    ]
    write_strips(tmp_path / "s.png", panels, "Ours and theirs", protocol="paper")
    (figure,) = figures
    shown = [axes for axes in figure.axes if axes.axison]
    assert [axes.get_title(loc="left") for axes in shown] == ["first", "second", "third"]
    colours = [{one.get_label(): one.get_color() for one in axes.lines} for axes in shown]
    assert colours[0]["theirs"] == colours[1]["theirs"] != colours[0]["ours"] == colours[2]["ours"]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.texts] == ["ours", "theirs"]
    assert [handle.get_color() for handle in legend.legend_handles] == [colours[0]["ours"], colours[0]["theirs"]]
    assert figure.get_suptitle() == "Ours and theirs (paper protocol: selected on the test part)"
    for axes in shown:
        assert axes.get_tightbbox().y0 >= legend.get_window_extent().y1 - 1
    with Image.open(tmp_path / "s.png") as image:
        assert image.size[0] == 1300


def test_one_series_needs_no_legend_and_equal_panels_give_equal_files(tmp_path, monkeypatch):
    figures = []
    savefig = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **kw: (figures.append(self), savefig(self, *a, **kw)))
    for name in ("a.png", "b.png"):
        write_strips(tmp_path / name, [strip()], "Alone", protocol="nested")
    assert not figures[0].legends
    assert figures[0].get_suptitle() == "Alone"
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_what_cannot_be_drawn_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no panel is given"):
        write_strips(tmp_path / "s.png", [], "Nothing", protocol="nested")
    with pytest.raises(ConfigError, match="0 series of 1 categories"):
        strip({}, ("a",))
    with pytest.raises(ConfigError, match=r"series 'ours' has the shape \[2, 1\]; give \[3, runs\]"):
        strip({"ours": [[1.0], [2.0]]})
    with pytest.raises(ConfigError, match="lacks a series"):
        drawn(strip(), order=["theirs"])
