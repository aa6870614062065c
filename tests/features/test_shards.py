"""Extraction in shards: whatever ends it early, it continues, and comes to the same bits."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from evoprune.data import ArrayImage
from evoprune.errors import BackboneError
from evoprune.features import _shards, cache_folder, clear, extract, list_entries, verify


@pytest.fixture
def small_shards(monkeypatch):
    """A shard after each batch."""
    monkeypatch.setattr(_shards, "SHARD_BYTES", 1)


@pytest.fixture
def by_batch(counting):
    """A backbone whose features say how large the batch was, and where in it an image was."""

    class ByBatch(counting):
        def extract(self, batch):
            features = super().extract(batch)
            features[:, 0] += 1000 * len(batch) + np.arange(len(batch))
            return features

    return ByBatch


@pytest.fixture
def undisturbed(images_of, by_batch, tmp_path, monkeypatch):
    """Features of 50 images in batches of 8, from an extraction that nothing interrupted."""
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("EVOPRUNE_CACHE", str(tmp_path / "undisturbed"))
        return np.array(extract(images_of(50), by_batch(), batch_size=8).X)


def shards():
    return sorted(cache_folder().rglob("*.shard.safetensors"))


def interrupted(images, backbone):
    with pytest.raises(KeyboardInterrupt):
        extract(images, backbone, batch_size=8)


def test_an_interrupted_extraction_continues_after_its_last_batch(images_of, by_batch, undisturbed, caplog):
    interrupted(images_of(50), by_batch(broken_after=24))
    assert [item.images for item in list_entries()] == [24]
    calls = []
    caplog.set_level("INFO")
    backbone = by_batch()
    features = extract(images_of(50), backbone, batch_size=8, progress=lambda done, total: calls.append((done, total)))
    assert backbone.extracted == 26
    assert calls == [(24, 50), (32, 50), (40, 50), (48, 50), (50, 50)]
    assert "features: the extraction continues at 24 of 50 images" in caplog.text
    assert features.X.tobytes() == undisturbed.tobytes()
    # The whole has taken the shard's place.
    assert not shards() and [item.state for item in verify()] == ["ok"]


def test_a_shard_is_written_when_it_is_large_enough_or_old_enough(images_of, by_batch, undisturbed, monkeypatch):
    class Watched(by_batch):
        def extract(self, batch):
            self.seen = [*getattr(self, "seen", []), len(shards())]
            return super().extract(batch)

    for setting, value, expected in (
        ("SHARD_BYTES", 16 * 6 * 4, [0, 0, 1, 1, 2, 2, 3]),
        ("SHARD_SECONDS", 0.0, [0, 1, 2, 3, 4, 5, 6]),
        ("SHARD_SECONDS", 60.0, [0, 0, 0, 0, 0, 0, 0]),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(_shards, setting, value)
            backbone = Watched()
            assert extract(images_of(50), backbone, batch_size=8).X.tobytes() == undisturbed.tobytes()
        assert backbone.seen == expected
        assert not shards()
        clear()


def test_an_infinite_feature_leaves_what_came_before_it(images_of, by_batch, undisturbed):
    class Overflowing(by_batch):
        def extract(self, batch):
            features = super().extract(batch)
            features[5, 2] = np.nan if self.extracted > 16 else features[5, 2]
            return features

    with pytest.raises(BackboneError, match="infinite features for 0/21;"):
        extract(images_of(50), Overflowing(), batch_size=8)
    backbone = by_batch()
    assert extract(images_of(50), backbone, batch_size=8).X.tobytes() == undisturbed.tobytes()
    assert backbone.extracted == 34


@pytest.mark.parametrize("damage", [0, 1, "half", "last", "flip", "header", "gone"])
@pytest.mark.parametrize("number", [0, 2])
def test_a_damaged_shard_is_made_again_and_said(images_of, by_batch, undisturbed, small_shards, cache, damage, number):
    interrupted(images_of(50), by_batch(broken_after=24))
    path = shards()[number]
    whole = path.read_bytes()
    flipped = bytearray(whole)
    flipped[30 if damage == "header" else len(whole) // 2] ^= 4
    kept = {0: b"", 1: whole[:1], "half": whole[: len(whole) // 2], "last": whole[:-1]}.get(damage, bytes(flipped))
    path.unlink() if damage == "gone" else path.write_bytes(kept)
    said = []
    backbone = by_batch()
    features = extract(images_of(50), backbone, batch_size=8, notify=said.append)
    assert features.X.tobytes() == undisturbed.tobytes()
    assert backbone.extracted == 34
    assert len(said) == (damage != "gone") and all(str(path) in sentence for sentence in said)
    assert {item.state for item in verify() if item.path not in shards()} == {"ok"}


def test_shards_of_other_images_stay(images_of, by_batch, small_shards):
    interrupted(images_of(50, seed=1), by_batch(broken_after=16))
    others = shards()
    extract(images_of(50), by_batch(), batch_size=8)
    assert len(others) == 2 and shards() == others
    assert {item.images for item in list_entries()} == {8, 50} and len(clear()) == 3


def test_images_that_repeat_are_mapped_too(images_of, by_batch, small_shards):
    single = images_of(50)
    twins = tuple(ArrayImage(f"twin/{n}", image.pixels) for n, image in enumerate(single.images[:3]))
    doubled = replace(single, images=(*single.images[:-3], *twins))
    for backbone in (by_batch(), by_batch()):
        base = X = extract(doubled, backbone, batch_size=8, notify=[].append).X
        np.testing.assert_array_equal(X[:3], X[-3:])
        while not isinstance(base, np.memmap):
            base = base.base
    assert backbone.extracted == 0


def test_what_a_killed_process_left_is_removed_and_what_is_being_written_is_not(images_of, by_batch):
    extract(images_of(20), by_batch())
    (entry,) = list_entries()
    program = "import sys\nfrom pathlib import Path\nfrom evoprune._files import replacing\n"
    program += f"with replacing(Path({str(entry.path.parent / 'big')!r})) as stream:\n"
    program += "    stream.write(b'half')\n    print('begun', flush=True)\n    sys.stdin.read()\n"
    writing = [
        subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    assert [child.stdout.readline() for child in writing] == [b"begun\n"] * 2
    writing[0].kill()
    writing[0].communicate()
    assert len(list(entry.path.parent.glob(".*"))) == 2
    extract(images_of(30), by_batch())
    assert len(list(entry.path.parent.glob(".*"))) == 1
    writing[1].communicate(b"")
    assert writing[1].returncode == 0 and (entry.path.parent / "big").read_bytes() == b"half"
    assert not list(entry.path.parent.glob(".*"))


def test_an_entry_of_distinct_images_serves_a_set_that_repeats_them(images_of, by_batch, untouchable, tmp_path):
    single = images_of(20)
    known = extract(single, by_batch()).X
    twin = ArrayImage("twin", single.images[0].pixels)
    doubled = replace(single, images=(*single.images[:-1], twin))
    found = extract(doubled, untouchable(), notify=[].append).X
    np.testing.assert_array_equal(found, known[[*range(19), 0]])


# A real extraction by the real command, slowed down and with many shards.
_PROGRAM = """
import signal, sys, time
# A test in the background of a shell inherits that Ctrl-C is ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
from evoprune.backbones import _network_backbone
from evoprune.features import _shards
_shards.SHARD_BYTES = 1
delay = float(sys.argv.pop(1))
extract = _network_backbone.NetworkBackbone.extract
def slow(self, batch):
    time.sleep(delay)
    return extract(self, batch)
