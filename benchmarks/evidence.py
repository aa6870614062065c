"""What of the papers' claims holds here: runs the experiments and writes docs/evidence.md.

    python benchmarks/evidence.py --features A.npz --features B.npz [--ood OTHER.npz] [--seeds 5] [--parts sparsity,cka]

Every part is an `evoprune experiment` in a folder of its own, kept and continued there. The
verdicts are counted from their tables; a claim whose part was not run is named as not measured.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import shutil
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from evoprune import __version__
from evoprune.analysis import spearman_with_interval
from evoprune.baselines import BASELINES
from evoprune.experiments import ALWAYS_DENSE, Settings, get_experiment, run_experiment
from evoprune.training import get_recipe
from evoprune.workflow import load_features, make_config

PARTS = ("sparsity", "pruning", "fronts", "classes", "cka", "ensembles")
PRUNING_METHODS = (
    "dense",
    "random",
    "anova",
    "gates_iterative",
    "weight_pruning",
    "neuron_pruning_out",
    "polynomial_decay",
)
FILTERS = ("anova", "mutual_info", "forest", "l1", "rfe")
SEARCHES = {"genetic": "the genetic algorithm", "nsga2": "NSGA-II"}

EVALUATIONS = "evaluations.txt"
"""Beside the tables of a part: how many evaluations its searches had."""

Rows = list[dict[str, str]]


def read(path: Path) -> Rows:
    """The tidy table of an experiment; empty where it was not run."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def evaluations(folder: Path) -> str:
    """How many evaluations the searches of a part had."""
    path = folder / EVALUATIONS
    return path.read_text(encoding="utf-8").strip() if path.is_file() else "unknown"


def figures(rows: Rows, column: str, **where: str) -> np.ndarray:
    """A column as numbers, of the rows with these values in other columns."""
    found = [r[column] for r in rows if all(r.get(k) == v for k, v in where.items())]
    return np.array([float(value) for value in found if value], dtype=np.float64)


def distinct(rows: Rows, column: str) -> list[str]:
    """The different texts of a column, as they come."""
    return list(dict.fromkeys(r[column] for r in rows))


def listed(names: Sequence[str]) -> str:
    """Names in a sentence."""
    return "; ".join(names) if names else "none"


def mean(values: Sequence[float] | np.ndarray) -> float:
    """Mean, NaN for none."""
    return float(np.mean(values)) if len(values) else float("nan")


def sparsity(rows: Rows) -> list[str]:
    """Searches against what one would pick instead, over all shares."""
    if not rows:
        return ["Not measured."]
    cells = {}
    for method in distinct(rows, "method"):
        by_place = [
            mean(figures(rows, "test_accuracy", dataset=d, method=method, share=s))
            for d in distinct(rows, "dataset")
            for s in distinct([r for r in rows if r["method"] == "random"], "share")
        ]
        cells[method] = np.array(by_place)
    lines = [
        "| method | mean test accuracy over shares and sets, % | at most 10 % active | 25 % and more |",
        "|---|---:|---:|---:|",
    ]
    shares = np.array([float(s) for s in distinct([r for r in rows if r["method"] == "random"], "share")])
    small = np.tile(shares <= 0.1, len(distinct(rows, "dataset")))
    order = sorted((m for m in cells if np.isfinite(cells[m]).any()), key=lambda m: -np.nanmean(cells[m]))
    for method in order:
        if method in ALWAYS_DENSE:
            continue
        title = "**guided search**" if method == "guided" else method
        title = BASELINES[method].title if method in BASELINES else title
        title = f"{SEARCHES[method]} (published)" if method in SEARCHES else title
        low, high = (np.nanmean(cells[method][part]) for part in (small, ~small))
        lines.append(f"| {title} | {100 * np.nanmean(cells[method]):.1f} | {100 * low:.1f} | {100 * high:.1f} |")
    said = []
    for search, name in SEARCHES.items():
        if search not in cells:
            continue
        beaten = [m for m in (*FILTERS, "random") if m in cells and np.nanmean(cells[m] - cells[search]) > 0]
        titles = ", ".join(BASELINES[m].title for m in beaten)
        said.append(
            f"{name[0].upper()}{name[1:]} as published loses to {titles}."
            if beaten
            else f"{name[0].upper()}{name[1:]} as published loses to none of the filters, nor to random masks."
        )
    note = (
        "Shares of weight pruning and polynomial decay are shares of *weights*: 1 % of the weights still reads most "
        "features, and polynomial decay trains 26 epochs more than the others. A search is read at the best fitness "
        "among its members within a share; where it has none, the cell is left out."
    )
    return [*said, "", *lines, "", note, "", "![Test accuracy over active share](figures/sparsity.png)"]


