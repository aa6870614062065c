"""The figures of `benchmarks/search.py`, from rows whose figures are known."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from evoprune.experiments import Settings

from .conftest import ROOT

SHARES = (0.01, 0.1, 0.5, 1.0)
WIDTH = 100


@pytest.fixture(scope="module")
def bench():
    spec = importlib.util.spec_from_file_location("search_benchmark", ROOT / "benchmarks" / "search.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def row(method="anova", read=10, validation=0.8, test=0.7, **others):
    """A line of the tidy table, all text as it comes from the file."""
    found = {
        "dataset": "blobs",
        "method": method,
        "seed": "0",
        "features_read": str(read),
        "validation_accuracy": str(validation),
        "test_accuracy": str(test),
        "fitness": "",
        "test_auroc": "",
    }
    return {**found, **{name: str(value) for name, value in others.items()}}


def test_validation_picks_among_those_that_read_few_enough_features(bench):
    rows = [row(read=5, validation=0.6, test=0.5), row(read=10, validation=0.9, test=0.7), row(read=11, test=0.8)]
    rows.append(row(read=100, validation=0.5, test=1.0))
    assert bench.picks(rows, WIDTH, SHARES) == pytest.approx([np.nan, 0.7, 0.7, 0.7], nan_ok=True)
    assert np.isnan(bench.picks([], WIDTH, SHARES)).all()


def test_of_equals_the_smaller_one_is_picked(bench):
    rows = [row(read=9, test=0.4), row(read=8, test=0.6), row(read=10, test=0.5)]
    assert bench.picks(rows, WIDTH, (0.1,)) == pytest.approx([0.6])


def test_what_a_search_saw_decides_where_it_says_so(bench):
    genetic = [row("genetic", 5, 0.9, 0.3, fitness=0.7), row("genetic", 10, 0.6, 0.8, fitness=0.75)]
    assert bench.picks(genetic, WIDTH, (0.05, 1.0)) == pytest.approx([0.3, 0.8])


def test_the_fitness_of_the_guided_search_is_a_loss(bench):
    rows = [row("guided", 1, 0.9, 0.3, fitness=0.9), row("guided", 10, 0.5, 0.8, fitness=0.2)]
    rows.append(row("guided", 50, 0.5, 0.6, fitness=0.4))
    assert bench.picks(rows, WIDTH, SHARES) == pytest.approx([0.3, 0.8, 0.8, 0.8])


def by_share(method, tests, dataset="blobs", seed=0, **others):
    """A row for each share, each better by validation than those before."""
    sizes = [max(1, round(share * WIDTH)) for share in SHARES]
    return [
        row(method, read, 0.5 + read / 1000, test, dataset=dataset, seed=seed, **others)
        for read, test in zip(sizes, tests, strict=True)
    ]


def guided(tests, dataset="blobs", seed=0):
    rows = by_share("guided", tests, dataset, seed)
    return [{**r, "fitness": str(1 - float(r["validation_accuracy"]))} for r in rows]


@pytest.fixture(scope="module")
def found(bench):
    rows, gap = [], np.array([0.1, 0.02, 0.01, 0.0])
    for dataset, base in (("blobs", 0.7), ("dots", 0.5)):
        for seed in range(3):
            best = base + 0.01 * seed + np.array([0, 0.1, 0.2, 0.25])
            rows += guided(best, dataset, seed)
            rows += by_share("anova", best - gap * (1 if dataset == "blobs" else 2), dataset, seed)
            # The published search has nothing of one percent.
            rows += by_share("nsga2", best - 0.03, dataset, seed)[1:]
            rows += by_share("dense", best + 0.002, dataset, seed)[-1:]
    extra = [
        {"kind": "reach", "dataset": "blobs", "seed": "0", "guided_evaluations": "41"},
        {"kind": "reach", "dataset": "dots", "seed": "0", "guided_evaluations": ""},
    ]
    widths = {"blobs": WIDTH, "dots": WIDTH}
    return bench.figures(rows, extra, widths, {"blobs": 3, "dots": 4}, Settings(seeds=3, shares=SHARES))


def test_budgeted_accuracy_is_the_mean_over_budgets_and_seeds(found):
    means = np.array([0.7, 0.5]) + 0.01 + np.mean([0, 0.1, 0.2, 0.25])
    assert found["budgeted_accuracy"]["guided"] == pytest.approx(100 * means)
    assert found["budgeted_accuracy"]["nsga2"] == pytest.approx(
        100 * (means + np.mean([0.1, 0.2, 0.25]) - 0.1375 - 0.03)
    )


def test_gaps_are_in_points_on_the_budgets_that_both_have(found):
    anova, nsga2 = found["against"]["anova"], found["against"]["nsga2"]
    assert anova["sets"] == pytest.approx({"blobs": 3.25, "dots": 6.5})
    assert anova["mean"] == pytest.approx(4.875)
    assert (anova["budgets"], nsga2["budgets"]) == (4, 3)
    assert nsga2["sets"] == pytest.approx({"blobs": 3.0, "dots": 3.0})
    assert set(found["against"]) == {"anova", "nsga2"}
    # Compared by a test only where there is something at every budget.
    assert 0 < anova["p"] <= 1
    assert "p" not in nsga2


def test_the_single_model_is_held_against_the_dense_head(found):
    assert found["single_minus_dense"]["mean"] == pytest.approx(-0.2)
    # Half a point below the dense head at the full share alone: .25 + .002 - .005 is more than .2.
    assert found["smallest_share"] == {"blobs": 1.0, "dots": 1.0, "all sets": 1.0}
    assert found["reach"] == {"blobs": "41", "dots": None}


def test_hypervolumes_are_those_of_boxes_over_chance(bench):
    def point(accuracy, share, auroc):
        return {"kind": "front", "dataset": "blobs", "seed": "0"} | {
            name: str(value)
            for name, value in (("test_accuracy", accuracy), ("active_share", share), ("test_auroc", auroc))
        }

    opponents = [row("anova", 50, test=0.75, test_auroc=0.9), row("genetic", 20, test=0.6)]
    # What guided found in the other experiment is no opponent of its own.
    opponents.append(row("guided", 1, test=1.0, test_auroc=1.0))
    extra = [point(0.75, 0.1, 0.7), point(1.0, 0.5, 0.6), {"kind": "front", "dataset": "blobs", "seed": "7"}]
    found = bench.volumes(opponents, extra, {"blobs": WIDTH}, {"blobs": 4}, 2)["blobs"]
    # Boxes of .5 x .9 x .2 and .75 x .5 x .1, which share .5 x .5 x .1; and .5 x .5 x .4.
    assert found["guided"] == pytest.approx(0.09 + 0.0375 - 0.025)
    assert found["opponents"] == pytest.approx(0.1)
    assert found["gain"] == pytest.approx(0.025)
    assert "delivered" not in found
    softly = [
        {**extra[0], "soft_test_accuracy": "0.75", "soft_test_auroc": "1.0", "random_test_accuracy": "0.5",
         "random_test_auroc": "1.0"}
    ]  # fmt: skip
    found = bench.volumes(opponents, softly, {"blobs": WIDTH}, {"blobs": 4}, 2)["blobs"]
    assert found["delivered"] == pytest.approx(0.5 * 0.9 * 0.5)
    assert found["delivered_gain"] == pytest.approx(1.25)
    assert found["random_delivered"] == pytest.approx(0.25 * 0.9 * 0.5)
    assert bench.volumes([row()], extra, {"blobs": WIDTH}, {"blobs": 4}, 1) == {}


def test_the_table_names_every_opponent_with_its_gaps_and_marks_filters(bench, found):
    text = bench.table(found)
    assert "| BA, guided minus | mean | blobs | dots | budgets | p (Holm) |" in text
    assert "| +3.25 | +6.50 | 4 | " in text
    assert "| nsga2 (published) | +3.00 | +3.00 | +3.00 | 3 | - |" in text
    assert text.index("nsga2") < text.index("ANOVA")
    assert 'reach: {"blobs": "41", "dots": null}' in text


def test_as_delivered_the_same_members_are_read_by_their_other_accuracy(bench):
    rows = guided((0.5, 0.6, 0.7, 0.8))
    soft = [
        {**r, "soft_test_accuracy": str(t), "soft_dense_test_accuracy": "0.85"}
        for r, t in zip(rows, (0.55, 0.7, 0.75, 0.9), strict=True)
    ]
    rows = [*soft, *by_share("anova", (0.4, 0.5, 0.6, 0.7)), row("dense", WIDTH, 0.5, 0.8)]
    found = bench.figures(rows, [], {"blobs": WIDTH}, {"blobs": 2}, Settings(seeds=1, shares=SHARES))
    assert found["against"]["anova"]["mean"] == pytest.approx(10)
    assert found["single_minus_dense"]["mean"] == pytest.approx(0)
    delivered = found["as_delivered"]
    assert delivered["against"]["anova"]["mean"] == pytest.approx(100 * np.mean([0.15, 0.2, 0.15, 0.2]))
    assert delivered["single_minus_dense"]["sets"]["blobs"] == pytest.approx(10)
    assert delivered["dense_by_soft_targets_minus_dense"]["blobs"] == pytest.approx(5)
    assert (found["smallest_share"]["blobs"], delivered["smallest_share"]["blobs"]) == (1.0, 1.0)
    assert "As delivered, by soft targets" in bench.table(found)


def test_the_smallest_share_is_read_at_finer_shares_and_for_all_sets_together(bench):
    """Blobs is good enough with a fifth, dots with all; their mean, too, with a fifth."""
    rows = []
    for dataset, tests in (("blobs", [0.5, 0.6, 0.79, 0.78, 0.8]), ("dots", [0.5, 0.6, 0.694, 0.694, 0.7])):
        for read, test in zip((1, 10, 20, 50, 100), tests, strict=True):
            rows.append(row("guided", read, 0.5, test, dataset=dataset, fitness=1 / read))
        rows += by_share("anova", [0.5] * 4, dataset)
        rows.append(row("dense", 100, 0.5, {"blobs": 0.79, "dots": 0.7}[dataset], dataset=dataset))
    widths = {"blobs": WIDTH, "dots": WIDTH}
    found = bench.figures(rows, [], widths, {"blobs": 3, "dots": 4}, Settings(seeds=1, shares=SHARES))
    assert found["smallest_share"] == {"blobs": 0.2, "dots": 1.0, "all sets": 0.2}


def test_equal_shares_compare_masks_of_one_size_without_a_choice(bench):
    def of(method, given):
        return [
            row(method, read, 1 - t, t, fitness=1 - t if method == "guided" else "", share=share)
            for share, (read, t) in zip(SHARES, given, strict=True)
        ]

    # Within the largest share the search takes half of it.
    ours = of("guided", ((1, 0.5), (10, 0.6), (50, 0.8), (50, 0.8)))
    # Its best by validation is its smallest, of which equal shares know nothing.
    masks = of("anova", ((1, 0.4), (10, 0.6), (50, 0.7), (100, 0.9)))
    weights = of("weight_pruning", [(100, 0.9)] * 4)
    rows = [*ours, *masks, *weights, row("dense", WIDTH, 0.5, 0.8, share=1.0)]
    found = bench.figures(rows, [], {"blobs": WIDTH}, {"blobs": 2}, Settings(seeds=1, shares=SHARES))
    assert found["equal_shares"] == pytest.approx({"anova": 100 * np.mean([0.1, 0, 0.1, -0.1])})
    assert found["against"]["anova"]["mean"] == pytest.approx(100 * np.mean([0.1, 0.2, 0.4, 0.4]))


def test_of_connections_budgets_are_shares_of_these(bench):
    def of(method, given):
        return [
            row(method, 100, 1 - t, t, fitness=1 - t if method == "guided" else "", share=share, active_neurons=n)
            for share, (n, t) in zip(SHARES, given, strict=True)
        ]

    ours = of("guided", ((8, 0.5), (80, 0.6), (400, 0.8), (700, 0.9)))
    # Its best by validation is its smallest.
    pruned = of("weight_pruning", ((8, 0.2), (80, 0.6), (400, 0.7), (800, 0.9)))
    rows = [*ours, *pruned, row("dense", 100, 0.5, 0.8, share=1.0, active_neurons=800)]
    settings = Settings(seeds=1, shares=SHARES)
    found = bench.figures(rows, [], {"blobs": 800}, {"blobs": 2}, settings, bench.SIZES["connections"])
    against = found["against"]["weight_pruning"]
    assert against["sets"] == pytest.approx({"blobs": 100 * np.mean([0.3, 0.4, 0.6, 0.7])})
    assert against["budgets"] == 4
    assert found["equal_shares"] == pytest.approx({"weight_pruning": 100 * np.mean([0.3, 0, 0.1, 0])})
    # By the features that they read all are full heads.
    by_features = bench.figures(rows, [], {"blobs": 100}, {"blobs": 2}, settings)
    assert by_features["against"]["weight_pruning"]["budgets"] == 1


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["--encoding", "connections", "--parts", "guided"], "'guided' is unknown with these settings"),
        (["--methods", "guided,anova"], "lacks dense"),
        (["--encoding", "first"], "invalid choice"),
    ],
)
def test_what_does_not_go_together_is_refused(bench, monkeypatch, capsys, tmp_path, given, sentence):
    monkeypatch.setattr("sys.argv", ["search.py", "--features", "blobs.npz", "--output", str(tmp_path), *given])
    with pytest.raises(SystemExit) as stopped:
        bench.main()
    assert stopped.value.code == 2
    assert sentence in capsys.readouterr().err


def test_a_method_that_does_not_prune_connections_is_one_sentence(bench, monkeypatch, capsys, tmp_path):
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    np.savez(tmp_path / "blobs.npz", X=rng.normal(size=(60, 8)).astype(np.float32), y=y)
    given = ["--features", str(tmp_path / "blobs.npz"), "--output", str(tmp_path / "out")]
    monkeypatch.setattr("sys.argv", ["search.py", *given, "--encoding=connections", "--methods=guided,dense,anova"])
    with pytest.raises(SystemExit) as stopped:
        bench.main()
    assert stopped.value.code == 2
    assert "method 'anova' does not prune 'connections'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [("sparsity,guidd", "'guidd' is unknown"), ("", "is not there"), ("guided", "add sparsity to --parts")],
)
def test_parts_that_are_unknown_or_not_there_are_refused(bench, monkeypatch, capsys, tmp_path, parts, sentence):
    given = ["search.py", "--features", "blobs.npz", "--output", str(tmp_path), "--parts", parts]
    monkeypatch.setattr("sys.argv", given)
    with pytest.raises(SystemExit) as stopped:
        bench.main()
    assert stopped.value.code == 2
    assert sentence in capsys.readouterr().err


def test_beside_the_dense_head_alone_there_are_figures_and_a_sentence(bench):
    rows = [
        row("dense", read=WIDTH, test=0.8),
        row("guided", read=10, validation=0.7, test=0.7, fitness=0.5, share=0.1),
        row("guided", read=WIDTH, validation=0.8, test=0.9, fitness=0.4, share=1.0),
    ]
    found = bench.figures(rows, [], {"blobs": WIDTH}, {"blobs": 4}, Settings(seeds=1, shares=SHARES))
    assert found["against"] == {}
    assert found["single_minus_dense"]["sets"]["blobs"] == pytest.approx(10)
    text = bench.table(found)
    assert text.startswith("No other method but the dense head; name some with --methods.")
    assert '"blobs": 1.0' in text
