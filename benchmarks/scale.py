"""Many workers: how much faster they are, what a batch costs besides, and how busy a thousand of them would be.

    python benchmarks/scale.py measure F.npz [--evaluations 24] [--part speed|driver|growth|guided]
    python benchmarks/scale.py simulate F.npz [--evaluations 20000] [--figure docs/figures/utilisation.png]

`measure` times the same candidates by 2 workers and by 1 (Ray on this machine, a processor each), also over images
and candidates, and gives the processor time of the driver: for a batch, for a candidate, and for what a guided search
does outside candidates. `simulate` measures how long candidates of different sizes take here, and plays searches of
many workers with these times: by generations, in which everybody waits for the slowest, and asynchronously.
"""

from __future__ import annotations

import argparse
import heapq
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure

from evoprune.data import Fold, stratified_parts
from evoprune.executors import RayExecutor
from evoprune.executors._connect import import_ray
from evoprune.guidance import guidance_for
from evoprune.heads import Head, parse_encoding
from evoprune.objectives import get_objectives
from evoprune.problem import Problem
from evoprune.search import create
from evoprune.study import Store, StudyKey, search_asynchronously
from evoprune.training import TrainingSet, get_recipe

GENERATION = 100
"""Candidates that a search by generations asks at a time."""

WORKERS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)

FACTORS = (1, 10, 100)
"""Images that the simulated data have, in times of those measured: a training takes so much longer."""

DRIVER = 0.0068
"""Seconds that the driver is busy with one evaluation (`measure --part driver`)."""


