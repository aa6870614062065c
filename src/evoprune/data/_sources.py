"""From what the user typed to a data set."""

from __future__ import annotations

from pathlib import Path

from evoprune._files import is_folder, is_there
from evoprune.data._dataset import ImageSet
from evoprune.data._digits import load_digits_set
from evoprune.data._folders import load_folder
from evoprune.data._splits import DEFAULT_SPLIT, Split
from evoprune.errors import DataError

DIGITS = "digits"
"""The word for the bundled data set."""


def load_images(
    source: str | Path, *, split: Split = DEFAULT_SPLIT, seed: int = 0, skip_broken: bool = False
) -> ImageSet:
    """The data set that a word or a path stands for.

    Args:
        source: a folder of images (see `load_folder`), or `digits` for the bundled data set; a folder
            of that name in the working directory goes before the bundled one.
        split: shares of training, validation and test part, where the data set is not divided already.
        seed: of the split.
        skip_broken: decode every image now and leave out those that cannot be read.

    Raises:
        DataError: there is no such folder, or it cannot be used; the message says why.
        ConfigError: a split or seed that cannot be used.
    """
    path = Path(source)
    if str(source) == DIGITS and not is_folder(path):
        return load_digits_set(seed, split)
    if not is_there(path):
        raise DataError(
            f"{source} does not exist; give a folder of images, one sub-folder per class, or '{DIGITS}' for "
            "the bundled data set"
        )
    return load_folder(path, split=split, seed=seed, skip_broken=skip_broken)
