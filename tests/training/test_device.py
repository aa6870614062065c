"""Names of devices, how exactly they multiply, and that a pack's tensors all lie on the device it was given."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from evoprune.errors import ConfigError
from evoprune.training import get_recipe, resolve_device
from evoprune.training._device import exact_products, free_bytes, named_shortage, trains_in_packs


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.parametrize(
    ("name", "device"),
    [("auto", "cuda:0"), ("cpu", "cpu"), ("cuda", "cuda:0"), ("cuda:0", "cuda:0"), ("cuda:1", "cuda:1")],
)
def test_names_where_there_are_gpus(two_gpus, name, device):
    assert resolve_device(name) == torch.device(device)


@pytest.mark.parametrize("name", ["auto", "cpu"])
def test_without_a_gpu_the_cpu_trains(no_gpu, name):
    assert resolve_device(name) == torch.device("cpu")


@pytest.mark.parametrize("name", ["cuda", "cuda:1"])
def test_a_gpu_that_is_not_there_is_one_sentence(no_gpu, name):
    with pytest.raises(ConfigError, match=rf"'{name}' was asked for, but torch .* finds no CUDA device.*give cpu"):
        resolve_device(name)


def test_a_gpu_beyond_the_last_is_one_sentence(two_gpus):
    with pytest.raises(ConfigError, match=r"'cuda:2' does not exist: torch finds 2 CUDA device.*a number below 2"):
        resolve_device("cuda:2")


@pytest.mark.parametrize(
    ("name", "near"), [("cud", "cuda"), ("gpu", "cuda"), ("GPU:0", "cuda"), ("cup", "cpu"), ("aut", "auto")]
)
def test_an_unknown_name_is_answered_with_the_nearest(two_gpus, name, near):
    with pytest.raises(ConfigError, match=rf"device '{name}' is unknown; did you mean '{near}'\?"):
        resolve_device(name)


@pytest.mark.parametrize("name", ["", "tpu-v9", "cuda:", "cuda:-1", "cuda:x", "cuda:1 "])
def test_what_is_no_device_is_refused(two_gpus, name):
    with pytest.raises(ConfigError, match="is unknown"):
        resolve_device(name)


def test_only_a_cpu_trains_one_a_thread():
    assert not trains_in_packs(torch.device("cpu"))
    assert trains_in_packs(torch.device("cuda", 0))


@pytest.mark.parametrize(("capability", "precision"), [((7, 5), "float32"), ((8, 0), "bfloat16"), ((9, 0), "bfloat16")])
def test_a_gpus_precision_is_what_it_multiplies_natively(two_gpus, monkeypatch, capability, precision):
    asked = []
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: asked.append(device) or capability)
    assert get_recipe("fast", "cuda:1").precision == precision
    assert asked == [torch.device("cuda", 1)]


def test_products_are_exact_while_training_and_as_before_afterwards():
    matmul = torch.backends.cuda.matmul
    before = torch.get_float32_matmul_precision(), matmul.allow_bf16_reduced_precision_reduction
    try:
        torch.set_float32_matmul_precision("medium")
        matmul.allow_bf16_reduced_precision_reduction = True
        with pytest.raises(KeyError), exact_products():
            assert (torch.get_float32_matmul_precision(), matmul.allow_tf32) == ("highest", False)
            assert not matmul.allow_bf16_reduced_precision_reduction
            raise KeyError
        assert torch.get_float32_matmul_precision() == "medium"
        assert matmul.allow_bf16_reduced_precision_reduction
    finally:
        torch.set_float32_matmul_precision(before[0])
        matmul.allow_bf16_reduced_precision_reduction = before[1]


def test_memory_that_runs_out_is_one_sentence():
    with pytest.raises(ConfigError, match="memory of device 'cuda:0' ran out"), named_shortage(torch.device("cuda:0")):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def test_free_memory_of_a_gpu_is_the_devices_and_what_torch_keeps_in_store(monkeypatch):
    device = torch.device("cuda", 1)
    numbers = {"mem_get_info": (1000, 9000), "memory_reserved": 500, "memory_allocated": 200}
    for name, number in numbers.items():
        monkeypatch.setattr(torch.cuda, name, lambda given, number=number: number if given == device else None)
    assert free_bytes(device) == 1300
    assert free_bytes(torch.device("cpu")) > 2**20


FAKE_GPU = """
import numpy as np
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

from evoprune.heads import Head, parse_encoding
from evoprune.training import Recipe, _device_rows
from evoprune.training._goal import Goal
from evoprune.training._packed_network import PackedNetwork
from evoprune.training._packs import Job, bucket_of

_setup_privateuseone_for_python_backend("gpu")
GPU = torch.device("gpu:0")
optimizers = set()


def only_on_the_gpu(name):
    def step(*lists, **settings):
        assert all(tensor.device == GPU for tensors in lists for tensor in tensors), name
        optimizers.add(name)
    return step


# The two have no fake form for this device.
torch._fused_sgd_, torch._fused_adam_ = only_on_the_gpu("sgd"), only_on_the_gpu("adam")
for encoding, head in (("features", Head(24)), ("connections", Head(24, 18)), ("both", Head(24, 18))):
    plan = parse_encoding(encoding, head, width=20, classes=3)
    rng = np.random.default_rng(0)
    jobs = [Job(plan.decode(rng.random(plan.length) < 0.6), number % 2, number // 2) for number in range(4)]
    for optimizer in ("adam", "sgd"):
        recipe = Recipe(optimizer=optimizer, learning_rate=0.1, batch_size=32, epochs=3, input_dropout=0.4,
                        hidden_dropout=0.5, early_stopping={})
        for dtype in (torch.float32, torch.bfloat16):
            for free in (0, 2**40):
                _device_rows.free_bytes = lambda device: free
                with FakeTensorMode(allow_non_fake_inputs=True):
                    features = [torch.zeros(count, 20, dtype=dtype) for count in (100, 101)]
                    if optimizer == "adam":
                        goals = [Goal(torch.zeros(len(x), 3)) for x in features]
                    else:
                        goals = [Goal(torch.zeros(len(x), 3), torch.ones(len(x)), "squared") for x in features]
                    rows = _device_rows.DeviceRows(features, goals, GPU)
                    shapes = head.shapes(20, 3)
                    initial = {s: tuple(torch.zeros(a + 1, b + 1, device=GPU) for a, b in shapes) for s in (0, 1)}
                    bucket = bucket_of(jobs[0], 100, 3, recipe)
                    network = PackedNetwork(jobs, bucket, 8, rows, initial, recipe, torch.float32)
                    network.run(1, [0.1] * 4, lambda: False)
                    network.keep_weights(np.array([0, 2]))
                    for tensor in (*network.hidden, network.output, network.bias, network.loss, *network.kept):
                        assert tensor.device == GPU
print(sorted(optimizers))
"""


def test_no_operation_of_a_step_mixes_devices():
    """On a device that has no arithmetic, torch still refuses operands of two devices, as it does on a real one."""
    backend = pytest.importorskip("torch.utils.backend_registration")
    if not hasattr(backend, "_setup_privateuseone_for_python_backend"):
        pytest.skip("this torch cannot make up a device")
    done = subprocess.run([sys.executable, "-c", FAKE_GPU], capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "['adam', 'sgd']"
