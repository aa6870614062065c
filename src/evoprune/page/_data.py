"""Everything that a page shows, as one JSON object."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from evoprune._version import __version__
from evoprune.errors import ConfigError
from evoprune.page._confusion import confusion
from evoprune.page._curves import convergence, hypervolume
from evoprune.page._experiment import find_comparison, sparsity
from evoprune.page._extras import ensemble, explained, read_explanation, strengths
from evoprune.page._facts import facts
from evoprune.page._front import MOST_POINTS, figures, front
from evoprune.page._neurons import neurons
from evoprune.page._overfitting import overfitting
from evoprune.page._pictures import Figures, Thumbnails
from evoprune.page._plain import plain
from evoprune.page._source import Source, read_source
from evoprune.page._words import difference, in_words, noun_of


def page_data(
    folders: Sequence[Path], *, experiment: Path | None = None, live: bool = False, pictures: bool = True
) -> dict[str, Any]:
    """What a page shows of some runs; numbers in natural sign and unit, as the runs' stores hold them.

    Args:
        folders: of runs or merged fronts; of several, a comparison comes first.
        experiment: folder of an experiment `sparsity` on the same data; None looks in and beside each run's folder.
        live: the runs may be under way.
        pictures: with thumbnails and figures, where there is one run.

    Raises:
        StorageError: a run is missing or damaged, or the experiment is.
        ConfigError: no run is named, a configuration is damaged, or the experiment is on other data.
    """
    if not folders:
        raise ConfigError("no run is named; name one or more")
    sources = [read_source(folder) for folder in folders]
    alone = len(sources) == 1
    room = Figures() if alone and pictures else None
    most = max(100, MOST_POINTS // len(sources))
    names = _names(sources)
    data = {
        "version": __version__,
        "made": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "title": names[0] if alone else f"{len(sources)} runs",
        "live": live,
        "runs": [_run(source, name, most, experiment, room) for source, name in zip(sources, names, strict=True)],
    }
    found: dict[str, Any] = plain(data)
    return found


def _names(sources: Sequence[Source]) -> list[str]:
    """What runs are called: their folders, with those above where two have the same name."""
    paths = [source.folder.resolve() for source in sources]
    longest = max(len(path.parts) for path in paths)
    for parts in range(1, longest + 1):
        names = ["/".join(path.parts[-parts:]) for path in paths]
        if len(set(names)) == len(set(paths)):
            break
    return names


def _run(source: Source, name: str, most: int, experiment: Path | None, room: Figures | None) -> dict[str, Any]:
    explanation = read_explanation(source.folder)
    comparison = find_comparison(source, experiment)
    thumbnails = Thumbnails(source.config) if room is not None and source.config is not None else None
    sections = {
        "front": front(source, most),
        "convergence": convergence(source),
        "hypervolume": hypervolume(source),
        "sparsity": None if comparison is None else sparsity(comparison),
        "overfitting": overfitting(source, comparison),
        "confusion": confusion(source, thumbnails),
        "neurons": neurons(source, strengths(explanation)),
        "explained": None if explanation is None or room is None else explained(source.folder, explanation, room),
        "ensemble": ensemble(source.folder, room),
        "facts": facts(source),
    }
    return {
        "name": name,
        "path": str(source.folder),
        "complete": source.summary is not None,
        "merged": source.config is None,
        "evaluations": len(source.evaluations),
        "budget": source.budget,
        "protocol": source.protocol,
        "encoding": source.encoding,
        "algorithm": None if source.config is None else source.config.algorithm,
        "seed": None if source.config is None else source.config.seed,
        "noun": noun_of(source.encoding),
        "rows_noun": source.noun,
        "genome": int(source.genomes.shape[1]) if source.members else 0,
        "objectives": source.objectives,
        "figures": figures(source),
        "words": in_words(source),
        "result": _result(source),
        # What a run does not have is left out.
        **{section: found for section, found in sections.items() if found is not None},
    }


def _result(source: Source) -> dict[str, Any] | None:
    """Dense against chosen head, and how sure the difference is."""
    if source.summary is None or "best" not in source.summary:
        return None
    found = difference(source)
    return {
        "chosen": source.summary["best"]["id"],
        "chosen_by": source.summary["chosen_by"],
        "difference": None
        if found is None
        else {
            "mean": found.mean,
            "low": found.low,
            "high": found.high,
            "verdict": found.verdict,
            "about": found.about,
        },
    }
