"""The diagram of average ranks: where methods, bars and the critical difference stand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from matplotlib.figure import Figure

from evoprune.analysis import cliques
from evoprune.errors import ConfigError
from evoprune.report import critical_difference_figure, write_critical_difference

# The example of Demsar (2006), section 3.2.
RANKS = {"C4.5": 3.143, "C4.5+m": 2.000, "C4.5+cf": 2.893, "C4.5+m+cf": 1.964}
LONG = [
    "steady-state genetic algorithm (published)",
    "NSGA-II, feature selection",
    "weight pruning, retrained (lottery ticket)",
    "gates, iterative elimination",
    *(f"filter number {i}" for i in range(8)),
]


def drawn(ranks=RANKS, cd=1.12, groups=None, **options):
    figure = Figure(figsize=(6.5, 4), layout="constrained")
    axes = figure.subplots()
    groups = cliques(ranks, cd) if groups is None else groups
    critical_difference_figure(axes, ranks, cd, groups, **{"p": 0.026, "datasets": 14, "protocol": "nested", **options})
    figure.canvas.draw()
    return axes


def texts(axes):
    return {text.get_text(): text for text in axes.texts}


def stems(axes):
    """The lines `[3, 2]` from the axis down and out to a name."""
    return [line.get_xydata() for line in axes.lines if len(line.get_xdata()) == 3]


def stem_of(axes, name):
    """The line that ends beside a name."""
    x, y = texts(axes)[name].get_position()
    (found,) = (path for path in stems(axes) if path[2, 1] == pytest.approx(y) and abs(path[2, 0] - x) < 0.1)
    return found


def bars(axes):
    return [line.get_xdata() for line in axes.lines if line.get_linewidth() > 3]


def test_each_method_hangs_from_its_rank_and_the_best_is_on_the_right():
    axes = drawn()
    labels = texts(axes)
    numbers = {int(name): text.get_position()[0] for name, text in labels.items() if name.isdigit()}
    assert sorted(numbers) == [1, 2, 3, 4]
    for name, rank in RANKS.items():
        expected = np.interp(rank, sorted(numbers), [numbers[number] for number in sorted(numbers)])
        assert stem_of(axes, name)[0] == pytest.approx([expected, 0])
        assert f"{rank:.2f}" in labels
    assert numbers[1] > numbers[4]
    assert labels["C4.5+m+cf"].get_position()[0] > 0.5 > labels["C4.5"].get_position()[0]


def test_bars_join_the_groups_and_overlapping_ones_lie_apart():
    axes = drawn()
    assert cliques(RANKS, 1.12) == [("C4.5+m+cf", "C4.5+m", "C4.5+cf"), ("C4.5+cf", "C4.5")]
    at = {name: stem_of(axes, name)[0, 0] for name in RANKS}
    first, second = bars(axes)
    assert first == pytest.approx([at["C4.5+cf"], at["C4.5+m+cf"]], abs=0.005)
    assert second == pytest.approx([at["C4.5"], at["C4.5+cf"]], abs=0.005)
    heights = [line.get_ydata()[0] for line in axes.lines if line.get_linewidth() > 3]
    assert heights[0] != heights[1]
    # Names hang below all bars.
    assert max(path[2, 1] for path in stems(axes)) < min(heights)


def test_bars_that_do_not_touch_share_a_row():
    ranks = {name: float(rank) for name, rank in zip("abcdefgh", [1, 1.2, 4, 4.2, 6, 6.2, 6.4, 8], strict=True)}
    axes = drawn(ranks, 1.0)
    assert len(bars(axes)) == 3
    assert len({line.get_ydata()[0] for line in axes.lines if line.get_linewidth() > 3}) == 1


@pytest.mark.parametrize(("cd", "shown"), [(1.12, True), (2.9, True), (3.5, False)])
def test_the_critical_difference_is_drawn_to_scale_where_there_are_so_many_ranks(cd, shown):
    axes = drawn(cd=cd)
    labels = texts(axes)
    assert f"critical difference {cd:.2f}" in labels
    unit = labels["1"].get_position()[0] - labels["2"].get_position()[0]
    above = [line.get_xdata() for line in axes.lines if len(set(line.get_ydata())) == 1 and line.get_ydata()[0] > 0.1]
    assert len(above) == shown
    if shown:
        assert above[0][1] - above[0][0] == pytest.approx(cd * unit)


def test_friedmans_p_value_is_named():
    assert any("p = 0.026" in text for text in texts(drawn()))
    assert any("p < 0.001" in text for text in texts(drawn(p=1e-9)))
    assert any("could not be made" in text for text in texts(drawn(p=float("nan"))))


def test_twelve_methods_of_long_names_do_not_touch():
    rng = np.random.default_rng(0)
    for seed in range(3):
        ranks = dict(zip(LONG, rng.uniform(1, 12, size=12), strict=True))
        if seed == 2:
            ranks = dict.fromkeys(LONG, 6.5)
        axes = drawn(ranks, 2.5)
        found = [text for text in axes.texts if not text.get_text().startswith("critical")]
        boxes = {text.get_text() + str(i): text.get_window_extent() for i, text in enumerate(found)}
        for (one, first), (other, second) in itertools.combinations(boxes.items(), 2):
            assert not first.overlaps(second), (one, other)
        # Nothing is cut off at the sides.
        assert min(box.x0 for box in boxes.values()) >= 0
        assert max(box.x1 for box in boxes.values()) <= axes.figure.bbox.width
        shown = " ".join(text.get_text().replace("\n", " ") for text in axes.texts)
        assert all(name in shown for name in LONG)


def test_no_line_to_a_name_crosses_another():
    ranks = dict(zip(LONG, np.linspace(2, 11, 12), strict=True))
    paths = sorted(stems(drawn(ranks, 2.0)), key=lambda path: path[0, 0])
    left = [path for path in paths if path[2, 0] < path[0, 0]]
    right = [path for path in paths if path[2, 0] > path[0, 0]]
    assert len(left) == len(right) == 6
    # From the outside inwards the lines reach further down.
    assert [path[2, 1] for path in left] == sorted((path[2, 1] for path in left), reverse=True)
    assert [path[2, 1] for path in right] == sorted(path[2, 1] for path in right)


def test_the_paper_protocol_is_named():
    assert drawn().get_title(loc="left") == "Average ranks of 4 methods on 14 data sets"
    assert "paper protocol" in drawn(protocol="paper", datasets=1).get_title(loc="left")


def test_names_are_no_formulas():
    assert r"a\$x\$" in texts(drawn({"a$x$": 1.0, "b": 2.0}, 0.5))


def test_equal_ranks_give_equal_files(tmp_path):
    groups = cliques(RANKS, 1.12)
    for name in ("a.png", "b.png"):
        write_critical_difference(tmp_path / name, RANKS, 1.12, groups, p=0.03, datasets=14, protocol="nested")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize(
    ("ranks", "groups", "sentence"),
    [
        ({"a": 1.0}, [], r"1 method\(s\) have no ranks among each other"),
        ({"a": 1.0, "b": float("nan")}, [], "'b' has the rank nan, which is none among 2 methods"),
        ({"a": 1.0, "b": 2.5}, [], "'b' has the rank 2.5, which is none among 2 methods"),
        ({"a": 1.0, "b": 2.0}, [["a", "c"]], "a group holds 'c', which has no rank"),
    ],
)
def test_ranks_that_are_none_are_refused(ranks, groups, sentence):
    with pytest.raises(ConfigError, match=sentence):
        drawn(ranks, 1.0, groups)
