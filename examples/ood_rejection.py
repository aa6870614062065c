"""A classifier that says "unknown": search for accuracy, size and detection of foreign images at once.

    python examples/ood_rejection.py [EVALUATIONS]

Two kinds of foreigners: patches of the photographs that come with scikit-learn, and the digit 9, which is taken out of
the classes. Half of each is seen by the search, the other half by the report alone.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from PIL import Image
from sklearn.datasets import load_sample_images

import evoprune as ep


def cut_patches(folder: Path) -> None:
    """Write 120 patches of 64 x 64 pixels into a folder."""
    for name, pixels in zip(("temple", "flower"), load_sample_images().images, strict=True):
        for top in range(0, 384, 64):
            for left in range(0, 640, 64):
                patch = Image.fromarray(pixels[top : top + 64, left : left + 64])
                patch.save(folder / f"{name}-{top}-{left}.png")


def main(evaluations: int = 200) -> None:
    """Print the front, and what the chosen model does with its own and with foreign images."""
    with tempfile.TemporaryDirectory(prefix="photographs-") as folder:
        cut_patches(Path(folder))
        features = ep.extract("digits", backbone="tiny", ood=[folder, "class:9"])
    objectives = ["accuracy", "active", "ood"]
    study = ep.Study(features, head=ep.Head(64), objectives=objectives, ood_score="mahalanobis", report_seeds=3)
    result = study.run(evaluations)

    print("features  accuracy  AUROC   (test images, and foreign images that the search did not see)")
    for member in result.front:
        test = member.scores.test
        print(f"{member.active_neurons:8}  {test['accuracy']:8.3f}  {test['ood']:.3f}")

    # It keeps a threshold that accepts 95 % of validation images; what that means elsewhere is a fact to look at.
    model = result.best.build()
    own = model.outputs(features.X[features.divisions[0].test])
    print(f"{model}: unknown are {own.unknown.mean():.0%} of its own test images")
    for name, foreign in zip(("photographs", "nines"), features.ood, strict=True):
        print(f"and {model.outputs(foreign.X[foreign.report]).unknown.mean():.0%} of the {name}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
