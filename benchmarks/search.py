"""Guided search against every opponent, on test parts that nothing was chosen with.

    python benchmarks/search.py --features A.npz --features B.npz [--ood C.npz ..] [--seeds 5] [--json OUT]

Budgeted accuracy (BA): for each budget of 1, 2, 5, 10, 15, 25, 50 and 100 % of the features, the
member that validation picks among those that read at most so many; mean of their test accuracies. With
`--encoding connections`, of the connections out of the features, which is what methods of weight pruning switch off.
A method without a member within a budget is compared on the budgets that it has. "Equal shares" leaves that
choice out: what the guided search has within a share against the mask of just that size.

All methods' masks are retrained by one recipe, by labels, each head several times with seeds of its
own (`--trainings`), and accuracies are means over these. "As delivered" reads the same members of the guided
search trained by soft targets, as a run builds its models; what the dense head has by them stands beside.

Everything is computed by `evoprune experiment sparsity` and `evoprune experiment guided` in folders
of their own, kept and continued there. Three objectives: hypervolume of (test accuracy, active
share, OOD AUROC of held-out images) over (chance, 1, 0.5). As delivered, heads are also trained to be unsure of the
search's out-of-distribution images, so that random masks of the same sizes trained likewise stand beside.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from evoprune.analysis import compare_all
from evoprune.baselines import BASELINES
from evoprune.errors import ConfigError
from evoprune.experiments import ALWAYS_DENSE, FINER, SEARCHES, Settings, get_experiment, run_experiment
from evoprune.heads import Head, parse_encoding
from evoprune.objectives import get_objectives
from evoprune.search import hypervolume
from evoprune.training import get_recipe
from evoprune.workflow import load_features, make_config

PARTS = ("sparsity", "guided")
SIZES = {"features": "features_read", "connections": "active_neurons"}
"""Encodings, and the column that holds the size of a model; single weights that are off save no feature."""

FILTERS = ("anova", "mutual_info", "forest", "gates", "magnitude")
STRONGEST = "gates_iterative"
LOWER_IS_BETTER = {method for method, names in SEARCHES.items() if not get_objectives(names)[0].maximize}
"""Searches whose fitness is a loss."""

Rows = list[dict[str, str]]


def read(path: Path) -> Rows:
    """A tidy table."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def picks(
    rows: Rows, width: int, shares: Sequence[float], column: str = "test_accuracy", size: str = SIZES["features"]
) -> np.ndarray:
    """Test accuracy of what validation picks within each share, NaN where nothing is so small.

    A search picks by its own fitness, in the direction of its first objective.

    Args:
        rows: of one method, data set and seed.
        width: number of features, or of connections.
        shares: budgets.
        column: that holds the test accuracy.
        size: column that holds how many of them there are.
    """
    sizes = np.array([int(row[size]) for row in rows])
    signs = [-1 if row["method"] in LOWER_IS_BETTER else 1 for row in rows]
    fitness = [s * float(row.get("fitness") or row["validation_accuracy"]) for s, row in zip(signs, rows, strict=True)]
    test = [float(row.get(column) or "nan") for row in rows]
    found = np.full(len(shares), np.nan)
    for number, share in enumerate(shares):
        within = np.flatnonzero(sizes <= max(1, round(share * width)))
        if len(within):
            order = np.lexsort((sizes[within], -np.array(fitness)[within]))
            found[number] = test[within[order[0]]]
    return found


def at_shares(
    rows: Rows, width: int, shares: Sequence[float], column: str = "test_accuracy", size: str = SIZES["features"]
) -> np.ndarray:
    """Test accuracy of the row of each share itself, NaN where there is none or it is larger.

    Args:
        rows: of one method, data set and seed.
        width: number of features, or of connections.
        shares: of those that are active.
        column: that holds the test accuracy.
        size: column that holds how many of them there are.
    """
    small = [r for r in rows if r.get("share") and int(r[size]) <= max(1, round(float(r["share"]) * width))]
    by_share = {float(r["share"]): float(r.get(column) or "nan") for r in small}
    return np.array([by_share.get(share, np.nan) for share in shares])


