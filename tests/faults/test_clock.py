"""A clock that is set back changes no result: nothing depends on the order of times."""

from __future__ import annotations

import json
import time

from evoprune.study import Store

from .conftest import rare
from .state import SINGLE, left_behind

TEN_YEARS = 10 * 365 * 86400


@rare
def test_a_run_under_a_clock_that_runs_backwards_is_the_same(nursery, digits, undisturbed, tmp_path):
    cache = {"EVOPRUNE_CACHE": str(tmp_path / "cache")}
    command = ("run", digits, *SINGLE, "-o", tmp_path / "run")
    child = nursery.start(*command, **cache)
    time.sleep(0.8 * undisturbed.seconds)
    child.kill()
    child.ended()
    # Each look at the clock is an hour before the last one.
    ended = nursery.run(*command, clock=(TEN_YEARS, 3600), **cache)
    assert ended.status == 0, ended
    assert left_behind(tmp_path / "run") == undisturbed.left
    (listed,) = json.loads(nursery.run("list", tmp_path, "--json").out)
    year = time.gmtime().tm_year
    assert (listed["evaluations"], listed["complete"]) == (24, True)
    assert int(listed["date"][:4]) in (year, year - 10)
    assert nursery.run("report", tmp_path / "run", clock=(2 * TEN_YEARS, 3600)).status == 0
    assert nursery.run("export", tmp_path / "run", clock=(TEN_YEARS, 3600), **cache).status == 0
    assert nursery.run("cache", "verify", clock=(TEN_YEARS, 0), **cache).status == 0


@rare
def test_the_last_evaluation_is_the_last_in_order_not_in_time(nursery, digits, undisturbed, tmp_path):
    cache = {"EVOPRUNE_CACHE": str(undisturbed.cache)}
    assert nursery.run("run", digits, *SINGLE, "-o", tmp_path / "run", **cache).status == 0
    ended = nursery.run("resume", tmp_path / "run", "-n", "26", clock=(TEN_YEARS, 0), **cache)
    assert ended.status == 0, ended
    store = Store(tmp_path / "run" / "study.sqlite")
    last = store.last_finished()
    store.close()
    assert last is not None
    assert last.year <= time.gmtime().tm_year - 9
