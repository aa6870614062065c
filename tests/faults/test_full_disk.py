"""A disk that is full from any moment on, and folders that cannot be written to: a sentence, and nothing lost."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ..cli.conftest import command, environment
from ..cli.test_interrupts import small_disk  # noqa: F401 - a fixture
from .conftest import FULL, many, rare
from .state import SINGLE, check_so_far, left_behind, page_data_of
from .test_kills import untimed_card


def moments(nursery, count, arguments, folders, **changes):
    """Numbers of the changes of files to fail at, evenly over a command; and how many changes it makes."""
    ended = nursery.run(*arguments, arm=(folders, FULL, 10**9), **changes)
    assert ended.status == 0, ended
    assert ended.seen > 0
    return np.unique(np.linspace(1, ended.seen, count).astype(int)).tolist(), ended.seen


def test_a_run_whose_disk_is_full_from_any_change_on(nursery, digits, undisturbed, tmp_path, record):
    cache = {"EVOPRUNE_CACHE": str(undisturbed.cache)}
    chosen, of = moments(
        nursery, many(3, 60), ("run", digits, *SINGLE, "-o", tmp_path / "run"), [tmp_path / "run"], **cache
    )
    ends = Counter()
    for number in chosen:
        place = tmp_path / str(number)
        arguments = ("run", digits, *SINGLE, "-o", place)
        ended = nursery.run(*arguments, arm=([place], FULL, number), **cache)
        if ended.status:
            assert str(place) in ended.refusal()
        else:
            # The report alone is missing, which is said; or nothing.
            assert left_behind(place) == undisturbed.left
            assert (place / "report.html").exists() or "the report could not be written" in ended.err
        ends[ended.status] += 1
        if place.exists():
            check_so_far(place, undisturbed.left)
        ended = nursery.run(*arguments, **cache)
        assert ended.status == 0, ended
        assert left_behind(place) == undisturbed.left
        assert not list(place.rglob(".evoprune-*"))
        shutil.rmtree(place)
    assert ends[2] > 0
    record("disk full", what="run folder", at=len(chosen), of=of)


@rare
def test_a_cache_whose_disk_is_full_is_gone_without(nursery, digits, undisturbed, tmp_path, record):
    arguments = ("run", digits, *SINGLE)
    chosen, of = moments(
        nursery, 40, (*arguments, "-o", tmp_path / "run"), [tmp_path / "c"], EVOPRUNE_CACHE=str(tmp_path / "c")
    )
    for number in chosen:
        cache, place = tmp_path / f"cache{number}", tmp_path / str(number)
        ended = nursery.run(*arguments, "-o", place, arm=([cache], FULL, number), EVOPRUNE_CACHE=str(cache))
        assert ended.status == 0, ended
        assert "could not be kept in the cache" in ended.err
        assert left_behind(place) == undisturbed.left
        assert nursery.run("cache", "verify", EVOPRUNE_CACHE=str(cache)).status == 0
    record("disk full", what="cache", at=len(chosen), of=of)


def exported(target):
    """An exported file and its card, times aside; None for what is not there."""
    card = target.with_name(f"{target.name}.md")
    return (target.read_bytes() if target.exists() else None), (untimed_card(target) if card.exists() else None)


@rare
@pytest.mark.parametrize("earlier", [False, True], ids=["new", "replaced"])
def test_an_export_whose_disk_is_full_leaves_whole_files_that_belong_together(
    nursery, front, run, tmp_path, record, earlier
):
    cache = {"EVOPRUNE_CACHE": str(front.cache)}
    shown = json.loads(nursery.run("front", run, "--json").out)
    target = tmp_path / "out" / "m.safetensors"
    arguments = ("export", run, "-o", target, "--member", str(shown["members"][-1]["id"]))
    chosen, of = moments(nursery, 30, arguments, [target.parent], **cache)
    new = exported(target)
    shutil.rmtree(target.parent)
    if earlier:
        assert nursery.run("export", run, "-o", target, **cache).status == 0
    before = exported(target)
    for number in chosen:
        ended = nursery.run(*arguments, arm=([target.parent], FULL, number), **cache)
        assert str(target.parent) in ended.refusal()
        # Only where a file cannot even take its name is there one without its card.
        assert exported(target) in (before, (before[0], None), (new[0], None)), number
        assert not list(tmp_path.rglob(".evoprune-*"))
        if exported(target) != before:
            assert number >= of - 1
            target.unlink()
            if earlier:
                assert nursery.run("export", run, "-o", target, **cache).status == 0
    record("disk full", what=f"export target, {'replaced' if earlier else 'new'}", at=len(chosen), of=of)


def test_a_report_whose_disk_is_full_leaves_the_page_that_was_there(nursery, run, tmp_path, record):
    place = tmp_path / "pages"
    arguments = ("report", run, "-o", place / "page.html")
    chosen, of = moments(nursery, many(2, 20), arguments, [place])
    before = page_data_of(place / "page.html")
    for number in chosen:
        ended = nursery.run(*arguments, arm=([place], FULL, number))
        if ended.status:
            assert str(place) in ended.refusal()
        assert page_data_of(place / "page.html") == before
    record("disk full", what="report page", at=len(chosen), of=of)


@rare
def test_a_choice_whose_disk_is_full_is_made_when_there_is_room(nursery, front, tmp_path, record):
    cache = {"EVOPRUNE_CACHE": str(front.cache)}
    shown = json.loads(nursery.run("front", front.folder, "--json").out)
    choice = ("--id", str(shown["members"][-1]["id"]))
    shutil.copytree(front.folder, tmp_path / "run")
    chosen, of = moments(nursery, 40, ("select", tmp_path / "run", *choice), [tmp_path / "run"], **cache)
    wanted = left_behind(tmp_path / "run")
    for number in chosen:
        place = tmp_path / str(number)
        shutil.copytree(front.folder, place)
        ended = nursery.run("select", place, *choice, arm=([place], FULL, number), **cache)
        if ended.status:
            assert str(place) in ended.refusal()
        ended = nursery.run("select", place, *choice, **cache)
        assert ended.status == 0, ended
        assert left_behind(place) == wanted
        shutil.rmtree(place)
    record("disk full", what="select", at=len(chosen), of=of)


@pytest.mark.parametrize("arguments", [("show", "--json"), ("list",), ("predict", "--json")][: many(1, 3)], ids=str)
def test_a_result_that_cannot_be_printed_is_one_sentence(front, digits, arguments):
    name, *options = arguments
    given = {"show": [front.folder], "list": [front.folder.parent], "predict": [front.folder, digits / "3" / "1.png"]}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command(name, *given[name], *options),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "evoprune: the output cannot be used: No space left on device; mend that and try again"
    ]


@rare
def test_a_small_disk_that_is_full(nursery, front, run, small_disk, digits):  # noqa: F811
    """The same once with a real disk."""
    cache = {"EVOPRUNE_CACHE": str(front.cache)}
    filler = small_disk / "filler"
    filler.write_bytes(bytes((1 << 20) - 12 * 1024))
    said = nursery.run("export", run, "-o", small_disk / "m.onnx", **cache).refusal()
    assert f"{small_disk / 'm.onnx'} cannot be written: No space left on device" in said
    said = nursery.run("report", run, "-o", small_disk / "page.html").refusal()
    assert f"{small_disk / 'page.html'} cannot be written: No space left on device" in said
    assert [path.name for path in small_disk.iterdir()] == ["filler"]
    filler.unlink()
    assert nursery.run("export", run, "-o", small_disk / "m.onnx", "--head-only", **cache).status == 0


@rare
def test_a_run_on_a_disk_that_can_only_be_read(nursery, front, small_disk, digits, tmp_path):  # noqa: F811
    cache = {"EVOPRUNE_CACHE": str(front.cache)}
    wanted = ("config.toml", "study.sqlite", "history.csv", "front.csv", "model")
    shutil.copytree(
        front.folder,
        small_disk / "run",
        ignore=lambda folder, names: [name for name in names if folder == str(front.folder) and name not in wanted],
    )
    run, image = small_disk / "run", digits / "7" / "3.png"
    before = {name: nursery.run(name, run, *rest) for name, rest in (("show", []), ("front", []), ("predict", [image]))}
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    for name, rest in (("show", []), ("front", []), ("predict", [image])):
        ended = nursery.run(name, run, *rest)
        assert (ended.status, ended.out) == (0, before[name].out)
    assert nursery.run("list", small_disk).status == 0
    assert nursery.run("report", run, "-o", tmp_path / "page.html").status == 0
    assert nursery.run("export", run, "-o", tmp_path / "m.onnx", **cache).status == 0
    for arguments in (("resume", run), ("select", run, "--knee"), ("export", run), ("report", run)):
        assert str(run) in nursery.run(*arguments, **cache).refusal()
