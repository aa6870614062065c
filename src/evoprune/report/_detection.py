"""What tables say of a score that tells foreign images from the data set's own the wrong way round."""

from __future__ import annotations

from collections.abc import Iterable

_CHANCE = 0.5


def reversed_remark(aurocs: Iterable[float | None], way: str = "another --ood-score may do better") -> list[str]:
    """One sentence where an AUROC of a table is below 0.5, which is that of a score that tells nothing; else none.

    Args:
        aurocs: 0..1, as the table shows them; None or NaN where there is none.
        way: what to do about it.
    """
    if not any(auroc is not None and auroc < _CHANCE for auroc in aurocs):
        return []
    return [
        "OOD AUROC below 0.5: there the score ranks the other way round, foreign images as less outlying than the "
        f"data set's own; {way}."
    ]
