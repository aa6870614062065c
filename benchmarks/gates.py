"""Training of gates: the compiled kernel against torch operations.

    python benchmarks/gates.py FEATURES.npz [--repeats 5]

Both train the gates of six sets of random features, with the same draws, in turn and in one process with one
thread. Printed are the medians in ms for each set, their ratio, and how well the two agree about which features
are the better half.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from evoprune.features import from_feature_file
from evoprune.guidance import GateData, gate_sizes
from evoprune.training import GatedNetwork, fastest_precision

SETS = 6
SHARES = (1.0, 0.6, 0.36, 0.2, 0.1, 0.04, 0.01)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    features = from_feature_file(arguments.features)
    deviation = features.X.std(axis=0)
    X = (features.X - features.X.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
    data = GateData.of(X.astype(np.float32), features.y, features.classes, fastest_precision())
    serves = GatedNetwork.serves
    if not serves(data.X, 128):
        raise SystemExit("no compiled kernel here: it needs a C compiler and a processor with AVX-512 BF16")
    print(f"{features.name}: {data.rows} x {data.width}, {torch.get_num_threads()} thread, {SETS} sets of each size")
    print("features  torch, ms  kernel, ms  ratio  same half")
    for size in sorted({max(1, round(share * data.width)) for share in SHARES}, reverse=True):
        rng = np.random.default_rng(size)
        sets = np.stack([np.sort(rng.choice(data.width, size=size, replace=False)) for _ in range(SETS)])
        seconds: dict[bool, list[float]] = {True: [], False: []}
        gates = {}
        for repeat in range(arguments.repeats):
            for compiled in (True, False) if repeat % 2 else (False, True):
                GatedNetwork.serves = staticmethod(serves if compiled else lambda *_: False)
                started = time.perf_counter()
                gates[compiled] = gate_sizes(data, sets, seed=0)
                seconds[compiled].append((time.perf_counter() - started) / SETS * 1000)
        slow, fast = np.median(seconds[False]), np.median(seconds[True])
        better = {kind: found >= np.median(found, axis=1, keepdims=True) for kind, found in gates.items()}
        same = float(np.mean(better[True] == better[False]))
        print(f"{size:8d}  {slow:9.1f}  {fast:10.1f}  {slow / fast:5.2f}  {same:9.0%}")


if __name__ == "__main__":
    main()
