"""Conducting a run: progress, Ctrl-C, trackers, and what is printed at the end."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from evoprune.cli._console import OUT, SETTINGS, count, print_json, say, tell, warn
from evoprune.cli._interrupt import Interrupt
from evoprune.cli._report import expanded, write_report

if TYPE_CHECKING:
    from evoprune.executors import Executor
    from evoprune.features import Features
    from evoprune.study import Callback
    from evoprune.trackers import Tracker
    from evoprune.workflow import Result, RunConfig, Study


def start(
    config: RunConfig, output: Path, trackers: Sequence[str] = (), executor: Executor | None = None, *, as_json: bool
) -> None:
    """Run a configuration with progress, then print its result."""
    from evoprune.report import result_table

    summary = conduct(config, output, output, trackers, executor).summary()
    write_report([output], output)
    if as_json:
        print_json(summary)
    else:
        OUT.print(result_table(summary, ascii_only=OUT.options.ascii_only))
        if not SETTINGS.quiet:
            tell(f"Run folder: {output}")


def start_several(
    configs: Sequence[RunConfig],
    output: Path,
    trackers: Sequence[str] = (),
    executor: Executor | None = None,
    *,
    as_json: bool,
) -> None:
    """Run configurations that differ in their seeds one after the other, then print what they give together."""
    from evoprune.report import front_table, runs_table
    from evoprune.workflow import RunFolder, merge, write_plan

    write_plan(output, configs)
    folders, summaries = [], []
    for number, config in enumerate(configs, start=1):
        folders.append(output / f"seed-{config.seed}")
        say(f"run {number} of {len(configs)}, seed {config.seed}")
        summaries.append(conduct(config, folders[-1], output, trackers, executor).summary())
        write_report([folders[-1]], folders[-1])
    merged = None
    if len(configs[0].objectives) > 1:
        merged = merge([RunFolder(folder) for folder in folders], output / "merged")
    write_report(expanded([output]), output)
    if as_json:
        print_json({"run": str(output), "runs": summaries, "merged": merged})
        return
    ascii_only = OUT.options.ascii_only
    OUT.print(runs_table(summaries, str(output), ascii_only=ascii_only))
    if merged is not None:
        OUT.print()
        OUT.print(front_table(merged, ascii_only=ascii_only))
    if not SETTINGS.quiet:
        tell(f"Run folders: {output}")


def conduct(
    config: RunConfig,
    folder: Path,
    resumable: Path,
    trackers: Sequence[str] = (),
    executor: Executor | None = None,
) -> Result:
    """Run a configuration with progress.

    Args:
        config: what to run.
        folder: of the run.
        resumable: what `evoprune resume` is told to continue with.
        trackers: what else follows the search, as `--tracker` takes them.
        executor: who measures candidates; None for this process.
    """
    from evoprune.cli._progress import CountProgress, ExtractionProgress, SearchProgress
    from evoprune.executors import Here
    from evoprune.objectives import get_objectives
    from evoprune.study import Interrupted
    from evoprune.workflow import Listeners, RunFolder, execute

    extraction, report = ExtractionProgress(), CountProgress("report", "training")
    search = SearchProgress(get_objectives(config.objectives)[0], config.seconds)
    resume_with = f"continue with: evoprune resume {shlex.quote(str(resumable))}"
    callbacks: list[Callback] = [search]
    followers: list[Tracker] = []
    above = resumable.resolve().name
    name = above if folder == resumable else f"{above}/{folder.name}"

    with Interrupt() as interrupt:

        def on_study(study: Study) -> None:
            _describe(study)
            if trackers:
                from evoprune.trackers import make_tracker

                followers.extend(make_tracker(tracker, study, name, warn) for tracker in trackers)
                callbacks.extend(followers)
                for follower in followers:
                    say(f"tracked: {follower.place}")

        def on_report(done: int, total: int) -> None:
            interrupt.leave_search()
            report(done, total)

        listeners = Listeners(extraction, warn, on_study, callbacks, interrupt.should_stop, on_report)
        try:
            return execute(config, RunFolder(folder), listeners, executor or Here())
        except Interrupted as error:
            raise Interrupted(f"{error}; {resume_with}") from None
        except KeyboardInterrupt:
            raise Interrupted(f"interrupted; every finished evaluation is stored; {resume_with}") from None
        finally:
            for progress in (extraction, search, report):
                progress.stop()
            for follower in followers:
                follower.close()


def describe(features: Features) -> str:
    """What the features are, in one line."""
    first = features.divisions[0]
    parts = [f"{len(first.train)} train", f"{len(first.test)} test"]
    if first.validation is not None:
        parts.insert(1, f"{len(first.validation)} validation")
    folds = f", {len(features.divisions)} folds" if len(features.divisions) > 1 else ""
    network = "" if features.backbone is None else f" of {Path(features.backbone.name).name}"
    return (
        f"{features.name}: {count(len(features.y), 'row')} ({', '.join(parts)}{folds}), "
        f"{features.classes} classes, {count(features.width, 'feature')}{network}"
    )


def _describe(study: Study) -> None:
    say(describe(study.features))
    say(study.partition.description)
    for outliers in study.features.ood:
        say(
            f"out of distribution: {outliers.name}, {count(len(outliers.X), 'row')} "
            f"({len(outliers.search)} for the search, {len(outliers.report)} for the report)"
        )
    if broken := study.features.broken:
        warn(f"{count(len(broken), 'unreadable image')} left out: {', '.join(str(b.path) for b in broken)}")
    if study.config.algorithm == "guided" and study.encoding.name == "features":
        say("the search is guided by trained gates, which takes some seconds before the first evaluation")
