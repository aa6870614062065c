"""Figures of fronts that were made by hand: what is drawn where, and that all of it can be read."""

from __future__ import annotations

import itertools
import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Wedge
from matplotlib.path import Path as Outline
from matplotlib.text import Text
from PIL import Image

from evoprune.errors import ConfigError, StorageError
from evoprune.objectives import Objective
from evoprune.report import (
    FrontData,
    attainment_bands,
    front_3d,
    hypervolume_curve,
    neuron_chord,
    pairwise_fronts,
    parallel_coordinates,
    write_attainment_bands,
    write_front_3d,
    write_hypervolume_curve,
    write_neuron_chord,
    write_pairwise_fronts,
    write_parallel_coordinates,
)
from evoprune.report._scale import Scale, axis_label, figure_text, number

NAMES = ("accuracy", "active", "ood", "calibration", "parameters")
TITLES = ("accuracy", "active share", "OOD AUROC", "expected calibration error", "parameters")
MAXIMIZE = (True, False, True, False, False)
LONG = tuple(f"{title} over all classes and all the corrupted images of the study" for title in TITLES)


def make_front(objectives=3, members=40, width=300, seed=0, **changes):
    """A front with values as real ones have them, and evaluations behind it."""
    rng = np.random.default_rng(seed)
    share = np.sort(np.exp(rng.uniform(np.log(0.004), np.log(0.7), members)))
    values = np.column_stack(
        [
            0.95 - 0.35 * np.exp(-14 * share) + rng.normal(0, 0.01, members),
            share,
            0.95 - 0.3 * share**0.6 + rng.normal(0, 0.02, members),
            0.03 + 0.05 * share + rng.uniform(0, 0.02, members),
            np.round(share * width * 512) + 2048,
        ]
    )[:, :objectives]
    noise = np.array([0.008, 0, 0.02, 0.006, 0])[:objectives]
    ones = np.maximum((share * width).astype(int), 1)
    weights = rng.normal(0, 2, width)
    genomes = np.zeros((members, width), dtype=bool)
    for row, count in enumerate(ones):
        genomes[row, np.argsort(-(weights + rng.gumbel(size=width)))[:count]] = True
    everything = np.concatenate(
        [values, values * rng.uniform(0.9, 1.1, values.shape), np.full((2, objectives), np.nan)]
    )
    dense = np.array([0.925, 1.0, 0.71, 0.06, width * 512 + 2048.0])[:objectives]
    data = FrontData(
        names=NAMES[:objectives],
        titles=TITLES[:objectives],
        maximize=MAXIMIZE[:objectives],
        values=values,
        validation=values + rng.normal(size=values.shape) * noise,
        test=values + rng.normal(size=values.shape) * noise,
        genomes=genomes,
        ids=np.arange(1, members + 1),
        dense=dense,
        dense_validation=dense + noise,
        protocol="nested",
        chosen=members - 1,
        everything=everything,
    )
    return replace(data, **changes)


def members_of(data, count):
    """The same front with its first members only."""
    cut = {name: getattr(data, name)[:count] for name in ("values", "validation", "test", "genomes", "ids")}
    return replace(data, **cut, chosen=0)


def flat(data):
    """The same front with all members equal, no other part and no other head."""
    equal = np.tile(data.values[:1], (len(data.ids), 1))
    return replace(data, values=equal, validation=equal, test=None, dense=None, dense_validation=None, everything=equal)


def space():
    return Figure().add_subplot(projection="3d")


def drawn(draw, data, axes=None, **options):
    """Draw into fresh axes, and let the figure settle."""
    axes = draw(Figure().subplots() if axes is None else axes, data, **options)
    axes.figure.canvas.draw()
    return axes


def pairs(data):
    side = len(data.names) - 1
    grid = pairwise_fronts(Figure(figsize=(6.5, 6), layout="constrained").subplots(side, side, squeeze=False), data)
    grid[0, 0].figure.canvas.draw()
    return grid


def scattered(axes, label):
    (found,) = (dots for dots in axes.collections if dots.get_label() == label)
    return np.asarray(found.get_offsets())


