"""The same image in the part that is trained on and in the part that is reported."""

from __future__ import annotations

from collections.abc import Sequence

from evoprune.data._dataset import Division


def count_duplicates(digests: Sequence[str], divisions: Sequence[Division]) -> int:
    """Count the test rows whose contents also stand in the training or validation part.

    Args:
        digests: digest of each row's contents `[N]`.
        divisions: the divisions of the rows; a row that is a duplicate in several counts in each.

    Returns:
        Number of such test rows, summed over the divisions.
    """
    count = 0
    for division in divisions:
        seen = {digests[row] for row in division.train}
        if division.validation is not None:
            seen.update(digests[row] for row in division.validation)
        count += sum(digests[row] in seen for row in division.test)
    return count