def claim_a(rows: Rows) -> list[str]:
    """Evolved against not pruned and against pruning at the same sparsity."""
    if not rows:
        return ["Not measured."]
    lines = ["| evolved against | wins / places | mean difference, points |", "|---|---:|---:|"]
    held, lost = [], []
    for method in distinct(rows, "method"):
        if method == "genetic":
            continue
        gaps = [
            mean(figures(rows, "test_accuracy", dataset=d, encoding=e, method="genetic"))
            - mean(figures(rows, "test_accuracy", dataset=d, encoding=e, method=method))
            for d in distinct(rows, "dataset")
            for e in distinct(rows, "encoding")
        ]
        found = [gap for gap in gaps if np.isfinite(gap)]
        (held if mean(found) >= 0 else lost).append(BASELINES[method].title)
        lines.append(
            f"| {BASELINES[method].title} | {sum(g > 0 for g in found)} / {len(found)} | {100 * mean(found):+.2f} |"
        )
    return [
        f"On average over places it holds against {listed(held)}, and not against {listed(lost)}.",
        "",
        "A place is a data set and an encoding; accuracies are means over seeds, on the test part.",
        "",
        *lines,
    ]


def claim_b(rows: Rows) -> list[str]:
    """Which encoding is best."""
    if len(distinct(rows, "encoding") if rows else []) < 2:
        return ["Not measured."]
    encodings = distinct(rows, "encoding")
    lines = [f"| test accuracy, % | {' | '.join(encodings)} |", f"|---|{'---:|' * len(encodings)}"]
    best = []
    for dataset in distinct(rows, "dataset"):
        values = [
            mean(figures(rows, "test_accuracy", dataset=dataset, encoding=e, method="genetic")) for e in encodings
        ]
        best.append(encodings[int(np.nanargmax(values))])
        lines.append(f"| {dataset} | {' | '.join(f'{100 * v:.1f}' for v in values)} |")
    held = best.count("features")
    return [
        f"It is the best on {held} of {len(best)} data sets; the best ones are {', '.join(best)}.",
        "",
        *lines,
    ]


def claim_c(rows: Rows) -> list[str]:
    """How small the evolved heads are."""
    if not rows:
        return ["Not measured."]
    shares = figures(rows, "active_share", method="genetic")
    within = ((shares >= 0.12) & (shares <= 0.68)).sum()
    return [
        f"In {within} of {len(shares)} runs they do. "
        f"{100 * shares.min():.0f} to {100 * shares.max():.0f} % of the neurons stay active, "
        f"{100 * mean(shares):.0f} % on average, "
        f"over {len(shares)} runs. A mask drawn at random before any search has 50 % on average."
    ]


def claim_d(rows: Rows) -> list[str]:
    """How the objectives go together on the fronts."""
    members = [r for r in rows if r.get("genome")]
    if not members:
        return ["Not measured."]
    names = [n for n in ("accuracy", "active", "ood") if members[0].get(f"search_{n}")]
    lines = ["| data set | objectives | rank correlation over the runs' front members [95 %] |", "|---|---|---:|"]
    related = 0
    for dataset in distinct(members, "dataset"):
        columns = {n: figures(members, f"search_{n}", dataset=dataset) for n in names}
        for i, first in enumerate(names):
            for second in names[i + 1 :]:
                found = spearman_with_interval(columns[first], columns[second], seed=0)
                related += found.low > 0 or found.high < 0
                lines.append(
                    f"| {dataset} | {first}, {second} | {found.rho:+.2f} [{found.low:+.2f}, {found.high:+.2f}] |"
                )
    return [
        f"In {related} of {len(lines) - 2} pairs of objectives the interval leaves out 0. "
        "Values as the searches saw them; members of a front are not independent of each other.",
        "",
        *lines,
    ]


