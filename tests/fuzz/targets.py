"""What is fuzzed: every kind of file or text that a command takes from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from .arrays import features
from .configurations import configurations, published
from .material import Material
from .models import models
from .networks import backbones
from .pictures import images
from .stores import runs
from .target import Target
from .typed import typed


def targets(whole: Material) -> Iterator[Target]:
    """All kinds of inputs.

    Args:
        whole: the files that are damaged.
    """
    yield from configurations(whole)
    yield from published()
    yield from features(whole)
    yield from images(whole)
    yield from runs(whole)
    yield from models(whole)
    yield from backbones(whole)
    yield from typed(whole)
