"""The training engine against the plain loop, and how its cost grows.

    python benchmarks/engine.py [--quick] [--features F.npz] [--device cuda] [--json OUT]

Every figure is a ratio within one run, the median of several repeats:

    paper_speedup       `paper` recipe, candidates at 50 % active: plain loop / engine, a candidate (>= 8)
    search_ratio        `fast` recipe, published genetic search of 200 evaluations with its report / one plain-loop
                        evaluation of 600 epochs (<= 0.5)
    guided_ratio        the guided search alone / the same (<= 1); not with --quick
    guided_run_ratio    with its report, which trains every member of the front with several seeds (no bound); likewise
    flop_fraction       `fast` recipe, FLOP/s on compact sizes / peak of torch.mm, same precision (>= 0.3)
    active_cost         `fast` recipe, 10 % active / 100 % active (<= 0.25)
    search_overhead     everything but training, share of the published run (<= 0.05)

Without `--features`, random features of the size of sign_digits (1651 x 1280) are used.
`--growth` adds the tables over images, features and candidates. With `--device` both the
plain loop and the engine run there, and the peak is that device's.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from evoprune import Study
from evoprune.data import Fold
from evoprune.errors import ConfigError
from evoprune.features import Features, from_arrays, from_feature_file
from evoprune.guidance import GUIDED_OBJECTIVES, guided_folds
from evoprune.heads import Head, Structure, parse_encoding
from evoprune.training import EarlyStopping, Recipe, Trainer, TrainingSet, get_recipe, resolve_device
from plain_loop import train as train_plain

EPOCHS, EVALUATIONS = 600, 200
HEAD = Head(512)


def seconds_in_turn(works: list[Callable[[], object]], repeats: int) -> np.ndarray:
    """Wall-clock seconds `[repeats, works]`, the works in turn, so that a ratio is of neighbours in time."""
    for work in works:
        work()
    times = np.zeros((repeats, len(works)))
    for row in times:
        for column, work in enumerate(works):
            started = time.perf_counter()
            work()
            row[column] = time.perf_counter() - started
    return times


def random_features(rows: int, width: int, classes: int = 10) -> Features:
    """Non-negative features with some signal, as a pooled ReLU layer gives them."""
    rng = np.random.default_rng(0)
    y = np.arange(rows) % classes
    centres = rng.normal(scale=0.5, size=(classes, width)).astype(np.float32)
    X = np.maximum(rng.standard_normal((rows, width), dtype=np.float32) + centres[y], 0)
    test = max(rows // 5, 2 * classes)
    return from_arrays(X, y, X[:test], y[:test], name="random")


def training_set(features: Features) -> TrainingSet:
    """Train on the training part, evaluate on the test part."""
    division = features.divisions[0]
    return TrainingSet(features.X, features.y, features.classes, (Fold(division.train, division.test),))


def candidates(features: Features, share: float, count: int) -> list[Structure]:
    """Random masks of exactly one share of the features."""
    plan = parse_encoding("features", HEAD, width=features.width, classes=features.classes)
    rng = np.random.default_rng(int(1000 * share))
    genomes = np.zeros((count, plan.length), dtype=bool)
    for genome in genomes:
        genome[rng.permutation(plan.length)[: round(share * plan.length)]] = True
    return [plan.decode(genome) for genome in genomes]


def engine_work(features: Features, recipe: Recipe, share: float, count: int, device: str) -> Callable[[], object]:
    """Training of some candidates by the engine."""
    trainer = Trainer(training_set(features), HEAD, recipe, device)
    structures = candidates(features, share, count)
    return lambda: trainer.train(structures, [0])


def engine_seconds(features: Features, share: float, count: int, repeats: int, device: str) -> float:
    """Median seconds a candidate of the `fast` recipe."""
    times = seconds_in_turn([engine_work(features, get_recipe("fast", device), share, count, device)], repeats)
    return float(np.median(times)) / count


def plain_work(features: Features, epochs: int, device: str) -> Callable[[], object]:
    """Training of one candidate at 50 % active by the plain loop."""
    rows = features.divisions[0].train
    X, y = torch.from_numpy(features.X[rows]).to(device), torch.from_numpy(features.y[rows]).to(device)
    mask = torch.from_numpy(candidates(features, 0.5, 1)[0].inputs).to(device)

    def work() -> None:
        with torch.device(device):
            train_plain(X, y, features.classes, mask, epochs)

    return work


def peak_size(device: str) -> int:
    """Rows and columns of matrices that keep a device busy."""
    return 2048 if device == "cpu" else 8192


def peak_work(precision: str, device: str) -> Callable[[], object]:
    """Ten large square matrix products on all of a device."""
    size = peak_size(device)
    a, b = (torch.randn(size, size, device=device).to(getattr(torch, precision)) for _ in range(2))

    def work() -> None:
        products = [torch.mm(a, b) for _ in range(10)]
        float(products[-1][0, 0])  # a GPU is done when a number of the last product is there

    return work


def counted_flops(features: Features, recipe: Recipe, share: float) -> float:
    """Floating-point operations of one candidate's training: products forward and backward, compact sizes."""
    rows, inputs, units = len(features.divisions[0].train), round(share * features.width), HEAD.hidden[0]
    return recipe.epochs * rows * 2.0 * (2 * inputs * units + 3 * units * features.classes)


GUIDED = {"algorithm": "guided", "objectives": GUIDED_OBJECTIVES, "folds": guided_folds("features")}
"""The search that is the default of the command line."""


