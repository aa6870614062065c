"""Writes figures that the tests have kept into a page: python -m tests.faults.write_report FILE PAGE."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import evoprune

BEGIN, END = "<!-- figures of `make faults` -->", "<!-- end of the figures -->"

Record = dict[str, Any]


def figures(records: Sequence[Record]) -> str:
    """The tables, as Markdown."""
    by_fault: dict[str, list[Record]] = {}
    for record in records:
        by_fault.setdefault(record["fault"], []).append(record)
    today = datetime.now(timezone.utc).date().isoformat()
    parts = [f"evoprune {evoprune.__version__}, {today}, {os.cpu_count()} cores ({platform.machine()})."]
    for fault, table in TABLES.items():
        if fault in by_fault:
            parts.append(table(sorted(by_fault[fault], key=lambda record: record["what"])))
    return "\n\n".join(parts)


def _kills(records: Sequence[Record]) -> str:
    total = sum(record["kills"] for record in records)
    rows = [(f"`{record['what']}`", record["kills"], _counts(record["where"])) for record in records]
    return f"### Kill -9 at {total} random moments\n\n" + _table(("what was killed", "kills", "where it was"), rows)


def _changes(records: Sequence[Record]) -> str:
    rows = [(record["what"], record["kills"], record["of"]) for record in records]
    return "### Kill -9 at chosen changes of files\n\n" + _table(("when", "kills", "changes that a run makes"), rows)


def _full(records: Sequence[Record]) -> str:
    rows = [(record["what"], record["at"], record["of"]) for record in records]
    head = ("what is written", "changes from which on the disk was full", "changes in all")
    return "### A full disk\n\n" + _table(head, rows)


def _damage(records: Sequence[Record]) -> str:
    ends: Counter[str] = Counter()
    for record in records:
        ends.update(record["ends"])
    rows = [(f"`{record['what']}`", record["flips"], _counts(record["ends"])) for record in records]
    return (
        "### Files cut short and bits flipped\n\n"
        + _table(("file", "bits flipped, one at a time", "what commands did"), rows)
        + f"\n\nIn all: {_counts(ends)}. Another result: none."
    )


def _memory(records: Sequence[Record]) -> str:
    end = {0: "finished, same result", 2: "one sentence, status 2"}
    rows = [(record["what"], end[record["status"]]) for record in records]
    return "### Little memory\n\n" + _table(("memory beyond what the program itself takes", "how the run ended"), rows)


TABLES = {
    "kill -9 at random moments": _kills,
    "kill -9 at changes of files": _changes,
    "disk full": _full,
    "damage": _damage,
    "memory": _memory,
}


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in sorted(counts.items(), key=lambda item: -item[1]))


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---:" if name.startswith(("kills", "changes", "bits")) else "---" for name in head], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def main() -> None:
    """Put the figures in their place."""
    kept, page = map(Path, sys.argv[1:])
    records = [json.loads(line) for line in kept.read_text(encoding="utf-8").splitlines()]
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n\n{figures(records)}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
