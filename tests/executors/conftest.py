"""A cluster of two machines that are both this one, and a small problem."""

from __future__ import annotations

import shutil

import numpy as np
import psutil
import pytest

from evoprune.data import Fold
from evoprune.executors import RayExecutor
from evoprune.executors._connect import import_ray
from evoprune.heads import Head, parse_encoding
from evoprune.objectives import get_objectives
from evoprune.problem import Problem
from evoprune.training import FAST, TrainingSet

NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20, "node_ip_address": "127.0.0.2"}
"""A machine of the cluster; Ray would take 127.0.0.1 for an address that other machines cannot reach."""

ROWS, WIDTH, CLASSES = 120, 32, 3


def make_problem(workers=None, *, X=None, epochs=3, objectives=("accuracy", "calibrated_loss", "active", "ood")):
    rng = np.random.default_rng(0)
    y = np.arange(ROWS) % CLASSES
    drawn = (rng.normal(size=(ROWS, WIDTH)) + rng.normal(size=(CLASSES, WIDTH))[y]).astype(np.float32)
    X = drawn if X is None else X
    third = np.arange(ROWS) // CLASSES % 3
    folds = tuple(Fold(np.flatnonzero(third != fold), np.flatnonzero(third == fold)) for fold in range(2))
    extra = {"ood": tuple(rng.normal(size=(20, WIDTH)).astype(np.float32) for _ in folds)}
    return Problem(
        TrainingSet(X, y, CLASSES, folds, extra),
        parse_encoding("features", Head(16), width=WIDTH, classes=CLASSES),
        FAST.model_copy(update={"epochs": epochs, "batch_size": 32}),
        get_objectives(objectives),
        seed=7,
        ood_score="mahalanobis",
        workers=workers,
    )


@pytest.fixture
def genomes():
    rng = np.random.default_rng(1)
    return rng.random((12, WIDTH)) < rng.uniform(0.1, 1, size=(12, 1))


@pytest.fixture(scope="module")
def cluster():
    """A cluster of two machines with one processor each; the tests join it, and leave it as it was."""
    pytest.importorskip("ray", reason="ray is not installed (pip install 'evoprune[ray]')")
    import_ray()
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
    session = made.head_node.get_session_dir_path()
    made.add_node(**NODE)
    made.wait_for_nodes()
    yield made
    made.shutdown()
    shutil.rmtree(session, ignore_errors=True)


class Heard(list):
    """Sentences that an executor says."""

    def __call__(self, sentence):
        self.append(sentence)

    @property
    def losses(self):
        return [sentence for sentence in self if "a worker is lost" in sentence]


@pytest.fixture(scope="module")
def shared(cluster):
    """An executor whose two workers are started once for all tests of a module, and what it says."""
    heard = Heard()
    executor = RayExecutor(cluster.address, 2, notify=heard)
    with executor.running(0):
        yield executor, heard


@pytest.fixture
def executor(shared):
    return shared[0]


@pytest.fixture
def heard(shared):
    """What is said from now on."""
    shared[1].clear()
    return shared[1]


def busy_workers():
    """Processes of workers that are measuring candidates now."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if any("ray::Worker.examine" in word for word in process.info["cmdline"] or ()):
            found.append(process)
    return found