OPPONENTS = {
    "best_member": "best member",
    "best_in_hindsight": "best member in hindsight",
    "best_of_front": "the front's best",
    "dense": "not pruned",
    "dense_ensemble": "as many not pruned",
    "random_ensemble": "as many random masks",
}
WAYS = (("windows", "majority"), ("all", "soft"), ("greedy", "soft"), ("diverse", "soft"))


def claim_e(rows: Rows) -> list[str]:
    """What ensembles of a front's members gain, and how often the published windows win."""
    if not rows:
        return ["Not measured."]
    said = []
    for by, title in (("accuracy", "accuracy"), ("ood", "OOD AUROC")):
        windows = [r for r in rows if r["kind"] == "window" and r["by"] == by and int(r["heads"]) > 1]
        votes, hindsight, fair = (figures(windows, c) for c in ("ensemble", "best_in_hindsight", "best_member"))
        if len(votes):
            said.append(
                f"Published windows (majority vote, {title}): in {(votes > hindsight).sum()} of {len(votes)} windows "
                f"the vote beats its best member in hindsight, which is the published comparison "
                f"({100 * mean(votes - hindsight):+.2f} points on average), in {(votes > fair).sum()} its best member "
                f"by validation ({100 * mean(votes - fair):+.2f})."
            )
    lines = [
        f"| gain in test accuracy, points, over | {' | '.join(OPPONENTS.values())} |",
        f"|---|{'---:|' * len(OPPONENTS)}",
    ]
    for dataset in distinct(rows, "dataset"):
        for method, vote in WAYS:
            where = {"dataset": dataset, "method": method, "vote": vote}
            own = figures(rows, "accuracy", contender="ensemble", **where)
            cells = []
            for name in OPPONENTS:
                gaps = 100 * (own - figures(rows, "accuracy", contender=name, **where))
                spread = f" ± {gaps.std(ddof=1):.2f}" if len(gaps) > 1 else ""
                cells.append(f"{mean(gaps):+.2f}{spread}")
            lines.append(f"| {dataset}: {method}, {vote} vote | {' | '.join(cells)} |")
    note = (
        "Fronts are merged of three searches; who votes is chosen on the validation part. Mean and standard deviation "
        "over seeds of the difference on the test part. Ensembles of not pruned heads and of random masks have as many "
        "heads and the same vote."
    )
    return [*said, "", *lines, "", note]


def claim_f(rows: Rows) -> list[str]:
    """Evolved against not pruned with a class missing or added."""
    if not rows:
        return ["Not measured."]
    lines = ["| data set | cases in which evolved is better | mean difference, points |", "|---|---:|---:|"]
    better = cases = 0
    for dataset in distinct(rows, "dataset"):
        own = [r for r in rows if r["dataset"] == dataset]
        gaps = [
            mean(figures(own, "test_accuracy", kind=kind, case=case))
            - mean(figures(own, "dense_test_accuracy", kind=kind, case=case))
            for kind, case in dict.fromkeys((r["kind"], r["case"]) for r in own)
        ]
        better, cases = better + sum(g > 0 for g in gaps), cases + len(gaps)
        lines.append(f"| {dataset} | {sum(g > 0 for g in gaps)} / {len(gaps)} | {100 * mean(gaps):+.2f} |")
    return [f"In {better} of {cases} cases it does.", "", *lines]


def claim_g(rows: Rows) -> list[str]:
    """CKA of the best model to its neighbour, to a random mask and to the full head."""
    if not rows:
        return ["Not measured."]
    lines = [
        "| best model against | distance (Hamming) | RBF, weights | linear, unbiased, activations |",
        "|---|---:|---:|---:|",
    ]
    for model in distinct(rows, "model"):
        distance = figures(rows, "hamming_distance", model=model)
        weights = figures(rows, "cka", model=model, of="weights", estimator="RBF")
        activations = figures(rows, "cka", model=model, of="activations", estimator="linear, unbiased")
        cells = (f"{v.min():.3f} to {v.max():.3f}" if len(v) else "-" for v in (distance, weights, activations))
        lines.append(f"| {model} | {' | '.join(cells)} |")
    alike = {model: figures(rows, "cka", model=model, of="weights", estimator="RBF") for model in ("closest", "full")}
    held = (alike["closest"] > alike["full"]).sum()
    return [
        f"By the published measure (RBF, weights) the best is more alike to its closest than to the full one in {held} "
        f"of {len(alike['full'])} runs; a random mask of its density is the control that the paper lacks. "
        "By what the layers compute (activations) all are much alike.",
        "",
        *lines,
        "",
        "Published (RBF, weights): closest .925 to .993, full .202 to .291.",
    ]


