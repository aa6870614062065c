"""What there is to know about the data, the protocol and the settings of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evoprune.page._plain import counted
from evoprune.page._source import Source

_SAID = {"chosen_by": "chosen by", "data_digest": "features, labels and divisions (SHA-256)"}
"""What a summary says of itself, and what that is called."""

_MOST_NAMED = 20
"""Unreadable images that are named."""


def facts(source: Source) -> dict[str, Any]:
    """Labels and texts, in groups; and rows by class where the run holds them."""
    data = source.kept.get("data")
    known = data if isinstance(data, dict) else {}
    groups = [
        {"title": "Data", "facts": _data(source, known)},
        {"title": "Protocol", "facts": _protocol(source, known)},
        {"title": "Search", "facts": _search(source)},
    ]
    if "versions" in known:
        groups.append({"title": "Made with", "facts": [[name, text] for name, text in known["versions"].items()]})
    found: dict[str, Any] = {"groups": [group for group in groups if group["facts"]]}
    if "classes" in known:
        found["classes"] = [
            [name, train, test]
            for name, train, test in zip(known["classes"], known["train"], known["test"], strict=True)
        ]
    if broken := known.get("broken"):
        found["broken"] = [f"{one['image']}: {one['reason']}" for one in broken[:_MOST_NAMED]]
        found["broken_more"] = len(broken) - len(found["broken"])
    return found


def _data(source: Source, known: dict[str, Any]) -> list[list[str]]:
    config, summary = source.config, source.summary or {}
    found = []
    if config is not None:
        found.append(["from", config.data])
        if config.backbone is not None:
            found.append(["backbone", Path(config.backbone).name])
    if known:
        found.append([source.noun, f"{known['rows']:,} in {len(known['classes'])} classes"])
        found.append(["features of each", f"{known['width']:,}"])
    labels = {"duplicates": "test rows that are in the training part too", "broken": "left out, unreadable"}
    found += [[label, str(summary[key])] for key, label in labels.items() if key in summary]
    found += [
        [f"from outside: {one['name']}", f"{one['search']:,} for the search, {one['report']:,} for the report"]
        for one in known.get("ood", ())
    ]
    return found


def _protocol(source: Source, known: dict[str, Any]) -> list[list[str]]:
    said = {
        "nested": "nested: the test part was read once, after the search",
        "paper": "paper: fitness was measured on the test part, as published; its figures are optimistic",
    }
    found = [["protocol", said[source.protocol]]]
    if "division" in known:
        found.append(["parts", known["division"]])
    if source.config is not None:
        found.append(["seed", str(source.config.seed)])
        if source.config.split_seed is not None:
            found.append(["seed of splits", str(source.config.split_seed)])
        found.append(["trainings behind each figure", str(source.config.report_seeds)])
    return found


def _search(source: Source) -> list[list[str]]:
    config, summary = source.config, source.summary or {}
    if config is None:
        runs = summary.get("runs", [])
        return [["merged from", f"{counted(len(runs), 'run')}: " + ", ".join(str(run["run"]) for run in runs)]]
    failed = sum(evaluation.state == "failed" for evaluation in source.evaluations)
    seconds = sum(evaluation.seconds or 0.0 for evaluation in source.evaluations)
    return [
        ["algorithm", config.algorithm],
        ["objectives", ", ".join(objective["title"] for objective in source.objectives)],
        ["encoding", config.encoding],
        ["hidden units", ", ".join(map(str, config.head))],
        ["recipe", config.recipe.name],
        ["evaluations", f"{len(source.evaluations):,} ({failed} failed) in {seconds:,.0f} s"],
        ["inner folds", str(config.folds)],
        ["device", config.device],
        *([label, str(summary[key])] for key, label in _SAID.items() if summary.get(key)),
    ]