def search_run(
    features: Features, evaluations: int, device: str, settings: Mapping[str, Any]
) -> tuple[float, float, float]:
    """Wall-clock seconds of a whole run in a run folder, those spent in training, and those before the report."""
    inside = 0.0
    train = Trainer.train

    def timed(self: Trainer, *args: object, **kwargs: object) -> object:
        nonlocal inside
        started = time.perf_counter()
        try:
            return train(self, *args, **kwargs)  # type: ignore[arg-type]
        finally:
            inside += time.perf_counter() - started

    with tempfile.TemporaryDirectory() as folder:
        Trainer.train = timed  # type: ignore[assignment,method-assign]
        try:
            started = time.perf_counter()
            result = Study(features, head=HEAD, device=device, output=Path(folder) / "run", **settings).run(evaluations)
            return time.perf_counter() - started, inside, result.seconds
        finally:
            Trainer.train = train  # type: ignore[method-assign]


def growth(features_of: Callable[[int, int], Features], device: str, *, quick: bool) -> dict[str, dict[str, float]]:
    """Seconds a candidate (`fast`, 50 % active) over images, features and candidates."""
    images = (1_000, 10_000) if quick else (1_000, 10_000, 100_000)
    widths = (512, 2048) if quick else (512, 2048, 8192)
    counts = (1, 30) if quick else (1, 30, 300)
    return {
        "images": {str(n): engine_seconds(features_of(n, 1280), 0.5, 4, 1, device) for n in images},
        "features": {str(d): engine_seconds(features_of(1651, d), 0.5, 4, 3, device) for d in widths},
        "candidates": {str(p): engine_seconds(features_of(1651, 1280), 0.5, p, 1, device) for p in counts},
    }


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="smaller, within a minute")
    parser.add_argument("--features", type=Path)
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--device", default="cpu", help="auto, cpu, cuda or cuda:1")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    try:
        device = str(resolve_device(args.device))
    except ConfigError as error:
        parser.error(str(error))
    features = from_feature_file(args.features) if args.features else random_features(2062, 1280)
    repeats, epochs, count = (3, 3, 4) if args.quick else (5, 20, 30)
    stopping = EarlyStopping(patience=epochs + 1)
    paper = get_recipe("paper", device).model_copy(update={"epochs": epochs, "early_stopping": stopping})
    fast = get_recipe("fast", device)

    both = [plain_work(features, epochs, device), engine_work(features, paper, 0.5, count, device)]
    in_turn = seconds_in_turn(both, repeats)
    plain, engine = np.median(in_turn, axis=0) / (epochs, epochs * count)
    speedups = in_turn[:, 0] / in_turn[:, 1] * count
    works = [engine_work(features, fast, share, count, device) for share in (0.1, 0.5, 1.0)]
    shares = seconds_in_turn([*works, peak_work(fast.precision, device)], repeats)
    half = float(np.median(shares[:, 1])) / count
    flops = counted_flops(features, fast, 0.5) * count / shares[:, 1]
    peaks = 10 * 2 * peak_size(device) ** 3 / shares[:, 3]
    published, guided, loops = [], [], []
    for _ in range(1 if args.quick else 3):
        loops.append(seconds_in_turn([plain_work(features, epochs, device)], 1)[0, 0] / epochs * EPOCHS)
        published.append(search_run(features, EVALUATIONS, device, {}))
        if not args.quick:
            guided.append(search_run(features, EVALUATIONS, device, GUIDED))
    totals, inside, _ = np.array(published).T
    figures = {
        "paper_speedup": float(np.median(speedups)),
        "search_ratio": float(np.median(totals / loops)),
        "flop_fraction": float(np.median(flops / peaks)),
        "active_cost": float(np.median(shares[:, 0] / shares[:, 2])),
        "search_overhead": float(np.median(1 - inside / totals)),
    }
    peak = float(np.median(peaks))
    bounds = {
        "paper_speedup": ">= 8",
        "search_ratio": "<= 0.5",
        "guided_ratio": "<= 1",
        "guided_run_ratio": "-",
        "flop_fraction": ">= 0.3",
        "active_cost": "<= 0.25",
        "search_overhead": "<= 0.05",
    }
    rows = len(features.divisions[0].train)
    print(f"{device}, {torch.get_num_threads()} threads, {fast.precision}, {rows} x {features.width} features")
    print(f"plain loop {1000 * plain:.1f} ms an epoch, engine {1000 * engine:.2f} ms an epoch and candidate (paper)")
    print(f"fast: {1000 * half:.0f} ms a candidate at 50 %")
    print(f"{EVALUATIONS} evaluations with their report in {np.median(totals):.1f} s, as published")
    if guided:
        wholes, _, searches = np.array(guided).T
        figures |= {
            "guided_ratio": float(np.median(searches / loops)),
            "guided_run_ratio": float(np.median(wholes / loops)),
        }
        print(f"guided in {np.median(wholes):.1f} s, of which the search takes {np.median(searches):.1f} s")
    print(f"peak of torch.mm: {peak / 1e9:.0f} GFLOP/s")
    print(f"{'figure':20s}{'value':>10s}   bound")
    for name, value in figures.items():
        print(f"{name:20s}{value:10.3f}   {bounds[name]}")
    tables = growth(random_features, device, quick=args.quick) if args.growth else {}
    for what, table in tables.items():
        for size, seconds in table.items():
            print(f"{what:12s}{int(size):>9,d}  {seconds:8.3f} s a candidate")
    if args.json:
        args.json.write_text(json.dumps({**figures, "growth": tables}, indent=2) + "\n")


if __name__ == "__main__":
    main()
