"""Ensembles of a run's front: what is trained, who is chosen by what, what they are compared with, and what is kept."""

from __future__ import annotations

import csv
import json
import shutil

import numpy as np
import pytest
from sklearn.metrics import accuracy_score

import evoprune as ep
from evoprune.analysis import WINDOWS, window_members
from evoprune.errors import ConfigError, StorageError
from evoprune.heads import parse_encoding
from evoprune.search import SearchOptions
from evoprune.workflow import ENSEMBLE_METHODS, EnsembleContest, RunFolder, execute, make_config, make_ensemble, merge
from evoprune.workflow._ensemble_controls import random_mask, train_controls

from .conftest import make_features

MEASURED = ("accuracy", "calibration", "ood")


@pytest.fixture(scope="module")
def with_outliers():
    return outlying(make_features())


def outlying(blobs):
    """The blobs, and 200 rows that lie elsewhere."""
    rows = [blobs.divisions[0].train, blobs.divisions[0].test]
    others = np.random.default_rng(5).normal(1.0, 1.5, size=(200, 16)).astype(np.float32)
    X, y = blobs.X, blobs.y
    return ep.from_arrays(X[rows[0]], y[rows[0]], X[rows[1]], y[rows[1]], class_names=["a", "b", "c"], ood=[others])


def study(features, quick, **settings):
    settings = {"objectives": MEASURED, "report_seeds": 3, **settings}
    return ep.Study(features, head=ep.Head(8), recipe=quick, search=SearchOptions(population=8), **settings)


@pytest.fixture(scope="module")
def run(with_outliers, quick):
    searched = study(with_outliers, quick)
    return searched, searched.run(40)


@pytest.fixture(scope="module")
def contest(run):
    searched, result = run
    return EnsembleContest(searched, np.stack([member.genome for member in result.front]), 3)


@pytest.fixture(scope="module")
def blobs_file(with_outliers, tmp_path_factory):
    folder = tmp_path_factory.mktemp("blobs")
    division = with_outliers.divisions[0]
    X, y = with_outliers.X, with_outliers.y
    path = folder / "blobs.npz"
    np.savez(
        path, X_train=X[division.train], y_train=y[division.train], X_test=X[division.test], y_test=y[division.test]
    )
    np.savez(folder / "others.npz", X=with_outliers.ood[0].X)
    return path


def settings_of(path, quick, **changes):
    settings = {
        "data": str(path),
        "kind": "features",
        "head": (8,),
        "recipe": quick,
        "objectives": ("accuracy", "active", "ood"),
        "ood": (str(path.with_name("others.npz")),),
        "algorithm": "nsga2",
        "search": {"population": 8},
        "report_seeds": 2,
        "evaluations": 40,
    }
    return make_config(**{**settings, **changes})


@pytest.fixture(scope="module")
def folder(blobs_file, quick, tmp_path_factory):
    """A finished run; not to be changed."""
    path = tmp_path_factory.mktemp("runs") / "seed-0"
    execute(settings_of(blobs_file, quick), RunFolder(path))
    return path


def test_a_member_alone_has_the_figures_of_the_runs_report(run, contest):
    _, result = run
    for row, member in enumerate(result.front):
        for part, choruses in ((member.scores.validation, contest.validation), (member.scores.test, contest.test)):
            for measure in MEASURED:
                found = np.mean([one.alone[measure][row] for one in choruses])
                assert found == pytest.approx(part[measure], abs=1e-6), measure


def test_members_are_the_heads_that_the_study_builds(run, contest):
    searched, result = run
    selection = contest.select("greedy")
    head = contest.head(selection)
    assert len(head.members) == len(selection.members)
    for member, row in zip(head.members, selection.members, strict=True):
        built = searched.build(result.front[row].genome).head
        assert np.array_equal(member.inputs, built.inputs)
        assert all(map(np.array_equal, member.matrices, built.matrices))


def test_the_vote_goes_with_the_method_unless_it_is_given(contest):
    assert {method: contest.select(method).vote for method in ENSEMBLE_METHODS} == {
        "windows": "majority",
        "all": "soft",
        "greedy": "soft",
        "diverse": "soft",
    }
    assert contest.select("windows", "soft").vote == "soft"
    assert contest.select("all").members.tolist() == list(range(len(contest.genomes)))


def test_who_votes_does_not_depend_on_the_test_part(quick):
    chosen = []
    for shuffled in (False, True):
        searched = study(outlying(make_features(test_labels_shuffled=shuffled)), quick)
        front = np.stack([member.genome for member in searched.run(30).front])
        selections = [
            (m, v, EnsembleContest(searched, front, 2).select(m, v))
            for m in ("windows", "greedy", "diverse")
            for v in ("soft", "majority")
        ]
        chosen.append([(m, v, s.members.tolist(), s.window) for m, v, s in selections])
    assert chosen[0] == chosen[1]