def captured(monkeypatch, write, *arguments, **options):
    """The figure that a `write_*` function saves, as it was saved; any warning is an error."""
    figures = []
    save = Figure.savefig

    def keep(figure, *args, **kwargs):
        figures.append(figure)
        return save(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", keep)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write(*arguments, **options)
    (figure,) = figures
    return figure


def texts(figure):
    """All texts that can be seen, with their boxes in pixels."""
    canvas = FigureCanvasAgg(figure)
    # The file has another resolution than the figure itself.
    canvas.draw()
    renderer = canvas.get_renderer()
    found = []
    for text in figure.findobj(Text):
        lineage = [text.axes] if text.axes is not None else []
        if (
            text.get_visible()
            and text.get_text().strip()
            and all(axes.axison or text in axes.texts for axes in lineage)
        ):
            found.append((text, text.get_window_extent(renderer)))
    return found


# ---- the front


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"names": ("accuracy",)}, "1 objective"),
        ({"titles": ("a", "b")}, "titles of a front of 40 member"),
        ({"maximize": (True,)}, "maximize of a front"),
        ({"values": np.zeros((39, 3))}, r"values .* has the shape \[39, 3\]; give \[40, 3\]"),
        ({"test": np.zeros((40, 2))}, r"test .* has the shape \[40, 2\]; give \[40, 3\]"),
        ({"validation": np.zeros(40)}, "validation of a front"),
        ({"genomes": np.zeros((3, 9), dtype=bool)}, r"genomes .* give \[40, any\]"),
        ({"dense": np.zeros(2)}, "dense of a front"),
        ({"dense_validation": np.zeros((1, 3))}, "dense_validation of a front"),
        ({"everything": np.zeros((5, 4))}, r"everything .* give \[any, 3\]"),
        ({"values": np.full((40, 3), np.nan)}, "not finite"),
        ({"chosen": 40}, "no member 40 to choose; give a row from 0 to 39"),
        ({"chosen": -1}, "no member -1"),
    ],
)
def test_a_front_that_does_not_fit_is_refused(change, sentence):
    with pytest.raises(ConfigError, match=sentence):
        make_front(**change)


def test_a_front_without_members_is_refused():
    with pytest.raises(ConfigError, match="without members"):
        make_front(ids=np.empty(0, dtype=np.int64))


def test_nested_shows_validation_and_holds_test_out():
    data = make_front()
    assert (data.part, data.shown.tolist()) == ("validation", data.validation.tolist())
    assert data.held_out is data.test
    assert data.dense_shown.tolist() == [data.dense_validation.tolist()]
    assert data.dense_held_out.tolist() == [data.dense.tolist()]
    assert replace(data, validation=None).shown is data.values


def test_paper_shows_test_and_holds_nothing_out():
    data = make_front(protocol="paper")
    assert (data.part, data.shown.tolist()) == ("test", data.test.tolist())
    assert data.held_out is None
    assert data.dense_shown.tolist() == [data.dense.tolist()]
    assert len(data.dense_held_out) == 0
    assert replace(data, test=None).shown is data.values


def test_members_without_means_are_shown_as_the_search_saw_them():
    data = make_front()
    validation = data.validation.copy()
    validation[3, 0] = np.nan
    shown = replace(data, validation=validation).shown
    assert shown[3].tolist() == data.values[3].tolist()
    assert shown[4].tolist() == data.validation[4].tolist()
    nothing = replace(data, test=np.full_like(data.test, np.nan), dense=np.full(3, np.nan))
    assert nothing.held_out is None
    assert len(nothing.dense_held_out) == 0


# ---- labels, scales and ticks


@pytest.mark.parametrize(
    ("name", "title", "maximize", "part", "label"),
    [
        ("accuracy", "accuracy", True, "validation", "accuracy (validation) ↑"),
        ("accuracy", "accuracy", True, None, "accuracy ↑"),
        ("active", "active share", False, "validation", "active share, % ↓"),
        ("parameters", "parameters", False, "test", "parameters ↓"),
        ("mine", "cost, in $", False, "test", r"cost, in \$ (test) ↓"),
        ("mine", "a\x1b[2Jb", True, None, "a\\x1b[2Jb ↑"),
    ],
)
def test_a_label_says_unit_part_and_direction(name, title, maximize, part, label):
    assert axis_label(name, title, maximize=maximize, part=part).replace("\u00a0", " ") == label


@given(st.text(max_size=200), st.integers(12, 60), st.integers(1, 4))
def test_text_from_elsewhere_fits_and_keeps_its_end(text, width, lines):
    shown = figure_text(text, width, lines=lines, end="\u00a0↑").replace(r"\$", "$")
    assert shown.endswith("↑")
    assert shown.count("\n") < lines
    assert max(map(len, shown.split("\n"))) <= width


@pytest.mark.parametrize("title", ["$", "a $b", "$x$ and $y", r"\frac{$", "%", "{}", "^_", "x" * 300, "a\nb\tc"])
def test_any_title_can_be_drawn(title, tmp_path):
    data = make_front(titles=(title,) * 3)
    for write in (write_front_3d, write_pairwise_fronts, write_parallel_coordinates):
        write(tmp_path / "a.png", data)
    assert (tmp_path / "a.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("name", "values", "log"),
    [
        ("active", [0.01, 0.2], True),
        ("active", [0.05, 0.2], False),
        ("active", [0.0, 0.2], False),
        ("parameters", [1000, 50_000], True),
        ("loss", [0.001, 10], False),
    ],
)
def test_counts_that_span_a_decade_stand_on_a_logarithmic_axis(name, values, log):
    assert Scale.around(name, np.array(values)).log is log


