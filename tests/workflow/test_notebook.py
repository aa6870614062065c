"""What notebooks show: results opened from their folder, tables, figures."""

from __future__ import annotations

import json
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib import pyplot

import evoprune as ep
from evoprune.errors import ConfigError, DamagedStoreError, StorageError
from evoprune.model import Model
from evoprune.report import plot_convergence, plot_front, plot_hypervolume
from evoprune.search import SearchOptions
from evoprune.workflow import HearsResult, RunFolder, read_status

from .conftest import make_features

HOSTILE = "<script>alert('x')</script> & \"co\""


def searched(quick, output, objectives=("accuracy", "active"), name="blobs", **settings):
    features = make_features()
    study = ep.Study(
        ep.from_arrays(
            *(features.X[:210], features.y[:210], features.X[210:], features.y[210:]),
            class_names=["a", HOSTILE, "c"],
            name=name,
        ),
        head=ep.Head(8),
        recipe=quick,
        objectives=objectives,
        search=SearchOptions(population=8),
        report_seeds=2,
        output=output,
        **settings,
    )
    return study, study.run(20)


@pytest.fixture(scope="module")
def front_run(quick, tmp_path_factory):
    """A run with a front: its folder, study and result; not to be changed."""
    folder = tmp_path_factory.mktemp("front") / "run"
    return folder, *searched(quick, folder, name=HOSTILE)


@pytest.fixture(scope="module")
def single_run(quick, tmp_path_factory):
    """A run with one objective."""
    folder = tmp_path_factory.mktemp("single") / "run"
    return folder, *searched(quick, folder, ("accuracy",))


@pytest.fixture(params=["front_run", "single_run"])
def a_run(request):
    return request.getfixturevalue(request.param)


def test_a_run_is_opened_as_it_was_left(a_run):
    folder, _, result = a_run
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    run = ep.load_run(folder)
    assert run.result.summary() == read_status(RunFolder(folder)).summary
    assert json.dumps(run.result.summary()) == json.dumps(result.summary())
    assert [e.values.tobytes() for e in run.result.history] == [e.values.tobytes() for e in result.history]
    for mine, its in zip(run.front, result.front, strict=True):
        assert np.array_equal(mine.genome, its.genome)
        assert mine.scores == its.scores
    assert run.result.dense.genome.all()
    if result.hypervolume is not None:
        assert np.array_equal(run.result.hypervolume.trace, result.hypervolume.trace)
    stored = Model.load(folder / "model")
    X = make_features().X
    assert np.array_equal(run.model.probabilities(X), stored.probabilities(X))
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_member_of_an_opened_run_is_built_from_its_features(quick, tmp_path):
    rng = np.random.default_rng(0)
    y = np.tile(np.arange(3), 100)
    X = (rng.normal(size=(3, 16))[y] + rng.normal(size=(300, 16))).astype(np.float32)
    np.savez(tmp_path / "blobs.npz", X_train=X[:210], y_train=y[:210], X_test=X[210:], y_test=y[210:])
    from evoprune.workflow import execute, make_config

    config = make_config(
        data=str(tmp_path / "blobs.npz"), kind="features", head=(8,), recipe=quick, evaluations=12, report_seeds=1
    )
    result = execute(config, RunFolder(tmp_path / "run"))
    built = ep.load_run(tmp_path / "run").result.best.build()
    assert np.array_equal(built.probabilities(X), result.best.build().probabilities(X))


def test_features_given_from_python_cannot_be_had_again(front_run):
    with pytest.raises(ConfigError, match="were given from Python"):
        ep.load_run(front_run[0]).result.best.build()


def test_runs_that_cannot_be_opened(front_run, tmp_path):
    with pytest.raises(StorageError, match=r"config\.toml is missing"):
        ep.load_run(tmp_path)
    shutil.copytree(front_run[0], tmp_path / "begun")
    (tmp_path / "begun" / "study.sqlite").unlink()
    with pytest.raises(StorageError, match=r"no result yet; continue with: evoprune resume .*begun"):
        ep.load_run(tmp_path / "begun")
    shutil.copytree(front_run[0], tmp_path / "cut")
    store = tmp_path / "cut" / "study.sqlite"
    store.write_bytes(store.read_bytes()[:5000])
    with pytest.raises(DamagedStoreError, match="damaged"):
        ep.load_run(tmp_path / "cut")


class Reader(HTMLParser):
    """Tags and text of a fragment; every tag that is opened has to be closed."""

    def __init__(self, fragment):
        super().__init__()
        self.tags, self.open, self.texts, self.cells = set(), [], [], []
        self.feed(fragment)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        assert {name for name, _ in attrs} <= {"style"}
        if tag != "br":
            self.open.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)
        if self.open[-1] == "td":
            self.cells[-1] += data