def test_contenders_are_what_their_names_say(run, contest):
    _, result = run
    selection = contest.select("all", "soft")
    found = {c.name: c for c in contest.contenders(selection, contest.controls([selection]))}
    tested = np.array([one.alone["accuracy"] for one in contest.test])
    validated = contest.validated("accuracy")
    sizes = [member.active_neurons for member in result.front]
    best = min(range(len(validated)), key=lambda row: (-validated[row], sizes[row]))
    assert found["best_member"].figures["accuracy"].tolist() == tested[:, best].tolist()
    assert found["best_of_front"].figures["accuracy"].tolist() == tested[:, best].tolist()
    assert found["best_in_hindsight"].figures["accuracy"].tolist() == tested.max(axis=1).tolist()
    assert [c.name for c in found.values() if c.hindsight] == ["best_in_hindsight"]
    for measure in MEASURED:
        assert found["dense"].figures[measure].mean() == pytest.approx(result.dense.scores.test[measure], abs=1e-6)
    count = len(result.front)
    assert [found[name].heads for name in ("ensemble", "dense_ensemble", "random_ensemble")] == [count] * 3
    parameters = [member.scores.parameters for member in result.front]
    assert found["ensemble"].parameters == found["random_ensemble"].parameters == sum(parameters)
    assert found["dense_ensemble"].parameters == count * result.dense.scores.parameters


def test_not_pruned_heads_of_an_ensemble_have_seeds_of_their_own(contest):
    controls = contest.controls([contest.select("all")])
    matrices = [head.matrices[0].tobytes() for one in controls.dense for head in one.heads]
    assert len(set(matrices)) == len(matrices) == 3 * len(contest.genomes)
    for masks in (one.heads for one in controls.random):
        assert [head.inputs.size for head in masks] == contest.genomes[controls.members].sum(axis=1).tolist()
        assert not all(
            np.array_equal(head.inputs, np.flatnonzero(g)) for head, g in zip(masks, contest.genomes, strict=True)
        )


def test_controls_do_not_depend_on_what_else_is_selected(contest):
    few, many = np.array([1, 3]), np.arange(5)
    alone = train_controls(contest.report, contest.genomes, contest.seeds[:1], [few])
    together = train_controls(contest.report, contest.genomes, contest.seeds[:1], [few, many])
    for row, member in enumerate(few):
        assert np.array_equal(alone.random[0].heads[row].inputs, together.random[0].heads[member].inputs)
    for row in range(2):
        assert np.array_equal(alone.dense[0].heads[row].matrices[0], together.dense[0].heads[row].matrices[0])


@pytest.mark.parametrize("name", ["features", "both"])
def test_a_random_mask_has_the_members_size(name):
    encoding = parse_encoding(name, ep.Head(8, 6), width=10, classes=3)
    rng = np.random.default_rng(0)
    genome = rng.random(encoding.length) < 0.4
    masks = [random_mask(genome, encoding, rng) for _ in range(20)]
    assert {int(mask.sum()) for mask in masks} == {int(genome.sum())}
    assert len({mask.tobytes() for mask in masks}) > 10
    if name == "both":
        assert {int(mask[:8].sum()) for mask in masks} == {int(genome[:8].sum())}


def test_windows_are_of_validation_and_show_the_test_part(contest):
    values = contest.validated("accuracy")
    found = contest.windows("accuracy", "majority")
    assert [window.quantiles for window in found] == list(WINDOWS)
    for window in found:
        members = window_members(values, window.quantiles)
        assert window.members.tolist() == members.tolist()
        if len(members):
            tested = np.array([one.alone["accuracy"][members] for one in contest.test])
            assert window.hindsight.tolist() == tested.max(axis=1).tolist()
            assert window.alone.tolist() == tested.mean(axis=0).tolist()
            assert window.best.tolist() == tested[:, values[members].argmax()].tolist()
        else:
            assert np.isnan(window.ensemble).all()


def test_the_kept_model_has_the_reported_accuracy(folder, with_outliers, tmp_path):
    summary = make_ensemble(folder, "greedy", repetitions=1, output=tmp_path / "out")
    model = ep.Model.load(tmp_path / "out" / "model")
    test = with_outliers.divisions[0].test
    predicted = model.predict_features(with_outliers.X[test])
    ensemble = summary["contenders"][0]
    assert ensemble["name"] == "ensemble"
    assert ensemble["accuracy"] == pytest.approx(accuracy_score(with_outliers.y[test], predicted))
    assert ensemble["accuracy_std"] == 0
    assert ensemble["parameters"] == model.head.parameters
    assert model.about["ensemble"]["members"] == {member["id"]: member["votes"] for member in summary["members"]}


