"""Turn the nodes of an ONNX graph into steps of a C program, one function per operator."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .activations import Activation
from .convolution import Convolution
from .dense import Dense
from .graph import Graph, label, unsupported
from .moving import Join, Pad, View
from .pointwise import Norm, Pointwise, Scaled, Softmax, Sum
from .pooling import GlobalAverage, Pool, Pooling
from .steps import counted

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

__all__ = ["OPERATORS", "lowered", "windows"]

Attributes = Mapping[str, Any]


def lowered(model: "ModelProto") -> Graph:
    """Return the steps of a graph.

    Raises:
        InputError: an operator, or a use of one, has no C; it names the node.
    """
    from onnx import helper

    graph = Graph(model)
    for node in model.graph.node:
        if graph.fold(node):
            continue
        if node.op_type not in OPERATORS or node.domain not in ("", "ai.onnx"):
            raise unsupported(node, "is an operator that lenetx does not write as C")
        if len([name for name in node.output if name]) > 1:
            raise unsupported(node, "has more than one output")
        graph.shape(node, node.output[0])
        OPERATORS[node.op_type](graph, node, {each.name: helper.get_attribute_value(each) for each in node.attribute})
    return graph


def _common(graph: Graph, node: "NodeProto", **changed: Any) -> dict[str, Any]:
    name = node.output[0]
    reads = changed.pop("reads", None) or (graph.computed(node),)
    return {"label": label(node), "reads": reads, "writes": name, "shape": graph.shape(node, name)} | changed


def windows(
    attributes: Attributes, sizes: Sequence[int], window: Sequence[int], outputs: Sequence[int]
) -> tuple[Any, Any, Any]:
    """Return strides, dilations and pads (before each axis, then after each) of a convolution or pooling."""
    count = len(sizes)
    strides, dilations = (tuple(attributes.get(name, [1] * count)) for name in ("strides", "dilations"))
    mode = attributes.get("auto_pad", b"NOTSET")
    if mode in (b"NOTSET", b"VALID"):
        pads = attributes.get("pads") if mode == b"NOTSET" else None
        return strides, dilations, tuple(pads or [0] * (2 * count))
    before, after = [], []
    for axis in range(count):
        reach = (outputs[axis] - 1) * strides[axis] + (window[axis] - 1) * dilations[axis] + 1
        missing = max(0, reach - sizes[axis])
        less, more = missing // 2, missing - missing // 2
        before.append(less if mode == b"SAME_UPPER" else more)
        after.append(more if mode == b"SAME_UPPER" else less)
    return strides, dilations, (*before, *after)


def _conv(graph: Graph, node: "NodeProto", attributes: Attributes) -> None:
    weight, shape, given = graph.values(node, 1), graph.shape(node, node.output[0]), graph.shapes[graph.computed(node)]
    graph.values(node, 2)
    if weight is None or weight.ndim != 4:
        raise unsupported(node, "is not a 2-D convolution")
    strides, dilations, pads = windows(attributes, given[2:], weight.shape[2:], shape[2:])
    if min(pads) < 0:
        raise unsupported(node, "has negative pads")
    graph.steps.append(
        Convolution(
            **_common(graph, node),
            weight=node.input[1],
            bias=node.input[2] if len(node.input) > 2 and node.input[2] else None,
            kernel=weight.shape[2:],
            strides=strides,
            dilations=dilations,
            pads=pads,
            groups=attributes.get("group", 1),
            size=(shape[2], shape[3]),
        )
    )


def _pool(graph: Graph, node: "NodeProto", attributes: Attributes) -> None:
    given, shape = graph.shapes[graph.computed(node)], graph.shape(node, node.output[0])
    window = tuple(attributes["kernel_shape"])
    strides, dilations, pads = windows(attributes, given[2:], window, shape[2:])
    counts = bool(attributes.get("count_include_pad", 0))
    kind = "max" if node.op_type == "MaxPool" else "average"
    pool = Pool(kind, window, strides, dilations, pads, counts)
    graph.steps.append(Pooling(**_common(graph, node), pool=pool))


def _global_pool(graph: Graph, node: "NodeProto", _: Attributes) -> None:
    graph.steps.append(GlobalAverage(**_common(graph, node)))


def _activation(graph: Graph, node: "NodeProto", attributes: Attributes) -> None:
    kind = {"Relu": "relu", "LeakyRelu": "leaky", "Tanh": "tanh", "Sigmoid": "sigmoid"}[node.op_type]
    slope = attributes.get("alpha", 0.01) if kind == "leaky" else None
    graph.steps.append(Pointwise(**_common(graph, node), activations=(Activation(kind, slope),)))


def _clip(graph: Graph, node: "NodeProto", attributes: Attributes) -> None:
    if graph.opset < 11:
        limits = [attributes.get("min"), attributes.get("max")]
    else:
        limits = [graph.real(node, 1), graph.real(node, 2)]
    lower, upper = (None if each is None or math.isinf(each) else each for each in limits)
    graph.steps.append(Pointwise(**_common(graph, node), activations=(Activation("clip", lower, upper),)))


def _gemm(graph: Graph, node: "NodeProto", attributes: Attributes) -> None:
    weight, given = graph.values(node, 1), graph.shapes[graph.computed(node)]
    if weight is None or weight.ndim != 2:
        raise unsupported(node, "has no constant matrix")
    alpha, beta = attributes.get("alpha", 1.0), attributes.get("beta", 1.0)
    indices = counted(*weight.shape)
    indices = indices.T if attributes.get("transB") else indices
    rows, inputs = given[::-1] if attributes.get("transA") else given
    common, shape = _common(graph, node), graph.shape(node, node.output[0])
    bias = graph.values(node, 2)
    plain = alpha == 1 and beta == 1 and (bias is None or bias.shape == (shape[1],))
    name = node.output[0] if plain else graph.new(node.output[0], shape)
    strides = (1, rows) if attributes.get("transA") else (inputs, 1)
    graph.steps.append(
        Dense(
            **common | {"writes": name},
            weight=node.input[1],
            bias=node.input[2] if plain and bias is not None else None,
            indices=indices,
            rows=rows,
            strides=strides,
        )
    )
    if not plain:
        _scaled_sum(graph, common | {"reads": (name,)}, alpha, beta, None if bias is None else node.input[2])


def _scaled_sum(graph: Graph, common: dict[str, Any], alpha: float, beta: float, bias: str | None) -> None:
    """Add the steps alpha · x + beta · bias."""
    name, shape = common["writes"], common["shape"]
    if bias is None:
        graph.steps.append(Scaled(**common, factor=alpha))
        return
    if alpha != 1:
        part = graph.new(name, shape)
        graph.steps.append(Scaled(**common | {"writes": part}, factor=alpha))
        common = common | {"reads": (part,)}
    graph.steps.append(Sum(**common, constant=bias, factor=beta))


def _matmul(graph: Graph, node: "NodeProto", _: Attributes) -> None:
    import numpy as np

    weight, given = graph.values(node, 1), graph.shapes[graph.computed(node)]
    if weight is None:
        raise unsupported(node, "has no constant matrix")
    matrix = counted(*weight.shape)
    matrix = matrix[:, None] if matrix.ndim == 1 else matrix
    left = (1, *given) if len(given) == 1 else given
    lead = np.broadcast_shapes(left[:-2], matrix.shape[:-2])
    rows, inputs = left[-2:]
    indices = np.broadcast_to(matrix, (*lead, *matrix.shape[-2:]))
    strides = (*_repeated(left[:-2], lead, rows * inputs), inputs, 1)
    if math.prod(matrix.shape[:-2]) == 1 and lead == left[:-2]:  # one matrix for all rows
        indices, rows, strides = matrix.reshape(matrix.shape[-2:]), math.prod(lead) * rows, (inputs, 1)
    graph.steps.append(
        Dense(**_common(graph, node), weight=node.input[1], bias=None, indices=indices, rows=rows, strides=strides)
    )


def _repeated(shape: Sequence[int], lead: Sequence[int], size: int) -> list[int]:
    """Return the strides of some axes along those that they are broadcast to; ``size`` is that of what they hold."""
    strides = [0] * len(lead)
    for axis in range(-1, -len(shape) - 1, -1):
        strides[axis] = size if shape[axis] > 1 else 0
        size *= shape[axis]
    return strides


def _add(graph: Graph, node: "NodeProto", _: Attributes) -> None:
    names = [*node.input]
    constant = [name for name in names if name in graph.constants]
    computed = [name for name in names if name not in graph.constants]
    shape = graph.shape(node, node.output[0])
    if not computed:
        raise unsupported(node, "reads only constants")
    computed.sort(key=lambda name: graph.shapes[name] != shape)
    common = _common(graph, node, reads=tuple(computed))
    graph.steps.append(Sum(**common, constant=constant[0] if constant else None))


def _norm(graph: Graph, node: "NodeProto", attributes: Attributes) -> None:
    import numpy as np

    if attributes.get("training_mode"):
        raise unsupported(node, "is in training mode")
    scale, shift, mean, variance = (np.asarray(graph.values(node, place), np.float64) for place in range(1, 5))
    factor = scale / np.sqrt(variance + float(np.float32(attributes.get("epsilon", 1e-5))))
    summand = shift - mean * factor
    graph.steps.append(
        Norm(**_common(graph, node), factor=factor.astype(np.float32), summand=summand.astype(np.float32))
    )


def _softmax(graph: Graph, node: "NodeProto", attributes: Attributes) -> None:
    shape = graph.shape(node, node.output[0])
    axis = attributes.get("axis", -1 if graph.opset >= 13 else 1) % len(shape)
    axes = (axis, axis + 1) if graph.opset >= 13 else (axis, len(shape))
    graph.steps.append(Softmax(**_common(graph, node), axes=axes, is_log=node.op_type == "LogSoftmax"))


def _concat(graph: Graph, node: "NodeProto", attributes: Attributes) -> None:
    shape = graph.shape(node, node.output[0])
    computed = tuple(name for name in node.input if name not in graph.constants)
    if not computed:
        raise unsupported(node, "reads only constants")
    graph.steps.append(
        Join(**_common(graph, node, reads=computed), axis=attributes["axis"] % len(shape), parts=tuple(node.input))
    )


def _view(graph: Graph, node: "NodeProto", _: Attributes) -> None:
    graph.steps.append(View(**_common(graph, node)))


def _dropout(graph: Graph, node: "NodeProto", attributes: Attributes) -> None:
    ratio, training = graph.values(node, 1), graph.values(node, 2)
    if training is not None and bool(training) and (ratio is None or float(ratio) != 0):
        raise unsupported(node, "is in training mode")
    _view(graph, node, attributes)


def _pad(graph: Graph, node: "NodeProto", attributes: Attributes) -> None:
    given, mode = graph.shapes[graph.computed(node)], attributes.get("mode", b"constant").decode()
    if graph.opset < 11:
        pads, value, axes = attributes["pads"], attributes.get("value", 0.0), None
    else:
        amounts, value, axes = graph.values(node, 1), graph.real(node, 2) or 0.0, graph.values(node, 3)
        if amounts is None:
            raise unsupported(node, "does not state its pads")
        pads = amounts.tolist()
    places = range(len(given)) if axes is None else [int(axis) % len(given) for axis in axes]
    before = [0] * len(given)
    for place, amount in zip(places, pads, strict=False):
        before[place] = int(amount)
    graph.steps.append(Pad(**_common(graph, node), before=tuple(before), mode=mode, value=value))


OPERATORS: dict[str, Callable[[Graph, "NodeProto", Attributes], None]] = {
    "Add": _add,
    "AveragePool": _pool,
    "BatchNormalization": _norm,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _conv,
    "Dropout": _dropout,
    "Flatten": _view,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_pool,
    "Identity": _view,
    "LeakyRelu": _activation,
    "LogSoftmax": _softmax,
    "MatMul": _matmul,
    "MaxPool": _pool,
    "Pad": _pad,
    "Relu": _activation,
    "Reshape": _view,
    "Sigmoid": _activation,
    "Softmax": _softmax,
    "Tanh": _activation,
}
"""Every operator that can be written, with the function that does."""
