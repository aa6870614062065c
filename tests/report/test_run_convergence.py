"""The figure of the best fitness of several runs: what is drawn, and what is left below the axis."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from PIL import Image

from evoprune.errors import ConfigError
from evoprune.report import run_convergence, write_run_convergence
from evoprune.report._run_convergence import _looks

NAN = float("nan")


def runs(*values):
    return [np.array(run) for run in values]


def drawn(searches, dense=None, **options):
    axes = Figure(layout="constrained").subplots()
    run_convergence(axes, searches, dense, **{"protocol": "nested", **options})
    axes.figure.canvas.draw()
    return axes


def line(axes, label):
    (found,) = (one for one in axes.lines if one.get_label() == label)
    return found


def test_there_is_a_thin_line_for_each_run_and_a_thick_one_for_their_mean():
    axes = drawn({"ga": runs([0.5, 0.7, 0.9], [0.6, 0.6, 0.8])})
    mean = line(axes, "ga")
    assert mean.get_xdata().tolist() == [1, 2, 3]
    assert mean.get_ydata() == pytest.approx([55, 65, 85])
    thin = [one for one in axes.lines if one is not mean]
    assert [one.get_ydata().tolist() for one in thin] == [pytest.approx([50, 70, 90]), pytest.approx([60, 60, 80])]
    assert all(one.get_linewidth() < mean.get_linewidth() for one in thin)
    assert all(same_color(one.get_color(), mean.get_color()) for one in thin)


def test_a_run_that_ended_early_stays_where_it_ended():
    axes = drawn({"ga": runs([0.5, 0.7], [0.6, 0.6, 0.8, 0.8])})
    assert line(axes, "ga").get_ydata() == pytest.approx([55, 65, 75, 75])


def test_the_mean_begins_where_every_run_has_succeeded():
    values = line(drawn({"ga": runs([NAN, 0.7], [0.6, 0.8])}), "ga").get_ydata()
    assert np.isnan(values[0])
    assert values[1] == pytest.approx(75)


def test_the_first_few_evaluations_may_lie_below_the_axis_and_all_others_are_on_it():
    run = np.concatenate([[0.01, 0.02], np.linspace(0.8, 0.9, 58)])
    low, high = drawn({"ga": [run]}, 0.95).get_ylim()
    assert 70 < low < 80
    assert high > 95


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0, NAN])
def test_a_flat_run_has_an_axis_with_plain_numbers(value):
    axes = drawn({"ga": runs([value, value])})
    assert len(axes.get_yticks()) >= 2
    assert axes.yaxis.get_offset_text().get_text() == ""


def test_six_searches_all_look_different_and_alike_in_every_panel(tmp_path, monkeypatch):
    figures = []
    savefig = Figure.savefig
    monkeypatch.setattr(Figure, "savefig", lambda self, *a, **kw: (figures.append(self), savefig(self, *a, **kw)))
    names = [f"search {number}" for number in range(6)]
    panels = {
        "digits": {name: runs([0.5, 0.6]) for name in names},
        "$rps$": {name: runs([0.5, 0.6]) for name in names[3:]},
    }
    write_run_convergence(tmp_path / "c.png", panels, {"digits": 0.7}, protocol="paper")
    (figure,) = figures
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["digits", r"\$rps\$"]
    looks = _looks(names)
    assert len({(look["color"], str(look["linestyle"])) for look in looks.values()}) == 6
    assert [handle.get_color() for handle in figure.legends[0].legend_handles][:6] == [
        look["color"] for look in looks.values()
    ]
    for name in names[3:]:
        assert line(figure.axes[1], name).get_color() == looks[name]["color"]
    assert [text.get_text() for text in figure.legends[0].texts] == [*names, "not pruned"]
    assert set(line(figure.axes[0], "not pruned").get_ydata()) == {70}
    assert not [one for one in figure.axes[1].lines if one.get_label() == "not pruned"]
    assert "paper protocol" in figure.get_suptitle()
    assert "paper protocol" in figure.axes[0].get_ylabel()
    with Image.open(tmp_path / "c.png") as image:
        assert image.size[0] == 1300


def test_the_part_of_the_images_is_named():
    assert drawn({"ga": runs([0.5])}).get_ylabel() == "best accuracy, % (validation part) ↑"


def test_equal_runs_give_equal_files(tmp_path):
    for name in ("a.png", "b.png"):
        write_run_convergence(tmp_path / name, {"digits": {"ga": runs([0.5, 0.6])}}, protocol="nested")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_nothing_to_draw_is_refused(tmp_path):
    for searches in ({}, {"ga": []}, {"ga": runs([])}):
        with pytest.raises(ConfigError, match="without evaluations cannot be drawn"):
            drawn(searches)
    with pytest.raises(ConfigError, match="the order lacks 'ga'"):
        drawn({"ga": runs([0.5])}, order=["random"])
    with pytest.raises(ConfigError, match="no data set is given"):
        write_run_convergence(tmp_path / "c.png", {}, protocol="nested")
