"""Figures and the table of an explanation: what stands where, and what cannot be drawn."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.cbook import boxplot_stats
from matplotlib.figure import Figure
from PIL import Image
from rich.console import Console

from evoprune.errors import ConfigError
from evoprune.report import (
    FrontData,
    GridRow,
    HeatmapRow,
    MeanCurves,
    faithfulness_curves,
    neuron_boxes,
    neuron_frequency_curve,
    neurons_table,
    overlay,
    write_faithfulness,
    write_heatmap_grid,
    write_image_grid,
    write_neuron_boxes,
    write_neuron_frequency,
)


def picture(height=20, width=30, value=100):
    return np.full((height, width, 3), value, dtype=np.uint8)


def front(members=9, length=12, protocol="nested"):
    rng = np.random.default_rng(0)
    values = rng.random((members, 2))
    return FrontData(
        names=("accuracy", "active"),
        titles=("accuracy", "active share"),
        maximize=(True, False),
        values=values,
        validation=values + 0.1,
        test=None,
        genomes=rng.random((members, length)) < 0.4,
        ids=np.arange(1, members + 1),
        dense=None,
        dense_validation=None,
        protocol=protocol,
    )


def axes_of(draw, *arguments, **options):
    axes = Figure(layout="constrained").subplots()
    draw(axes, *arguments, **options)
    axes.figure.canvas.draw()
    return axes


def test_where_there_is_no_heat_the_image_is_grey_and_heat_hides_it_ever_more():
    image = np.zeros((4, 3, 3), dtype=np.uint8)
    image[:, :, 0] = 200
    heat = np.repeat(np.array([[0.0], [0.3], [0.7], [1.0]], dtype=np.float32), 3, axis=1)
    mixed = overlay(image, heat).astype(int)
    assert mixed[0, 0].tolist() == [60, 60, 60]
    distance = np.abs(mixed - mixed[0]).sum(axis=(1, 2))
    assert (np.diff(distance) > 0).all()


def test_a_coarse_map_is_laid_over_the_whole_image():
    heat = np.array([[0, 0], [0, 1]], dtype=np.float32)
    mixed = overlay(picture(40, 60), heat).astype(int)
    assert mixed.shape == (40, 60, 3)
    assert np.ptp(mixed[0, 0]) == 0 and np.ptp(mixed[-1, -1]) > 50


@pytest.mark.parametrize("heat", [np.full((2, 2), 1.5), np.full((2, 2), -0.1), np.full((2, 2), np.nan)])
def test_maps_that_are_not_scaled_are_refused(heat):
    with pytest.raises(ConfigError, match=r"scale it to 0\.\.1"):
        overlay(picture(), heat.astype(np.float32))


def texts(monkeypatch):
    """Collects what is written into figures."""
    seen = []
    original = Figure.text

    def text(self, x, y, s, *rest, **options):
        seen.append(s)
        return original(self, x, y, s, *rest, **options)

    monkeypatch.setattr(Figure, "text", text)
    return seen


def test_a_map_of_zeros_says_so(tmp_path, monkeypatch):
    seen = texts(monkeypatch)
    maps = np.stack([np.zeros((4, 4)), np.eye(4), np.eye(4)]).astype(np.float32)
    rows = [HeatmapRow("cat", picture(), maps, ["0", "0.5", "0.7"])]
    write_heatmap_grid(tmp_path / "h.png", rows, ["12", "7", "3"], "What each neuron looks at")
    assert seen.count("all zero") == 1
    assert {"original", "12", "7", "3", "cat", "0.5", "What each neuron looks at"} <= set(seen)
    assert seen.index("original") < seen.index("12") < seen.index("7")


def test_two_images_share_a_row_where_there_are_few_maps(tmp_path, monkeypatch):
    seen = texts(monkeypatch)
    maps = np.stack([np.eye(4), np.eye(4)]).astype(np.float32)
    rows = [HeatmapRow(f"class {i}", picture(), maps, ["a", "b"]) for i in range(3)]
    write_heatmap_grid(tmp_path / "many.png", rows, ["pruned", "dense"], "title")
    assert seen.count("original") == 2 and {"class 0", "class 1", "class 2"} <= set(seen)
    write_heatmap_grid(tmp_path / "one.png", rows[:1], ["pruned", "dense"], "title")
    with Image.open(tmp_path / "many.png") as many, Image.open(tmp_path / "one.png") as one:
        assert many.width == one.width == 1300
        assert one.height < many.height < 3 * one.height


def test_pictures_stand_in_the_order_of_their_columns(tmp_path):
    red, blue = picture(), picture()
    red[:], blue[:] = (250, 10, 20), (20, 10, 250)
    row = GridRow("", [red, None, blue], ["", "", ""])
    write_image_grid(tmp_path / "g.png", [row], ["a", "b", "c"], "title")
    with Image.open(tmp_path / "g.png") as figure:
        pixels = np.asarray(figure.convert("RGB"))
    first, second = (np.flatnonzero((pixels == color).all(axis=2).any(axis=0)) for color in (red[0, 0], blue[0, 0]))
    width = np.ptp(first)
    assert np.ptp(second) == pytest.approx(width, abs=2)
    # The place of the empty one lies between them.
    assert second.min() - first.min() == pytest.approx(2 * width, rel=0.1)


def test_grids_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="are no grid"):
        write_image_grid(tmp_path / "g.png", [], ["a"], "title")
    with pytest.raises(ConfigError, match="row 'x' has 1 pictures for 2 columns"):
        write_image_grid(tmp_path / "g.png", [GridRow("x", [None], [""])], ["a", "b"], "title")


def test_names_with_dollars_and_line_breaks_can_be_drawn(tmp_path):
    row = GridRow("$a\nb", [picture()], ["x$\n\x1b[31m"])
    write_image_grid(tmp_path / "g.png", [row], ["$c$"], "title")
    assert (tmp_path / "g.png").stat().st_size > 0


def test_boxes_are_of_the_members_that_have_the_neuron():
    data = front()
    neurons = [3, 8]
    axes = axes_of(neuron_boxes, data, neurons, 0)
    assert [text.get_text() for text in axes.get_xticklabels()] == ["all", "3", "8"]
    medians = [line.get_ydata()[0] for line in axes.lines if line.get_linewidth() == 1.4]
    shown = data.validation[:, 0]
    groups = [shown, *(shown[data.genomes[:, n]] for n in neurons)]
    assert medians == pytest.approx([boxplot_stats(group)[0]["med"] for group in groups])
    dots = [line.get_ydata() for line in axes.lines if line.get_marker() == "o"]
    for drawn, group in zip(dots, groups, strict=True):
        np.testing.assert_array_equal(drawn, group)


def test_boxes_of_a_neuron_that_no_member_has_are_empty(tmp_path):
    data = front()
    data.genomes[:, 5] = False
    write_neuron_boxes(tmp_path / "b.png", data, [5, 2])
    assert (tmp_path / "b.png").stat().st_size > 0
    with pytest.raises(ConfigError, match="give 1 to 24"):
        write_neuron_boxes(tmp_path / "c.png", data, [])


def test_the_curve_of_frequencies_falls_and_says_how_many_are_in_none():
    frequency = np.array([0.0, 0.9, 0.2, 0.0, 0.5])
    axes = axes_of(neuron_frequency_curve, frequency, np.array([1, 2]), members=10)
    (curve,) = [line for line in axes.lines if line.get_drawstyle() == "steps-mid"]
    assert curve.get_ydata().tolist() == [90, 50, 20, 0, 0]
    (marks,) = [line for line in axes.lines if line.get_marker() == "o"]
    assert marks.get_xdata().tolist() == [1, 3] and marks.get_ydata().tolist() == [90, 20]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["shown on the right", "2 in none"]


def test_a_front_without_active_neurons_can_be_drawn(tmp_path):
    none = np.zeros(0, dtype=np.int64)
    write_neuron_frequency(tmp_path / "f.png", np.zeros(6), none, members=1, protocol="paper")
    assert (tmp_path / "f.png").stat().st_size > 0


def curves(images=4, steps=10):
    rng = np.random.default_rng(0)
    values = rng.random((images, steps + 1))
    return MeanCurves(values, values[:, ::-1], values.mean(axis=1), values.mean(axis=1) / 2)


def test_curves_are_means_over_images_with_their_mean_area_in_the_legend():
    mean = curves()
    share = np.linspace(0, 1, 11)
    for kind, values, area in (
        ("deletion", mean.deletion, mean.deletion_area),
        ("insertion", mean.insertion, mean.insertion_area),
    ):
        axes = axes_of(faithfulness_curves, share, {"ours": mean}, kind, "probability")
        np.testing.assert_allclose(axes.lines[0].get_ydata(), values.mean(axis=0))
        np.testing.assert_allclose(axes.lines[0].get_xdata(), 100 * share)
        assert axes.get_legend().get_texts()[0].get_text() == f"ours: {area.mean():.3f}"
        better = "lower" if kind == "deletion" else "higher"
        assert axes.get_legend().get_title().get_text() == f"area ({better} is better)"


def test_one_image_has_no_band_and_too_many_curves_are_refused(tmp_path):
    share = np.linspace(0, 1, 11)
    axes = axes_of(faithfulness_curves, share, {"ours": curves(1)}, "deletion", "probability")
    assert not axes.collections
    with pytest.raises(ConfigError, match="6 curves cannot be told apart"):
        write_faithfulness(tmp_path / "f.png", share, {str(i): curves() for i in range(6)}, "p", "title")


def summary(**changes):
    names = ["accuracy", "active", "ood"]
    top = [
        {"neuron": 7, "frequency": 0.75, "members": 3, "in_member": True, "strength": 1.25,
         "mean": {"accuracy": 0.912, "active": 0.3, "ood": None}},
    ]  # fmt: skip
    return {
        "run": "runs/x",
        "protocol": "nested",
        "objectives": [{"name": name, "title": name, "maximize": True} for name in names],
        "members": 4,
        "neurons": 1280,
        "never_active": 321,
        "member": 12,
        "mean": dict.fromkeys(names, 0.5),
        "top": top,
        **changes,
    }


def shown(described, **options):
    console = Console(width=80, file=None, record=True)
    with console.capture() as captured:
        console.print(neurons_table(described, **options))
    return captured.get()


def test_the_table_names_neurons_their_share_and_what_members_with_them_achieve():
    text = shown(summary())
    row = next(line for line in text.splitlines() if line.strip().startswith("7 "))
    assert row.split() == ["7", "75", "%", "●", "1.250", "91.2", "30.0", "-"]
    assert "959 are active in the 4 members of the front, 321 in none" in text
    assert all(len(line) <= 80 for line in text.splitlines())
    assert shown(summary(), ascii_only=True).count("●") == 0


def test_faithful_heatmaps_show_their_areas_and_the_paper_protocol_is_named():
    faithful = {"images": 2, "areas": {"pruned head": {"deletion_area": 0.2, "insertion_area": 0.6}}}
    text = shown(summary(faithfulness=faithful, method="occlusion", protocol="paper"))
    assert "pruned head  0.200  0.600" in text
    assert "paper protocol" in text
