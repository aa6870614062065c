"""A head, its probabilities and its OOD score as nodes of an ONNX graph.

The same graph, turned into a torch network, is the head of a TorchScript file. Its nodes have kept
their form since operator set 11, so that they can follow a backbone of any later one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evoprune.heads import SHARE_FLOOR, TIE_WEIGHT
from evoprune.model._rejection import Rejection
from evoprune.model._stored_head import StoredHead, StoredMatrix, StoredMember
from evoprune.objectives import ODIN_TEMPERATURE, Mahalanobis, NearestNeighbour

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto

OPERATOR_SET = 13
IR_VERSION = 8
"""Of graphs that begin here; onnxruntime has read them since 1.10."""

FEATURES, IMAGE = "features", "image"
"""Names of the input: of a head alone, and of a whole model."""

LOGITS, PROBABILITIES, SCORE = "logits", "probabilities", "ood_score"
"""Names of the outputs."""


def head_model(head: StoredHead, rejection: Rejection | None) -> ModelProto:
    """A graph of a head alone: `features` `[N, D]` to `logits`, `probabilities` `[N, C]` and `ood_score` `[N]`."""
    from onnx import TensorProto, helper  # noqa: PLC0415

    taken = helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, ["N", head.width])
    graph = helper.make_graph([], "evoprune", [taken], [])
    model: ModelProto = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPERATOR_SET)], ir_version=IR_VERSION, producer_name="evoprune"
    )
    append_head(model, FEATURES, head, rejection)
    return model


def append_head(model: ModelProto, features: str, head: StoredHead, rejection: Rejection | None) -> None:
    """Put a head behind the value `features` `[N, D]` of a graph; what it gives becomes the graph's outputs."""
    from onnx import TensorProto, helper  # noqa: PLC0415

    nodes = _Nodes(model.graph)
    passes = [_pass(nodes, features, member) for member in head.members]
    hidden, logits = passes[0]
    if head.vote is not None:
        logits = _vote(nodes, [found for _, found in passes], head)
    classes = head.classes
    given = [(LOGITS, logits, TensorProto.FLOAT, ["N", classes])]
    given.append((PROBABILITIES, nodes.add("Softmax", [logits], {"axis": 1}), TensorProto.FLOAT, ["N", classes]))
    if rejection is not None:
        given.append((SCORE, _score(nodes, logits, hidden, rejection, classes), TensorProto.DOUBLE, ["N"]))
    del model.graph.output[:]
    for name, value, kind, shape in given:
        nodes.add("Identity", [value], name=name)
        model.graph.output.append(helper.make_tensor_value_info(name, kind, shape))


class _Nodes:
    """Adds nodes and constants to a graph, under names that it does not have yet."""

    def __init__(self, graph: GraphProto) -> None:
        self._graph = graph
        taken = {name for node in graph.node for name in node.output} | {i.name for i in graph.initializer}
        self._prefix = "head"
        while any(name.startswith(self._prefix) for name in taken):
            self._prefix += "_"
        self._count = 0

    def constant(self, array: NDArray[Any]) -> str:
        """Name of an array that is part of the graph."""
        from onnx import numpy_helper  # noqa: PLC0415

        name = self._name("constant")
        self._graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def rounded(self, array: NDArray[np.float64]) -> str:
        """Name of an array of float64 numbers that float32 holds exactly, and keeps."""
        return self.cast(self.constant(array.astype(np.float32)), np.float64)

    def number(self, value: float) -> str:
        """Name of a number, float64."""
        return self.constant(np.array(value, np.float64))

    def add(
        self, kind: str, inputs: Sequence[str], attributes: Mapping[str, Any] | None = None, *, name: str | None = None
    ) -> str:
        """Add a node; the name of its first output."""
        from onnx import helper  # noqa: PLC0415

        outputs = [name or self._name(kind.lower())]
        if kind == "TopK":
            outputs.append(self._name("places"))
        self._graph.node.append(helper.make_node(kind, inputs, outputs, name=outputs[0], **(attributes or {})))
        return outputs[0]

    def cast(self, value: str, kind: type[np.generic]) -> str:
        """The value in other numbers."""
        from onnx import helper  # noqa: PLC0415

        return self.add("Cast", [value], {"to": helper.np_dtype_to_tensor_dtype(np.dtype(kind))})

    def row_sum(self, value: str, columns: int) -> str:
        """Sums `[N, 1]` of the rows of a float64 value `[N, columns]`."""
        return self.add("MatMul", [value, self.constant(np.ones((columns, 1)))])

    def extreme(self, value: str, count: int, *, largest: bool) -> str:
        """The `count` largest (or smallest) of each row `[N, count]`, from the most extreme on."""
        wanted = self.constant(np.array([count], np.int64))
        return self.add("TopK", [value, wanted], {"axis": 1, "largest": int(largest), "sorted": 1})

    def _name(self, what: str) -> str:
        self._count += 1
        return f"{self._prefix}/{what}_{self._count}"


def _pass(nodes: _Nodes, features: str, member: StoredMember) -> tuple[str, str]:
    """Names of the last hidden layer and of the logits of one head."""
    out = nodes.add("Gather", [features, nodes.constant(member.inputs)], {"axis": 1})
    for index, (matrix, bias) in enumerate(zip(member.matrices, member.biases, strict=True)):
        if index:
            out = nodes.add("Relu", [out])
        hidden = out
        out = nodes.add("MatMul", [out, _weights(nodes, matrix)])
        if bias is not None:
            out = nodes.add("Add", [out, nodes.constant(bias)])
    return hidden, out


