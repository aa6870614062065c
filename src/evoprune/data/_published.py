"""What the published programs' configuration lines say, decoded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from evoprune.data._dataset import ImageSet
from evoprune.data._folders import fold_folder, load_train_test
from evoprune.errors import ConfigError, DataError

Layer: TypeAlias = Literal["first", "second"]
Selection: TypeAlias = Literal["roulette", "nam"]
Crossover: TypeAlias = Literal["one-point", "uniform"]

_EXTRACTOR_WIDTHS = (2048, 1024)
"""ResNet-50 and DenseNet-121; the third published extractor, VGG-19, is as wide as the hidden layers: 512."""


@dataclass(frozen=True)
class PublishedDataset:
    """A line `NAME,train_dir,test_dir,folds,height,width,classes`.

    Attributes:
        name: name of the data set.
        train_dir: folder of the training images, found from the file's own folder or the working directory;
            text, because a closing slash matters where fold numbers are appended.
        test_dir: the same for the test images.
        folds: number of published folds; 1 means one training and one test folder.
        height: height to which the published program resizes, pixels.
        width: width to which the published program resizes, pixels.
        classes: number of classes.
    """

    name: str
    train_dir: str
    test_dir: str
    folds: int
    height: int
    width: int
    classes: int

    def load(self) -> ImageSet:
        """List the images of the two folders.

        Raises:
            DataError: the folders cannot be used (see `load_folder`), or hold another number of classes.
        """
        image_set = load_train_test(self.train_dir, self.test_dir, self.folds, self.name)
        found = len(image_set.class_names)
        if found != self.classes:
            names = ", ".join(image_set.class_names)
            raise DataError(
                f"data set {self.name} has {found} classes in {self.train_dir} ({names}), but its "
                f"configuration line says {self.classes}; correct the line"
            )
        return image_set

    def test_folder(self) -> Path:
        """The folder of the test images; of several folds, that of the first.

        Raises:
            DataError: it does not exist.
        """
        return fold_folder(self.test_dir, None if self.folds == 1 else 0)


@dataclass(frozen=True)
class GeneticSettings:
    """What both single-objective forms have in common (arXiv 2202.03844, section 3).

    Attributes:
        population: number of individuals.
        mutation_probability: of a pair of children, 0..1.
        evaluations: evaluations in total.
        selection: of the second parent; `nam` is negative assortative mating.
        crossover: how two parents give two children.
        initial_share: lowest and highest share of ones at the start; equal where it is fixed.
        connections: whether a bit stands for a single connection instead of a neuron.
    """

    population: int
    mutation_probability: float
    evaluations: int
    selection: Selection
    crossover: Crossover
    initial_share: tuple[float, float]
    connections: bool


@dataclass(frozen=True)
class OneLayerSearch:
    """One layer is pruned.

    The columns are `population,layer,chromosome,next_layer,p_mutation,max_evaluations,
    selection,crossover,init,type`.

    Attributes:
        layer: which layer is pruned.
        chromosome: number of units of that layer, or of features for feature selection.
        next_layer: number of units of the layer after it.
        genetic: the settings of the genetic algorithm.
    """

    layer: Layer
    chromosome: int
    next_layer: int
    genetic: GeneticSettings

    def encoding_for(self, width: int) -> str:
        """Name of the encoding on a backbone of `width` features.

        Feature selection is published as `first` with the extractor's width as chromosome. So `first` with
        a chromosome that differs from `next_layer` and is the width of this backbone, or of a published one
        whose place this backbone takes, is `features`. Where both are equal (VGG-19: 512 and 512) the line
        does not tell feature selection from the first layer, and is read as the latter.
        """
        if self.genetic.connections:
            return "connections"
        return "features" if self._selects_features(width) else self.layer

    def hidden_for(self, width: int) -> tuple[int, ...]:
        """Units of the hidden layers of the head on a backbone of `width` features."""
        if self._selects_features(width):
            return (self.next_layer,)
        # The published lines give 512 for both, so the order matters only for lines that others write.
        return (self.chromosome, self.next_layer) if self.layer == "first" else (self.next_layer, self.chromosome)

    def _selects_features(self, width: int) -> bool:
        return (
            self.layer == "first"
            and self.chromosome != self.next_layer
            and self.chromosome in (width, *_EXTRACTOR_WIDTHS)
        )


@dataclass(frozen=True)
class BothLayersSearch:
    """Both layers are pruned.

    The columns are `population,input_width,first,second,p_mutation,max_evaluations,
    selection,crossover,init,type`.

    Attributes:
        input_width: number of features that the published extractor gives.
        first: units of the first hidden layer.
        second: units of the second hidden layer.
        genetic: the settings of the genetic algorithm.
    """

    input_width: int
    first: int
    second: int
    genetic: GeneticSettings

    def encoding_for(self, width: int) -> str:
        """Name of the encoding, the same for a backbone of any `width`.

        Raises:
            ConfigError: the line prunes single connections of both layers, for which there is no encoding.
        """
        if self.genetic.connections:
            raise ConfigError(
                f"type 1 (connections) of both layers, on {width} features, is not supported; set type to 0 "
                "for neurons, or prune the connections of one layer"
            )
        return "both"

    def hidden_for(self, width: int) -> tuple[int, ...]:
        """Units of the hidden layers of the head, the same for a backbone of any `width`."""
        return (self.first, self.second)


@dataclass(frozen=True)
class MultiObjectiveSearch:
    """A multi-objective line (arXiv 2302.10253).

    The columns are `population,type,input_width,first,second,max_evaluations,neurons|connections,
    hidden_layers,which_sparse,both_sparse`.

    Attributes:
        population: number of individuals.
        kind: `features` (written `first`: feature selection) or `pruning` (written `second`).
        input_width: number of features that the published extractor gives.
        first: units of the first hidden layer.
        second: units of the second hidden layer, or None (written -1).
        evaluations: evaluations in total.
        connections: whether a bit stands for a single connection instead of a neuron.
        hidden_layers: 1 or 2.
        which_sparse: number of the layer that is pruned, as written.
        both_sparse: whether both hidden layers are pruned.
    """

    population: int
    kind: Literal["features", "pruning"]
    input_width: int
    first: int
    second: int | None
    evaluations: int
    connections: bool
    hidden_layers: int
    which_sparse: int
    both_sparse: bool

    def encoding_for(self, width: int) -> str:
        """Name of the encoding, the same for a backbone of any `width`.

        Raises:
            ConfigError: the line prunes a layer that it does not have, or single connections of both layers.
        """
        if self.kind == "features":
            return "connections:1" if self.connections else "features"
        if self.both_sparse:
            if self.connections:
                raise ConfigError(
                    f"connections of both layers, on {width} features, are not supported; set neurons|connections "
                    "to 0 for neurons, or both_sparse to 0"
                )
            return "both"
        if not 1 <= self.which_sparse <= self.hidden_layers:
            raise ConfigError(
                f"which_sparse is {self.which_sparse}, but the line has {self.hidden_layers} hidden layer(s); "
                "layers count from 1"
            )
        if self.connections:
            return f"connections:{self.which_sparse}"
        return ("first", "second")[self.which_sparse - 1]

    def hidden_for(self, width: int) -> tuple[int, ...]:
        """Units of the hidden layers of the head, the same for a backbone of any `width`.

        Raises:
            ConfigError: the line has two hidden layers and units for one.
        """
        if self.hidden_layers == 1:
            return (self.first,)
        if self.second is None:
            raise ConfigError(f"hidden_layers is 2, but second is -1, on {width} features; give its units")
        return (self.first, self.second)


PublishedSearch: TypeAlias = OneLayerSearch | BothLayersSearch | MultiObjectiveSearch
