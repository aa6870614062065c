"""From a set of images to features, with what is judged beside them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from evoprune.backbones import Backbone, load_backbone
from evoprune.data import DEFAULT_SPLIT, ImageSet, Split, count_duplicates, load_images, raise_broken, without
from evoprune.features._compute import Compute
from evoprune.features._corrupted import attach_corruptions, evaluated_rows
from evoprune.features._digest import features_digest
from evoprune.features._extractor import LOG, Extractor, Progress
from evoprune.features._features import Features
from evoprune.features._ood import attach_ood
from evoprune.features._ood_sources import parse_sources


def extract(
    source: str | Path | ImageSet,
    backbone: str | Backbone = "tiny",
    *,
    ood: Sequence[str | Path] = (),
    corruptions: bool | Literal["all"] = False,
    skip_broken: bool = False,
    batch_size: int = 64,
    threads: int | None = None,
    progress: Progress | None = None,
    notify: Callable[[str], None] | None = None,
    seed: int = 0,
    split: Split = DEFAULT_SPLIT,
    compute: Compute | None = None,
) -> Features:
    """Features of a set of images.

    Each distinct image goes through the backbone once; the result is kept in the user's
    cache directory (`EVOPRUNE_CACHE` moves it), and the network is not even built where
    all images are known. On the way there it is kept in shards, so that an extraction that was
    interrupted or killed continues, and ends in the same bits. The features do not depend on threads,
    and on the batch size only as far as the network's own arithmetic does (in the last bits of float32).

    Args:
        source: a folder of images, the name of a bundled data set, or an image set.
        backbone: a name (see `load_backbone`) or a backbone.
        ood: sets of out-of-distribution images: folders of images, feature files, or `class:NAME`
            (see `with_ood`).
        corruptions: extract corrupted images too (`data.CORRUPTIONS`), of all rows in a validation or
            test part, and of all rows of a division without validation part; `all` for those of all
            rows, which inner folds need.
        skip_broken: leave images out that cannot be read, instead of refusing them.
        batch_size: images that go through the network at once.
        threads: how many images are read and decoded at once; None takes one per processor, 8 at most.
        progress: called before the first and after each batch with the number of images done and to do; those
            cached are not counted, but for those that an interrupted extraction has done. In turn for the
            images, the out-of-distribution ones, and the corrupted ones, of which any may be cached.
        notify: called with a sentence about anything worth knowing that does not stop the
            extraction; None logs it as a warning of the logger `evoprune`.
        seed: of the split, where the source is not divided into parts, and of the halves of `ood`.
        split: shares of training, validation and test part, where the source is not divided.
        compute: what puts images through the backbone, such as `ray_compute`; None does so in this process.

    Returns:
        Features with rows in the order of the image set.

    Raises:
        DataError: the source cannot be used; images that cannot be read are all listed.
        BackboneError: the backbone cannot be had, or gives features that are not finite.
        ConfigError: a setting is out of range, or an unknown class is named.
    """
    say = notify or LOG.warning
    image_set = source if isinstance(source, ImageSet) else load_images(source, seed=seed, split=split)
    network = load_backbone(backbone) if isinstance(backbone, str) else backbone
    extractor = Extractor(
        network, batch_size=batch_size, threads=threads, progress=progress, notify=notify, compute=compute
    )
    # Refused now rather than after minutes of extraction.
    ood_sources = parse_sources(ood, image_set.name, image_set.class_names, images=True)

    survey = extractor.survey(image_set.images)
    if not skip_broken:
        raise_broken(survey.broken)
    image_set = without(image_set, survey.broken)
    X = extractor.features(survey)
    duplicates = count_duplicates(survey.digests, image_set.divisions)
    if duplicates:
        say(f"{duplicates} test image(s) of {image_set.name} also stand in the training part")
    features = Features(
        name=image_set.name,
        X=X,
        y=image_set.labels,
        class_names=image_set.class_names,
        divisions=image_set.divisions,
        digest=features_digest(X, image_set.labels, image_set.divisions),
        row_names=tuple(image.name for image in image_set.images),
        backbone=network,
        broken=image_set.broken,
        duplicates=duplicates,
    )
    features = attach_ood(features, ood_sources, extractor, seed=seed, skip_broken=skip_broken, say=say)
    if not corruptions:
        return features
    rows = np.arange(len(features.y)) if corruptions == "all" else evaluated_rows(features.divisions)
    return attach_corruptions(features, _of_classes(image_set, features), rows, extractor)


def _of_classes(image_set: ImageSet, features: Features) -> ImageSet:
    """The images of the rows of features, from which whole classes may have been taken."""
    stays = np.isin(image_set.class_names, features.class_names)[image_set.labels]
    return replace(
        image_set,
        images=tuple(image for image, kept in zip(image_set.images, stays, strict=True) if kept),
        labels=features.y,
        class_names=features.class_names,
        divisions=features.divisions,
    )
