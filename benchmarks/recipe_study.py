"""Which recipe gives the best held-out accuracy for its operations: the study behind `fast`.

    python benchmarks/recipe_study.py F.npz [F.npz ...] [--seeds 5] [--test] [--json OUT]

Every variant trains heads of 512 units on random masks of 100, 50, 15 and 5 % of the
features. Choices are made on a validation quarter of the training part, drawn anew for
each seed; `--test` trains on the whole training part and reads the test part instead,
for `paper` and `fast` alone.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

from evoprune.data import Division, load_feature_file, partition
from evoprune.heads import Head, parse_encoding
from evoprune.training import FAST, PAPER, Recipe, Trainer, TrainingSet, fastest_precision

DENSITIES = (1.0, 0.5, 0.15, 0.05)
BASE: dict[str, object] = {
    "name": "variant",
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "schedule": "cosine",
    "batch_size": 128,
    "epochs": 25,
    "standardize": True,
    "input_dropout": 0.5,
    "hidden_dropout": 0.5,
    "label_smoothing": 0.1,
}
VARIANTS: dict[str, dict[str, object]] = {
    "adam 25 epochs": {},
    "plain (no regularisation)": {"input_dropout": 0.0, "hidden_dropout": 0.0, "label_smoothing": 0.0},
    "no input dropout": {"input_dropout": 0.0},
    "input dropout 0.25": {"input_dropout": 0.25},
    "no hidden dropout": {"hidden_dropout": 0.0},
    "hidden dropout 0.25": {"hidden_dropout": 0.25},
    "no label smoothing": {"label_smoothing": 0.0},
    "label smoothing 0.2": {"label_smoothing": 0.2},
    "rate 5e-4": {"learning_rate": 5e-4},
    "rate 2e-3": {"learning_rate": 2e-3},
    "rate 4e-3": {"learning_rate": 4e-3},
    "batch 64": {"batch_size": 64},
    "batch 256, rate 2e-3": {"batch_size": 256, "learning_rate": 2e-3},
    "50 epochs": {"epochs": 50},
    "12 epochs, rate 2e-3": {"epochs": 12, "learning_rate": 2e-3},
    "12 epochs, rate 4e-3": {"epochs": 12, "learning_rate": 4e-3},
    "8 epochs, rate 4e-3": {"epochs": 8, "learning_rate": 4e-3},
    "8 epochs, rate 2e-3": {"epochs": 8, "learning_rate": 2e-3},
    "sgd 25 epochs, rate 0.05": {"optimizer": "sgd", "learning_rate": 0.05},
    "sgd 12 epochs, rate 0.1": {"optimizer": "sgd", "learning_rate": 0.1, "epochs": 12},
    "not standardised": {"standardize": False},
}


def accuracies(path: Path, recipe: Recipe, seeds: int, *, test: bool) -> np.ndarray:
    """Held-out accuracy `[densities, seeds]` of random masks."""
    arrays = load_feature_file(path)
    classes = len(arrays.class_names)
    plan = parse_encoding("features", Head(512), width=arrays.X.shape[1], classes=classes)
    result = np.zeros((len(DENSITIES), seeds))
    for seed in range(seeds):
        division = Division(arrays.divisions[0].train, arrays.divisions[0].test)
        parts = partition([division], arrays.y, seed=seed)
        folds = parts.report if test else parts.search
        data = TrainingSet(arrays.X, arrays.y, classes, folds)
        rng = np.random.default_rng([seed, 1])
        structures = []
        for density in DENSITIES:
            genome = np.zeros(plan.length, dtype=bool)
            genome[rng.permutation(plan.length)[: round(density * plan.length)]] = True
            structures.append(plan.decode(genome))
        for row, trained in enumerate(Trainer(data, Head(512), recipe).train(structures, [seed])):
            result[row, seed] = (trained.logits[0][0].argmax(1) == arrays.y[folds[0].evaluate]).mean()
    return result


def main() -> None:
    """Print one line a variant: mean accuracy over sets and seeds by density, and the seconds it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", type=Path, nargs="+")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--test", action="store_true")
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    precision = {"precision": fastest_precision()}
    if args.test:
        recipes = {r.name: r.model_copy(update=precision) for r in (PAPER, FAST)}
    else:
        recipes = {name: Recipe(**{**BASE, **changes, **precision}) for name, changes in VARIANTS.items()}  # type: ignore[arg-type]
    if args.only:
        recipes = {name: recipes[name] for name in args.only}
    print(f"{'recipe':28s}" + "".join(f"{density:>9.0%}" for density in DENSITIES) + "     mean   seconds")
    record = {}
    for name, recipe in recipes.items():
        started = time.perf_counter()
        by_set = np.stack([accuracies(path, recipe, args.seeds, test=args.test) for path in args.features])
        seconds = time.perf_counter() - started
        means = by_set.mean(axis=(0, 2))
        print(f"{name:28s}" + "".join(f"{m:9.4f}" for m in means) + f"{means.mean():9.4f}{seconds:10.1f}", flush=True)
        record[name] = {"accuracy": by_set.tolist(), "seconds": seconds, "recipe": recipe.model_dump()}
    if args.json:
        sets = [path.stem for path in args.features]
        args.json.write_text(json.dumps({"densities": DENSITIES, "sets": sets, "recipes": record}))


if __name__ == "__main__":
    main()
