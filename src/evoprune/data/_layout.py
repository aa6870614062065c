"""Which layout an image folder has: classes, parts of classes, or parts of folds of classes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from evoprune.data._scan import direct_images, holds_images, subfolders
from evoprune.errors import DataError

Part: TypeAlias = Literal["train", "validation", "test"]

_PARTS: tuple[Part, ...] = get_args(Part)

_PART_NAMES: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}

_FOLD_NAME = re.compile(r"(.*?)(0|[1-9][0-9]*)")


def part_folders(root: Path) -> dict[Part, Path] | None:
    """The folders of the parts in the order of `Part`, or None where the sub-folders of `root` are classes.

    Raises:
        DataError: a part is missing or there twice, or there is another folder with images.
    """
    found: dict[Part, Path] = {}
    others: list[Path] = []
    for folder in subfolders(root):
        part = _PART_NAMES.get(folder.name.lower())
        if part is None:
            others.append(folder)
        elif part in found:
            raise DataError(f"{root} has two folders for one part, {found[part].name} and {folder.name}; keep one")
        else:
            found[part] = folder
    stray = next((folder for folder in others if holds_images(folder)), None)
    # A single part name among other folders is a class, as in vehicles/{bus,car,train}.
    if not found or (stray is not None and len(found) == 1):
        return None
    missing = next((part for part in ("train", "test") if part not in found), None)
    if missing is not None:
        only = next(iter(found.values()))
        raise DataError(
            f"{root} has a folder {only.name} but no folder {missing}; name the parts train and test "
            f"(and val), or give the folder that holds the classes to have it split, for example {only}"
        )
    if stray is not None:
        raise DataError(
            f"{root} has the parts train and test, and also a folder {stray.name} with images; move it away"
        )
    return {part: found[part] for part in _PARTS if part in found}


def folds_of(parts: Mapping[Part, Path]) -> list[Mapping[Part, Path]]:
    """One set of part folders per published fold; a single one where there are no folds.

    Raises:
        DataError: the parts have different folds, or the numbers leave gaps.
    """
    folds = {part: _fold_folders(folder) for part, folder in parts.items()}
    if any(not found for found in folds.values()):
        return [parts]
    numbers = {part: sorted(found) for part, found in folds.items()}
    first = numbers["train"]
    for part, present in numbers.items():
        if present != first:
            raise DataError(f"{parts['train']} has the folds {first}, but {parts[part]} has {present}; they must agree")
    if first[0] > 1 or first != list(range(first[0], first[0] + len(first))):
        raise DataError(
            f"the folds in {parts['train']} are numbered {first}, which leaves gaps; number them from 0, or, "
            "if they are classes, put the images directly into their folders"
        )
    return [{part: found[number] for part, found in folds.items()} for number in first]


def _fold_folders(part: Path) -> dict[int, Path]:
    """Fold number -> folder, empty where the sub-folders are not NAME0, NAME1, .. that hold class folders."""
    folders = subfolders(part)
    matches = [_FOLD_NAME.fullmatch(folder.name) for folder in folders]
    prefixes = {match and match[1] for match in matches}
    if len(folders) < 2 or len(prefixes) > 1:
        return {}
    if any(direct_images(folder) or not subfolders(folder) for folder in folders):
        return {}
    return {int(match[2]): folder for match, folder in zip(matches, folders, strict=True) if match}


def refuse_parts_below(root: Path, class_folder: Path) -> None:
    """Refuse a layout turned inside out, which train and test inside a class folder are the signs of.

    Raises:
        DataError: there are a train and a test folder in `class_folder`.
    """
    inner = {_PART_NAMES.get(folder.name.lower()) for folder in subfolders(class_folder)}
    if {"train", "test"} <= inner:
        raise DataError(
            f"{class_folder} holds the parts train and test where a class with its images is expected; "
            f"give {class_folder} itself, or put the parts outermost, as in {root}/train/{class_folder.name}"
        )