@given(
    st.sampled_from(["accuracy", "active", "parameters"]),
    st.lists(st.floats(0, 1e7).map(lambda v: round(v, 6)), min_size=1, max_size=20),
    st.integers(3, 8),
)
def test_an_axis_holds_its_values_and_its_ticks_can_be_told_apart(name, values, count):
    given_values = np.array([*values, np.nan])
    scale = Scale.around(name, given_values)
    shown = (100 if name == "active" else 1) * np.array(values)
    assert scale.low < scale.high
    assert (scale.low <= shown).all()
    assert (shown <= scale.high).all()
    ticks, labels = scale.ticks(count)
    assert len(ticks) == len(labels) == len(set(labels)) >= 2
    if scale.log:
        assert np.diff(scale.fraction(ticks)).min() > 0.79 / count, "nearer than they should be on average"
    factors = {"k": 1e3, "M": 1e6, "G": 1e9}
    read = [float(label.rstrip("kMG")) * factors.get(label[-1], 1) for label in labels]
    assert np.allclose(read, ticks, rtol=0, atol=0.02 * np.diff(ticks).min())
    assert (np.diff(ticks) > 0).all()
    assert scale.low <= ticks[0] <= ticks[-1] <= scale.high


@pytest.mark.parametrize("values", [[0.02, 0.9], [0.3, 0.9]])
def test_fractions_are_those_of_matplotlib(values):
    scale = Scale.around("active", np.array(values))
    axes = Figure().subplots()
    scale.apply(axes, "x")
    at = np.linspace(scale.low, scale.high, 7)
    points = np.column_stack([at, np.full(7, 0.5)])
    expected = (axes.transScale + axes.transLimits).transform(points)[:, 0]
    assert np.allclose(scale.fraction(at), expected, atol=1e-12)


def test_zero_on_an_axis_is_written_without_a_sign():
    _, labels = Scale.around("mine", np.array([-0.3, 0.3])).ticks()
    assert labels == ["-0.2", "0", "0.2"]


def test_values_that_are_all_equal_stand_in_the_middle():
    for value in (0.0, 0.5, -3.0, 657_924.0):
        scale = Scale.around("parameters", np.full(4, value), margin=0)
        assert scale.fraction(np.array([value]))[0] == pytest.approx(0.5)
    assert Scale.around("accuracy", np.array([np.nan])) == Scale(0.0, 1.0, log=False)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.91234, "0.912"), (-0.5, "-0.5"), (100, "100"), (4096, "4096"), (657_924, "658k"), (1.25e9, "1.25G")],
)
def test_single_numbers_have_three_digits(value, text):
    assert number(value) == text


# ---- three dimensions


def test_points_in_space_have_shadows_on_three_walls():
    data = make_front(chosen=None, dense=None, dense_validation=None)
    axes = drawn(front_3d, data, space())
    expected = np.column_stack([data.validation[:, 0], np.log10(100 * data.validation[:, 1]), data.validation[:, 2]])
    clouds = [np.column_stack(dots._offsets3d) for dots in axes.collections]
    assert [len(cloud) for cloud in clouds] == [40] * 4
    *shadows, points = clouds
    assert np.allclose(points, expected)
    walls = [axes.get_xlim()[0], axes.get_ylim()[1], axes.get_zlim()[0]]
    for wall, shadow in enumerate(shadows):
        assert np.allclose(shadow[:, wall], walls[wall])
        others = [i for i in range(3) if i != wall]
        assert np.allclose(shadow[:, others], expected[:, others])
    for limits, column in zip((axes.get_xlim(), axes.get_ylim(), axes.get_zlim()), expected.T, strict=True):
        assert limits[0] < column.min() < column.max() < limits[1]


def test_the_shadowed_walls_are_those_behind_the_points():
    axes = drawn(front_3d, make_front(), space())
    limits = axes.get_xlim(), axes.get_ylim(), axes.get_zlim()
    corners = np.array(list(itertools.product(*limits)))
    placed = np.column_stack([corners, np.ones(8)]) @ axes.get_proj().T
    depth = placed[:, 2] / placed[:, 3]
    walls = (limits[0][0], limits[1][1], limits[2][0])
    behind = []
    for axis, wall in enumerate(walls):
        on_wall = corners[:, axis] == wall
        behind.append(np.sign(depth[on_wall].mean() - depth[~on_wall].mean()))
    # Seen from above, the floor lies behind; the other two must lie on its side.
    assert axes.elev > 0
    assert behind[0] == behind[1] == behind[2]


