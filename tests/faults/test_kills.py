"""Kill -9 at any moment: what is there is whole, and what is run again ends as if nothing had happened."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections import Counter

import numpy as np
import pytest

from evoprune.model import load_exported
from evoprune.workflow._card import card_of

from .conftest import KILL, KILL_TORN, many, rare
from .state import SINGLE, check_so_far, left_behind, page_data_of

KILLS = {"run": many(2, 126), "export": 26, "report": many(2, 24), "select": 24}
"""Kills at random moments, 200 in all in `make faults`."""

KINDS = ("safetensors", "onnx")

STAGES = (
    ("result: ", "report page"),
    ("report: ", "retraining, and the run's files"),
    ("search: 24 evaluations", "between search and retraining"),
    ("search: ", "search"),
    ("features: ", "after extraction"),
    ("evoprune ", "extraction"),
)
"""What the last line of a log says of the moment, the latest first."""


def stage(folder):
    """Where a run was when it was killed."""
    log = folder / "log.txt"
    lines = log.read_text().splitlines() if log.exists() else []
    sessions = [number for number, line in enumerate(lines) if " INFO evoprune " in line]
    session = "\n".join(line.partition(" INFO ")[2] for line in lines[sessions[-1] :]) if sessions else ""
    return next((name for words, name in STAGES if re.search(f"^{words}", session, re.MULTILINE)), "start")


class Moments:
    """Moments within the time that a command takes when it is left alone.

    Args:
        seed: of the draws.
        seconds: that it took once; where it turns out to be faster, its end comes earlier.
    """

    def __init__(self, seed, seconds):
        self.rng, self._seconds = np.random.default_rng(seed), seconds

    def killed(self, child, *, whole=True):
        """Kill a command that has just been started; False where it had ended before.

        One that has not the whole work to do says nothing of the time that it takes.
        """
        began = time.monotonic()
        time.sleep(self.rng.uniform(0, self._seconds))
        child.kill()
        if child.ended().status == -9:
            return True
        if whole:
            self._seconds = min(self._seconds, time.monotonic() - began)
        return False


def test_a_run_killed_anywhere_ends_as_if_it_had_not_been(nursery, digits, undisturbed, tmp_path, record):
    moments = Moments(0, undisturbed.seconds)
    where, killed, run, number = Counter(), 0, tmp_path / "0", 0
    while killed < KILLS["run"]:
        command = ("run", digits, *SINGLE, "-o", run / "run")
        fresh = not run.exists()
        if moments.killed(nursery.start(*command, EVOPRUNE_CACHE=str(run / "cache")), whole=fresh):
            killed += 1
            where[stage(run / "run")] += 1
            check_so_far(run / "run", undisturbed.left)
            if moments.rng.random() < 0.7:
                continue
        # Now and then, and after those that came to their end, it is left alone.
        ended = nursery.run("resume", run / "run", EVOPRUNE_CACHE=str(run / "cache"))
        if not (run / "run" / "config.toml").exists():
            ended = nursery.run(*command, EVOPRUNE_CACHE=str(run / "cache"))
        assert ended.status == 0, ended
        assert left_behind(run / "run") == undisturbed.left
        assert not list((run / "run").rglob(".evoprune-*"))
        number += 1
        run = tmp_path / str(number)
    record("kill -9 at random moments", what="evoprune run", kills=killed, where=dict(where))


@rare
@pytest.mark.parametrize("kind", KINDS)
def test_an_export_killed_anywhere_leaves_a_whole_file_or_none(nursery, front, run, tmp_path, record, kind):
    cache = str(front.cache)
    target = tmp_path / "out" / f"model.{kind}"
    command = ("export", run, "-o", target)
    before = time.monotonic()
    assert nursery.run(*command, EVOPRUNE_CACHE=cache).status == 0
    moments, killed = Moments(1, time.monotonic() - before), 0
    wanted, card = target.read_bytes(), untimed_card(target)
    while killed < KILLS["export"] // len(KINDS):
        if moments.rng.random() < 0.5:
            shutil.rmtree(target.parent, ignore_errors=True)  # killed early, the last one did not make it
        killed += moments.killed(nursery.start(*command, EVOPRUNE_CACHE=cache))
        if target.exists():
            assert target.read_bytes() == wanted
            load_exported(target)
        if card_of(target).exists():
            assert untimed_card(target) == card
    assert nursery.run(*command, EVOPRUNE_CACHE=cache).status == 0
    assert target.read_bytes() == wanted
    assert {path.name for path in target.parent.iterdir()} == {target.name, card_of(target).name}
    record("kill -9 at random moments", what=f"evoprune export ({kind})", kills=killed, where={})


def untimed_card(target):
    """A model card without what was measured in time."""
    text = card_of(target).read_text()
    return [line for line in text.splitlines() if "ms" not in line]


def test_a_report_killed_anywhere_leaves_a_whole_page_or_none(nursery, front, run, tmp_path, record):
    page = tmp_path / "page.html"
    before = time.monotonic()
    assert nursery.run("report", run, "-o", page).status == 0
    moments, killed = Moments(2, time.monotonic() - before), 0
    wanted = page_data_of(page)
    while killed < KILLS["report"]:
        if moments.rng.random() < 0.5:
            page.unlink(missing_ok=True)
        killed += moments.killed(nursery.start("report", run, "-o", page))
        if page.exists():
            assert page_data_of(page) == wanted
    assert nursery.run("report", run, "-o", page).status == 0
    assert page_data_of(page) == wanted
    assert left_behind(run) == front.left
    record("kill -9 at random moments", what="evoprune report", kills=killed, where={})


@rare
def test_a_choice_killed_anywhere_is_made_or_not_made(nursery, front, run, tmp_path, record):
    cache = {"EVOPRUNE_CACHE": str(front.cache)}
    shown = json.loads(nursery.run("front", run, "--json").out)
    first, *_, last = [member["id"] for member in shown["members"]]
    assert shown["chosen"] == first
    chosen = tmp_path / "chosen"
    shutil.copytree(run, chosen)
    before = time.monotonic()
    assert nursery.run("select", chosen, "--id", str(last), **cache).status == 0
    moments, killed = Moments(3, time.monotonic() - before), 0
    wanted = left_behind(chosen)
    while killed < KILLS["select"]:
        again = tmp_path / f"again{killed}"
        shutil.copytree(front.folder, again)
        if moments.killed(nursery.start("select", again, "--id", str(last), **cache)):
            killed += 1
            ended = nursery.run("resume", again, **cache)
            assert ended.status == 0, ended
            assert left_behind(again) in (wanted, front.left)
            assert nursery.run("select", again, "--id", str(last), **cache).status == 0
        assert left_behind(again) == wanted
        shutil.rmtree(again)
    record("kill -9 at random moments", what="evoprune select", kills=killed, where={})


@pytest.mark.parametrize("how", [KILL, pytest.param(KILL_TORN, marks=rare)], ids=["before", "within"])
def test_a_run_killed_at_any_change_of_a_file_ends_as_if_it_had_not_been(
    nursery, digits, undisturbed, tmp_path, record, how
):
    """Not at random: at the calls by which files are made, written, renamed and removed, one after the other."""
    counted = nursery.run(
        *("run", digits, *SINGLE, "-o", tmp_path / "run"),
        arm=([tmp_path], KILL, 10**9),
        EVOPRUNE_CACHE=str(tmp_path / "cache"),
    )
    assert counted.status == 0
    assert counted.seen > 100
    chosen = np.unique(np.linspace(1, counted.seen, many(2, 60)).astype(int) - (how == KILL_TORN))
    for number in chosen[chosen > 0].tolist():
        place = tmp_path / str(number)
        command = ("run", digits, *SINGLE, "-o", place / "run")
        cache = {"EVOPRUNE_CACHE": str(place / "cache")}
        ended = nursery.run(*command, arm=([place], how, number), **cache)
        if ended.status == 0:
            # A change that is not a write, or one that came at another number: dates have other lengths.
            continue
        assert ended.status == -9, ended
        if (place / "run").exists():
            check_so_far(place / "run", undisturbed.left)
        assert nursery.run(*command, **cache).status == 0
        assert left_behind(place / "run") == undisturbed.left
        shutil.rmtree(place)
    record(
        "kill -9 at changes of files",
        what="before" if how == KILL else "in the middle of a write",
        kills=len(chosen),
        of=counted.seen,
    )
