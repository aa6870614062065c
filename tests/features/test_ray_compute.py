"""Extraction by the workers of a Ray: the same bits as here, whatever happens to a worker."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import tempfile
from pathlib import Path

import numpy as np
import psutil
import pytest

from evoprune.backbones import load_backbone
from evoprune.data import FileImage, load_images
from evoprune.errors import ConfigError, DataError
from evoprune.features import extract, ray_compute
from evoprune.features._compute import compute_here

pytest.importorskip("ray")


@pytest.fixture(scope="module")
def running():
    """A Ray of two processors on this machine."""
    import ray

    # A socket's path may not be long.
    folder = tempfile.mkdtemp(prefix="evoprune-test-", dir="/tmp" if Path("/tmp").is_dir() else None)  # noqa: S108
    patch = pytest.MonkeyPatch()
    patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        _node_ip_address="127.0.0.1",
        _temp_dir=folder,
        object_store_memory=100 * 2**20,
        logging_level=logging.ERROR,
        log_to_driver=False,
    )
    yield
    ray.shutdown()
    patch.undo()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def digits():
    return load_images("digits")


def worker_processes():
    children = psutil.Process().children(recursive=True)
    return [child for child in children if "MapWorker" in child.name() or "MapWorker" in "".join(child.cmdline()[:1])]


def test_workers_give_the_bits_that_this_process_gives(digits, running, monkeypatch, tmp_path):
    here = extract(digits, "tiny")
    monkeypatch.setenv("EVOPRUNE_CACHE", str(tmp_path / "another"))
    calls = []
    there = extract(digits, "tiny", compute=ray_compute(2), progress=lambda done, total: calls.append((done, total)))
    assert there.X.tobytes() == here.X.tobytes() and there.digest == here.digest
    assert [done for done, _ in calls] == [0, *range(64, 1797, 64), 1797]


def test_an_image_that_a_worker_cannot_read_is_named(digits, running, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no image")
    compute = ray_compute(1)
    with pytest.raises(DataError, match=r"bad\.png cannot be read as an image: the contents are not"):
        list(compute(load_backbone("tiny"), [*digits.images[:3], FileImage(tmp_path / "bad.png")], 2, 1))


@pytest.mark.slow
def test_what_a_killed_worker_was_doing_is_done_again(digits, running, monkeypatch, tmp_path):
    here = extract(digits, "tiny", batch_size=16).X
    monkeypatch.setenv("EVOPRUNE_CACHE", str(tmp_path / "another"))
    killed = []

    def kill(done, total):
        if done and not killed:
            victim = worker_processes()[0]
            killed.append(victim.pid)
            os.kill(victim.pid, signal.SIGKILL)

    there = extract(digits, "tiny", batch_size=16, compute=ray_compute(2), progress=kill).X
    assert killed and there.tobytes() == here.tobytes()


def test_a_backbone_that_has_opened_a_session_is_sent_without_it(shared_data, digits, running):
    import ray

    from evoprune.features._ray_compute import _sent

    network = load_backbone(f"onnx:{shared_data / 'backbones' / 'mobilenet_v2_imagenet.onnx'}")
    images = digits.images[:2]
    expected = next(compute_here(network, images, 2, 1))
    sent = ray.get(_sent(network))
    np.testing.assert_array_equal(next(compute_here(sent, images, 2, 1)), expected)
    assert "_session" in vars(network)


@pytest.mark.parametrize(
    "settings", [{"workers": 0}, {"gpus_per_worker": -1.0}, {"cpus_per_worker": 0.0}], ids=lambda s: next(iter(s))
)
def test_numbers_out_of_range(settings):
    with pytest.raises(ConfigError, match="out of range"):
        ray_compute(**settings)


def test_a_cluster_without_room_for_a_worker(digits, running):
    with pytest.raises(ConfigError, match=r"2 processors and 0 GPUs, not enough for one worker with 1 and 1"):
        next(ray_compute(gpus_per_worker=1.0)(load_backbone("tiny"), digits.images, 64, 1))