def read(path: Path, rows: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Training rows of a feature file, or so many drawn from them with repetition."""
    with np.load(path, allow_pickle=False) as file:
        X, y = file["X_train"].astype(np.float32), file["y_train"]
    y = np.unique(y, return_inverse=True)[1].astype(np.int64)
    if rows is None:
        return X, y
    drawn = np.random.default_rng(0).integers(len(X), size=rows)
    return X[drawn], y[drawn]


def problem_on(
    X: np.ndarray, y: np.ndarray, workers=None, objectives: Sequence[str] = ("calibrated_loss", "active")
) -> Problem:
    """The problem of a guided search: its objectives, and three folds."""
    classes = int(y.max()) + 1
    everything = np.arange(len(y))
    parts = stratified_parts(y, np.full(3, 1 / 3), 0)
    folds = tuple(Fold(np.setdiff1d(everything, part), part) for part in parts)
    return Problem(
        TrainingSet(X, y, classes, folds),
        parse_encoding("features", Head(512), width=X.shape[1], classes=classes),
        get_recipe("fast"),
        get_objectives(objectives),
        workers=workers,
    )


def genomes_of(length: int, count: int, seed: int = 1) -> np.ndarray:
    """Candidates of all sizes that a search asks, from 1 % to all bits, in random order."""
    rng = np.random.default_rng(seed)
    shares = np.exp(rng.uniform(np.log(0.01), 0, size=count))
    genomes = rng.random((count, length)) < shares[:, None]
    genomes[~genomes.any(axis=1), 0] = True
    return genomes


def best_of(measure, repeats: int) -> float:
    """The least seconds of some repetitions: what else runs on the machine only adds to them."""
    return min(measure() for _ in range(repeats))


def seconds_of(problem: Problem, genomes: np.ndarray) -> float:
    began = time.perf_counter()
    problem.evaluate(genomes)
    return time.perf_counter() - began


@contextmanager
def cluster_of(processors: int) -> Iterator[str]:
    """The address of a Ray cluster of one machine, this one, that offers so many processors.

    Left alone, a single worker would take all processors of the machine.
    """
    import_ray()
    from ray.cluster_utils import Cluster  # noqa: PLC0415

    made = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": processors, "node_ip_address": "127.0.0.2", "include_dashboard": False},
    )
    try:
        made.wait_for_nodes()
        yield made.address
    finally:
        made.shutdown()


def by_workers(count: int, X: np.ndarray, y: np.ndarray, batches: Sequence[np.ndarray], repeats: int) -> list[float]:
    """Seconds of batches of candidates, by so many workers of one processor each that have started already."""
    with cluster_of(count) as address, (executor := RayExecutor(address, count)).running(X.nbytes):
        problem = problem_on(X, y, executor.workers)
        problem.evaluate(genomes_of(problem.length, 4 * count, seed=9))
        return [best_of(lambda batch=batch: seconds_of(problem, batch), repeats) for batch in batches]


def speed(X: np.ndarray, y: np.ndarray, evaluations: int, repeats: int) -> None:
    """2 workers against 1."""
    genomes = genomes_of(X.shape[1], evaluations)
    (one,), (two,) = (by_workers(count, X, y, [genomes], repeats) for count in (1, 2))
    print(f"{evaluations} candidates, seconds by 1 worker: {one:.2f}, by 2: {two:.2f}; ratio {one / two:.2f}")


def driver(X: np.ndarray, y: np.ndarray, evaluations: int) -> None:
    """Processor time of the driver: for a batch, for each of its candidates, and for one evaluation of a stream."""
    executor = RayExecutor(None, 1)
    with executor.running(X.nbytes):
        problem = problem_on(X, y, executor.workers)
        genomes = genomes_of(problem.length, evaluations)
        problem.evaluate(genomes[:2])
        found = []
        for size in (1, evaluations):
            began = time.process_time()
            problem.evaluate(genomes[:size])
            found.append(time.process_time() - began)
        each = (found[1] - found[0]) / (evaluations - 1)
        print(
            f"processor time of the driver: {1000 * (found[0] - each):.1f} ms a batch, {1000 * each:.2f} ms a candidate"
        )
        single = problem_on(X, y, executor.workers, ("calibrated_loss",))
        single.evaluate(genomes[:1])
        algorithm = create("genetic", length=single.length, maximize=single.maximize, seed=0)
        store = Store(None, StudyKey(single.length, ("calibrated_loss",), "key"))
        began = time.process_time()
        search_asynchronously(algorithm, single.stream(), store, budget=evaluations)
        print(
            f"asynchronous, store and algorithm included: {1000 * (time.process_time() - began) / evaluations:.2f} ms"
        )


def growth(path: Path, repeats: int) -> None:
    """Seconds a candidate over images and candidates, by 2 workers."""
    for rows in (1000, 10_000, 100_000):
        X, y = read(path, rows)
        count = 12 if rows < 100_000 else 4
        (seconds,) = by_workers(2, X, y, [genomes_of(X.shape[1], count)], repeats if rows < 100_000 else 1)
        print(f"{rows} images: {seconds / count:.3f} s a candidate ({count} candidates)")
    X, y = read(path)
    counts = [2, 20, 100]
    for count, seconds in zip(counts, by_workers(2, X, y, [genomes_of(X.shape[1], c) for c in counts], 1), strict=True):
        print(f"{count} candidates: {seconds / count:.3f} s a candidate")


def guided(X: np.ndarray, y: np.ndarray, evaluations: int) -> None:
    """Processor time of a guided search: candidates, which workers measure, and all else, which the driver does."""

    class Counted(Problem):
        cpu = 0.0

        def on(self, data, recipe=None, seed=None):
            other = super().on(data, recipe, seed)
            other.__class__ = Counted
            return other

        def examine(self, *args, **kwargs):
            began = time.process_time()
            try:
                return super().examine(*args, **kwargs)
            finally:
                Counted.cpu += time.process_time() - began

    problem = problem_on(X, y)
    problem.__class__ = Counted
    began = time.process_time()
    found = guidance_for(problem, 0)
    before, correction = time.process_time() - began, Counted.cpu
    algorithm = create("guided", length=problem.length, maximize=problem.maximize, seed=0, guide=found.guide)
    Counted.cpu, done, began = 0.0, 0, time.process_time()
    while done < evaluations:
        genomes = algorithm.ask()
        algorithm.tell(genomes, found.evaluate(genomes))
        done += len(genomes)
    total = time.process_time() - began
    print(
        f"before the first candidate: gates {before - correction:.1f} s, trainings of the correction {correction:.1f} s"
    )
    print(f"{done} candidates: {Counted.cpu:.1f} s; gates and all else: {total - Counted.cpu:.1f} s")


def measured_times(X: np.ndarray, y: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Active shares of candidates and the processor seconds that each takes on one thread."""
    torch.set_num_threads(1)
    problem, genomes = problem_on(X, y), genomes_of(X.shape[1], count, seed=3)
    problem.evaluate(genomes[:2])
    seconds = []
    for genome in genomes:
        # Processor time, which other programs on the machine do not change.
        began = time.process_time()
        problem.evaluate(genome[None])
        seconds.append(time.process_time() - began)
    return genomes.mean(axis=1), np.array(seconds)


def by_generations(seconds: np.ndarray, workers: int) -> float:
    """Share of the workers' time that is used, where each generation waits for its last candidate.

    Candidates of a generation go, long ones first, to whoever is free, as the executor gives them out.
    """
    used = total = 0.0
    for start in range(0, len(seconds), GENERATION):
        free = [0.0] * workers
        for length in sorted(seconds[start : start + GENERATION], reverse=True):
            heapq.heappush(free, heapq.heappop(free) + length)
        used += float(seconds[start : start + GENERATION].sum())
        total += max(free) + DRIVER
    return used / (workers * total)


def asynchronously(seconds: np.ndarray, workers: int) -> float:
    """Share of the workers' time that is used, where each gets its next candidate from the driver when it is done."""
    waiting = deque(seconds)
    busy: list[float] = []
    driver = 0.0
    for _ in range(min(workers, len(waiting))):
        driver += DRIVER
        heapq.heappush(busy, driver + waiting.popleft())
    while busy:
        end = heapq.heappop(busy)
        if not waiting:
            return float(seconds.sum()) / (workers * max([end, *busy]))
        # The driver tells, asks and sends, one after the other.
        driver = max(driver, end) + DRIVER
        heapq.heappush(busy, driver + waiting.popleft())
    raise RuntimeError("a simulation without candidates")


def simulate(path: Path, evaluations: int, figure: Path | None, sample: int) -> None:
    """Table and figure of the simulation."""
    X, y = read(path)
    shares, seconds = measured_times(X, y, sample)
    quantiles = np.quantile(seconds, [0.0, 0.25, 0.5, 0.75, 1.0])
    print(f"{sample} candidates of {X.shape[0]} x {X.shape[1]}, 3 folds, one thread; seconds of each:")
    print("  least, quartiles, most: " + ", ".join(f"{q:.3f}" for q in quantiles) + f"; mean {seconds.mean():.3f}")
    print(f"  correlation with the active share: {np.corrcoef(shares, seconds)[0, 1]:.2f}")
    drawn = np.random.default_rng(0).choice(seconds, size=evaluations)
    columns = {f"by generations of {GENERATION}": [by_generations(drawn, count) for count in WORKERS]}
    for factor in FACTORS:
        name = f"asynchronous, {factor * X.shape[0]:,} images"
        columns[name] = [asynchronously(factor * drawn, count) for count in WORKERS]
    print(f"\n{evaluations} evaluations, {1000 * DRIVER:.1f} ms of the driver each:")
    print(f"| workers | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
    for number, count in enumerate(WORKERS):
        print(f"| {count:,} | {' | '.join(f'{100 * column[number]:.0f} %' for column in columns.values())} |")
    if figure is not None:
        draw(columns, seconds, figure)


def draw(columns: Mapping[str, Sequence[float]], seconds: np.ndarray, path: Path) -> None:
    """Utilisation over workers, and how long candidates take."""
    figure = Figure(figsize=(9.5, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    styles = zip(("#D55E00", "#0072B2", "#009E73", "#CC79A7"), "so^D", strict=True)
    for (name, column), (colour, marker) in zip(columns.items(), styles, strict=True):
        left.plot(WORKERS, [100 * share for share in column], marker=marker, color=colour, label=name, markersize=5)
    left.set(xscale="log", xlabel="workers", ylabel="time in use (%)", ylim=(0, 103))
    left.set_xticks([1, 10, 100, 1000], ["1", "10", "100", "1,000"])
    left.legend(frameon=False, loc="lower left", fontsize="small")
    right.hist(1000 * seconds, bins=24, color="#999999")
    right.axvline(1000 * float(seconds.mean()), color="black", linewidth=1)
    right.set(xlabel="milliseconds a candidate (line: mean)", ylabel="candidates")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Measure or simulate, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("measure", "simulate"))
    parser.add_argument("features", type=Path)
    parser.add_argument("--part", choices=("speed", "driver", "growth", "guided"))
    parser.add_argument("--evaluations", type=int)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sample", type=int, default=120, help="candidates whose time is measured for the simulation")
    parser.add_argument("--figure", type=Path)
    args = parser.parse_args()
    if args.what == "simulate":
        simulate(args.features, args.evaluations or 20_000, args.figure, args.sample)
        return
    X, y = read(args.features)
    evaluations = args.evaluations or 24
    if args.part in (None, "speed"):
        speed(X, y, evaluations, args.repeats)
    if args.part in (None, "driver"):
        driver(X, y, evaluations)
    if args.part in (None, "growth"):
        growth(args.features, args.repeats)
    if args.part in (None, "guided"):
        guided(X, y, evaluations)


if __name__ == "__main__":
    main()
