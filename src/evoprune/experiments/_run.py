"""An experiment from its settings to its files."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path

from evoprune._files import write_atomic
from evoprune._version import __version__
from evoprune.errors import ConfigError, StorageError
from evoprune.experiments._experiment import Experiment, Settings
from evoprune.experiments._markdown import escaped
from evoprune.experiments._store import TaskStore
from evoprune.experiments._tasks import Progress, Row, Task, run_tasks
from evoprune.features import Features
from evoprune.report import csv_cell
from evoprune.workflow import EXPERIMENT, RunConfig, require_room

_NOT_IDENTITY = {"seeds", "methods", "shares", "encodings", "classes", "evaluations", "trainings"}
"""Settings that only add or leave out tasks."""


def run_experiment(
    experiment: Experiment,
    configs: Mapping[str, RunConfig],
    features: Mapping[str, Features],
    settings: Settings,
    output: Path,
    *,
    workers: int | None = None,
    on_progress: Progress | None = None,
) -> str:
    """Compute what is missing of an experiment and write its table, report and figures.

    Writes `NAME.csv` (tidy: one line a figure), `NAME.md`, and figures. What is computed is
    kept in `tasks.sqlite`; the same call continues, and costs seconds once all is done.

    Args:
        experiment: which one.
        configs: settings of each data set, by its short name.
        features: of each data set, by the same names.
        settings: what to compare.
        output: folder to write into.
        workers: processes; None for one a processor.
        on_progress: told of the tasks done.

    Returns:
        The report, Markdown.

    Raises:
        ConfigError: the folder holds an experiment with other settings, a setting is out of range, or two data
            sets are the same.
        StorageError: the folder cannot be written to.
    """
    require_room(output, EXPERIMENT)
    _require_different(features)
    tasks = experiment.tasks(configs, settings)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{output} cannot be written to: {error.strerror or error}; give another folder") from error
    store = TaskStore(output / "tasks.sqlite", _fingerprint(experiment, configs, features, settings))
    try:
        run_tasks(tasks, store, workers=workers or os.cpu_count() or 1, on_progress=on_progress)
        results = {task.id: store.result(task.key) for task in tasks}
        others = store.others({task.key for task in tasks})
    finally:
        store.close()
    rows = [row for result in results.values() if result is not None for row in result.rows or []]
    failed = {name: result.error for name, result in results.items() if result is not None and result.rows is None}
    _write_table(output / f"{experiment.name}.csv", rows)
    body = experiment.write(rows, failed, settings, output)
    seconds = sum(result.seconds for result in results.values() if result is not None)
    heading = _heading(experiment, tasks, features, settings, seconds)
    report = "\n".join([heading, *_left_out(others), body, _failures(failed)]).rstrip()
    write_atomic(output / f"{experiment.name}.md", report + "\n")
    return report


def _require_different(features: Mapping[str, Features]) -> None:
    """Refuse data that are given twice, which would count as two data sets in means, ranks and tests."""
    known: dict[tuple[str, ...], str] = {}
    for name, of in features.items():
        twin = known.setdefault((of.digest, *(ood.digest for ood in of.ood)), name)
        if twin != name:
            raise ConfigError(
                f"{name} and {twin} are the same data, and would count as two data sets; name each data set once"
            )


def _left_out(others: int) -> list[str]:
    """What a report says where the folder holds more than this call asked for: it may have replaced a larger one."""
    if not others:
        return []
    tasks = "1 task that is" if others == 1 else f"{others} tasks that are"
    return [
        f"Not all that is computed: the folder also keeps {tasks} no part of this call (other seeds, methods, shares, "
        "evaluations or trainings). A call that asks for them too reports them again, without computing.",
        "",
    ]


def _fingerprint(
    experiment: Experiment, configs: Mapping[str, RunConfig], features: Mapping[str, Features], settings: Settings
) -> str:
    fixed = {key: value for key, value in asdict(settings).items() if key not in _NOT_IDENTITY}
    parts = {
        name: [config.identity(), features[name].digest, *(ood.digest for ood in features[name].ood)]
        for name, config in configs.items()
    }
    text = json.dumps([experiment.name, fixed, parts], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _write_table(path: Path, rows: Sequence[Row]) -> None:
    """The rows as CSV; a column that some rows lack is empty there."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: csv_cell(cell) for name, cell in row.items()} for row in rows)
    write_atomic(path, text.getvalue())


def _heading(
    experiment: Experiment,
    tasks: Sequence[Task],
    features: Mapping[str, Features],
    settings: Settings,
    seconds: float,
) -> str:
    used = [task.config for task in tasks]
    protocols, recipes, encodings = (
        ", ".join(dict.fromkeys(values))
        for values in ([c.protocol for c in used], [c.recipe.name for c in used], [c.encoding for c in used])
    )
    sets = ", ".join(
        f"{escaped(name)} ({len(f.y)} rows, {f.width} features, {f.classes} classes)" for name, f in features.items()
    )
    today = datetime.now(timezone.utc).date().isoformat()
    machine = f"{os.cpu_count()} cores ({platform.machine()})"
    heads = ", ".join(dict.fromkeys("-".join(map(str, c.head)) for c in used))
    return "\n".join(
        [
            f"# {experiment.title}",
            "",
            f"evoprune {__version__}, {today}, {machine}, {seconds:.0f} s of computing.",
            f"Data: {sets}.",
            f"Protocol: {protocols}. Recipe: {recipes}. Head: {heads}. Encoding: {encodings}.",
            f"Seeds: {settings.seeds}. Evaluations of each search: {settings.evaluations}.",
            "",
        ]
    )


def _failures(failed: Mapping[str, str]) -> str:
    if not failed:
        return ""
    # The last line of a traceback says what it was.
    lines = [f"- {escaped(name)}: {escaped(error.strip().splitlines()[-1])}" for name, error in sorted(failed.items())]
    return "\n".join(["", "## Failed", "", *lines])
