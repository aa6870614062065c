"""A run in plain words: what was gained, at what size, how sure, and what to be careful about."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from evoprune.page._certainty import Difference, of_predictions, of_spreads
from evoprune.page._confusion import right
from evoprune.page._plain import counted, signed
from evoprune.page._source import Source
from evoprune.report import reversed_remark, soft_remark, unpruned_remark

_NOUNS = {"features": "feature", "connections": "connection"}


def noun_of(encoding: str) -> str:
    """What a bit of a genome stands for."""
    return next((noun for name, noun in _NOUNS.items() if encoding.startswith(name)), "neuron")


def difference(source: Source) -> Difference | None:
    """How much more accurate the chosen head is than the one that is not pruned, where that can be said."""
    if source.summary is None or "best" not in source.summary or _same(source.summary):
        return None
    known = right(source)
    if known is not None:
        return of_predictions(*known)
    return of_spreads(source.summary["dense"], source.summary["best"])


def in_words(source: Source) -> list[dict[str, str]]:
    """Sentences, each with what it is about: `gain`, `size`, `sure`, `soft`, `ood`, `choice`, `protocol`, `care`."""
    if source.summary is None:
        return _so_far(source)
    if "best" not in source.summary:
        return _merged(source)
    dense, best = source.summary["dense"], source.summary["best"]
    found = difference(source)
    gain = _unpruned(source, best) if _same(source.summary) else _gain(source, dense, best)
    full = unpruned_remark(source.summary, shlex.quote(str(source.folder)))
    sentences = [("gain", gain), ("size", full[0] if full else _size(source, dense, best))]
    if found is not None:
        sentences.append(("sure", _sure(found)))
    sentences += [("soft", said) for said in soft_remark(source.summary)]
    if "ood" in best["test"]:
        sentences.append(("ood", _outside(dense, best)))
    sentences += [("choice", _choice(source)), ("protocol", _protocol(source)), *_care(source)]
    return [{"about": about, "text": text} for about, text in sentences if text]


def _so_far(source: Source) -> list[dict[str, str]]:
    done = len(source.evaluations)
    texts = [f"The search has {done:,} of {counted(source.budget, 'evaluation')}."]
    if done >= source.budget > 0:
        texts = [f"All {counted(done, 'evaluation')} are done; the front is not measured on the test part yet."]
    if source.members:
        first, best = source.objectives[0], source.members[0]
        value = best["values"][first["name"]]
        shown = f"{100 * value:.2f} %" if first["name"] in ("accuracy", "active") else f"{value:.4f}"
        texts.append(
            f"Its best so far has {first['title']} {shown} with {best['active_neurons']:,} of "
            f"{counted(source.genomes.shape[1], noun_of(source.encoding))} ({100 * best['active_share']:.1f} %), "
            "as the search sees it."
        )
        if len(source.objectives) > 1:
            texts.append(f"The front has {counted(len(source.members), 'member')}.")
    return [{"about": "state", "text": text} for text in texts]


def _merged(source: Source) -> list[dict[str, str]]:
    runs = (source.summary or {}).get("runs", [])
    return [
        {
            "about": "state",
            "text": f"{counted(len(source.members), 'member')} that no member of any of {counted(len(runs), 'run')} "
            "dominates: the super Pareto front.",
        },
        {"about": "protocol", "text": _protocol(source)},
    ]


def _gain(source: Source, dense: dict[str, Any], best: dict[str, Any]) -> str:
    if dense["test_accuracy"] is None or best["test_accuracy"] is None:
        return "No test accuracy can be told: a training has diverged."
    points = 100 * (best["test_accuracy"] - dense["test_accuracy"])
    verb = "a gain of" if points > 0 else "a loss of" if points < 0 else "a difference of"
    return (
        f"The evolved head is right for {_percent(best)} of the test {source.noun}, the head that is not pruned for "
        f"{_percent(dense)}: {verb} {abs(points):.2f} points."
    )


def _same(summary: Mapping[str, Any]) -> bool:
    """Whether the chosen head is the full one, trained alike: compared with itself, it differs in nothing."""
    return bool(unpruned_remark(summary)) and summary["best"]["test"] == summary["dense"]["test"]


def _unpruned(source: Source, best: dict[str, Any]) -> str:
    if best["test_accuracy"] is None:
        return "No test accuracy can be told: a training has diverged."
    return f"The chosen head is right for {_percent(best)} of the test {source.noun}."


def _percent(head: dict[str, Any]) -> str:
    spread = f" ± {100 * head['test_accuracy_std']:.2f}" if head["seeds"] > 1 else ""
    return f"{100 * head['test_accuracy']:.2f}{spread} %"


def _size(source: Source, dense: dict[str, Any], best: dict[str, Any]) -> str:
    share = f"{100 * best['active_share']:.1f}"
    times = dense["parameters"] / max(1, best["parameters"])
    smaller = f", {times:.1f} times fewer" if times >= 1.05 else ""
    return (
        f"It keeps {best['active_neurons']:,} of {counted(dense['active_neurons'], noun_of(source.encoding))} "
        f"({share} %) and has {best['parameters']:,} parameters instead of {dense['parameters']:,}{smaller}."
    )


def _sure(found: Difference) -> str:
    low, high = (signed(100 * end, 2) for end in (found.low, found.high))
    verdict = {
        "better": "That is more than chance explains",
        "worse": "That is worse by more than chance explains",
        "alike": "That is within what chance explains: neither is shown to be more accurate",
    }[found.verdict]
    return f"{verdict} (95 % interval of the difference {low} to {high} points, {found.about})."


def _outside(dense: dict[str, Any], best: dict[str, Any]) -> str:
    values = [head["test"].get("ood") for head in (best, dense)]
    if None in values:
        return ""
    own, other = values
    return (
        f"It tells images from outside from those of the data set with an AUROC of {own:.4f}, the head that is not "
        f"pruned with {other:.4f} (0.5 is guessing)."
    )


def _choice(source: Source) -> str:
    summary = source.summary or {}
    if len(source.objectives) < 2:
        return ""
    return (
        f"The front has {counted(len(source.members), 'member')}; shown is the one chosen by: {summary['chosen_by']}."
    )


def _protocol(source: Source) -> str:
    summary = source.summary or {}
    seeds = summary.get("best", source.members[0] if source.members else {}).get("seeds", 1)
    spread = f"mean ± standard deviation over {seeds} trainings" if seeds > 1 else "one training"
    if source.protocol == "paper":
        return (
            f"Figures: {spread}. Paper protocol: heads were selected on these very test {source.noun}, as published, "
            "so that the figures are optimistic."
        )
    return (
        f"Figures: {spread}, with seeds that the search did not use. Nested protocol: the test part was read once, "
        "after the search."
    )


def _care(source: Source) -> list[tuple[str, str]]:
    summary = source.summary or {}
    found = []
    if twins := summary.get("duplicates"):
        found.append(
            ("care", f"{counted(twins, 'test image')} also in the training part: the figures are better than they are.")
        )
    if broken := summary.get("broken"):
        found.append(("care", f"{counted(broken, 'unreadable image')} left out."))
    parts = ("test",) if source.protocol == "paper" else ("validation", "test")
    aurocs = [summary[head][part].get("ood") for head in ("dense", "best") for part in parts]
    found += [("care", remark) for remark in reversed_remark(aurocs)]
    if failed := summary.get("failed"):
        found.append(("care", f"{counted(failed, 'evaluation')} of the search failed."))
    return found
