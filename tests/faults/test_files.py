"""Files are whole or not there, belong together, and know their checksum."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from evoprune import _files as files
from evoprune._files import read_sealed, sealed_json, write_atomic, write_together
from evoprune.errors import ConfigError, StorageError
from evoprune.workflow import make_config, read_config


def left(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_a_killed_process_was_writing_is_removed_by_the_next_and_nobody_elses(tmp_path):
    gone = subprocess.run(
        [sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True, check=True
    )
    dead = f"{files._machines()}{gone.stdout.strip()}-0123456789ab.tmp"
    alive = f"{files._machines()}{os.getppid()}-0123456789ab.tmp"
    elsewhere = f"{files.TEMPORARY}ffffffff-{gone.stdout.strip()}-0123456789ab.tmp"
    for name in (dead, alive, elsewhere, ".evoprune-notes", ".x.tmp"):
        (tmp_path / name).write_text("half")
    write_atomic(tmp_path / "whole.txt", "whole")
    assert left(tmp_path) == sorted([alive, elsewhere, ".evoprune-notes", ".x.tmp", "whole.txt"])


def test_a_new_file_has_the_permissions_that_the_user_gives_files(tmp_path):
    before = os.umask(0o027)
    try:
        write_atomic(tmp_path / "a.txt", b"a")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640


@pytest.mark.parametrize("which", [0, 1])
def test_files_that_belong_together_are_all_replaced_or_none(tmp_path, monkeypatch, which):
    pair = {tmp_path / "a": "a1", tmp_path / "b": "b1"}
    write_together(pair)
    real, calls = os.fsync, []

    def full(descriptor):
        calls.append(descriptor)
        if len(calls) == which + 1:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(StorageError, match=f"{'ab'[which]} cannot be written: No space left on device"):
        write_together({tmp_path / "a": "a2", tmp_path / "b": "b2"})
    assert {path: path.read_text() for path in tmp_path.iterdir()} == pair


def test_no_moment_shows_files_of_two_writings(tmp_path, monkeypatch):
    """Whatever a reader finds while files are put in place, they never contradict each other."""
    write_together({tmp_path / "a": "1", tmp_path / "b": "1"})
    seen = []
    for name in ("replace", "unlink"):
        real = getattr(Path, name)

        def watched(path, *arguments, real=real, **settings):
            result = real(path, *arguments, **settings)
            seen.append({p.name: p.read_text() for p in (tmp_path / "a", tmp_path / "b") if p.exists()})
            return result

        monkeypatch.setattr(Path, name, watched)
    write_together({tmp_path / "a": "2", tmp_path / "b": "2"})
    assert {"a": "2", "b": "2"} in seen
    assert all(len(set(there.values())) <= 1 for there in seen)


VALUE = {"name": "ü", "numbers": [1, 2.5, None], "nested": {"b": True, "a": "x"}}


def test_sealed_json_comes_back_and_shows_every_flipped_bit():
    text = sealed_json(VALUE).encode()
    assert read_sealed(text) == VALUE
    assert json.loads(text)["sha256"]
    refused = 0
    for bit in range(8 * len(text)):
        flipped = bytearray(text)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            found = read_sealed(bytes(flipped).decode())
        except ValueError:
            refused += 1
            continue
        # A space between words, or the name of the checksum itself.
        assert {name: found[name] for name in VALUE} == VALUE
        assert len(found) <= len(VALUE) + 1
    assert refused > 4 * len(text)


def test_json_without_a_checksum_is_taken_as_it_is():
    assert read_sealed('{"a": 1}') == {"a": 1}
    with pytest.raises(ValueError, match="no JSON object"):
        read_sealed("[1]")


def test_a_configuration_that_was_changed_by_hand_says_so(tmp_path):
    path = tmp_path / "config.toml"
    make_config(data="digits", seed=4).write(path)
    text = path.read_text()
    path.write_text(text.replace("seed = 4", "seed = 5"))
    with pytest.raises(ConfigError, match=r"config\.toml is not what was written; .* take its first line away"):
        read_config(path)
    path.write_text(path.read_text().partition("\n")[2])
    assert read_config(path).seed == 5
