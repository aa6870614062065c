"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from evoprune._types import FloatArray
from evoprune.analysis import Comparison, summary
from evoprune.report import markdown


def escaped(text: str) -> str:
    """Text from elsewhere (names of data sets and classes) without a meaning in Markdown or HTML, on one line."""
    return markdown(text)


def table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A table; the first column is text, the others are figures."""
    rule = ["---", *("---:" for _ in header[1:])]
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, rule, *lines])


def percent(values: FloatArray | Sequence[float], *, digits: int = 1, none: str = "failed") -> str:
    """Mean and standard deviation in percent, with what is missing said; `none` where all of it is missing."""
    return natural(100 * np.asarray(values, dtype=np.float64), digits=digits, none=none)


def natural(values: FloatArray | Sequence[float], *, digits: int = 3, none: str = "failed") -> str:
    """Mean and standard deviation as they are, with what is missing said; `none` where all of it is missing."""
    found = summary(np.asarray(values, dtype=np.float64))
    if not found.n:
        return none if found.missing else "-"
    spread = f" ± {found.std:.{digits}f}" if found.n > 1 else ""
    missing = f" ({found.missing} missing)" if found.missing else ""
    return f"{found.mean:.{digits}f}{spread}{missing}"


def comparison_lines(comparisons: Sequence[Comparison]) -> list[list[str]]:
    """One line a comparison: against whom, difference in points, wins, ties and losses, p and effect."""
    return [
        [
            escaped(c.other),
            "-" if np.isnan(c.mean_difference) else f"{100 * c.mean_difference:+.2f}",
            f"{c.wins}/{c.ties}/{c.losses}",
            _p(c.adjusted),
            "-" if np.isnan(c.test.effect) else f"{c.test.effect:+.2f}",
        ]
        for c in comparisons
    ]


COMPARISON_HEADER = ("against", "difference, points", "wins/ties/losses", "p (Wilcoxon, Holm)", "effect")


def _p(value: float) -> str:
    if np.isnan(value):
        return "-"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
