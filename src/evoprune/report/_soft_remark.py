"""What tables say where the chosen head was trained by soft targets, which would help a dense head too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def soft_remark(summary: Mapping[str, Any], sign: str = "±") -> list[str]:
    """One sentence with what the dense head has on the test part, trained likewise; none where labels alone were used.

    Args:
        summary: as `Result.summary` gives it.
        sign: between mean and spread.
    """
    control = summary.get("dense_soft")
    if control is None or control["test_accuracy"] is None:
        return []
    spread = f" {sign} {100 * control['test_accuracy_std']:.2f}" if control["seeds"] > 1 else ""
    found = f"{100 * control['test_accuracy']:.2f}{spread} % test accuracy"
    detected = control["test"].get("ood")
    if detected is not None:
        found += f" and an OOD AUROC of {detected:.4f}"
    exposed = summary.get("exposed")
    groups, whole = summary.get("groups", 1), summary.get("dense_groups", 1)
    how = f"for longer and in {groups} groups of units" if groups > 1 else "for longer"
    likewise = "likewise" if whole == groups else f"likewise, but in {whole} group{'s' if whole > 1 else ''},"
    besides = f", and to be unsure of {exposed:,} out-of-distribution images of the search" if exposed else ""
    return [
        f"The evolved head is trained by soft targets, {how}{besides}; the dense one by labels. "
        f"Trained {likewise} the dense one has {found}."
    ]
