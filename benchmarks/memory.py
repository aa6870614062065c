"""Memory of training on a large memory-mapped feature matrix.

    python benchmarks/memory.py [--rows 100000] [--width 2048] [--candidates 30]

Trains a batch of candidates (`fast`, one epoch, shares from 10 to 100 %) on a float32
matrix that lies in a file, and prints the most memory that the process held beside the
mapped file: at most 4 GiB for the default size.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
from pathlib import Path

import numpy as np

from evoprune.data import Fold
from evoprune.heads import Head, parse_encoding
from evoprune.training import Trainer, TrainingSet, get_recipe

CLASSES = 10


def anonymous_bytes() -> int:
    """Memory of this process that is not a mapped file (Linux)."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("this benchmark needs Linux 4.5 or newer")


class Peak(threading.Thread):
    """Remembers the most memory that was held."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.bytes, self.over = 0, threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.02):
            self.bytes = max(self.bytes, anonymous_bytes())


def write_matrix(path: Path, rows: int, width: int) -> np.ndarray:
    """Random features in a file, written a part at a time; labels `[rows]`."""
    rng = np.random.default_rng(0)
    labels = np.arange(rows) % CLASSES
    centres = rng.normal(scale=0.5, size=(CLASSES, width)).astype(np.float32)
    matrix = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(rows, width))
    for start in range(0, rows, 4096):
        part = slice(start, start + 4096)
        matrix[part] = rng.standard_normal((len(labels[part]), width), dtype=np.float32) + centres[labels[part]]
    matrix.flush()
    return labels


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--candidates", type=int, default=30)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "features.npy"
        labels = write_matrix(path, args.rows, args.width)
        X = np.load(path, mmap_mode="r", allow_pickle=False)
        rows = np.random.default_rng(1).permutation(args.rows)
        cut = args.rows // 5
        data = TrainingSet(X, labels, CLASSES, (Fold(np.sort(rows[cut:]), np.sort(rows[:cut])),))
        plan = parse_encoding("features", Head(512), width=args.width, classes=CLASSES)
        rng = np.random.default_rng(2)
        structures = [plan.decode(rng.random(args.width) < p) for p in np.linspace(0.1, 1, args.candidates)]
        recipe = get_recipe("fast").model_copy(update={"epochs": 1})
        before = anonymous_bytes()
        peak = Peak()
        peak.start()
        Trainer(data, Head(512), recipe).train(structures, [0])
        peak.over.set()
        peak.join()
    print(f"{args.rows} x {args.width} features, {args.candidates} candidates")
    print(f"most memory beside the mapped file: {(peak.bytes - before) / 2**30:.2f} GiB")


if __name__ == "__main__":
    main()