def test_space_marks_the_chosen_and_the_dense_head():
    data = make_front()
    axes = drawn(front_3d, data, space())
    marks = {dots.get_label(): np.column_stack(dots._offsets3d)[0] for dots in axes.collections[4:]}
    assert marks["chosen"][0] == data.validation[-1, 0]
    assert marks["not pruned"].tolist() == [data.dense_validation[0], 2.0, data.dense_validation[2]]
    assert len(axes.lines) == 6
    assert [text.get_text() for text in axes.get_legend().texts] == [
        "projections",
        "front (validation)",
        "not pruned",
        "chosen",
    ]
    labels = [axes.get_xlabel(), axes.get_ylabel(), axes.get_zlabel()]
    assert [label.replace("\u00a0", " ") for label in labels] == [
        "accuracy (validation) ↑",
        "active share, % ↓",
        "OOD AUROC (validation) ↑",
    ]


@pytest.mark.parametrize("objectives", [2, 4])
def test_space_needs_three_objectives(objectives):
    with pytest.raises(ConfigError, match=f"a front of {objectives} objectives has no place in space"):
        front_3d(space(), make_front(objectives))


def test_space_needs_three_axes():
    with pytest.raises(ConfigError, match="the axes are flat"):
        front_3d(Figure().subplots(), make_front())


# ---- pairs


@pytest.mark.parametrize("objectives", [2, 3, 4, 5])
def test_every_pair_of_objectives_has_one_panel(objectives):
    data = make_front(objectives)
    grid = pairs(data)
    shown = [panel for panel in grid.flat if panel.axison]
    assert len(shown) == objectives * (objectives - 1) / 2
    units = data.validation * np.where([name == "active" for name in data.names], 100, 1)
    found = set()
    for panel in shown:
        points = scattered(panel, "front (validation)")
        (across,) = (i for i in range(objectives) if np.array_equal(points[:, 0], units[:, i]))
        (up,) = (i for i in range(objectives) if np.array_equal(points[:, 1], units[:, i]))
        found.add(frozenset((across, up)))
    assert found == {frozenset(pair) for pair in itertools.combinations(range(objectives), 2)}


def test_a_panel_holds_evaluations_members_and_both_parts():
    data = make_front(2)
    (panel,) = pairs(data).flat
    across_up = [1, 0]
    units = np.array([100, 1])
    assert len(scattered(panel, "all evaluations (search)")) == len(data.everything)
    assert np.allclose(scattered(panel, "front (test)"), data.test[:, across_up] * units)
    assert np.allclose(scattered(panel, "not pruned"), data.dense_validation[None, across_up] * units)
    assert np.allclose(scattered(panel, "chosen"), data.validation[-1:, across_up] * units)
    (hollow,) = (dots for dots in panel.collections if dots.get_label() == "front (test)")
    assert same_color(hollow.get_facecolor()[0], "white")
    joined = next(lines for lines in panel.collections if hasattr(lines, "get_segments"))
    assert np.allclose(joined.get_segments(), np.stack([data.validation, data.test], axis=1)[..., across_up] * units)
    assert (panel.get_xscale(), panel.get_yscale()) == ("log", "linear")
    assert panel.get_xlabel().replace("\u00a0", " ") == "active share, % ↓"
    assert panel.get_ylabel().replace("\u00a0", " ") == "accuracy ↑"
    assert panel.get_xlim()[0] < 100 * data.values[:, 1].min() < 100 < panel.get_xlim()[1]


def test_members_without_test_values_have_no_hollow_marker():
    data = make_front(2)
    test = data.test.copy()
    test[::2] = np.nan
    (panel,) = pairs(replace(data, test=test)).flat
    joined = next(lines for lines in panel.collections if hasattr(lines, "get_segments"))
    assert len(joined.get_segments()) == 20
    assert np.isfinite(scattered(panel, "front (test)")).all(axis=1).sum() == 20
    (panel,) = pairs(replace(data, test=np.full_like(test, np.nan))).flat
    assert "front (test)" not in [dots.get_label() for dots in panel.collections]
    assert "(validation)" in panel.get_ylabel()


def test_the_paper_protocol_is_named_and_has_one_part():
    (panel,) = pairs(make_front(2, protocol="paper")).flat
    labels = [text.get_text() for text in panel.get_legend().texts]
    assert labels == ["all evaluations (search)", "front (test)", "not pruned", "chosen"]
    assert "paper protocol" in panel.get_title(loc="left")
    assert "(test)" in panel.get_ylabel()


def test_evaluations_far_out_do_not_squeeze_the_front():
    data = make_front(2)
    everything = np.concatenate([data.everything, [[-50.0, 0.5]]])
    (panel,) = pairs(replace(data, everything=everything)).flat
    assert panel.get_ylim()[0] > 0.3


