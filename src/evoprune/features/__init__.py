"""Features: extracting them once, keeping them, and taking them from elsewhere."""

from evoprune.features._arrays import from_arrays, from_feature_file
from evoprune.features._cache import CacheEntry, cache_folder, clear, list_entries, verify
from evoprune.features._digest import features_digest
from evoprune.features._extract import Progress, extract
from evoprune.features._features import Features
from evoprune.features._write import write_feature_file

__all__ = [
    "CacheEntry",
    "Features",
    "Progress",
    "cache_folder",
    "clear",
    "extract",
    "features_digest",
    "from_arrays",
    "from_feature_file",
    "list_entries",
    "verify",
    "write_feature_file",
]
