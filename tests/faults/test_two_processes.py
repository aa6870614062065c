"""Two processes on one run, one cache, one export target."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest

from evoprune.study import Store, StudyKey

from .conftest import many, rare
from .state import SINGLE, left_behind
from .test_kills import untimed_card


@pytest.mark.parametrize("number", range(many(1, 6)))
def test_two_runs_in_one_folder_are_one_run(nursery, digits, undisturbed, tmp_path, number):
    command = ("run", digits, *SINGLE, "-o", tmp_path / "run")
    cache = {"EVOPRUNE_CACHE": str(tmp_path / "cache")}
    both = [nursery.start(*command, **cache) for _ in range(2)]
    ends = [child.ended() for child in both]
    for ended in ends:
        if ended.status:
            assert "is in use by" in ended.refusal()
    assert 0 in [ended.status for ended in ends]
    assert left_behind(tmp_path / "run") == undisturbed.left


@rare
@pytest.mark.parametrize("number", range(6))
def test_two_runs_with_one_cache_end_as_each_alone(nursery, digits, undisturbed, tmp_path, number):
    cache = {"EVOPRUNE_CACHE": str(tmp_path / "cache")}
    both = [nursery.start("run", digits, *SINGLE, "-o", tmp_path / name, **cache) for name in ("a", "b")]
    assert [child.ended().status for child in both] == [0, 0]
    assert left_behind(tmp_path / "a") == left_behind(tmp_path / "b") == undisturbed.left
    assert nursery.run("cache", "verify", **cache).status == 0


@rare
@pytest.mark.parametrize("number", range(8))
def test_two_exports_to_one_file_leave_one_of_them_whole(nursery, front, run, tmp_path, number):
    cache = {"EVOPRUNE_CACHE": str(front.cache)}
    shown = [member["id"] for member in json.loads(nursery.run("front", run, "--json").out)["members"]]
    target = tmp_path / "m.safetensors"
    commands = [("export", run, "-o", target, "--member", str(number)) for number in (shown[0], shown[-1])]
    wanted = {}
    for command in commands:
        assert nursery.run(*command, **cache).status == 0
        wanted[target.read_bytes()] = untimed_card(target)
        target.unlink()
    assert len(wanted) == 2
    both = [nursery.start(*command, **cache) for command in commands]
    assert [child.ended().status for child in both] == [0, 0]
    assert untimed_card(target) == wanted[target.read_bytes()]
    assert {path.name for path in tmp_path.iterdir()} == {"run", target.name, f"{target.name}.md"}


def test_who_reads_while_another_writes_sees_whole_batches(tmp_path):
    """Rows and values of an evaluation are of one moment."""
    key = StudyKey(40, ("accuracy", "active"), "key")
    store = Store(tmp_path / "study.sqlite", key)
    rng, wrong, over = np.random.default_rng(0), [], threading.Event()

    def read():
        while not over.is_set():
            reader = Store(tmp_path / "study.sqlite")
            wrong.extend(e.id for e in reader.evaluations() if not np.isfinite(e.values).all())
            reader.close()

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    try:
        for _ in range(many(60, 600)):
            genomes = rng.random((5, 40)) < 0.5
            store.start(genomes)
            store.finish(genomes, rng.random((5, 2)), 0.1)
    finally:
        over.set()
        for reader in readers:
            reader.join()
    store.close()
    assert wrong == []