def test_pairs_need_their_own_grid():
    with pytest.raises(ConfigError, match="3 objectives need 2 x 2 panels"):
        pairwise_fronts(Figure().subplots(1, 2, squeeze=False), make_front(3))


@pytest.mark.parametrize("objectives", [3, 4, 5])
def test_the_legend_of_pairs_covers_no_panel(objectives, monkeypatch, tmp_path):
    figure = captured(monkeypatch, write_pairwise_fronts, tmp_path / "a.png", make_front(objectives))
    (legend,) = (axes.get_legend() for axes in figure.axes if axes.get_legend() is not None)
    box = legend.get_window_extent()
    panels = [axes for axes in figure.axes if axes.axison]
    assert not any(box.overlaps(axes.get_window_extent()) for axes in panels)
    assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1


# ---- parallel coordinates


def test_up_is_better_on_every_parallel_axis():
    data = make_front(5)
    axes = drawn(parallel_coordinates, data)
    (lines,) = (found for found in axes.collections if len(found.get_segments()) == 40)
    heights = np.array(lines.get_segments())[:, :, 1]
    assert np.allclose(heights.min(axis=0), 0)
    assert np.allclose(heights.max(axis=0), 1)
    order = np.argsort(data.validation[:, 0], kind="stable")
    for i, maximize in enumerate(data.maximize):
        column = data.validation[order, i]
        best = column.argmax() if maximize else column.argmin()
        assert heights[best, i] == pytest.approx(1)
        assert (np.argsort(heights[:, i]) == np.argsort(column if maximize else -column)).all()


def test_parallel_axes_bear_the_natural_values_of_their_ends():
    data = make_front(2)
    axes = drawn(parallel_coordinates, data)
    written = {text.get_text(): text.get_position() for text in axes.texts}
    for i, scale in enumerate((1, 100)):
        low, high = scale * data.validation[:, i].min(), scale * data.validation[:, i].max()
        assert written[f"{low:.3g}"][1] == pytest.approx(i)
        assert written[f"{high:.3g}"][1] == pytest.approx(1 - i)
    labels = [label.get_text().replace("\u00a0", " ") for label in axes.get_xticklabels()]
    assert labels == ["accuracy (validation) ↑", "active share, % ↓"]


def test_the_colour_bar_on_the_first_axis_has_the_colours_of_the_lines():
    data = make_front(3)
    axes = drawn(parallel_coordinates, data)
    (bar,) = axes.images
    left, right, bottom, top = bar.get_extent()
    assert (left + right, bottom, top) == pytest.approx((0, 0, 1))
    (lines,) = (found for found in axes.collections if len(found.get_segments()) == 40)
    shades = np.asarray(bar.get_array())[:, 0, :3]
    for segment, colour in zip(lines.get_segments(), lines.get_colors(), strict=True):
        beside = shades[round(segment[0][1] * (len(shades) - 1))]
        assert beside == pytest.approx(np.array(colour[:3]), abs=0.02)
    assert np.ptp(shades, axis=0).max() > 0.5
    # Where all members are equal in the first objective, one colour needs no key.
    constant = data.validation.copy()
    constant[:, 0] = 0.75
    assert not drawn(parallel_coordinates, replace(data, validation=constant)).images


def test_the_chosen_member_is_thick_among_parallel_lines():
    data = make_front()
    axes = drawn(parallel_coordinates, data)
    (chosen,) = (line for line in axes.lines if line.get_label() == "chosen")
    others = next(found for found in axes.collections if hasattr(found, "get_segments"))
    assert chosen.get_linewidth() > 1.5 * max(others.get_linewidths())
    scaled = (data.validation[:, 0] - data.validation[:, 0].min()) / np.ptp(data.validation[:, 0])
    assert chosen.get_ydata()[0] == pytest.approx(scaled[-1])
    assert "chosen" not in [line.get_label() for line in drawn(parallel_coordinates, replace(data, chosen=None)).lines]


def test_a_constant_objective_has_one_number_on_its_axis():
    data = make_front()
    constant = data.validation.copy()
    constant[:, 2] = 0.75
    axes = drawn(parallel_coordinates, replace(data, validation=constant))
    assert [text.get_text() for text in axes.texts if text.get_position()[0] > 1.9] == ["0.75"]


# ---- hypervolume


def curve(at, values, **options):
    axes = Figure().subplots()
    hypervolume_curve(axes, at, values, np.array([0.0, 1.0]), ["accuracy", "active"], protocol="nested", **options)
    axes.figure.canvas.draw()
    return axes


