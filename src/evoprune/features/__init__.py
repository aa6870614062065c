"""Features: extracting them once, keeping them, and taking them from elsewhere."""

from evoprune.features._arrays import from_arrays, from_feature_file
from evoprune.features._cache_folder import CacheEntry, cache_folder, clear, list_entries, verify
from evoprune.features._classes import without_classes
from evoprune.features._compute import Compute, compute_here
from evoprune.features._corrupted import with_corruptions
from evoprune.features._digest import features_digest
from evoprune.features._extract import extract
from evoprune.features._extractor import Progress
from evoprune.features._features import Corrupted, Features, OODFeatures
from evoprune.features._ood import with_ood
from evoprune.features._ray_compute import ray_compute
from evoprune.features._write import write_feature_file

__all__ = [
    "CacheEntry",
    "Compute",
    "Corrupted",
    "Features",
    "OODFeatures",
    "Progress",
    "cache_folder",
    "clear",
    "compute_here",
    "extract",
    "features_digest",
    "from_arrays",
    "from_feature_file",
    "list_entries",
    "ray_compute",
    "verify",
    "with_corruptions",
    "with_ood",
    "without_classes",
    "write_feature_file",
]
