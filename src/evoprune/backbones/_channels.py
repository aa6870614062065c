"""Which parts of a network can lose channels so that the channels that stay do not change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from evoprune._types import IntArray


@dataclass(frozen=True)
class Step:
    """How a value whose channels can be chosen, one by one, comes about.

    Attributes:
        inputs: names of the values whose channels become those of the output. Empty where the
            channels are made from all of the input (a convolution).
        layer: what people call the layer, where weights of its own belong to single channels; else None.
        parts: numbers of channels of `inputs`, where these are put one after the other; None
            where each channel of the output comes from the same channel of every input.
    """

    inputs: tuple[str, ...]
    layer: str | None = None
    parts: tuple[int, ...] | None = None


class ChannelGraph(Protocol):
    """A network as values that are made from values; a node is called by the value that it makes."""

    def values(self) -> list[str]:
        """Every value, each after those that it is made from."""

    def readers(self, value: str) -> int:
        """How often a value is read, the network's output included, questions for its size not."""

    def step(self, value: str) -> Step | str:
        """How a value comes about, or, where it cannot lose channels, what it is (`'n' (LayerNorm)`)."""


@dataclass(frozen=True)
class Selection:
    """Channels that a node reads of a value which has more.

    Attributes:
        value: name of the value.
        reader: name of the node.
        indices: the channels, ascending.
    """

    value: str
    reader: str
    indices: IntArray


@dataclass
class Plan:
    """What has to be done to remove channels.

    Attributes:
        cuts: the values that lose channels, with the channels that stay.
        layers: those of them whose makers lose weights, and what people call these.
        selections: where a node reads a value that others need whole.
        stops: what stood in the way, nearest to the features first.
    """

    cuts: dict[str, IntArray] = field(default_factory=dict)
    layers: dict[str, str] = field(default_factory=dict)
    selections: list[Selection] = field(default_factory=list)
    stops: list[str] = field(default_factory=list)


def plan_cuts(graph: ChannelGraph, output: str, keep: IntArray) -> Plan:
    """Follow the features back through the network, as far as single channels can be told apart.

    Args:
        graph: the network.
        output: name of its output, whose channels are the features.
        keep: the features that stay, ascending, fewer than there are, at least one.

    Returns:
        A plan; nothing can be removed where it has no `layers`.
    """
    plan = Plan()
    steps: dict[str, tuple[Step, IntArray]] = {}
    demands: dict[str, list[IntArray]] = {output: [keep]}
    for value in reversed(graph.values()):
        asked = demands.get(value)
        if asked is None:
            continue
        if len(asked) < graph.readers(value) or not all(np.array_equal(asked[0], other) for other in asked):
            plan.stops.append(f"{value!r}, which other layers read too")
            continue
        step = graph.step(value)
        if isinstance(step, str):
            plan.stops.append(step)
            continue
        steps[value] = step, asked[0]
        for source, wanted in _wanted(step, asked[0]):
            demands.setdefault(source, []).append(wanted)
    for value in graph.values():
        if value in steps:
            _decide(value, *steps[value], plan)
    if not np.array_equal(plan.cuts.get(output, ()), keep):
        # The output itself is several layers' features one after the other, and nobody chooses among them.
        return Plan(stops=[*plan.stops, f"{output!r}, the output"])
    return plan


def _wanted(step: Step, keep: IntArray) -> Iterator[tuple[str, IntArray]]:
    """The channels that are needed of each input that may lose some."""
    if step.parts is None:
        yield from ((source, keep) for source in step.inputs)
        return
    start = 0
    for source, width in zip(step.inputs, step.parts, strict=True):
        local = keep[(keep >= start) & (keep < start + width)] - start
        # A layer without channels cannot be run, so one stays, which nobody reads.
        fewer = local if local.size else np.arange(1)
        if fewer.size < width:
            yield source, fewer
        start += width


def _decide(value: str, step: Step, keep: IntArray, plan: Plan) -> None:
    """Cut a value, unless nothing would be saved by that: then its readers choose."""
    if step.layer is None and not any(source in plan.cuts for source in step.inputs):
        return
    if step.layer is not None:
        plan.layers[value] = step.layer
    if step.parts is None:
        plan.cuts[value] = keep
        for source in dict.fromkeys(step.inputs):
            given = plan.cuts.get(source)
            indices = keep if given is None else np.searchsorted(given, keep)
            if given is None or given.size > keep.size:
                plan.selections.append(Selection(source, value, indices))
        return
    starts = np.cumsum((0, *step.parts))[:-1]
    pieces = zip(step.inputs, step.parts, starts, strict=True)
    plan.cuts[value] = np.concatenate(
        [plan.cuts.get(source, np.arange(width)) + start for source, width, start in pieces]
    )
