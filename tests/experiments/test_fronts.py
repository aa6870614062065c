"""`fronts`: runs that can be merged, the front that they give together, and what is said of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting
from scipy.spatial.distance import pdist
from scipy.stats import spearmanr

import evoprune as ep
from evoprune.errors import ConfigError
from evoprune.experiments import Settings, get_experiment
from evoprune.experiments._fronts import find_front
from evoprune.experiments._merged_front import MergedFront, packed, unpacked
from tests.cli.conftest import here

from .conftest import cells, computed, make_settings, with_outliers

EXPERIMENT = get_experiment("fronts")
SETTINGS = Settings(seeds=3, evaluations=20)
SIGN = np.array([-1, 1, -1])


@pytest.fixture(scope="module")
def outlying(blobs):
    return with_outliers(blobs, 2.0, 1.0)


@pytest.fixture(scope="module")
def rows(outlying, small):
    return computed(EXPERIMENT, outlying, small, SETTINGS)


@pytest.fixture(scope="module")
def merged(rows):
    return MergedFront.of(rows, 3)


@pytest.fixture(scope="module")
def written(rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fronts")
    return EXPERIMENT.write(rows, {}, SETTINGS, folder), folder


def values_of(rows, part="search"):
    return np.array([[row[f"{part}_{name}"] for name in ("accuracy", "active", "ood")] for row in rows])


def front_of(values):
    return NonDominatedSorting().do(values * SIGN, only_non_dominated_front=True)


def section(report, title):
    return report.split(f"## {title}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize("length", [1, 8, 13])
def test_a_genome_is_read_back_as_it_was_written(length):
    genome = np.random.default_rng(length).random(length) < 0.5
    assert np.array_equal(unpacked(packed(genome), length), genome)


def test_members_of_a_run_are_what_pymoo_finds_and_have_figures_of_all_parts(rows):
    run = [row for row in rows if row["seed"] == 1 and row["id"]]
    assert len(run) == 20
    members = [row for row in run if "genome" in row]
    assert {row["id"] for row in members} == {run[i]["id"] for i in front_of(values_of(run))}
    for row in members:
        assert unpacked(row["genome"], row["length"]).sum() == row["active_neurons"] == round(16 * row["search_active"])
        assert np.isfinite([row[f"{part}_{n}"] for part in ("validation", "test") for n in ("accuracy", "ood")]).all()


def test_runs_share_their_rows_but_not_their_seeds(outlying, small, monkeypatch):
    studies = []
    made = ep.Study.from_config
    monkeypatch.setattr(
        "evoprune.experiments._fronts.Study.from_config",
        lambda features, config: studies.append(made(features, config)) or studies[-1],
    )
    for seed in (0, 7):
        find_front(outlying, small, {"dataset": "blobs", "method": "nsga2", "seed": seed, "evaluations": 4})
    first, second = (study.partition.search[0] for study in studies)
    assert np.array_equal(first.evaluate, second.evaluate)
    assert [study.config.seed for study in studies] == [0, 7]
    assert not set(studies[0].problem.seeds) & set(studies[1].problem.seeds)


def test_the_merged_front_is_what_no_run_dominates(rows, merged):
    everything = [row for row in rows if row["id"]]
    expected = values_of([everything[i] for i in front_of(values_of(everything))])
    assert sorted(map(tuple, merged.data.values)) == sorted(map(tuple, expected))
    assert (np.diff(merged.data.values[:, 0]) <= 0).all()
    by_values = {tuple(row): genome.sum() for row, genome in zip(merged.data.values, merged.data.genomes, strict=True)}
    assert all(count == round(16 * values[1]) for values, count in by_values.items())
    tested = {tuple(values_of([row])[0]): tuple(values_of([row], "test")[0]) for row in everything if "genome" in row}
    assert [tested[tuple(row)] for row in merged.data.values] == list(map(tuple, merged.test))


def test_the_full_head_is_the_mean_over_runs(rows, merged):
    dense = values_of([row for row in rows if row["id"] == 0], "test")
    assert len(dense) == 3
    assert merged.dense == pytest.approx(dense.mean(axis=0))
    assert merged.dense[1] == 1


def test_ranges_and_the_most_accurate_member_are_read_off_the_front(written, merged):
    report, _ = written
    values = merged.data.values
    ranges = cells(section(report, "Ranges"), "blobs")
    assert ranges[:2] == ["3", str(len(values))]
    assert ranges[2:] == [f"{low:.3f}-{high:.3f}" for low, high in zip(values.min(0), values.max(0), strict=True)]
    best = values[:, 0].argmax()
    shown = cells(section(report, "The most accurate member"), "blobs")
    expected = [*values[best], merged.test[best, 0], merged.dense[0], merged.test[best, 2], merged.dense[2]]
    assert shown == [f"{value:.3f}" for value in expected]


def test_published_ranges_stand_beside_ours_and_are_marked(written):
    ranges = section(written[0], "Ranges")
    assert cells(ranges, "PAINTING, published (paper)") == ["10", "70", ".429-.954", ".001-.52", ".65-.99"]
    assert "| accuracy |" in ranges


def test_each_run_is_summarised_by_mean_and_deviation(written, rows):
    best = []
    for seed in range(3):
        run = [row for row in rows if row["seed"] == seed and "genome" in row]
        best.append(max(run, key=lambda row: (row["search_accuracy"], -row["search_active"])))
    tested = np.array([row["test_accuracy"] for row in best])
    shown = cells(section(written[0], "Each run"), "blobs")
    assert shown[3] == f"{tested.mean():.3f} ± {tested.std(ddof=1):.3f}"


def test_relations_are_rank_correlations_of_members_and_of_all_evaluations(written, merged):
    table = section(written[0], "Relations between the objectives")
    for name, column in (("active", 1), ("ood", 2)):
        members, everything = cells(table, f"blobs: accuracy, {name}")
        for shown, values in ((members, merged.data.values), (everything, merged.everything)):
            assert shown.startswith(f"{spearmanr(values[:, 0], values[:, column]).statistic:+.2f} [")
            assert shown.endswith(f"n = {len(values)}")


def test_neurons_are_counted_over_the_members(written, merged):
    genomes = merged.data.genomes
    never, share, top, distance = cells(section(written[0], "Neurons"), "blobs")
    frequency = genomes.mean(axis=0)
    assert never == f"{(~genomes.any(axis=0)).sum()} of 16"
    assert share.endswith(f"-{frequency.max():.2f}")
    assert frequency[[int(number) for number in top.split(",")]].tolist() == sorted(frequency, reverse=True)[:10]
    apart = pdist(genomes, "hamming")
    assert distance == f"{apart.mean():.3f} ± {apart.std(ddof=1):.3f}"


def test_there_are_figures_of_the_front_and_the_report_shows_them(written):
    report, folder = written
    names = {path.name for path in folder.iterdir()}
    assert names == {f"{kind}-1-blobs.png" for kind in ("front", "parallel", "neurons", "front_3d")}
    assert all(f"]({name})" in report for name in names)


def test_without_outlying_rows_there_are_two_objectives_and_no_auroc(blobs, small, tmp_path):
    settings = Settings(seeds=1, evaluations=8)
    rows = computed(EXPERIMENT, blobs, small, settings)
    report = EXPERIMENT.write(rows, {}, settings, tmp_path)
    assert cells(section(report, "Ranges"), "blobs")[-1] == "-"
    assert {path.name.split("-")[0] for path in tmp_path.iterdir()} == {"front", "parallel", "neurons"}


def test_a_run_that_failed_is_said(rows, tmp_path):
    kept = [row for row in rows if row["seed"] != 2]
    report = EXPERIMENT.write(kept, {"blobs/nsga2/2": "why"}, SETTINGS, tmp_path)
    assert cells(section(report, "Ranges"), "blobs")[0] == "2 (1 missing)"
    assert all(cell.endswith("(1 missing)") for cell in cells(section(report, "Each run"), "blobs"))


def test_evaluations_that_failed_are_no_members_and_no_numbers_in_the_table(rows, tmp_path):
    lost = {**next(row for row in rows if row["id"] == 1 and "genome" not in row), "id": 99}
    lost |= dict.fromkeys(("search_accuracy", "search_active", "search_ood"))
    front = MergedFront.of([*rows, lost], 3)
    assert 99 not in front.data.ids
    report = EXPERIMENT.write([*rows, lost], {}, SETTINGS, tmp_path)
    assert "n = 60" in section(report, "Relations between the objectives")


def test_several_searches_are_merged_apart(blobs, small, tmp_path):
    settings = Settings(seeds=1, evaluations=8, methods=("nsga2", "spea2"))
    report = EXPERIMENT.write(computed(EXPERIMENT, blobs, small, settings), {}, settings, tmp_path)
    ranges = section(report, "Ranges")
    assert [cells(ranges, f"blobs, {name}")[0] for name in ("NSGA-II", "SPEA2")] == ["1", "1"]


def test_the_paper_protocol_is_named_in_tables_and_figures(blobs, tmp_path, monkeypatch):
    titles = []
    savefig = Figure.savefig
    monkeypatch.setattr(
        Figure,
        "savefig",
        lambda self, *a, **kw: (titles.append(self.axes[0].get_title(loc="left")), savefig(self, *a, **kw)),
    )
    settings = Settings(seeds=1, evaluations=8)
    rows = computed(EXPERIMENT, blobs, make_settings(protocol="paper"), settings)
    report = EXPERIMENT.write(rows, {}, settings, tmp_path)
    assert len(titles) == 3
    assert all("paper protocol" in title for title in titles)
    assert "| accuracy (paper) |" in section(report, "Ranges")


def test_what_searches_for_one_objective_is_refused(small):
    with pytest.raises(ConfigError, match="'genetic' does not search for several objectives; choose among nsga2"):
        EXPERIMENT.tasks({"blobs": small}, replace(SETTINGS, methods=("genetic",)))


def test_from_the_command_line_with_other_rows_as_outlying_ones(blobs, tmp_path):
    """In processes of their own; other outlying rows are another experiment."""
    division = blobs.divisions[0]
    parts = [(blobs.X[rows], blobs.y[rows]) for rows in (division.train, division.test)]
    np.savez(tmp_path / "blobs.npz", X_train=parts[0][0], y_train=parts[0][1], X_test=parts[1][0], y_test=parts[1][1])
    others = np.random.default_rng(5).normal(2.0, 1.0, size=(60, 16)).astype(np.float32)
    np.save(tmp_path / "others.npy", others)
    command = ("experiment", "fronts", "--features", tmp_path / "blobs.npz", "--ood", tmp_path / "others.npy")
    options = ("--seeds", "1", "-n", "8", "--head", "8", "--epochs", "2", "--workers", "1", "-o", tmp_path / "out")
    done = here(*command, *options)
    assert done.status == 0, done.err
    assert cells(section(done.out, "Ranges"), "blobs")[-1] != "-"
    np.save(tmp_path / "others.npy", others + 1)
    again = here(*command, *options)
    assert again.status == 2
    assert "other data or settings" in again.err
