"""Finding, refusing and leaving out images that cannot be read; duplicates across parts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evoprune.data import (
    ArrayImage,
    BrokenImage,
    Division,
    ImageSet,
    check_images,
    count_duplicates,
    load_folder,
    raise_broken,
    without,
)
from evoprune.errors import DataError

PARTS = {f"{part}/{c}": 4 for part in ("train", "val", "test") for c in "ab"}


class Unreadable:
    """An image of someone else's kind, with an error of the general type."""

    name = "made/up"

    def digest(self) -> str:
        raise DataError("no digest")

    def load(self):
        raise DataError("the camera is off")


def break_files(*paths: Path) -> None:
    for path in paths:
        path.write_text("not an image")


def test_all_broken_images_are_found_in_order(make_folder):
    root = make_folder(PARTS)
    break_files(root / "train/b/001.png", root / "test/a/000.png")
    (root / "val/a/002.png").write_bytes(b"")
    seen: list[int] = []
    images = load_folder(root).images
    broken = check_images(images, threads=3, progress=seen.append)
    assert [item.path.relative_to(root).as_posix() for item in broken] == [
        "train/b/001.png", "val/a/002.png", "test/a/000.png"
    ]  # fmt: skip
    assert "not a JPEG" in broken[0].reason
    assert "empty" in broken[1].reason
    assert seen == list(range(1, len(images) + 1))


def test_intact_images_are_not_broken(make_folder):
    assert check_images(load_folder(make_folder(PARTS)).images) == []


def test_other_kinds_of_images_are_checked_too():
    good = ArrayImage("good", np.zeros((2, 2, 3), dtype=np.uint8))
    assert check_images([good, Unreadable()]) == [BrokenImage(Path("made/up"), "the camera is off")]


def test_an_error_in_progress_is_not_swallowed():
    def stop(done: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_images([ArrayImage("a", np.zeros((2, 2, 3), dtype=np.uint8))] * 50, progress=stop)


def test_all_are_listed_in_one_error():
    broken = [BrokenImage(Path(f"{n}.jpg"), f"reason {n}") for n in range(30)]
    with pytest.raises(DataError, match=r"^30 images cannot be read; .* --skip-broken:") as caught:
        raise_broken(broken)
    assert str(caught.value).splitlines()[1:] == [f"  {n}.jpg: reason {n}" for n in range(30)]
    with pytest.raises(DataError, match=r"^1 image cannot be read"):
        raise_broken(broken[:1])


def test_nothing_broken_raises_nothing():
    raise_broken([])


def test_without_keeps_the_parts_of_the_others(make_folder):
    root = make_folder(PARTS)
    before = load_folder(root)
    break_files(root / "train/a/000.png", root / "val/b/003.png", root / "test/b/001.png")
    broken = check_images(before.images)
    after = without(before, broken)
    assert after.broken == tuple(broken)
    assert len(after.images) == len(before.images) - 3
    gone = {str(item.path) for item in broken}
    for part in ("train", "validation", "test"):
        rows = getattr(after.divisions[0], part)
        kept = [before.images[row].name for row in getattr(before.divisions[0], part)]
        assert [after.images[row].name for row in rows] == [name for name in kept if name not in gone]
        assert [Path(after.images[row].name).parent.name for row in rows] == [
            after.class_names[label] for label in after.labels[rows]
        ]
    assert check_images(after.images) == []


def test_without_nothing_is_the_same_set(make_folder):
    image_set = load_folder(make_folder(PARTS))
    assert without(image_set, []) is image_set


def test_without_adds_to_what_was_left_out_before(make_folder):
    root = make_folder(PARTS)
    paths = [root / "train/a/000.png", root / "train/a/001.png"]
    image_set = load_folder(root)
    for path in paths:
        image_set = without(image_set, [BrokenImage(path, "gone")])
    assert [item.path for item in image_set.broken] == paths


def test_a_class_without_readable_images_is_refused(make_folder):
    root = make_folder(PARTS)
    broken = [BrokenImage(root / f"val/b/{n:03d}.png", "gone") for n in range(4)]
    with pytest.raises(
        DataError,
        match=r"class 'b' is missing in the validation part of data without its 4 broken image\(s\)",
    ):
        without(load_folder(root), broken)


@given(st.sets(st.integers(0, 29), max_size=12))
def test_without_remaps_any_rows(gone):
    images = tuple(ArrayImage(f"i{n}", np.zeros((1, 1, 3), dtype=np.uint8)) for n in range(30))
    labels = np.arange(30) % 2
    rows = np.arange(30)
    image_set = ImageSet("s", images, labels, ("a", "b"), (Division(rows[:20], rows[20:]),))
    for start, end in ((0, 20), (20, 30)):
        if any(not set(rows[start:end][labels[start:end] == c]) - gone for c in (0, 1)):
            return
    after = without(image_set, [BrokenImage(Path(f"i{n}"), "gone") for n in sorted(gone)])
    assert [after.images[row].name for row in after.divisions[0].train] == [f"i{n}" for n in range(20) if n not in gone]
    assert [after.images[row].name for row in after.divisions[0].test] == [
        f"i{n}" for n in range(20, 30) if n not in gone
    ]
    assert [f"i{n}" for n in range(30) if n not in gone] == [image.name for image in after.images]
    assert after.labels.tolist() == [n % 2 for n in range(30) if n not in gone]


def test_duplicates_are_test_rows_seen_in_training_or_validation():
    #          0    1    2    3    4    5    6    7
    digests = ["a", "b", "c", "a", "a", "d", "c", "e"]
    rows = np.arange(8)
    assert count_duplicates(digests, [Division(rows[:3], rows[3:])]) == 3
    assert count_duplicates(digests, [Division(rows[:2], rows[3:])]) == 2
    assert count_duplicates(digests, [Division(rows[:2], rows[3:], rows[2:3])]) == 3


def test_duplicates_within_a_part_or_across_folds_do_not_count():
    digests = ["a", "a", "b", "b", "c", "a", "d", "b"]
    rows = np.arange(8)
    folds = [Division(rows[:2], rows[2:4]), Division(rows[4:6], rows[6:])]
    assert count_duplicates(digests, folds) == 0


def test_duplicates_are_summed_over_folds():
    digests = ["a", "a", "b", "b"]
    rows = np.arange(4)
    folds = [Division(rows[:1], rows[1:2]), Division(rows[2:3], rows[3:])]
    assert count_duplicates(digests, folds) == 2
