"""MLflow: a run in an experiment, on a tracking server or in a local store."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from evoprune.errors import ConfigError
from evoprune.report import printable
from evoprune.trackers._package import require_package
from evoprune.trackers._tracker import Tracker
from evoprune.workflow import Study

_EXPERIMENT = "evoprune"
_TAG = "evoprune.run_folder"
"""Tag by which the MLflow run of a run folder is found again: the digest of its path."""

_LONGEST = 500
"""Characters of a setting that any version of MLflow keeps."""


class MlflowTracker(Tracker):
    """Writes the figures of a search into a run of MLflow. A resumed run folder continues the run that it had there.

    The experiment is that of the environment variable MLFLOW_EXPERIMENT_NAME, or `evoprune`.

    Args:
        study: that is followed.
        uri: of the tracking server or store; without it MLFLOW_TRACKING_URI, or what MLflow takes by itself.
        name: of the run in MLflow; without it that of the run folder or of the features.
        notify: as for `Tracker`.

    Raises:
        ConfigError: the package mlflow is missing.
    """

    def __init__(
        self,
        study: Study,
        uri: str | None = None,
        name: str | None = None,
        notify: Callable[[str], None] | None = None,
    ) -> None:
        require_package("mlflow")
        super().__init__(study, notify)
        import mlflow  # noqa: PLC0415

        self.uri = uri or mlflow.get_tracking_uri()
        self.name = printable(name or (study.features.name if study.folder is None else study.folder.path.name))
        self.experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME") or _EXPERIMENT
        self._run = ""

    @property
    def place(self) -> str:
        """Where it writes, in words."""
        return f"MLflow at {self.uri}, experiment {self.experiment!r}, run {self.name!r}"

    def _open(self, settings: dict[str, str], evaluations: int) -> None:
        from mlflow.tracking import MlflowClient  # noqa: PLC0415

        try:
            self._client: Any = MlflowClient(tracking_uri=self.uri)
            self._run = self._found_or_created(settings)
        except self._faults() as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise ConfigError(
                f"MLflow cannot be used at {self.uri} ({lines[0]}); start its server, set MLFLOW_TRACKING_URI, "
                "give mlflow:URI, or no tracker"
            ) from error

    def _found_or_created(self, settings: dict[str, str]) -> str:
        """The number of the run in MLflow that this run folder has, set to running again, or of a new one."""
        known = self._client.get_experiment_by_name(self.experiment)
        experiment = known.experiment_id if known is not None else self._client.create_experiment(self.experiment)
        folder = self._study.folder
        tags = {} if folder is None else {_TAG: _digest(folder.path)}
        if tags:
            runs = self._client.search_runs([experiment], f"tags.`{_TAG}` = '{tags[_TAG]}'", max_results=1)
            if runs:
                number = str(runs[0].info.run_id)
                self._client.update_run(number, status="RUNNING")
                return number
        number = str(self._client.create_run(experiment, run_name=self.name, tags=tags).info.run_id)
        for name, value in settings.items():
            self._client.log_param(number, name, value[:_LONGEST])
        return number

    def _write(self, figures: dict[str, float], evaluations: int) -> None:
        from mlflow.entities import Metric  # noqa: PLC0415
        from mlflow.utils.time import get_current_time_millis  # noqa: PLC0415

        now = get_current_time_millis()
        metrics = [Metric(name, value, now, evaluations) for name, value in figures.items()]
        self._client.log_batch(self._run, metrics=metrics)

    def _write_result(self, summary: dict[str, Any], table: str) -> None:
        self._client.log_text(self._run, f"{table}\n", "result.txt")
        self._client.log_dict(self._run, summary, "result.json")

    def _finish(self, *, finished: bool) -> None:
        self._client.set_terminated(self._run, "FINISHED" if finished else "KILLED")

    def _faults(self) -> tuple[type[Exception], ...]:
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        return (MlflowException, OSError)


def _digest(folder: Path) -> str:
    return hashlib.sha256(str(folder.resolve()).encode("utf-8", "surrogateescape")).hexdigest()