def test_the_same_call_gives_the_same_files(folder, tmp_path):
    for name in ("one", "two"):
        make_ensemble(folder, "windows", repetitions=2, output=tmp_path / name)
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file())
    assert {"ensemble.csv", "ensemble.md", "windows.csv", "windows.png"} <= set(map(str, files))
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file


def test_the_tables_hold_every_repetition_and_window(folder, tmp_path):
    heard = []
    summary = make_ensemble(
        folder, "all", repetitions=2, output=tmp_path / "out", on_progress=lambda *about: heard.append(about)
    )
    assert json.loads(json.dumps(summary)) == summary
    rows = list(csv.DictReader((tmp_path / "out" / "ensemble.csv").read_text().splitlines()))
    for contender in summary["contenders"]:
        own = [row for row in rows if row["contender"] == contender["name"]]
        assert [row["repetition"] for row in own] == ["0", "1"]
        for measure in MEASURED:
            values = [float(row[measure]) for row in own]
            assert contender[measure] == pytest.approx(np.mean(values))
            assert contender[f"{measure}_std"] == pytest.approx(np.std(values, ddof=1))
    windows = list(csv.DictReader((tmp_path / "out" / "windows.csv").read_text().splitlines()))
    assert [(row["by"], int(row["from"]), int(row["to"])) for row in windows] == [
        (by, *window) for by in ("accuracy", "ood") for window in WINDOWS
    ]
    # The published figure is of majority votes, whatever is chosen.
    assert {row["vote"] for row in windows} == {"majority"}
    for stage in ("members", "controls"):
        done = [(d, total) for name, d, total in heard if name == stage]
        assert done[-1][0] == done[-1][1]
        assert sorted(done) == done


def test_merged_runs_give_one_ensemble(folder, blobs_file, quick, tmp_path):
    other = tmp_path / "seed-1"
    execute(settings_of(blobs_file, quick, seed=1, split_seed=0), RunFolder(other))
    merged = merge([RunFolder(folder), RunFolder(other)], tmp_path / "merged")
    summary = make_ensemble(tmp_path / "merged", "all", repetitions=1)
    assert (tmp_path / "merged" / "ensemble" / "ensemble.md").is_file()
    assert {member["id"] for member in summary["members"]} <= {
        f"seed-{m['run'][-1]}/{m['id']}" for m in merged["front"]
    }
    assert len(summary["members"]) == summary["front"] <= len(merged["front"])
    assert {member["id"].split("/")[0] for member in summary["members"]} == {"seed-0", "seed-1"}


def test_under_the_paper_protocol_members_are_chosen_on_the_test_part(with_outliers, quick):
    searched = study(with_outliers, quick, protocol="paper")
    front = np.stack([member.genome for member in searched.run(20).front])
    contest = EnsembleContest(searched, front, 2)
    assert contest.validation is contest.test


def test_a_diverged_member_does_not_vote(with_outliers, quick, monkeypatch):
    searched = study(with_outliers, quick)
    front = np.stack([member.genome for member in searched.run(20).front])
    train = type(searched.problem).train

    def diverging(problem, genomes, *rest):
        trained = train(problem, genomes, *rest)
        if len(genomes) == len(front):
            for logits in trained[1].logits[0]:
                logits[3] = np.nan
        return trained

    monkeypatch.setattr(type(searched.problem), "train", diverging)
    contest = EnsembleContest(searched, front, 2)
    assert 1 not in contest.usable
    assert 1 not in contest.select("all").members
    with pytest.raises(ConfigError, match=r"1 of the 2 member\(s\) of the front can vote"):
        front = front[:2]
        EnsembleContest(searched, front, 2)


def test_what_cannot_be_an_ensemble_is_refused(folder, blobs_file, quick, tmp_path):
    with pytest.raises(ConfigError, match="method 'best' is unknown; choose among windows, all"):
        make_ensemble(folder, "best")
    with pytest.raises(ConfigError, match=r"holds a run; .* give another --output folder for the ensemble"):
        make_ensemble(folder, output=folder)
    with pytest.raises(StorageError, match="holds no run"):
        make_ensemble(tmp_path / "nothing")
    single = tmp_path / "single"
    execute(
        settings_of(blobs_file, quick, objectives=("accuracy",), algorithm="genetic", evaluations=8), RunFolder(single)
    )
    with pytest.raises(ConfigError, match="has 1 member, and an ensemble takes two or more; search with"):
        make_ensemble(single)
    changed = tmp_path / "changed"
    shutil.copytree(folder, changed)
    copy = blobs_file.with_name("copy.npz")
    with np.load(blobs_file, allow_pickle=False) as arrays:
        np.savez(copy, **{**arrays, "y_test": arrays["y_test"][::-1]})
    config = (changed / "config.toml").read_text().partition("\n")[2]
    (changed / "config.toml").write_text(config.replace(str(blobs_file), str(copy)))
    with pytest.raises(StorageError, match="are no longer those of its search"):
        make_ensemble(changed)