def test_one_run_is_one_line():
    axes = curve([np.arange(1, 51)], [np.linspace(0.2, 0.8, 50)])
    assert len(axes.lines) == 1
    assert not axes.collections
    assert axes.get_xlim() == (0, 51)
    assert axes.get_title(loc="left") == "Reference: accuracy 0, active 100 %"
    assert axes.get_ylabel() == "hypervolume ↑"


def test_several_runs_have_median_and_quartiles_where_all_have_values():
    rng = np.random.default_rng(0)
    at = [np.array([1, 5, 9, 20]), np.arange(2, 31), np.arange(1, 26)]
    values = [np.maximum.accumulate(rng.random(len(numbers))) for numbers in at]
    axes = curve(at, values)
    (median,) = (line for line in axes.lines if line.get_label() == "median")
    numbers = median.get_xdata()
    assert numbers.tolist() == list(range(2, 21))
    rows = [[run[np.flatnonzero(seen <= n)[-1]] for n in numbers] for seen, run in zip(at, values, strict=True)]
    assert np.allclose(median.get_ydata(), np.median(rows, axis=0))
    (band,) = axes.collections
    corners = band.get_paths()[0].vertices
    assert corners[:, 1].min() == pytest.approx(np.quantile(rows, 0.25, axis=0).min())
    assert corners[:, 1].max() == pytest.approx(np.quantile(rows, 0.75, axis=0).max())
    assert [text.get_text() for text in axes.get_legend().texts] == ["3 runs", "middle half", "median"]


def test_runs_that_never_overlap_have_no_median():
    axes = curve([np.array([1, 2]), np.array([5, 6])], [np.array([0.1, 0.2]), np.array([0.3, 0.3])])
    assert [line.get_label() for line in axes.lines][1:] == ["2 runs"]


@pytest.mark.parametrize(
    ("at", "values", "sentence"),
    [
        ([], [], "one run or more"),
        ([np.arange(3)], [np.zeros(2)], r"runs of \[3\] evaluations have \[2\] values"),
        ([np.arange(0)], [np.zeros(0)], "one run or more"),
    ],
)
def test_runs_without_values_are_refused(at, values, sentence):
    with pytest.raises(ConfigError, match=sentence):
        curve(at, values)


def test_a_reference_of_other_length_is_refused():
    with pytest.raises(ConfigError, match="3 coordinates for 1 names"):
        hypervolume_curve(Figure().subplots(), [np.arange(1)], [np.ones(1)], np.zeros(3), ["a"], protocol="nested")


# ---- neurons


def chords(axes):
    return [patch for patch in axes.patches if isinstance(patch, PathPatch)]


def test_a_chord_joins_neurons_that_enough_members_hold():
    genomes = np.array([[1, 1, 0, 0, 0], [1, 1, 1, 0, 0], [1, 1, 0, 0, 1], [0, 0, 1, 0, 1]], dtype=bool)
    data = replace(members_of(make_front(), 4), genomes=genomes)
    axes = drawn(neuron_chord, data, threshold=0.25)
    assert [text.get_text() for text in axes.texts] == ["0", "1", "2", "4"]
    expected = [
        (i, j)
        for i, j in itertools.combinations(range(5), 2)
        if np.mean([row[i] and row[j] for row in genomes]) >= 0.25
    ]
    assert len(chords(axes)) == len(expected) == 6
    widest = max(chords(axes), key=lambda chord: chord.get_linewidth())
    # From the top, clockwise: neuron 0 at 12 o'clock, neuron 1 at 3 o'clock.
    assert np.allclose(widest.get_path().vertices[[0, -1]], [[0, 1.02], [1.02, 0]])
    assert len(chords(drawn(neuron_chord, data, threshold=0.75))) == 1
    apart = np.eye(4, dtype=bool)
    assert not chords(drawn(neuron_chord, replace(data, genomes=apart), threshold=0)), (
        "a chord of neurons that never meet"
    )
    assert [text.get_text() for text in axes.get_legend().texts] == [
        "share of members",
        "together in 25 %",
        "together in 75 %",
    ]


def test_bars_are_as_long_as_neurons_are_frequent():
    genomes = np.array([[1, 1], [1, 0], [1, 0], [1, 0]], dtype=bool)
    axes = drawn(neuron_chord, replace(members_of(make_front(), 4), genomes=genomes))
    behind_0, bar_0, behind_1, bar_1 = (patch.width for patch in axes.patches if isinstance(patch, Wedge))
    assert behind_0 == behind_1 == bar_0
    assert bar_1 == pytest.approx(bar_0 / 4)


def test_the_most_frequent_neurons_are_taken():
    data = make_front(members=60)
    axes = drawn(neuron_chord, data, top=12)
    frequency = data.genomes.mean(axis=0)
    shown = [int(text.get_text()) for text in axes.texts if text.get_text()]
    assert shown == sorted(shown)
    assert len(shown) == 12
    assert min(frequency[shown]) >= np.delete(frequency, shown).max()