CLAIMS = (
    (
        "(a) Evolved is at least as good as not pruned and as every pruning method at the same sparsity",
        "pruning",
        claim_a,
    ),
    ("(b) Feature selection is the best encoding", "pruning", claim_b),
    ("(c) Active neurons fall to 12-68 %", "pruning", claim_c),
    ("(d) The three objectives are related, fronts are diverse", "fronts", claim_d),
    ("(e) An ensemble of front members beats the best of them", "ensembles", claim_e),
    ("(f) Evolved beats not pruned with classes missing or added", "classes", claim_f),
    ("(g) The best model is alike to its Hamming-closest and unlike the full one (CKA)", "cka", claim_g),
)


def main() -> int:
    """Run the parts, then write the document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=Path, action="append", required=True, help="feature file; repeatable")
    parser.add_argument("--ood", type=Path, action="append", default=[], help="out-of-distribution feature file")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--evaluations", type=int, default=200)
    parser.add_argument("--workers", type=int, default=None)
    parser.add_argument("--parts", default=",".join(PARTS), help="which experiments to run or continue")
    parser.add_argument("--output", type=Path, default=Path("runs/evidence"))
    parser.add_argument(
        "--document", type=Path, default=Path(__file__).resolve().parent.parent / "docs" / "evidence.md"
    )
    args = parser.parse_args()
    wanted = [part for part in args.parts.split(",") if part]

    sources = [str(path.resolve()) for path in args.features]
    for part in wanted:
        outliers = [str(path.resolve()) for path in args.ood] if part in ("sparsity", "fronts", "ensembles") else []
        configs = {
            Path(source).stem: make_config(
                data=source,
                kind="features",
                recipe=get_recipe("fast"),
                ood=[other for other in outliers if other != source],
            )
            for source in sources
        }
        features = {name: load_features(config) for name, config in configs.items()}
        settings = Settings(
            seeds=args.seeds,
            evaluations=args.evaluations,
            methods=PRUNING_METHODS if part == "pruning" else None,
        )
        print(f"{part} ..", file=sys.stderr, flush=True)
        run_experiment(get_experiment(part), configs, features, settings, args.output / part, workers=args.workers)
        (args.output / part / EVALUATIONS).write_text(f"{args.evaluations}\n", encoding="utf-8")

    tables = {part: read(args.output / part / f"{part}.csv") for part in PARTS}
    seeds = {part: len({row["seed"] for row in rows}) for part, rows in tables.items()}
    picture = args.output / "sparsity" / "sparsity.png"
    args.document.parent.mkdir(exist_ok=True)
    if picture.is_file():
        (args.document.parent / "figures").mkdir(exist_ok=True)
        shutil.copy(picture, args.document.parent / "figures" / "sparsity.png")
    today = datetime.now(timezone.utc).date().isoformat()
    text = [
        "# Evidence",
        "",
        "What of the two papers' claims holds here, on images that nothing was chosen with (protocol `nested`).",
        "Written by",
        "",
        "    python benchmarks/evidence.py "
        + " ".join(f"--features {path.name}" for path in args.features)
        + "".join(f" --ood {path.name}" for path in args.ood)
        + f" --seeds {args.seeds}",
        "",
        f"evoprune {__version__}, {today}, {os.cpu_count()} cores ({platform.machine()}). Recipe `fast`. "
        "Seeds and evaluations of a search: "
        + ", ".join(f"{p} {n} and {evaluations(args.output / p)}" for p, n in seeds.items() if n)
        + ".",
        "",
        "## Where the published searches stand",
        "",
        *sparsity(tables["sparsity"]),
        "",
    ]
    for title, part, judge in CLAIMS:
        text += [f"## {title}", "", *judge(tables[part]), ""]
    args.document.write_text("\n".join(text).rstrip() + "\n", encoding="utf-8")
    print(args.document)
    return 0


if __name__ == "__main__":
    sys.exit(main())
