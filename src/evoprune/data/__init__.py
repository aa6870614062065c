"""Data sets: image folders, feature files, the bundled digits, and which rows are for what."""

from evoprune.data._broken import check_images, raise_broken, without
from evoprune.data._corruptions import CORRUPTIONS, CorruptedImage
from evoprune.data._dataset import BrokenImage, Division, Image, ImageSet
from evoprune.data._digits import load_digits_set
from evoprune.data._duplicates import count_duplicates
from evoprune.data._feature_arrays import FeatureArrays, from_arrays
from evoprune.data._feature_files import load_feature_file
from evoprune.data._folders import load_folder, load_train_test
from evoprune.data._images import IMAGE_SUFFIXES, ArrayImage, FileImage, UnreadableImageError, load_image
from evoprune.data._ood import even_quotas, sample_evenly, split_halves
from evoprune.data._ood_sources import OOD_FILE_SUFFIXES, load_ood_features, load_ood_images, ood_from_array
from evoprune.data._partition import Fold, Partition, Protocol, partition
from evoprune.data._published import (
    BothLayersSearch,
    GeneticSettings,
    MultiObjectiveSearch,
    OneLayerSearch,
    PublishedDataset,
    PublishedSearch,
)
from evoprune.data._published_csv import parse_dataset_csv, parse_search_csv
from evoprune.data._sources import load_images
from evoprune.data._splits import DEFAULT_SPLIT, Split, stratified_parts

__all__ = [
    "CORRUPTIONS",
    "DEFAULT_SPLIT",
    "IMAGE_SUFFIXES",
    "OOD_FILE_SUFFIXES",
    "ArrayImage",
    "BothLayersSearch",
    "BrokenImage",
    "CorruptedImage",
    "Division",
    "FeatureArrays",
    "FileImage",
    "Fold",
    "GeneticSettings",
    "Image",
    "ImageSet",
    "MultiObjectiveSearch",
    "OneLayerSearch",
    "Partition",
    "Protocol",
    "PublishedDataset",
    "PublishedSearch",
    "Split",
    "UnreadableImageError",
    "check_images",
    "count_duplicates",
    "even_quotas",
    "from_arrays",
    "load_digits_set",
    "load_feature_file",
    "load_folder",
    "load_image",
    "load_images",
    "load_ood_features",
    "load_ood_images",
    "load_train_test",
    "ood_from_array",
    "parse_dataset_csv",
    "parse_search_csv",
    "partition",
    "raise_broken",
    "sample_evenly",
    "split_halves",
    "stratified_parts",
    "without",
]