def main() -> int:
    """Compute what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=Path, action="append", required=True, help="feature file; repeatable")
    parser.add_argument("--ood", type=Path, action="append", default=[], help="out-of-distribution feature file")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--part-seeds", type=int, default=None, help="seeds of the ablation [default: as --seeds]")
    parser.add_argument("--evaluations", type=int, default=300)
    parser.add_argument("--trainings", type=int, default=Settings.trainings, help="of each head; figures are means")
    parser.add_argument(
        "--parts",
        default=None,
        help="what to compute or continue; a part that is missing has no figures [default: all]",
    )
    parser.add_argument("--encoding", choices=SIZES, default="features", help="connections: the part sparsity alone")
    parser.add_argument("--methods", default=None, help="as for `evoprune experiment sparsity` [default: all]")
    parser.add_argument("--workers", type=int, default=None)
    parser.add_argument("--output", type=Path, default=Path("runs/search"))
    parser.add_argument("--json", type=Path, default=None)
    args = parser.parse_args()
    served = PARTS if args.encoding == "features" else PARTS[:1]
    parts = list(served) if args.parts is None else [part for part in args.parts.split(",") if part]
    if unknown := [part for part in parts if part not in served]:
        parser.error(f"--parts {unknown[0]!r} is unknown with these settings; choose among {', '.join(served)}")
    methods = None if args.methods is None else tuple(method.strip() for method in args.methods.split(","))
    if methods is not None and (missing := {"guided", "dense"} - set(methods)):
        parser.error(f"--methods {args.methods!r} lacks {min(missing)}, which all figures are read against; add it")
    compared = args.output / "sparsity" / "sparsity.csv"
    if "sparsity" not in parts and not compared.is_file():
        parser.error(f"{compared} is not there, and all figures begin with it; add sparsity to --parts {args.parts!r}")

    sources = [path.resolve() for path in args.features]
    configs = {
        source.stem: make_config(
            data=str(source),
            kind="features",
            encoding=args.encoding,
            recipe=get_recipe("fast"),
            ood=[str(other) for path in args.ood if (other := path.resolve()) != source],
        )
        for source in sources
    }
    features = {name: load_features(config) for name, config in configs.items()}
    settings = Settings(seeds=args.seeds, evaluations=args.evaluations, trainings=args.trainings, methods=methods)
    for name in parts:
        print(f"{name} ..", file=sys.stderr, flush=True)
        wanted = (
            settings if name == "sparsity" else replace(settings, seeds=args.part_seeds or args.seeds, methods=None)
        )
        try:
            run_experiment(get_experiment(name), configs, features, wanted, args.output / name, workers=args.workers)
        except ConfigError as error:
            parser.error(str(error))
    rows = read(compared)
    guided = args.output / "guided"
    extra = read(guided / "guided.csv") if (guided / "guided.csv").is_file() else []
    found = figures(
        rows,
        extra,
        {
            name: parse_encoding(args.encoding, Head(*config.head), width=f.width, classes=f.classes).length
            for (name, f), config in zip(features.items(), configs.values(), strict=True)
        },
        {n: f.classes for n, f in features.items()},
        settings,
        SIZES[args.encoding],
    )
    print(table(found))
    if extra:
        print((guided / "guided.md").read_text(encoding="utf-8"))
    if args.json is not None:
        args.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0


def figures(
    rows: Rows,
    extra: Rows,
    widths: dict[str, int],
    classes: dict[str, int],
    settings: Settings,
    size: str = SIZES["features"],
) -> dict[str, Any]:
    """All figures of the table, in points (hundredths) where they are accuracies; for sizes see `picks`."""
    methods = list(dict.fromkeys(row["method"] for row in rows))
    grouped: dict[tuple[str, str, str], Rows] = {}
    for row in rows:
        grouped.setdefault((row["dataset"], row["method"], row["seed"]), []).append(row)

    def of(
        method: str,
        column: str = "test_accuracy",
        shares: Sequence[float] = settings.shares,
        read: Callable[[Rows, int, Sequence[float], str, str], np.ndarray] = picks,
    ) -> np.ndarray:
        return np.stack(
            [
                [read(grouped.get((d, method, str(s)), []), w, shares, column, size) for s in range(settings.seeds)]
                for d, w in widths.items()
            ]
        )

    picked = {method: of(method) for method in methods}
    dense, finer = picked["dense"][:, :, -1], sorted({*settings.shares, *FINER})
    labelled = against_each(picked, picked["guided"], list(widths))
    equal = {method: of(method, read=at_shares) for method in methods if method not in ALWAYS_DENSE}
    labelled["equal_shares"] = at_equal_shares(equal, equal["guided"])
    labelled["smallest_share"] = smallest(of("guided", shares=finer), dense, list(widths), finer)
    softly = of("guided", "soft_test_accuracy")
    delivered = None
    if np.isfinite(softly).any():
        delivered = against_each(picked, softly, list(widths))
        delivered["smallest_share"] = smallest(of("guided", "soft_test_accuracy", finer), dense, list(widths), finer)
        delivered["equal_shares"] = at_equal_shares(equal, of("guided", "soft_test_accuracy", read=at_shares))
        control = 100 * (of("guided", "soft_dense_test_accuracy")[:, :, -1] - dense)
        delivered["dense_by_soft_targets_minus_dense"] = dict(
            zip(widths, map(float, control.mean(axis=1)), strict=True)
        )
    return {
        "budgeted_accuracy": {m: [100 * float(v) for v in np.nanmean(picked[m], axis=(1, 2))] for m in methods},
        **labelled,
        "as_delivered": delivered,
        "hypervolume": volumes(rows, extra, widths, classes, settings.seeds),
        "reach": {r["dataset"]: r["guided_evaluations"] or None for r in extra if r["kind"] == "reach"},
    }


def against_each(picked: dict[str, np.ndarray], ours: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    """The guided search against each other method and the dense head.

    Args:
        picked: test accuracies of each method `[sets, seeds, shares]`.
        ours: those of the guided search.
        names: of the data sets.
    """
    methods = list(picked)
    against = {}
    for method in methods:
        if method in ("guided", *ALWAYS_DENSE):
            continue
        gaps = 100 * np.nanmean(ours - picked[method], axis=2)
        by_set = gaps.mean(axis=1)
        against[method] = {
            "mean": float(gaps.mean()),
            "sets": dict(zip(names, map(float, by_set), strict=True)),
            "budgets": int(np.isfinite(picked[method]).all(axis=(0, 1)).sum()),
        }
    whole = [m for m in methods if m not in ALWAYS_DENSE and np.isfinite(picked[m]).all()]
    means = {m: (ours if m == "guided" else picked[m]).mean(axis=2).ravel() for m in whole}
    tests = compare_all(means, "guided") if "guided" in means and len(means) > 1 else []
    for test in tests:
        against[test.other]["p"] = float(test.adjusted)
    dense = picked["dense"][:, :, -1]
    single = 100 * (ours[:, :, -1] - dense)
    return {
        "against": against,
        "single_minus_dense": {
            "mean": float(single.mean()),
            "sets": dict(zip(names, map(float, single.mean(axis=1)), strict=True)),
        },
    }


def at_equal_shares(accuracies: dict[str, np.ndarray], ours: np.ndarray) -> dict[str, float]:
    """The guided search minus each method that has a mask of every share, in points: means over sets, seeds and shares.

    Args:
        accuracies: of each method at each share `[sets, seeds, shares]`.
        ours: those of the guided search.
    """
    whole = {m: values for m, values in accuracies.items() if m != "guided" and np.isfinite(values).all()}
    gaps = {method: 100 * float(np.mean(ours - values)) for method, values in whole.items()}
    return dict(sorted(gaps.items(), key=lambda item: item[1]))


def smallest(
    ours: np.ndarray, dense: np.ndarray, names: Sequence[str], shares: Sequence[float]
) -> dict[str, float | None]:
    """The smallest share within which the choice is at most half a point worse than the dense head.

    By means over seeds, for each data set and for the mean of all; None where there is none.

    Args:
        ours: test accuracies of the choices `[sets, seeds, shares]`.
        dense: those of the dense head `[sets, seeds]`.
        names: of the data sets.
        shares: ascending.
    """
    gaps = (ours - dense[:, :, None]).mean(axis=1)
    by_name = {**dict(zip(names, gaps, strict=True)), "all sets": gaps.mean(axis=0)}
    return {
        name: next((s for s, g in zip(shares, gap, strict=True) if g >= -0.005), None) for name, gap in by_name.items()
    }


def volumes(
    rows: Rows, extra: Rows, widths: dict[str, int], classes: dict[str, int], seeds: int
) -> dict[str, dict[str, float]]:
    """Held-out hypervolume of guided fronts and of all opponents' models together, means over seeds.

    Of guided fronts by labels, as delivered, and of random masks of the same sizes that are trained as delivered;
    `gain` and `delivered_gain` are what the first two have more than the opponents, as a share.
    """
    found: dict[str, dict[str, float]] = {}
    for name, width in widths.items():
        reference = np.array([1 / classes[name], 1.0, 0.5])
        boxes: dict[str, list[float]] = {}
        for seed in map(str, range(seeds)):
            front = [r for r in extra if (r["kind"], r["dataset"], r["seed"]) == ("front", name, seed)]
            others = [
                {**r, "active_share": int(r["features_read"]) / width}
                for r in rows
                if (r["dataset"], r["seed"]) == (name, seed) and r["method"] != "guided" and r.get("test_auroc")
            ]
            if not front or not others:
                continue
            boxes.setdefault("opponents", []).append(volume(others, reference))
            for key, prefix in (("guided", ""), ("delivered", "soft_"), ("random_delivered", "random_")):
                if front[0].get(f"{prefix}test_auroc"):
                    boxes.setdefault(key, []).append(volume(front, reference, prefix))
        if boxes:
            found[name] = {key: float(np.mean(values)) for key, values in boxes.items()}
            for key, gain in (("guided", "gain"), ("delivered", "delivered_gain")):
                if key in boxes:
                    found[name][gain] = found[name][key] / found[name]["opponents"] - 1
    return found


def volume(rows: Sequence[dict[str, Any]], reference: np.ndarray, prefix: str = "") -> float:
    """Hypervolume of (test accuracy, active share, OOD AUROC) of some models."""
    columns = (f"{prefix}test_accuracy", "active_share", f"{prefix}test_auroc")
    points = np.array([[float(row[column]) for column in columns] for row in rows])
    return float(hypervolume(points, (True, False, True), reference))


def table(found: dict[str, Any]) -> str:
    """The figures as Markdown."""
    lines = [*opponents(found["against"]), ""]
    lines += ["* filter, ** iterative gated elimination; points, means over seeds; all by one recipe.", ""]
    for key in ("equal_shares", "smallest_share", "single_minus_dense", "hypervolume", "reach"):
        lines.append(f"{key}: {json.dumps(found[key])}")
    if (delivered := found["as_delivered"]) is not None:
        lines += ["", "As delivered, by soft targets:", "", *opponents(delivered["against"]), ""]
        for key in ("equal_shares", "smallest_share", "single_minus_dense", "dense_by_soft_targets_minus_dense"):
            lines.append(f"{key}: {json.dumps(delivered[key])}")
    return "\n".join([*lines, ""])


def opponents(against: dict[str, Any]) -> list[str]:
    """The gaps to each other method, as lines of a Markdown table; one sentence where there is none."""
    if not against:
        return ["No other method but the dense head; name some with --methods."]
    sets = list(next(iter(against.values()))["sets"])
    lines = [
        f"| BA, guided minus | mean | {' | '.join(sets)} | budgets | p (Holm) |",
        f"|---|---:|{'---:|' * len(sets)}---:|---:|",
    ]
    for method, gap in sorted(against.items(), key=lambda item: item[1]["mean"]):
        title = BASELINES[method].title if method in BASELINES else f"{method} (published)"
        mark = " *" if method in FILTERS else " **" if method == STRONGEST else ""
        p = f"{gap['p']:.3f}" if "p" in gap else "-"
        by_set = " | ".join(f"{gap['sets'][name]:+.2f}" for name in sets)
        lines.append(f"| {title}{mark} | {gap['mean']:+.2f} | {by_set} | {gap['budgets']} | {p} |")
    return lines


if __name__ == "__main__":
    sys.exit(main())
