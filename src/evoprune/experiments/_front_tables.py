"""Tables of merged fronts, beside the published ones."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from evoprune._types import FloatArray
from evoprune.analysis import Correlation, pairwise_hamming, spearman_with_interval
from evoprune.experiments._columns import measured
from evoprune.experiments._markdown import escaped, natural, table
from evoprune.experiments._merged_front import MergedFront
from evoprune.report import reversed_remark

_TOP = 10
"""Neurons that are listed."""

_BOOTSTRAP_SEED = 0


@dataclass(frozen=True)
class _Published:
    """A merged front of the paper: 10 runs, ResNet-50, protocol `paper`.

    Attributes:
        members: of the front.
        ranges: of accuracy, active share and AUROC.
        best: its most accurate point: accuracy, active share, AUROC.
    """

    members: int
    ranges: tuple[str, str, str]
    best: tuple[str, str, str]


_PUBLISHED = {
    "SRSMAS": _Published(92, (".145-.879", ".001-.66", ".45-.99"), (".879", ".275", ".978")),
    "RPS": _Published(72, (".484-1.0", ".002-.26", ".05-.90"), ("1.0", ".230", ".899")),
    "LEAVES": _Published(74, (".515-.941", ".003-.33", ".39-.94"), (".941", ".328", ".905")),
    "PAINTING": _Published(70, (".429-.954", ".001-.52", ".65-.99"), (".954", ".330", ".982")),
    "CATARACT": _Published(38, (".504-.760", ".001-.54", ".17-.86"), (".760", ".431", ".486")),
    "PLANTS": _Published(84, (".106-.479", ".002-.73", ".34-.78"), (".479", ".424", ".735")),
}


def range_table(fronts: Mapping[str, MergedFront], protocol: str) -> str:
    """Members and ranges of each objective, in the search's values."""
    lines = []
    for name, front in fronts.items():
        values = front.data.values
        ranges = {
            objective: f"{values[:, i].min():.3f}-{values[:, i].max():.3f}"
            for i, objective in enumerate(front.data.names)
        }
        cells = [ranges.get(objective, "-") for objective in ("accuracy", "active", "ood")]
        lines.append([escaped(name), _runs(front), str(len(values)), *cells])
    lines += [
        [f"{name}, published (paper)", "10", str(published.members), *published.ranges]
        for name, published in _PUBLISHED.items()
    ]
    accuracy, auroc = (measured(title, protocol) for title in ("accuracy", "OOD AUROC"))
    shown = table(["data set", "runs", "members", accuracy, "active share", auroc], lines)
    found = [_named(front, values)["ood"] for front in fronts.values() for values in front.data.values]
    return "\n\n".join([shown, *reversed_remark(found)])


def accurate_table(fronts: Mapping[str, MergedFront], protocol: str) -> str:
    """The member with the highest accuracy in the search, and what it is worth on the test part."""
    lines = []
    for name, front in fronts.items():
        searched = _named(front, front.data.values[0])
        tested, whole = (_named(front, values) for values in (front.test[0], front.dense))
        cells = [searched[objective] for objective in ("accuracy", "active", "ood")]
        cells += [of[objective] for objective in ("accuracy", "ood") for of in (tested, whole)]
        lines.append([escaped(name), *(_cell(value) for value in cells)])
    lines += [
        [f"{name}, published (paper)", *published.best, "-", "-", "-", "-"] for name, published in _PUBLISHED.items()
    ]
    accuracy, auroc, *tested_titles = (
        measured(title, protocol)
        for title in (
            "accuracy",
            "OOD AUROC",
            "test accuracy",
            "test accuracy, not pruned",
            "test AUROC",
            "test AUROC, not pruned",
        )
    )
    shown = table(["data set", accuracy, "active share", auroc, *tested_titles], lines)
    found = [
        _named(front, values)["ood"]
        for front in fronts.values()
        for values in (front.data.values[0], front.test[0], front.dense)
    ]
    return "\n\n".join([shown, *reversed_remark(found)])


def run_table(fronts: Mapping[str, MergedFront], protocol: str) -> str:
    """Mean and standard deviation over runs, of each run's own front."""
    lines = []
    for name, front in fronts.items():
        lost = [np.nan] * (front.wanted - len(front.runs))
        best = [(searched[at], tested[at]) for searched, tested in front.runs for at in [int(searched[:, 0].argmax())]]
        active = front.data.names.index("active")
        columns = [
            ([float(len(searched)) for searched, _ in front.runs], 1),
            ([searched[0] for searched, _ in best], 3),
            ([searched[active] for searched, _ in best], 3),
            ([tested[0] for _, tested in best], 3),
        ]
        lines.append([escaped(name), *(natural([*values, *lost], digits=digits) for values, digits in columns)])
    highest, tested = (measured(title, protocol) for title in ("highest accuracy", "its test accuracy"))
    return table(["data set", "members of a run's front", highest, "its active share", tested], lines)


def relation_table(fronts: Mapping[str, MergedFront]) -> str:
    """Rank correlations of each two objectives, among the members and among all evaluations."""
    lines = []
    for name, front in fronts.items():
        for i, j in itertools.combinations(range(len(front.data.names)), 2):
            pair = f"{front.data.names[i]}, {front.data.names[j]}"
            lines.append(
                [
                    f"{escaped(name)}: {pair}",
                    _correlation(front.data.values, i, j),
                    _correlation(front.everything, i, j),
                ]
            )
    return table(["objectives", "members", "all evaluations"], lines)


def neuron_table(fronts: Mapping[str, MergedFront]) -> str:
    """How often neurons are active over the members, and how far apart the members are."""
    lines = []
    for name, front in fronts.items():
        genomes = front.data.genomes
        frequency = genomes.mean(axis=0)
        top = np.argsort(-frequency, kind="stable")[:_TOP]
        pairs = pairwise_hamming(genomes)[np.triu_indices(len(genomes), k=1)]
        lines.append(
            [
                escaped(name),
                f"{int((frequency == 0).sum())} of {genomes.shape[1]}",
                f"{frequency[top[-1]]:.2f}-{frequency[top[0]]:.2f}",
                ", ".join(str(neuron) for neuron in top),
                natural(pairs) if len(pairs) else "-",
            ]
        )
    lines.append(["six data sets, published (paper)", "190-906 of 2048", ".85-1.0", "", ".14-.27"])
    header = ["data set", "active in no member", f"share of members that hold the {_TOP} most frequent"]
    return table([*header, "these neurons, the most frequent first", "pairwise Hamming distance"], lines)


def _runs(front: MergedFront) -> str:
    lost = front.wanted - len(front.runs)
    return f"{len(front.runs)}{f' ({lost} missing)' if lost else ''}"


def _named(front: MergedFront, values: FloatArray) -> dict[str, float]:
    """Values `[M]` by the names of their objectives; NaN for an objective that was not searched for."""
    return {"ood": np.nan, **dict(zip(front.data.names, values.tolist(), strict=True))}


def _cell(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "-"


def _correlation(values: FloatArray, i: int, j: int) -> str:
    found: Correlation = spearman_with_interval(values[:, i], values[:, j], seed=_BOOTSTRAP_SEED)
    if not np.isfinite(found.rho):
        return f"- ({found.reason})"
    interval = f" [{found.low:+.2f}, {found.high:+.2f}]" if np.isfinite(found.low) else ""
    return f"{found.rho:+.2f}{interval}, n = {found.n}"
