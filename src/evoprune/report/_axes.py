"""Figures of a result for notebooks: functions that take a result and give back matplotlib axes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from evoprune._types import FloatArray
from evoprune.errors import ConfigError
from evoprune.report._canvas import SMALL, STYLE, WIDTH
from evoprune.report._figures import draw_convergence
from evoprune.report._front import FrontData
from evoprune.report._hypervolume import hypervolume_curve
from evoprune.report._pairwise import pairwise_fronts
from evoprune.report._sparsity import SparsityCurve, sparsity_curves

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from evoprune.objectives import Objective
    from evoprune.study import Evaluation


class _Volume(Protocol):
    @property
    def reference(self) -> dict[str, float]: ...

    @property
    def trace(self) -> FloatArray: ...


class _Valued(Protocol):
    @property
    def values(self) -> dict[str, float]: ...


class PlottedResult(Protocol):
    """What the figures are drawn from; `Result` is one."""

    @property
    def protocol(self) -> str:
        """`nested` or `paper`."""

    @property
    def history(self) -> tuple[Evaluation, ...]:
        """Every finished evaluation, in the order of asking."""

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What was searched for."""

    @property
    def dense(self) -> _Valued:
        """The head that is not pruned."""

    @property
    def hypervolume(self) -> _Volume | None:
        """Hypervolume and its reference point, where there are several objectives."""

    def front_data(self) -> FrontData:
        """The front as figures take it."""


@contextmanager
def _styled() -> Iterator[None]:
    """Within it, text has the sizes that it has in the figures of a run folder."""
    from matplotlib import rcParams  # noqa: PLC0415

    # Not by `rc_context`, which would also take back what a notebook sets when it draws its first figure.
    before = {name: rcParams[name] for name in STYLE}
    rcParams.update(STYLE)
    try:
        yield
    finally:
        rcParams.update(before)


@_styled()
def plot_front(result: PlottedResult, x: str | None = None, y: str | None = None, axes: Axes | None = None) -> Axes:
    """Two objectives of the front: all evaluations, the members on validation and test part, the chosen one.

    Args:
        result: of several objectives.
        x: name of the objective across; the second one where it is left out.
        y: name of the objective upwards; the first one where it is left out.
        axes: to draw into; without them a new figure is made.

    Raises:
        ConfigError: there is one objective alone, or a name is none of them, or the same one twice.
    """
    names = [objective.name for objective in result.objectives]
    if len(names) < 2:
        raise ConfigError(f"a search for {names[0]} alone has no front; draw it by plot_convergence")
    pair = [names[0] if y is None else y, names[1] if x is None else x]
    if x == names[0] and y is None:
        pair[0] = names[1]
    for name in pair:
        if name not in names:
            raise ConfigError(f"objective {name!r} is none of this result; choose among {', '.join(names)}")
    if pair[0] == pair[1]:
        raise ConfigError(f"objective {pair[0]!r} would stand on both axes; give two of {', '.join(names)}")
    grid = np.empty((1, 1), dtype=np.object_)
    grid[0, 0] = _new(axes, 0.66)
    pairwise_fronts(grid, _of_objectives(result.front_data(), [names.index(name) for name in pair]))
    drawn: Axes = grid[0, 0]
    return drawn


@_styled()
def plot_convergence(result: PlottedResult, objective: str | None = None, axes: Axes | None = None) -> Axes:
    """Every evaluation's value of one objective, coloured by active share, and the best so far.

    Args:
        result: of a study.
        objective: its name; the first one where it is left out.
        axes: to draw into; without them a new figure is made.

    Raises:
        ConfigError: the objective is none of the result's.
    """
    names = [found.name for found in result.objectives]
    name = names[0] if objective is None else objective
    if name not in names:
        raise ConfigError(f"objective {name!r} is none of this result; choose among {', '.join(names)}")
    index = names.index(name)
    drawn = _new(axes, 0.55)
    dots = draw_convergence(
        drawn,
        result.history,
        result.objectives[index],
        index,
        protocol=result.protocol,
        dense=result.dense.values[name],
    )
    drawn.figure.colorbar(dots, ax=drawn, label="active share", pad=0.02)
    return drawn


@_styled()
def plot_hypervolume(result: PlottedResult, axes: Axes | None = None) -> Axes:
    """The hypervolume of the front after each evaluation.

    Args:
        result: of several objectives.
        axes: to draw into; without them a new figure is made.

    Raises:
        ConfigError: there is one objective alone.
    """
    volume = result.hypervolume
    if volume is None:
        raise ConfigError(f"a search for {result.objectives[0].name} alone has no hypervolume; draw plot_convergence")
    return hypervolume_curve(
        _new(axes, 0.52),
        [np.arange(1, len(volume.trace) + 1)],
        [volume.trace],
        np.array(list(volume.reference.values())),
        list(volume.reference),
        protocol=result.protocol,
    )


@_styled()
def plot_sparsity(
    curves: Mapping[str, SparsityCurve],
    dense: tuple[float, float] | None = None,
    *,
    protocol: str = "nested",
    emphasised: Sequence[str] = (),
    axes: Axes | None = None,
) -> Axes:
    """Test accuracy over active share, one line a method, with a legend.

    Args:
        curves: of each method; those of an experiment are `evoprune.experiments.load_sparsity(folder).curves(name)`.
        dense: mean and standard deviation of the head that is not pruned.
        protocol: named in the axis label where it is `paper`.
        emphasised: methods drawn in front.
        axes: to draw into; without them a new figure is made.

    Raises:
        ConfigError: no curve.
    """
    drawn = sparsity_curves(_new(axes, 0.66), curves, dense, protocol=protocol, emphasised=emphasised)
    drawn.legend(frameon=False, fontsize=SMALL, ncols=3, loc="lower left", bbox_to_anchor=(0, 1))
    return drawn


def _new(axes: Axes | None, height: float) -> Axes:
    """The axes, or those of a new figure of a page's width, `height` widths high."""
    if axes is not None:
        return axes
    from matplotlib import pyplot  # noqa: PLC0415

    _, drawn = pyplot.subplots(figsize=(WIDTH, height * WIDTH), layout="constrained")
    return drawn


def _of_objectives(data: FrontData, columns: Sequence[int]) -> FrontData:
    """The front with two of its objectives alone."""

    def taken(values: FloatArray | None) -> Any:
        return None if values is None else values[..., columns]

    return replace(
        data,
        names=tuple(data.names[i] for i in columns),
        titles=tuple(data.titles[i] for i in columns),
        maximize=tuple(data.maximize[i] for i in columns),
        values=taken(data.values),
        validation=taken(data.validation),
        test=taken(data.test),
        dense=taken(data.dense),
        dense_validation=taken(data.dense_validation),
        everything=taken(data.everything),
    )