def test_of_many_pairs_the_strongest_are_drawn_with_their_equals():
    data = make_front(members=60)
    axes = drawn(neuron_chord, data, top=20, threshold=0)
    order = np.argsort(-data.genomes.mean(axis=0), kind="stable")[:20]
    bits = data.genomes[:, order].astype(int)
    shares = sorted((np.mean(bits[:, i] & bits[:, j]) for i, j in itertools.combinations(range(20), 2)), reverse=True)
    assert len(chords(axes)) == sum(share >= shares[39] for share in shares)
    everywhere = replace(data, genomes=np.ones((60, 30), dtype=bool))
    assert len(chords(drawn(neuron_chord, everywhere))) == 190


@pytest.mark.parametrize(
    ("genomes", "note", "labels"),
    [
        (np.ones((40, 1), dtype=bool), "no two neurons", ["0"]),
        (np.eye(40, 50, dtype=bool), "no two neurons stand together\nin 50 %", [str(i) for i in range(20)]),
        (np.zeros((40, 6), dtype=bool), "none is active", []),
    ],
)
def test_neurons_that_never_meet_have_no_chords(genomes, note, labels):
    axes = drawn(neuron_chord, make_front(genomes=genomes))
    assert not chords(axes)
    *numbers, last = [text.get_text() for text in axes.texts]
    assert numbers == labels
    assert last.startswith(note)


@pytest.mark.parametrize(("options", "sentence"), [({"top": 0}, "0 neurons"), ({"threshold": 1.5}, "threshold 1.5")])
def test_impossible_settings_of_chords_are_refused(options, sentence):
    with pytest.raises(ConfigError, match=sentence):
        neuron_chord(Figure().subplots(), make_front(), **options)


# ---- attainment


def made(name, maximize):
    return Objective(name, name, maximize, -np.inf, np.inf, lambda _: 0.0)


def attained(points, corners, maximize):
    """Whether some corner is at least as good as each point."""
    sign = np.where(maximize, 1, -1)
    return ((sign * corners)[None] >= (sign * points)[:, None]).all(axis=2).any(axis=1)


def corners_of(front, maximize):
    """Members that no other one dominates, by brute force."""
    unique = np.unique(front, axis=0)
    return np.array([p for i, p in enumerate(unique) if not attained(p[None], np.delete(unique, i, 0), maximize)[0]])


@pytest.mark.parametrize("maximize", list(itertools.product([True, False], repeat=2)))
@pytest.mark.parametrize("seed", range(5))
def test_the_band_holds_what_some_runs_attain_and_others_do_not(maximize, seed):
    rng = np.random.default_rng(seed)
    sign = np.where(maximize, 1, -1)
    best = corners_of(rng.random((12, 2)), maximize)
    worst = corners_of(best[:4] - sign * rng.uniform(0.05, 0.3, (len(best[:4]), 2)), maximize)
    objectives = [made("f", maximize[0]), made("g", maximize[1])]
    axes = Figure().subplots()
    attainment_bands(axes, best, best, worst, objectives, runs=4, protocol="nested")
    (band,) = axes.patches
    points = rng.uniform(*np.transpose([axes.get_xlim(), axes.get_ylim()]), (500, 2))
    expected = attained(points, best, maximize) & ~attained(points, worst, maximize)
    assert expected.any()
    assert (Outline(band.get_xy()).contains_points(points) == expected).all()


def test_attainment_surfaces_are_named():
    best, worst = np.array([[0.9, 0.5], [0.8, 0.1]]), np.array([[0.85, 0.6]])
    objectives = [made("accuracy", True), made("active", False)]
    axes = Figure().subplots()
    attainment_bands(axes, best, best, worst, objectives, runs=10, protocol="paper")
    assert [text.get_text() for text in axes.get_legend().texts] == ["best (1 of 10)", "median", "worst (all 10)"]
    assert "paper protocol" in axes.get_title(loc="left")
    stairs = axes.lines[0].get_xydata()
    assert stairs[1:-1].tolist() == [[0.8, 10], [0.8, 50], [0.9, 50]]
    assert stairs[0].tolist() == [axes.get_xlim()[0], 10]
    assert stairs[-1].tolist() == [0.9, axes.get_ylim()[1]]


def test_nothing_attained_by_all_is_said():
    best = np.array([[0.9, 0.5]])
    axes = Figure().subplots()
    attainment_bands(axes, best, best, best[:0], [made("a", True), made("b", True)], runs=3, protocol="nested")
    assert [text.get_text() for text in axes.get_legend().texts][2] == "worst: nothing"
    (band,) = axes.patches
    assert Outline(band.get_xy()).contains_point((0.8999, 0.4999))


