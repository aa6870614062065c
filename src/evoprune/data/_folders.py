"""Image folders: which layout a folder has, and the data set in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np

from evoprune._files import is_folder
from evoprune._types import IntArray
from evoprune.data._broken import check_images, without
from evoprune.data._classes import require_classes
from evoprune.data._dataset import Division, ImageSet
from evoprune.data._images import FileImage
from evoprune.data._layout import Part, folds_of, part_folders, refuse_parts_below
from evoprune.data._scan import (
    direct_images,
    holds_images,
    image_files,
    other_files,
    require_folder,
    subfolders,
)
from evoprune.data._splits import DEFAULT_SPLIT, Split, split_rows
from evoprune.errors import ConfigError, DataError

_Classes: TypeAlias = dict[str, list[Path]]
"""Class name -> image files, both sorted."""


def load_folder(
    root: str | Path, *, split: Split = DEFAULT_SPLIT, seed: int = 0, skip_broken: bool = False
) -> ImageSet:
    """Recognise the layout of a folder and list its images; none is decoded unless `skip_broken` is set.

    Layouts (sub-folders of a class are searched too; hidden files and files that are not images are ignored):

    - `root/CLASS/*.jpg`: divided here, stratified and seeded;
    - `root/{train,test}/CLASS` and `root/{train,val,test}/CLASS` (also `valid`, `validation`);
    - folds `root/{train,test}/NAME{0..k-1}/CLASS` (also counted from 1): one division each. An image
      that lies in several folds is a row in each of them.

    Class numbers follow the sorted class names.

    Args:
        root: the folder.
        split: shares of training, validation and test part, for the first layout.
        seed: of the split.
        skip_broken: decode every image now and leave out those that cannot be read (after the split).

    Raises:
        DataError: no such folder, no images, one class, a class missing in a part, folds whose
            classes differ, or a class with too few images to be split.
        ConfigError: a split or seed that cannot be used.
    """
    root = Path(root)
    require_folder(root)
    parts = part_folders(root)
    name = _name_of(root)
    image_set = _split_classes(root, name, split, seed) if parts is None else _assemble(name, root, folds_of(parts))
    return without(image_set, check_images(image_set.images)) if skip_broken else image_set


def load_train_test(train_dir: str | Path, test_dir: str | Path, folds: int = 1, name: str | None = None) -> ImageSet:
    """The data set of a training and a test folder, as the published configurations name them.

    Args:
        train_dir: folder `train_dir/CLASS`; with folds, the fold number is appended to the text as it
            stands (`data/train/` gives `data/train/0`, `data/train/fold` gives `data/train/fold0`), or
            names a sub-folder if there is no such folder.
        test_dir: the same for the test images.
        folds: number of published folds, numbered from 0.
        name: short name; by default that of the folder in which `train_dir` lies.

    Raises:
        DataError: the refusals of `load_folder`.
        ConfigError: fewer than one fold.
    """
    if folds < 1:
        raise ConfigError(f"folds={folds} is out of range; give 1 (one training and one test folder) or more")
    divisions: list[Mapping[Part, Path]] = []
    for number in range(folds):
        fold = None if folds == 1 else number
        divisions.append({"train": fold_folder(train_dir, fold), "test": fold_folder(test_dir, fold)})
    parent = Path(train_dir).parent
    return _assemble(name if name is not None else _name_of(parent), parent, divisions)


def fold_folder(folder: str | Path, fold: int | None) -> Path:
    """The folder of one published fold, or the only one (`fold` None).

    Raises:
        DataError: it does not exist.
    """
    appended = Path(f"{folder}{'' if fold is None else fold}")
    # A pathlib.Path has lost the closing slash that the published lines end in.
    below = Path(folder) / str(fold)
    chosen = below if fold is not None and is_folder(below) and not is_folder(appended) else appended
    require_folder(chosen)
    return chosen


def _name_of(folder: Path) -> str:
    return folder.name if folder.name not in ("", "..") else folder.resolve().name


def _split_classes(root: Path, name: str, split: Split, seed: int) -> ImageSet:
    classes = _classes_in(root)
    for class_name in classes:
        refuse_parts_below(root, root / class_name)
    if len(classes) == 1:
        only = root / next(iter(classes))
        inner = sum(holds_images(folder) for folder in subfolders(only))
        hint = f"; if the classes are the folders in {only}, give that" if inner > 1 else ""
        raise DataError(f"{root} has only one class ({only.name!r}); a classifier needs at least two{hint}")
    images, labels = _rows(classes, tuple(classes))
    division = split_rows(labels, tuple(classes), split=split, seed=seed, where=str(root))
    return ImageSet(name, tuple(images), labels, tuple(classes), (division,))


def _assemble(name: str, where: Path, divisions: Sequence[Mapping[Part, Path]]) -> ImageSet:
    """List the images of divisions that are given as folders of classes."""
    images: list[FileImage] = []
    labels: list[IntArray] = []
    assembled: list[Division] = []
    class_names: tuple[str, ...] = ()
    for number, folders in enumerate(divisions):
        classes = {part: _classes_in(folder) for part, folder in folders.items()}
        present = tuple(sorted(set().union(*classes.values())))
        if number == 0:
            class_names = present
        elif present != class_names:
            odd = min(set(present) ^ set(class_names))
            has, lacks = (number, 0) if odd in present else (0, number)
            raise DataError(
                f"the folds of {where} have different classes: {odd!r} is in fold {has} but not in fold "
                f"{lacks} (counted from 0); all folds need the same classes"
            )
        rows: dict[Part, IntArray] = {}
        for part, found in classes.items():
            _require_same(found, present, folders[part])
            part_images, part_labels = _rows(found, class_names)
            rows[part] = np.arange(len(images), len(images) + len(part_images), dtype=np.int64)
            images += part_images
            labels.append(part_labels)
        assembled.append(Division(rows["train"], rows["test"], rows.get("validation")))
    all_labels = np.concatenate(labels)
    require_classes(all_labels, class_names, assembled, str(where))
    return ImageSet(name, tuple(images), all_labels, class_names, tuple(assembled))


def _require_same(found: _Classes, expected: tuple[str, ...], folder: Path) -> None:
    missing = next((name for name in expected if name not in found), None)
    if missing is not None:
        raise DataError(
            f"class {missing!r} is missing in {folder}; every part needs every class ({', '.join(expected)})"
        )


def _classes_in(folder: Path) -> _Classes:
    """The classes of a folder with their images.

    Raises:
        DataError: there are no images, no class folders, or a class folder without images.
    """
    classes = {class_folder.name: list(image_files(class_folder)) for class_folder in subfolders(folder)}
    if not any(classes.values()):
        loose = direct_images(folder)
        if loose:
            example = loose[0].name
            raise DataError(
                f"{folder} holds {len(loose)} image(s) directly (such as {example}), so their classes are "
                f"unknown; put each into a folder named after its class, as in {folder / 'CLASS' / example}"
            )
        others = other_files(folder)
        hint = f" (there are only {others} files)" if others else ""
        raise DataError(f"{folder} holds no images{hint}; JPEG, PNG, WebP, BMP and TIFF files are read")
    empty = next((name for name, files in classes.items() if not files), None)
    if empty is not None:
        raise DataError(f"the class folder {folder / empty} holds no image; add images or remove the folder")
    return classes


def _rows(classes: _Classes, class_names: tuple[str, ...]) -> tuple[list[FileImage], IntArray]:
    images = [FileImage(path) for name in class_names for path in classes[name]]
    sizes = [len(classes[name]) for name in class_names]
    return images, np.repeat(np.arange(len(class_names), dtype=np.int64), sizes)
