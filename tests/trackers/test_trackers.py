"""Trackers: what is written is read back with the packages' own readers."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import evoprune as ep
from evoprune.errors import ConfigError
from evoprune.features import from_arrays
from evoprune.report import best_so_far
from evoprune.search import SearchOptions
from evoprune.study import Interrupted
from evoprune.trackers import MlflowTracker, TensorBoardTracker, Tracker, check_tracker, make_tracker
from evoprune.training import FAST

QUICK = FAST.model_copy(update={"epochs": 3, "batch_size": 32, "learning_rate": 2e-2, "input_dropout": 0.0})


def study(output=None, objectives=("accuracy", "parameters"), algorithm="nsga2", **settings):
    rng = np.random.default_rng(0)
    y = np.tile(np.arange(3), 40)
    X = (rng.normal(size=(3, 12))[y] + rng.normal(size=(120, 12))).astype(np.float32)
    return ep.Study(
        from_arrays(X[:90], y[:90], X[90:], y[90:], name="blobs"),
        head=ep.Head(6),
        objectives=objectives,
        recipe=QUICK,
        algorithm=algorithm,
        search=SearchOptions(population=4),
        report_seeds=2,
        batch=4,
        output=output,
        **settings,
    )


class Recorder(Tracker):
    """A tracker that keeps what it is told in memory."""

    def __init__(self, study, notify=None, broken_at=None):
        super().__init__(study, notify)
        self.opened, self.written, self.result, self.ended = [], [], None, []
        self.broken_at = broken_at

    @property
    def place(self):
        return "memory"

    def _open(self, settings, evaluations):
        self.opened.append((settings, evaluations))

    def _write(self, figures, evaluations):
        if evaluations == self.broken_at:
            raise OSError("the server is gone")
        self.written.append((evaluations, figures))

    def _write_result(self, summary, table):
        self.result = (summary, table)

    def _finish(self, *, finished):
        self.ended.append(finished)

    def _faults(self):
        return (OSError,)


@pytest.mark.parametrize(
    "objectives",
    [("accuracy", "parameters"), ("loss", "active", "flops"), ("calibrated_loss", "active"), ("calibration", "active")],
)
def test_figures_after_each_batch_are_those_of_the_result(objectives):
    searched = study(objectives=objectives)
    recorder = Recorder(searched)
    result = searched.run(14, callbacks=[recorder])
    values = np.stack([evaluation.values for evaluation in result.history])
    batches = [(at, figures) for at, figures in recorder.written if "search/failed" in figures]
    assert [at for at, _ in batches] == [4, 6, 8, 10, 12, 14]
    for at, figures in batches:
        assert figures["front/hypervolume"] == pytest.approx(result.hypervolume.trace[at - 1], rel=1e-9)
        for index, objective in enumerate(result.objectives):
            best = best_so_far(values[:, index], maximize=objective.maximize)[at - 1]
            assert figures[f"best/{objective.name}"] == best
        assert figures["search/evaluations_per_second"] > 0
    assert batches[-1][1]["front/size"] == len(result.front)
    end = recorder.written[-1][1]
    assert end["result/evolved/test_accuracy"] == result.best.scores.test_accuracy
    assert end["result/dense/parameters"] == result.dense.scores.parameters
    assert recorder.result[0] == result.summary()
    assert "test accuracy, %" in recorder.result[1]
    recorder.close()
    assert recorder.ended == [True]


def test_one_objective_has_no_front():
    searched = study(objectives=("accuracy",), algorithm="genetic")
    recorder = Recorder(searched)
    result = searched.run(10, callbacks=[recorder])
    at, figures = recorder.written[-2]
    assert at == 10
    assert not [name for name in figures if name.startswith("front/")]
    assert figures["best/accuracy"] == result.best.values["accuracy"]
    assert figures["best/active_share"] == result.best.active_share


def test_a_resumed_search_goes_on_where_it_was(tmp_path):
    study(tmp_path / "run").run(6)
    searched = study(tmp_path / "run")
    recorder = Recorder(searched)
    whole = searched.run(10, callbacks=[recorder])
    (settings, evaluations) = recorder.opened[0]
    assert (settings["objectives"], settings["recipe.epochs"], evaluations) == ("accuracy,parameters", "3", 6)
    assert recorder.written[0][0] == 6
    assert recorder.written[0][1]["front/hypervolume"] == pytest.approx(whole.hypervolume.trace[5])


def test_a_tracker_that_fails_is_named_once_and_the_search_goes_on(caplog):
    searched, said = study(), []
    recorder = Recorder(searched, said.append, broken_at=8)
    with caplog.at_level(logging.WARNING, "evoprune"):
        result = searched.run(12, callbacks=[recorder])
    assert result.evaluations == 12
    assert said == ["nothing more is tracked, because it cannot be written (the server is gone); the search goes on"]
    assert [record.getMessage() for record in caplog.records] == said
    assert [at for at, _ in recorder.written] == [4, 6]
    assert recorder.result is None


def test_an_interrupted_search_ends_what_it_wrote_as_not_finished():
    searched = study()
    recorder = Recorder(searched)
    stops = iter([False, False, True])
    with pytest.raises(Interrupted):
        searched.run(12, callbacks=[recorder], should_stop=lambda: next(stops))
    recorder.close()
    recorder.close()
    assert recorder.ended == [False]


def test_tracking_changes_no_result():
    assert without_time(study().run(10)) == without_time((s := study()).run(10, callbacks=[Recorder(s)]))


def without_time(result):
    return {name: value for name, value in result.summary().items() if name != "seconds"}


def test_names_that_are_no_tracker():
    for text in ("tensorbord", "tensorboard:", "", "wandb"):
        with pytest.raises(ConfigError, match="give tensorboard, tensorboard:FOLDER, mlflow or mlflow:URI"):
            check_tracker(text)


@pytest.mark.parametrize("name", ["tensorboard", "mlflow"])
def test_a_missing_package_comes_with_the_command_that_mends_it(monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match=rf'pip install "evoprune\[{name}\]"'):
        make_tracker(name, study(), "run")


def scalars(folder):
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    accumulator = accumulators.EventAccumulator(str(folder))
    accumulator.Reload()
    found = {
        tag: [(event.step, event.value) for event in accumulator.Scalars(tag)] for tag in accumulator.Tags()["scalars"]
    }
    texts = {
        tag: accumulator.Tensors(tag)[-1].tensor_proto.string_val[0].decode() for tag in accumulator.Tags()["tensors"]
    }
    return found, texts


def test_tensorboard_files_hold_the_search_and_its_result(tmp_path):
    pytest.importorskip("tensorboard")
    searched = study(tmp_path / "run")
    tracker = TensorBoardTracker(searched)
    assert (
        tracker.place == f"{tmp_path}/run/tensorboard; look at it with: tensorboard --logdir {tmp_path}/run/tensorboard"
    )
    result = searched.run(10, callbacks=[tracker])
    found, texts = scalars(tmp_path / "run" / "tensorboard")
    trace = [(at, pytest.approx(result.hypervolume.trace[at - 1], rel=1e-6)) for at in (4, 6, 8, 10)]
    assert found["front/hypervolume"] == trace
    assert found["result/evolved/test_accuracy"] == [(10, pytest.approx(result.best.scores.test_accuracy))]
    assert "test accuracy, %" in texts["result/text_summary"]
    assert "| recipe.epochs | 3 |" in texts["settings/text_summary"]


def test_tensorboard_files_of_a_resumed_search_have_each_step_once(tmp_path):
    pytest.importorskip("tensorboard")
    for evaluations in (6, 10):
        searched = study(tmp_path / "run")
        searched.run(evaluations, callbacks=[TensorBoardTracker(searched)])
    found, _ = scalars(tmp_path / "run" / "tensorboard")
    assert [step for step, _ in found["front/size"]] == [4, 6, 8, 10]


def test_a_study_in_memory_needs_a_folder_for_tensorboard(tmp_path):
    pytest.importorskip("tensorboard")
    with pytest.raises(ConfigError, match="give folder"):
        TensorBoardTracker(study())
    assert TensorBoardTracker(study(), tmp_path).folder == tmp_path
    (tmp_path / "file").write_text("")
    searched = study()
    with pytest.raises(ConfigError, match="file cannot be written to"):
        searched.run(4, callbacks=[TensorBoardTracker(searched, tmp_path / "file")])


def test_mlflow_holds_the_search_and_its_result(tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    from mlflow.tracking import MlflowClient

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    uri = (tmp_path / "store").as_uri()
    searched = study(tmp_path / "run")
    stops = iter([False, False, True])
    tracker = MlflowTracker(searched, uri)
    with pytest.raises(Interrupted):
        searched.run(10, callbacks=[tracker], should_stop=lambda: next(stops))
    tracker.close()
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("evoprune").experiment_id
    assert [run.info.status for run in client.search_runs([experiment])] == ["KILLED"]

    searched = study(tmp_path / "run")
    result = searched.run(10, callbacks=[MlflowTracker(searched, uri)])
    (run,) = client.search_runs([experiment])
    assert (run.info.status, run.info.run_name) == ("FINISHED", "run")
    assert run.data.params["objectives"] == "accuracy,parameters"
    assert run.data.metrics["result/evolved/test_accuracy"] == result.best.scores.test_accuracy
    history = {m.step: m.value for m in client.get_metric_history(run.info.run_id, "front/hypervolume")}
    assert history == {at: pytest.approx(result.hypervolume.trace[at - 1]) for at in (4, 6, 8, 10)}
    stored = client.download_artifacts(run.info.run_id, "result.json", str(tmp_path))
    assert json.loads(Path(stored).read_text()) == json.loads(json.dumps(result.summary()))


def test_a_tracking_server_that_is_not_there_is_refused_before_anything_is_evaluated(tmp_path, monkeypatch):
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    searched = study(tmp_path / "run")
    with pytest.raises(ConfigError, match=r"MLflow cannot be used at http://127.0.0.1:9"):
        searched.run(4, callbacks=[MlflowTracker(searched, "http://127.0.0.1:9")])
    assert study(tmp_path / "run").run(4).evaluations == 4


def test_the_command_line_writes_for_tensorboard(tmp_path):
    pytest.importorskip("tensorboard")
    rng = np.random.default_rng(0)
    y = np.tile(np.arange(3), 40)
    X = (rng.normal(size=(3, 12))[y] + rng.normal(size=(120, 12))).astype(np.float32)
    np.savez(tmp_path / "blobs.npz", X_train=X[:90], y_train=y[:90], X_test=X[90:], y_test=y[90:])
    small = ("--head", "6", "--epochs", "2", "-n", "8", "-a", "random", "--report-seeds", "1", "--runs", "2")
    done = subprocess.run(
        [sys.executable, "-m", "evoprune", "run", "--features", "blobs.npz", *small, "--tracker", "tensorboard:logs"],
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert "tracked: logs/blobs/seed-0; look at it with: tensorboard --logdir logs/blobs/seed-0" in done.stderr
    for seed in (0, 1):
        found, _ = scalars(tmp_path / "logs" / "blobs" / f"seed-{seed}")
        assert [step for step, _ in found["best/accuracy"]][-1] == 8


def test_the_library_adds_no_handlers():
    code = (
        "import logging, evoprune, evoprune.workflow, evoprune.trackers as t; t.Tracker; "
        "print([(n, l.handlers) for n, l in logging.root.manager.loggerDict.items() "
        "if n.startswith('evoprune') and getattr(l, 'handlers', [])], logging.root.handlers)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] []"
