"""Memory of extraction and of a whole run on features that take much of a machine's memory.

    python benchmarks/memory.py [--rows 100000] [--width 2048] [--memory 2.4] [--only STEP]

Each step is a process of its own that takes the machine for one of `--memory` GiB: by default a tenth of the
1,000,000 x 2048 features (8.2 GB) that have to fit into 24 GiB.

- `extract`: as many images, in shards, through a network that only repeats their mean colours;
- `engine`: a batch of 30 candidates, shares from 10 to 100 % active;
- `run`: `evoprune run --features FILE.npy`, guided, to the end of its report, with the model's threshold.

Printed is the most memory that a process held (RssAnon of Linux): beside files, which the system drops where it needs
room.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import numpy as np

import evoprune as ep
from evoprune import _large, cli
from evoprune.data import ArrayImage, Division, Fold, ImageSet
from evoprune.heads import Head, parse_encoding
from evoprune.training import Trainer, TrainingSet, get_recipe

CLASSES = 10
STEPS = ("extract", "engine", "run")


def anonymous_bytes() -> int:
    """Memory of this process that is not a file (Linux)."""
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


def write_matrix(folder: Path, rows: int, width: int) -> Path:
    """A `.npy` file of random features beside its labels, written a part at a time."""
    rng = np.random.default_rng(0)
    labels = np.arange(rows) % CLASSES
    centres = rng.normal(scale=0.1, size=(CLASSES, width)).astype(np.float32)
    path = folder / "large.npy"
    matrix = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(rows, width))
    for start in range(0, rows, 4096):
        part = slice(start, start + 4096)
        matrix[part] = rng.standard_normal((len(labels[part]), width), dtype=np.float32) + centres[labels[part]]
    matrix.flush()
    np.save(folder / "large.labels.npy", labels)
    return path


class MeanColours:
    """A network whose features are the mean colours of an image, over and over."""

    name, input_size = "mean-colours", (2, 2)

    def __init__(self, width: int) -> None:
        self.width, self.fingerprint = width, f"{width:064x}"

    def prepare(self, pixels: np.ndarray) -> np.ndarray:
        return pixels.astype(np.float32).transpose(2, 0, 1)

    def extract(self, batch: np.ndarray) -> np.ndarray:
        return np.resize(batch.mean((2, 3)).T, (self.width, len(batch))).T.copy()


def extract(rows: int, width: int) -> None:
    """Extract as many images of four pixels each."""
    rng = np.random.default_rng(0)
    images = tuple(ArrayImage(str(row), rng.integers(0, 256, (2, 2, 3), dtype=np.uint8)) for row in range(rows))
    cut = rows // 5
    division = Division(np.arange(cut, rows), np.arange(cut))
    ep.extract(ImageSet("many", images, np.arange(rows) % CLASSES, ("a",) * CLASSES, (division,)), MeanColours(width))


def engine(path: Path) -> None:
    """Train a batch of candidates, one epoch."""
    X = np.load(path, mmap_mode="r", allow_pickle=False)
    labels = np.load(path.with_suffix(".labels.npy"), allow_pickle=False)
    rows = np.random.default_rng(1).permutation(len(X))
    cut = len(X) // 5
    data = TrainingSet(X, labels, CLASSES, (Fold(np.sort(rows[cut:]), np.sort(rows[:cut])),))
    plan = parse_encoding("features", Head(512), width=X.shape[1], classes=CLASSES)
    rng = np.random.default_rng(2)
    structures = [plan.decode(rng.random(X.shape[1]) < p) for p in np.linspace(0.1, 1, 30)]
    Trainer(data, Head(512), get_recipe("fast").model_copy(update={"epochs": 1})).train(structures, [0])


def run(path: Path) -> None:
    """The command that a user would type, with a small budget."""
    settings = ("--epochs", "1", "-n", "12", "--population", "6", "--report-seeds", "1")
    sys.argv = ["evoprune", "-q", "run", "--features", str(path), *settings, "-o", str(path.parent / "run")]
    cli.main()


def measured(step: str, folder: Path, rows: int, width: int, memory: float) -> None:
    """One step, in this process."""
    _large.machine_memory = lambda: int(memory * 2**30)
    before = anonymous_bytes()
    peak = Peak()
    peak.start()
    try:
        if step == "extract":
            extract(rows, width)
        else:
            {"engine": engine, "run": run}[step](folder / "large.npy")
    finally:
        peak.over.set()
        peak.join()
        print(f"{step}: at most {peak.bytes / 2**30:.2f} GiB, of which imports {before / 2**30:.2f} GiB", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--width", type=int, default=2048)
    parser.add_argument("--memory", type=float, default=2.4, help="of the machine, GiB")
    parser.add_argument("--only", choices=STEPS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.folder is not None:
        measured(args.only, args.folder, args.rows, args.width, args.memory)
        return
    print(f"{args.rows} x {args.width} features, {args.rows * args.width * 4 / 2**30:.2f} GiB")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EVOPRUNE_CACHE"] = str(Path(folder) / "cache")
        write_matrix(Path(folder), args.rows, args.width)
        for step in (args.only,) if args.only else STEPS:
            sizes = ("--rows", str(args.rows), "--width", str(args.width), "--memory", str(args.memory))
            subprocess.run([sys.executable, __file__, *sizes, "--only", step, "--folder", folder], check=True)


if __name__ == "__main__":
    main()