def test_tables_for_notebooks_are_small_escaped_and_without_scripts(front_run, quick):
    folder, study, result = front_run
    model = ep.load_run(folder).model
    for shown in (study, result, result.front, ep.load_run(folder), ep.load_run(folder).front, model):
        fragment = shown._repr_html_()
        read = Reader(fragment)
        assert read.tags <= {"div", "p", "strong", "small", "table", "thead", "tbody", "tr", "th", "td", "br"}
        assert len(fragment) < 20_000
    assert HOSTILE in "".join(Reader(study._repr_html_()).texts)
    assert HOSTILE in "".join(Reader(model._repr_html_()).texts)


def test_the_table_of_a_result_is_the_one_that_a_run_prints(front_run):
    _, _, result = front_run
    read = Reader(result._repr_html_())
    scores = result.best.scores
    row = read.cells.index("test accuracy, %")
    assert read.cells[row + 2] == f"{100 * scores.test_accuracy:.2f} ± {100 * scores.test_accuracy_std:.2f}"
    members = Reader(result.front._repr_html_()).cells
    for member in result.front:
        number = f"●{member.id}" if member.id == result.best.id else str(member.id)
        assert members[members.index(number) + 1] == str(member.active_neurons)


def test_the_protocol_of_the_paper_is_named_in_a_notebook_too(quick):
    study, result = searched(quick, None, protocol="paper")
    for shown in (study, result, result.front):
        assert "paper" in shown._repr_html_()


def test_a_front_is_a_tuple(front_run):
    front = front_run[2].front
    assert isinstance(front, tuple)
    assert front == tuple(front)
    assert front[0] is next(iter(front))


def test_the_study_says_what_it_will_do(front_run):
    cells = Reader(front_run[1]._repr_html_()).cells
    assert cells[cells.index("head") + 1] == "16 → 8 → 3"
    assert cells[cells.index("objectives") + 1] == "accuracy, active"
    assert cells[cells.index("run folder") + 1] == str(front_run[0])


def test_callbacks_that_want_to_hear_the_result_are_told_it(quick):
    class Listener:
        def __init__(self):
            self.results = []

        def on_start(self, earlier, budget):
            pass

        def on_training(self, done, budget):
            pass

        def on_evaluations(self, genomes, values, progress):
            pass

        def on_result(self, result):
            self.results.append(result)

    listener = Listener()
    assert isinstance(listener, HearsResult)
    study = searched(quick, None)[0]
    result = study.run(20, callbacks=[listener])
    assert listener.results == [result]


@pytest.fixture(autouse=True)
def _no_windows(monkeypatch):
    pyplot.switch_backend("agg")
    yield
    pyplot.close("all")


def offsets(axes, label):
    (found,) = [c for c in axes.collections if c.get_label() == label]
    return np.asarray(found.get_offsets())


def test_figures_are_drawn_into_axes_of_their_own_or_given_ones(front_run):
    for result in (front_run[2], ep.load_run(front_run[0]).result):
        _, given = pyplot.subplots()
        assert plot_front(result, axes=given) is given
        axes = plot_front(result)
        assert axes is not given
        expected = [[100 * m.scores.validation["active"], m.scores.validation["accuracy"]] for m in result.front]
        assert offsets(axes, "front (validation)") == pytest.approx(np.array(expected))
        axes = plot_hypervolume(result)
        assert axes.lines[0].get_ydata() == pytest.approx(result.hypervolume.trace)
        axes = plot_convergence(result, "active")
        assert axes.lines[0].get_ydata()[-1] == min(m.values["active"] for m in result.front)
        assert "active" in axes.get_ylabel()


def test_two_of_several_objectives_are_drawn_the_way_they_are_named(quick):
    _, result = searched(quick, None, ("accuracy", "loss", "active"))
    axes = plot_front(result, x="accuracy", y="loss")
    expected = [[m.scores.validation["accuracy"], m.scores.validation["loss"]] for m in result.front]
    assert offsets(axes, "front (validation)") == pytest.approx(np.array(expected))
    assert axes.get_title(loc="left") == f"Front of {len(result.front)} members"
    with pytest.raises(ConfigError, match="'size' is none of this result"):
        plot_front(result, x="size")
    with pytest.raises(ConfigError, match="would stand on both axes"):
        plot_front(result, x="loss", y="loss")
    with pytest.raises(ConfigError, match="'size' is none of this result"):
        plot_convergence(result, "size")


def test_one_objective_has_no_front_to_draw(single_run):
    result = single_run[2]
    with pytest.raises(ConfigError, match="has no front"):
        plot_front(result)
    with pytest.raises(ConfigError, match="has no hypervolume"):
        plot_hypervolume(result)
    best = plot_convergence(result).lines[0].get_ydata()
    assert best[-1] == result.best.values["accuracy"]
