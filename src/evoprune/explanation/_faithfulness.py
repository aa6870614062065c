"""Whether a heatmap points at what a network looks at: deletion and insertion."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from scipy.integrate import trapezoid
from scipy.ndimage import gaussian_filter, zoom

from evoprune._types import Float32Array, FloatArray, IntArray
from evoprune.errors import ConfigError
from evoprune.explanation._extract import Extract, extracted
from evoprune.explanation._occlusion import PATCHES
from evoprune.explanation._scaling import scaled

STEPS = 28
"""Images between the whole and the empty one; each takes away as many pixels."""

_BLUR = 0.05
"""Standard deviation of the blur from which insertion starts, as a share of the image's shorter side."""


@dataclass(frozen=True, eq=False)
class Faithfulness:
    """The curves of one heatmap on one image.

    Attributes:
        share: of the pixels that were deleted or inserted `[S + 1]`, from 0 to 1.
        deletion: the score while the hottest pixels are deleted first `[S + 1]`; the faster it falls the better.
        insertion: the score while the hottest pixels are inserted first `[S + 1]`; the faster it rises the better.
    """

    share: FloatArray
    deletion: FloatArray
    insertion: FloatArray

    @property
    def deletion_area(self) -> float:
        """Area under the curve of deletion; lower is better."""
        return float(trapezoid(self.deletion, self.share))

    @property
    def insertion_area(self) -> float:
        """Area under the curve of insertion; higher is better."""
        return float(trapezoid(self.insertion, self.share))


def deletion_insertion(
    extract: Extract,
    image: Float32Array,
    heatmap: Float32Array,
    score: Callable[[Float32Array], FloatArray],
    *,
    steps: int = STEPS,
    seed: int = 0,
    batch_size: int = 64,
) -> Faithfulness:
    """Deletion and insertion (Petsiuk, Das and Saenko 2018, arXiv 1806.07421, section 4.3).

    Pixels are taken in the order of their heat, equally hot ones at random. Deletion replaces them by the image's
    mean colour; insertion puts them into a blurred image, whose blur has a standard deviation of a twentieth of the
    shorter side.

    Args:
        extract: the network.
        image: a prepared image `[3, h, w]`.
        heatmap: `[h, w]`, larger where it matters more.
        score: features `[N, D]` to numbers `[N]`, such as the probability of a class.
        steps: S, images between the whole and the empty one.
        seed: of the order of equally hot pixels.
        batch_size: images that go through the network at once.

    Raises:
        ConfigError: the heatmap is of another size than the image, or there is no step.
        BackboneError: the network cannot be run.
    """
    if heatmap.shape != image.shape[1:]:
        raise ConfigError(f"a heatmap of {list(heatmap.shape)} does not fit an image of {list(image.shape)}")
    if steps < 1:
        raise ConfigError(f"steps={steps} is out of range; give 1 or more")
    flat = heatmap.ravel()
    order = np.lexsort((np.random.default_rng(seed).random(flat.size), -flat))
    counts = np.linspace(0, flat.size, steps + 1).round().astype(np.int64)
    sigma = _BLUR * min(heatmap.shape)
    mean = np.broadcast_to(image.mean(axis=(1, 2))[:, None, None], image.shape)
    blurred = np.stack([gaussian_filter(channel, sigma) for channel in image])
    deletion = score(extracted(extract, _mixed(image, mean, order, counts), batch_size))
    insertion = score(extracted(extract, _mixed(blurred, image, order, counts), batch_size))
    return Faithfulness(counts / flat.size, deletion, insertion)


def centred_blob(height: int, width: int) -> Float32Array:
    """A map `[h, w]` that is hottest in the centre, falls off evenly and knows nothing of the image."""
    rows, columns = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)
    blob: Float32Array = scaled(np.exp(-2 * (rows**2 + columns**2))[None])[0]
    return blob


def random_map(height: int, width: int, rng: Generator) -> Float32Array:
    """A map `[h, w]` of 7 x 7 random numbers, enlarged as a network's last maps are: as coarse as a heatmap.

    Single random pixels would be no fair control: a few of them deleted everywhere destroy an image.
    """
    coarse = rng.random((PATCHES, PATCHES))
    fine = zoom(coarse, (height / PATCHES, width / PATCHES), order=1, grid_mode=True, mode="nearest")
    enlarged: Float32Array = scaled(fine[None])[0]
    return enlarged


def _mixed(first: Float32Array, second: Float32Array, order: IntArray, counts: IntArray) -> Iterator[Float32Array]:
    """The first image with ever more pixels of the second one, in an order `[h * w]`."""
    mixed = first.reshape(len(first), -1).copy()
    pixels = second.reshape(len(second), -1)
    done = 0
    for count in counts:
        taken = order[done:count]
        mixed[:, taken] = pixels[:, taken]
        done = int(count)
        yield mixed.reshape(first.shape).copy()