@pytest.mark.parametrize(
    ("best", "objectives", "sentence"),
    [
        (np.zeros((2, 3)), 2, "best surface has the shape"),
        (np.zeros((0, 2)), 2, "no run has attained"),
        (np.zeros((1, 2)), 3, "3 objective"),
    ],
)
def test_surfaces_that_do_not_fit_are_refused(best, objectives, sentence):
    with pytest.raises(ConfigError, match=sentence):
        attainment_bands(
            Figure().subplots(),
            best,
            np.zeros((1, 2)),
            np.zeros((1, 2)),
            [made("a", True)] * objectives,
            runs=2,
            protocol="nested",
        )


# ---- files

FRONTS = {
    "usual": make_front,
    "paper": lambda objectives: make_front(objectives, protocol="paper"),
    "many": lambda objectives: make_front(objectives, members=300),
    "long": lambda objectives: make_front(objectives, titles=LONG[:objectives]),
    "one member": lambda objectives: members_of(make_front(objectives), 1),
    "all equal": lambda objectives: flat(make_front(objectives)),
    "nothing else": lambda objectives: make_front(
        objectives, validation=None, test=None, dense=None, dense_validation=None, everything=None, chosen=None
    ),
}


@pytest.mark.parametrize(
    "write", [write_front_3d, write_pairwise_fronts, write_parallel_coordinates, write_neuron_chord]
)
@pytest.mark.parametrize("name", FRONTS)
def test_a_figure_can_be_read(name, write, monkeypatch, tmp_path):
    for objectives in (3,) if write in (write_front_3d, write_neuron_chord) else (2, 3, 5):
        check_readable(monkeypatch, tmp_path / "a.png", write, FRONTS[name](objectives))


@pytest.mark.parametrize("top", [1, 24, 25, 60])
def test_the_numbers_of_many_neurons_can_be_read(top, monkeypatch, tmp_path):
    figure = captured(monkeypatch, write_neuron_chord, tmp_path / "a.png", make_front(width=2048), top=top)
    written = [text for text, _ in texts(figure) if text.get_text().isdigit()]
    assert len(written) == top
    # Numbers that are turned outwards stand as far apart as their heights; others as their widths.
    assert any(text.get_rotation() % 90 for text in written) is (top > 24)
    check_readable(monkeypatch, tmp_path / "a.png", write_neuron_chord, make_front(width=2048), top=top)


@pytest.mark.parametrize("runs", [1, 7])
def test_a_hypervolume_figure_can_be_read(runs, monkeypatch, tmp_path):
    rng = np.random.default_rng(0)
    values = [np.maximum.accumulate(rng.random(90)) for _ in range(runs)]
    arguments = [np.arange(1, 91)] * runs, values, np.zeros(5), list(NAMES)
    check_readable(monkeypatch, tmp_path / "a.png", write_hypervolume_curve, *arguments, protocol="paper")


@pytest.mark.parametrize("title", ["cross entropy", LONG[3]])
def test_an_attainment_figure_can_be_read(title, monkeypatch, tmp_path):
    objectives = [made("accuracy", True), replace(made("loss", False), title=title)]
    best = np.array([[0.9, 0.5], [0.8, 0.1]])
    check_readable(
        monkeypatch,
        tmp_path / "a.png",
        write_attainment_bands,
        *(best, best, best[:1], objectives),
        runs=12,
        protocol="paper",
    )


def check_readable(monkeypatch, path, write, *arguments, **options):
    """Nothing is cut off at the edge, no two texts touch, and no text is small."""
    figure = captured(monkeypatch, write, path, *arguments, **options)
    monkeypatch.undo()
    seen = texts(figure)
    assert min(text.get_fontsize() for text, _ in seen) >= 8
    for (one, box), (other, beside) in itertools.combinations(seen, 2):
        # The box of a turned text is larger than the text.
        if one.get_rotation() % 90 == other.get_rotation() % 90 == 0:
            assert not box.shrunk(0.9, 0.9).overlaps(beside.shrunk(0.9, 0.9)), f"{one} touches {other}"
    with Image.open(path) as image:
        assert image.size[0] == 1300
        pixels = np.asarray(image.convert("L"))
    assert pixels.min() < 100
    edge = np.concatenate([pixels[:2].ravel(), pixels[-2:].ravel(), pixels[:, :2].ravel(), pixels[:, -2:].ravel()])
    assert edge.min() == 255


@pytest.mark.parametrize(
    "write", [write_front_3d, write_pairwise_fronts, write_parallel_coordinates, write_neuron_chord]
)
def test_the_same_front_gives_the_same_picture(write, tmp_path):
    for name in ("a.png", "b.png"):
        write(tmp_path / name, make_front())
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_figure_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        write_neuron_chord(tmp_path / "file" / "a.png", make_front())