_network_backbone.NetworkBackbone.extract = slow
from evoprune.cli import main
sys.exit(main())
"""


def command(pictures, *, delay, output):
    return [sys.executable, "-c", _PROGRAM, str(delay), "features", str(pictures), "--output", str(output)]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """640 pictures of two kinds."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for name, level in (("dark", 60), ("light", 180)):
        (folder / name).mkdir()
        for number in range(320):
            pixels = np.clip(rng.normal(level, 40, (16, 16, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number:03}.png")
    return folder


@pytest.fixture(scope="module")
def whole(pictures, tmp_path_factory):
    """The feature file of an extraction that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    done = subprocess.run(
        command(pictures, delay=0, output=folder / "whole.npz"),
        env={**os.environ, "EVOPRUNE_CACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return (folder / "whole.npz").read_bytes()


def killed(pictures, output, moment):
    """Whether an extraction was killed before its end: when `moment()` says so."""
    child = subprocess.Popen(
        command(pictures, delay=0.1, output=output), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while child.poll() is None and not moment():
        time.sleep(0.01)
    running = child.poll() is None
    child.send_signal(signal.SIGKILL)
    child.wait()
    return running


def continued(pictures, output):
    """Extract to the end; what is said."""
    done = subprocess.run(command(pictures, delay=0, output=output), capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    return done.stderr


def test_a_killed_extraction_continues_and_ends_in_the_same_file(pictures, whole, tmp_path):
    output = tmp_path / "out.npz"
    for wanted in (2, 4, 6):
        assert killed(pictures, output, lambda wanted=wanted: len(shards()) >= wanted)
    assert len(shards()) >= 6 and not output.exists()
    said = continued(pictures, output)
    done = 64 * len(shards()) or int(said.partition("continues at ")[2].split(" ")[0])
    assert done >= 384 and f"features: continues at {done} of 640 images" in said
    assert output.read_bytes() == whole
    assert not shards() and {item.state for item in verify()} == {"ok"}


def test_ctrl_c_loses_no_batch_and_says_how_to_go_on(pictures, whole, tmp_path, monkeypatch):
    output = tmp_path / "out.npz"
    child = subprocess.Popen(command(pictures, delay=0.1, output=output), stderr=subprocess.PIPE, text=True)
    while child.poll() is None and len(shards()) < 3:
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate()
    assert child.returncode == 130, said
    assert said.splitlines()[-1] == (
        "evoprune: interrupted; what is extracted is kept in the cache, and the same command continues"
    )
    assert sum(item.images for item in verify()) % 64 == 0 and {item.state for item in verify()} == {"ok"}
    said = continued(pictures, output)
    assert "continues at" in said and output.read_bytes() == whole


@pytest.mark.slow
def test_an_extraction_killed_at_random_moments(pictures, whole, tmp_path):
    moments = np.random.default_rng(0)
    cut_short = 0
    for number in range(4):
        output = tmp_path / f"{number}.npz"
        end = time.monotonic() + moments.uniform(0.5, 4)
        cut_short += killed(pictures, output, lambda end=end: time.monotonic() > end)
        if number % 4 == 3:
            continued(pictures, output)
            assert output.read_bytes() == whole
            clear()
    assert cut_short >= 2


def test_two_extractions_into_one_cache(pictures, whole, tmp_path):
    outputs = [tmp_path / f"{number}.npz" for number in range(2)]
    children = [
        subprocess.Popen(command(pictures, delay=delay, output=output), stderr=subprocess.PIPE, text=True)
        for output, delay in zip(outputs, (0.02, 0.05), strict=True)
    ]
    said = [child.communicate()[1] for child in children]
    assert [child.returncode for child in children] == [0, 0], said
    assert not any("warning" in words for words in said), said
    assert [output.read_bytes() == whole for output in outputs] == [True, True]
    assert {item.state for item in verify()} == {"ok"}
    assert any(item.images == 640 for item in list_entries())


@pytest.fixture
def small_disk(tmp_path, monkeypatch):
    """A cache on a disk of a megabyte; gives a function that makes it read-only."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.name != "posix" or os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root may mount a small disk")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=False).returncode:
        pytest.skip("a small disk cannot be mounted here")
    monkeypatch.setenv("EVOPRUNE_CACHE", str(disk))
    yield lambda: subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    subprocess.run(["umount", disk], check=True)


