"""The page as a file."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from evoprune._files import write_atomic
from evoprune.errors import StorageError
from evoprune.page._data import page_data
from evoprune.page._render import MOST_BYTES, render

logger = logging.getLogger(__name__)

REPORT = "report.html"
"""Name of the page within a run's folder."""


def write_page(folders: Sequence[Path], output: Path, *, experiment: Path | None = None) -> Path:
    """Write the page of some runs.

    Args:
        folders: of runs or merged fronts.
        output: the file.
        experiment: folder of an experiment on the same data; None looks in and beside each run's folder.

    Returns:
        The file.

    Raises:
        StorageError: a run is missing or damaged, the file cannot be written, or so many runs have no room in it.
        ConfigError: a configuration is damaged, or the experiment is on other data.
    """
    text = render(page_data(folders, experiment=experiment))
    if len(text.encode("utf-8")) > MOST_BYTES:
        logger.warning("%s is written without pictures, which have no room in it", output)
        text = render(page_data(folders, experiment=experiment, pictures=False))
    if len(text.encode("utf-8")) > MOST_BYTES:
        raise StorageError(
            f"the report of {len(folders)} runs takes {len(text) / 1e6:.1f} MB, more than {MOST_BYTES / 1e6:g}; "
            "name fewer runs"
        )
    write_atomic(output, text)
    return output
