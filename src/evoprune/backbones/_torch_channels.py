"""How the channels of a torch network come about. Imported only when torch is needed."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F  # noqa: N812

from evoprune.backbones._channels import Step

WEIGHTED = (nn.Conv2d, nn.Linear, nn.BatchNorm1d, nn.BatchNorm2d, nn.PReLU)

_ELEMENTWISE_MODULES = (
    nn.Identity,
    nn.Dropout,
    nn.Dropout2d,
    nn.ReLU,
    nn.ReLU6,
    nn.LeakyReLU,
    nn.ELU,
    nn.SELU,
    nn.CELU,
    nn.GELU,
    nn.SiLU,
    nn.Mish,
    nn.Hardswish,
    nn.Hardsigmoid,
    nn.Hardtanh,
    nn.Sigmoid,
    nn.Tanh,
    nn.Softplus,
)
_POOLING_MODULES = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)

_ELEMENTWISE: frozenset[Callable[..., Any]] = frozenset(
    {
        *(torch.relu, torch.sigmoid, torch.tanh, torch.clamp),
        *(F.relu, F.relu6, F.leaky_relu, F.elu, F.selu, F.celu, F.gelu, F.silu, F.mish, F.hardswish, F.hardsigmoid),
        *(F.hardtanh, F.sigmoid, F.tanh, F.softplus, F.dropout, F.dropout2d),
    }
)
_POOLING: frozenset[Callable[..., Any]] = frozenset(
    {F.max_pool2d, F.avg_pool2d, F.adaptive_avg_pool2d, F.adaptive_max_pool2d}
)
_BINARY: frozenset[Callable[..., Any]] = frozenset(
    {
        *(operator.add, operator.iadd, operator.sub, operator.isub, operator.mul, operator.imul, operator.truediv),
        *(torch.add, torch.sub, torch.mul, torch.div, torch.maximum, torch.minimum),
    }
)
_RESHAPING: frozenset[Callable[..., Any]] = frozenset({torch.flatten, torch.reshape, torch.squeeze})

_ELEMENTWISE_METHODS = frozenset(
    {"relu", "relu_", "sigmoid", "tanh", "clamp", "clamp_", "contiguous", "clone", "float", "detach"}
)
_BINARY_METHODS = frozenset({"add", "add_", "sub", "sub_", "mul", "mul_", "div", "div_"})
_RESHAPING_METHODS = frozenset({"flatten", "reshape", "view", "squeeze"})
_SIZE_ATTRIBUTES = frozenset({"shape", "ndim", "dtype", "device"})


class TorchChannels:
    """A traced network as a `ChannelGraph`.

    Attributes:
        nodes: by name, which is also that of the value that a node makes.
        modules: by name.
    """

    def __init__(self, traced: fx.GraphModule) -> None:
        """Look at a network.

        Args:
            traced: with the shapes of its values (`ShapeProp`), for two images.
        """
        self.nodes = {node.name: node for node in traced.graph.nodes}
        self.modules = dict(traced.named_modules())
        self._calls = Counter(node.target for node in traced.graph.nodes if node.op == "call_module")

    def values(self) -> list[str]:
        """See `ChannelGraph`."""
        return list(self.nodes)

    def readers(self, value: str) -> int:
        """See `ChannelGraph`."""
        return sum(not _asks_for_size(user) for user in self.nodes[value].users)

    def step(self, value: str) -> Step | str:
        """See `ChannelGraph`."""
        node = self.nodes[value]
        if node.op == "call_module":
            return self._module_step(node)
        if node.op == "call_function":
            return self._operation_step(node, node.target, _ELEMENTWISE, _BINARY, _RESHAPING)
        if node.op == "call_method":
            return self._operation_step(node, node.target, _ELEMENTWISE_METHODS, _BINARY_METHODS, _RESHAPING_METHODS)
        return f"{node.name!r}, which no layer makes"

    def names_sizes(self, name: str) -> bool:
        """Whether a node may name the number of channels among its arguments."""
        return self.nodes[name].target in _RESHAPING | _RESHAPING_METHODS

    def _module_step(self, node: fx.Node) -> Step | str:
        name = str(node.target)
        module = self.modules[name]
        shown = f"{name!r} ({type(module).__name__})"
        if self._calls[node.target] > 1 and isinstance(module, WEIGHTED):
            return f"{shown}, which is used more than once"
        if len(node.all_input_nodes) != 1:
            return f"{shown}, which reads several values"
        (source,) = node.all_input_nodes
        through = Step((source.name,))
        if isinstance(module, WEIGHTED):
            return _weighted_step(node, source, module) or shown
        if isinstance(module, _ELEMENTWISE_MODULES):
            return through
        if isinstance(module, _POOLING_MODULES) and _rank(node) == 4:
            return through
        return through if isinstance(module, nn.Flatten) and _keeps_channels(source, node) else shown

    def _operation_step(
        self,
        node: fx.Node,
        target: Any,
        elementwise: frozenset[Any],
        binary: frozenset[Any],
        reshaping: frozenset[Any],
    ) -> Step | str:
        shown = f"{node.name!r} ({getattr(target, '__name__', target)})"
        sources = node.all_input_nodes
        if target in {torch.cat, torch.concat}:
            return _cat_step(node) or shown
        if target in binary:
            inputs = [source for source in sources if shape(source)[1:2] != (1,)]
            fits = all(shape(source)[:2] == shape(node)[:2] and _rank(source) == _rank(node) for source in inputs)
            return Step(tuple(source.name for source in inputs)) if inputs and fits else shown
        first = node.args[0] if node.args else None
        if not isinstance(first, fx.Node):
            return shown
        through = Step((first.name,))
        if target in reshaping:
            return through if _keeps_channels(first, node) else shown
        if len(sources) > 1:
            return shown
        if target in elementwise or (target in _POOLING and _rank(node) == 4):
            return through
        # A mean over the positions leaves the first two axes alone, one over other axes does not.
        return through if target in {torch.mean, "mean"} and _positions_only(node, _rank(first)) else shown


def _weighted_step(node: fx.Node, source: fx.Node, module: nn.Module) -> Step | None:
    layer = str(node.target)
    whole, through = Step((), layer), Step((source.name,), layer)
    if isinstance(module, nn.Conv2d):
        if module.groups == 1:
            return whole
        return through if module.groups == module.in_channels == module.out_channels else None
    if isinstance(module, nn.Linear):
        return whole if _rank(node) == 2 else None
    if isinstance(module, nn.PReLU) and module.num_parameters == 1:
        return Step((source.name,))
    return through


def _cat_step(node: fx.Node) -> Step | None:
    sources = node.args[0]
    axis = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim", 0)
    if not isinstance(sources, (list, tuple)) or not isinstance(axis, int) or not _rank(node):
        return None
    nodes = [source for source in sources if isinstance(source, fx.Node)]
    if axis % _rank(node) != 1 or not len(sources) == len(nodes) == len(set(nodes)):
        return None
    return Step(tuple(s.name for s in nodes), parts=tuple(shape(s)[1] for s in nodes))


def _asks_for_size(user: fx.Node) -> bool:
    if user.op == "call_method":
        return user.target in {"size", "dim"}
    return user.target is getattr and user.args[1] in _SIZE_ATTRIBUTES


def shape(node: fx.Node) -> tuple[int, ...]:
    """Shape of the value that a node makes, for two images; empty where it is no tensor."""
    found = node.meta.get("tensor_meta")
    return tuple(getattr(found, "shape", ()))


def _rank(node: fx.Node) -> int:
    return len(shape(node))


def _keeps_channels(source: fx.Node, node: fx.Node) -> bool:
    """Whether features that are single numbers stay the same in number and order."""
    before, after = shape(source), shape(node)
    return len(before) >= 2 and before[:2] == after[:2] and set(before[2:]) <= {1}


def _positions_only(node: fx.Node, rank: int) -> bool:
    axes = node.args[1] if len(node.args) > 1 else node.kwargs.get("dim")
    axes = (axes,) if isinstance(axes, int) else axes
    return isinstance(axes, (list, tuple)) and all(isinstance(a, int) and a % rank >= 2 for a in axes)