# Of 64 images a batch, whose shard is 12 KiB with 32 features and takes three pages; the whole of 640 takes 104 KiB.
@pytest.mark.parametrize("left", [0, 4, 16, 40, 90, 150, 200])
def test_a_disk_that_fills_up_is_one_warning_and_costs_nothing(images_of, counting, small_disk, small_shards, left):
    class Wide(counting):
        def extract(self, batch):
            return (
                np.repeat(super().extract(batch)[:, :4], 8, axis=1) + np.arange(len(batch), dtype=np.float32)[:, None]
            )

    images = images_of(640)
    cache_folder().parent.mkdir(exist_ok=True)
    expected = np.array(extract(images, Wide(), batch_size=64).X)
    clear()
    filler = Path(os.environ["EVOPRUNE_CACHE"]) / "filler"
    filler.write_bytes(bytes(shutil.disk_usage(filler.parent).free - left * 1024))
    said = []
    assert extract(images, Wide(), batch_size=64, notify=said.append).X.tobytes() == expected.tobytes()
    assert len(said) == 1 and "No space left on device" in said[0] and "EVOPRUNE_CACHE" in said[0]
    assert {item.state for item in verify()} <= {"ok"} and not list(cache_folder().rglob(".*"))
    stored = sum(item.images for item in list_entries())
    filler.unlink()
    backbone = Wide()
    assert extract(images, backbone, batch_size=64).X.tobytes() == expected.tobytes()
    assert backbone.extracted == 640 - stored and not shards()
    assert stored > 0 or left < 16


def test_a_read_only_cache_is_one_warning_and_what_it_holds_is_used(images_of, by_batch, small_disk, small_shards):
    interrupted(images_of(50), by_batch(broken_after=24))
    small_disk()
    for _ in range(2):
        said = []
        backbone = by_batch()
        features = extract(images_of(50), backbone, batch_size=8, notify=said.append)
        assert backbone.extracted == 26 and features.X.shape == (50, 6)
        assert len(said) == 1 and "Read-only file system" in said[0]
    assert len(shards()) == 3
