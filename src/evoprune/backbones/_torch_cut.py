"""Removing features from the last layer of a torch network. Imported only when torch is needed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.node import map_aggregate
from torch.fx.passes.shape_prop import ShapeProp

from evoprune._types import IntArray
from evoprune.backbones._channels import Plan, plan_cuts
from evoprune.backbones._torch_channels import WEIGHTED, TorchChannels, shape
from evoprune.backbones._torch_network import input_type
from evoprune.backbones._wording import first_line


class _Tracer(fx.Tracer):
    """Keeps convolutions and norms whole, also those that timm derives from torch's, and what cannot be traced."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, WEIGHTED) or super().is_leaf_module(m, module_qualified_name)

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        try:
            return super().call_module(m, forward, args, kwargs)
        except fx.proxy.TraceError:
            # It decides by what it is given. What was recorded of it up to there is read by nobody.
            return self.create_proxy("call_module", self.path_of_module(m), args, kwargs)


def cut_network(network: nn.Module, size: tuple[int, int], keep: IntArray) -> tuple[fx.GraphModule | None, Plan]:
    """Remove features from a network; the one given is not changed.

    The same network and features give the same modules and names, whatever the weights: so
    weights of a cut network can be put into another one.

    Args:
        network: images `[N, 3, h, w]` to features `[N, D]` or maps `[N, D, H, W]`, in
            evaluation mode; may be on the `meta` device.
        size: h and w.
        keep: numbers of the features that stay, ascending, fewer than D.

    Returns:
        The smaller network (None where nothing can be removed), which shares the other weights
        with the given one, and what was done or stood in the way.

    Raises:
        IndexError: there are no such features.
    """
    try:
        tracer = _Tracer()
        traced = fx.GraphModule(network, tracer.trace(network))
    except Exception as error:
        # Tracing calls the network's own code with stand-ins for tensors, and that may raise anything.
        return None, Plan(stops=[f"a network whose steps depend on the images ({first_line(error)})"])
    traced.graph.eliminate_dead_code()
    first = next(network.parameters(), torch.empty(0))
    with torch.no_grad():
        ShapeProp(traced).propagate(torch.zeros((2, 3, *size), dtype=input_type(network), device=first.device))
    (output,) = (node for node in traced.graph.nodes if node.op == "output")
    value = output.args[0]
    if not isinstance(value, fx.Node):
        return None, Plan(stops=["several outputs"])
    if keep[-1] >= shape(value)[1]:
        raise IndexError(f"feature {keep[-1]} of {shape(value)[1]}")
    plan = plan_cuts(channels := TorchChannels(traced), value.name, keep)
    if not plan.layers:
        return None, plan
    for name, indices in plan.cuts.items():
        node = channels.nodes[name]
        if name in plan.layers:
            target = str(node.target)
            _set(traced, target, _cut_module(channels.modules[target], indices))
        elif channels.names_sizes(name):
            node.args = map_aggregate(node.args, partial(_resized, shape(node)[1], indices.size))
    for selection in plan.selections:
        _select(traced, channels.nodes[selection.value], channels.nodes[selection.reader], selection.indices)
    traced.recompile()
    return traced, plan


def _resized(width: int, kept: int, argument: Any) -> Any:
    """An argument of a reshaping call that names the number of features, with the new number."""
    return kept if isinstance(argument, int) and argument == width else argument


def _cut_module(module: nn.Module, indices: IntArray) -> nn.Module:
    small = copy.deepcopy(module)
    for name in ("weight", "bias", "running_mean", "running_var"):
        value = getattr(small, name, None)
        if isinstance(value, Tensor):
            kept = value.detach()[torch.as_tensor(indices, device=value.device)].clone()
            parameter = isinstance(value, nn.Parameter)
            setattr(small, name, nn.Parameter(kept, requires_grad=value.requires_grad) if parameter else kept)
    size = int(indices.size)
    match small:
        case nn.Conv2d(groups=1):
            small.out_channels = size
        case nn.Conv2d():
            small.out_channels = small.in_channels = small.groups = size
        case nn.Linear():
            small.out_features = size
        case nn.PReLU():
            small.num_parameters = size
        case nn.BatchNorm1d() | nn.BatchNorm2d():
            small.num_features = size
    return small


def _set(network: nn.Module, target: str, module: nn.Module) -> None:
    parent, _, name = target.rpartition(".")
    setattr(network.get_submodule(parent), name, module)


def _select(traced: fx.GraphModule, value: fx.Node, reader: fx.Node, indices: IntArray) -> None:
    # A network that is cut again has selections already.
    name = next(name for number in count() if not hasattr(traced, name := f"selected_{number}"))
    first = next(traced.parameters())
    # Not one of the weights: it follows from the features that stay, also where the weights are yet to come.
    device = "cpu" if first.is_meta else first.device
    traced.register_buffer(name, torch.as_tensor(indices, device=device), persistent=False)
    with traced.graph.inserting_before(reader):
        index = traced.graph.get_attr(name)
        selected = traced.graph.call_function(torch.index_select, (value, 1, index))
    reader.replace_input_with(value, selected)
