"""Fuzzing: `python -m tests.fuzz.run`, which is what `make fuzz` calls.

Every kind of input is read in a process of its own with limited memory, so that a crash of a library is seen and ends
nothing else. An input counts when it has been handed to its reader; hypothesis, which makes them, repeats none.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import logging
import os
import resource
import secrets
import shutil
import signal
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

# Before numpy and torch are there: forked processes have no use for their threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from hypothesis import HealthCheck, Phase, given, seed, settings

from .guard import Guard, limit_memory
from .material import Material
from .target import Target
from .targets import targets

HANG = 120.0
"""Seconds after which an input that cannot be interrupted, because it is in C code, ends its process."""


@dataclass
class Outcome:
    """What came of one kind of input.

    Attributes:
        name: of the kind.
        inputs: how many were read.
        seconds: of processor time.
        faults: what was wrong and how often.
    """

    name: str
    inputs: int = 0
    seconds: float = 0.0
    faults: dict[str, int] = field(default_factory=dict)


def fuzz(inputs: int, start: int, only: str = "", keep: Path | None = None) -> Iterator[Outcome]:
    """Hand inputs to everything that reads, kind by kind.

    Args:
        inputs: how many in all.
        start: seed of the inputs.
        only: kinds whose names contain one of these words, with commas between.
        keep: folder for inputs that show a fault.
    """
    with tempfile.TemporaryDirectory() as made:
        place = Path(made)
        os.environ |= {name: str(place / "work" / "cache") for name in ("EVOPRUNE_CACHE", "XDG_CACHE_HOME")}
        kinds = list(targets(Material(place / "material")))
        share = inputs / sum(kind.share for kind in kinds)
        chosen = [kind for kind in kinds if any(word in kind.name for word in only.split(","))]
        for kind in chosen:
            yield _in_own_process(kind, round(share * kind.share), start, place, keep)


def _in_own_process(kind: Target, inputs: int, start: int, place: Path, keep: Path | None) -> Outcome:
    work = place / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    report = place / "outcome.json"
    report.unlink(missing_ok=True)
    before = set(place.rglob("*"))
    child = os.fork()
    if child == 0:
        try:
            _read_all(kind, inputs, start, work, report, keep)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    outcome = Outcome(**json.loads(report.read_text())) if report.exists() else Outcome(kind.name, inputs)
    if os.WIFSIGNALED(status) or not report.exists():
        why = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else f"status {status}"
        outcome.faults[f"the process ended by {why}"] = 1
        _keep(keep, kind, work, "end")
    strange = [path for path in set(place.rglob("*")) - before if work not in path.parents and path != report]
    for path in strange:
        outcome.faults[f"wrote {path.relative_to(place)}"] = 1
    return outcome


def _read_all(kind: Target, inputs: int, start: int, work: Path, report: Path, keep: Path | None) -> None:
    limit_memory()
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    outcome, found = Outcome(kind.name), Counter[str]()
    guard = Guard(work, kind.allowed, kind.growth)

    @seed(start)
    @settings(
        max_examples=inputs,
        phases=[Phase.generate],
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(kind.inputs)
    def read(value: Any) -> None:
        outcome.inputs += 1
        faulthandler.dump_traceback_later(HANG, exit=True)
        fault = guard.fault(lambda: kind.read(value, work))
        if fault is not None:
            found[fault] += 1
            if found[fault] == 1:
                (work / "input.txt").write_text(f"{fault}\n{value!r}\n", encoding="utf-8", errors="backslashreplace")
                _keep(keep, kind, work, str(len(found)))

    read()
    faulthandler.cancel_dump_traceback_later()
    used = resource.getrusage(resource.RUSAGE_SELF)
    outcome.seconds = used.ru_utime + used.ru_stime
    outcome.faults = dict(found)
    report.write_text(json.dumps(asdict(outcome)))


def _keep(keep: Path | None, kind: Target, work: Path, label: str) -> None:
    if keep is not None:
        name = "".join(c if c.isalnum() else "-" for c in kind.name)
        shutil.copytree(work, keep / f"{name}-{label}", symlinks=True, dirs_exist_ok=True)


def main() -> int:
    """The command; exit status 1 where something is wrong."""
    parser = argparse.ArgumentParser(description="Hand damaged and hostile inputs to everything that reads.")
    parser.add_argument("--inputs", type=int, default=110_000, help="in all [default: 110000]")
    parser.add_argument("--seed", type=int, default=None, help="of the inputs [default: another each time]")
    parser.add_argument("--only", default="", help="kinds whose names contain one of these words, with commas between")
    parser.add_argument("--report", type=Path, default=None, help="write the figures as JSON")
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz-faults"), help="folder for inputs with a fault")
    options = parser.parse_args()
    start = secrets.randbelow(2**31) if options.seed is None else options.seed
    print(f"seed {start}\n{'inputs':>8}  {'CPU s':>7}  {'faults':>6}  kind", flush=True)
    outcomes = []
    for outcome in fuzz(options.inputs, start, options.only, options.keep.resolve()):
        outcomes.append(outcome)
        faults = sum(outcome.faults.values())
        print(f"{outcome.inputs:>8,}  {outcome.seconds:>7.1f}  {faults:>6,}  {outcome.name}", flush=True)
        for fault, count in sorted(outcome.faults.items(), key=lambda item: -item[1]):
            print(f"{'':>26}{count} x {fault}", flush=True)
    total = sum(outcome.inputs for outcome in outcomes)
    print(f"{total:>8,}  {sum(outcome.seconds for outcome in outcomes):>7.1f}          in all")
    if options.report is not None:
        options.report.write_text(json.dumps({"seed": start, "kinds": [asdict(o) for o in outcomes]}, indent=2))
    return int(any(outcome.faults for outcome in outcomes))


if __name__ == "__main__":
    sys.exit(main())