def _weights(nodes: _Nodes, matrix: StoredMatrix) -> str:
    stored = nodes.constant(matrix.values)
    if matrix.values.dtype == np.float32:
        return stored
    plain = nodes.cast(stored, np.float32)
    if matrix.scale is not None:
        plain = nodes.add("Mul", [plain, nodes.constant(matrix.scale)])
    return plain if matrix.row_scale is None else nodes.add("Mul", [plain, nodes.constant(matrix.row_scale[:, None])])


def _vote(nodes: _Nodes, logits: Sequence[str], head: StoredHead) -> str:
    """Logarithms of the shares of a vote, as `EnsembleHead.logits`."""
    classes = head.classes
    votes = [member.votes for member in head.members]
    soft = _mean(nodes, [_softmax(nodes, nodes.cast(value, np.float64), classes) for value in logits], votes)
    shares = soft
    if head.vote == "majority":
        chosen = [nodes.add("ArgMax", [value], {"axis": 1, "keepdims": 0}) for value in logits]
        ballot = nodes.constant(np.eye(classes))
        counted = _mean(nodes, [nodes.add("Gather", [ballot, place], {"axis": 0}) for place in chosen], votes)
        # Means instead of sums: the tie weight is one of a vote among all.
        tie = TIE_WEIGHT / sum(votes)
        tied = nodes.add("Mul", [soft, nodes.number(tie)])
        shares = nodes.add("Div", [nodes.add("Add", [counted, tied]), nodes.number(1 + tie)])
    floored = nodes.add("Max", [shares, nodes.number(SHARE_FLOOR)])
    return nodes.cast(nodes.add("Log", [floored]), np.float32)


def _mean(nodes: _Nodes, values: Sequence[str], votes: Sequence[int]) -> str:
    total = ""
    for value, count in zip(values, votes, strict=True):
        weighted = nodes.add("Mul", [value, nodes.number(count / sum(votes))])
        total = nodes.add("Add", [total, weighted]) if total else weighted
    return total


def _softmax(nodes: _Nodes, logits: str, classes: int) -> str:
    exponentials = _exponentials(nodes, logits, 1.0)
    return nodes.add("Div", [exponentials, nodes.row_sum(exponentials, classes)])


def _exponentials(nodes: _Nodes, logits: str, temperature: float) -> str:
    """`exp((logits - largest) / temperature)`, float64."""
    shifted = nodes.add("Sub", [logits, nodes.extreme(logits, 1, largest=True)])
    return nodes.add("Exp", [nodes.add("Div", [shifted, nodes.number(temperature)])])


def _score(nodes: _Nodes, logits: str, hidden: str, rejection: Rejection, classes: int) -> str:
    """The OOD score `[N]`, float64, as `evoprune.objectives` computes it."""
    fitted = rejection.fitted
    if isinstance(fitted, Mahalanobis):
        white = nodes.add("MatMul", [nodes.cast(hidden, np.float64), nodes.rounded(fitted.whitening)])
        score = nodes.extreme(_squared_distances(nodes, white, fitted.means), 1, largest=False)
    elif isinstance(fitted, NearestNeighbour):
        score = _nearest(nodes, nodes.cast(hidden, np.float64), fitted)
    else:
        score = _of_logits(nodes, nodes.cast(logits, np.float64), rejection.score, classes)
    return nodes.add("Reshape", [score, nodes.constant(np.array([-1], np.int64))])


def _of_logits(nodes: _Nodes, logits: str, name: str, classes: int) -> str:
    largest = nodes.extreme(logits, 1, largest=True)
    if name == "maxlogit":
        return nodes.add("Neg", [largest])
    exponentials = _exponentials(nodes, logits, ODIN_TEMPERATURE if name == "odin" else 1.0)
    total = nodes.row_sum(exponentials, classes)
    if name == "energy":
        return nodes.add("Neg", [nodes.add("Add", [largest, nodes.add("Log", [total])])])
    return nodes.add("Div", [nodes.number(-1.0), total])


def _nearest(nodes: _Nodes, hidden: str, fitted: NearestNeighbour) -> str:
    """Distance to the k-th nearest of the training images, all scaled to unit length."""
    columns = fitted.features.shape[1]
    length = nodes.add("Sqrt", [nodes.row_sum(nodes.add("Mul", [hidden, hidden]), columns)])
    scaled = nodes.add("Div", [hidden, nodes.add("Max", [length, nodes.number(np.finfo(np.float64).tiny)])])
    nearest = nodes.extreme(_squared_distances(nodes, scaled, fitted.features), fitted.k, largest=False)
    farthest = nodes.add("Gather", [nearest, nodes.constant(np.array([fitted.k - 1], np.int64))], {"axis": 1})
    # Rounding may take the square of a distance of nearly 0 below it.
    return nodes.add("Sqrt", [nodes.add("Max", [farthest, nodes.number(0.0)])])


def _squared_distances(nodes: _Nodes, points: str, others: NDArray[np.float64]) -> str:
    """`[N, n]` between points `[N, h]` of the graph and others `[n, h]`, float64."""
    own = nodes.row_sum(nodes.add("Mul", [points, points]), others.shape[1])
    theirs = nodes.constant((others**2).sum(axis=1)[None])
    products = nodes.add("MatMul", [points, nodes.rounded(-2 * others.T)])
    return nodes.add("Add", [nodes.add("Add", [products, own]), theirs])
