"""Translate the operators of our ONNX graphs to OpenVINO's layers, one by one; weights stay as they are."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lenetx_runtime import InputError

from .ir import Port, Writer
from .translation import Translation

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

__all__ = ["intermediate_representation"]

_BROADCAST = {"auto_broadcast": "numpy"}
_PLAIN: "dict[str, tuple[str, int, dict[str, Any]]]" = {
    "Abs": ("Abs", 1, {}),
    "Add": ("Add", 1, _BROADCAST),
    "Div": ("Divide", 1, {**_BROADCAST, "m_pythondiv": False}),
    "Erf": ("Erf", 1, {}),
    "Exp": ("Exp", 1, {}),
    "HardSwish": ("HSwish", 4, {}),
    "Log": ("Log", 1, {}),
    "MatMul": ("MatMul", 1, {"transpose_a": False, "transpose_b": False}),
    "Max": ("Maximum", 1, _BROADCAST),
    "Min": ("Minimum", 1, _BROADCAST),
    "Mul": ("Multiply", 1, _BROADCAST),
    "Neg": ("Negative", 1, {}),
    "Pow": ("Power", 1, _BROADCAST),
    "Relu": ("ReLU", 1, {}),
    "Sigmoid": ("Sigmoid", 1, {}),
    "Sqrt": ("Sqrt", 1, {}),
    "Squeeze": ("Squeeze", 1, {}),
    "Sub": ("Subtract", 1, _BROADCAST),
    "Tanh": ("Tanh", 1, {}),
    "Unsqueeze": ("Unsqueeze", 1, {}),
}
"""Operators without attributes: the layer's type, its operator set and its attributes."""
_REDUCED = {"ReduceMax": "ReduceMax", "ReduceMean": "ReduceMean", "ReduceMin": "ReduceMin", "ReduceSum": "ReduceSum"}
_PADS = {b"constant": "constant", b"edge": "edge", b"reflect": "reflect"}


def intermediate_representation(model: "ModelProto", *, halves: bool = False) -> Writer:
    """Return the layers of a model that ``onnx.parse`` accepts.

    Args:
        model: the model.
        halves: whether its weights are stored in float16, as which they must be exact.

    Raises:
        InputError: an operator, or a use of one, has no layer here.
        ValueError: ``halves``, and a weight is not a float16 number.
    """
    net = Translation(model.graph, halves=halves)
    for node in model.graph.node:
        found = _translated(net, node)
        for place, name in enumerate(node.output):
            net.ports[name] = found[0], found[1] + place
    for value in model.graph.output:
        net.writer.layer("Result", f"{value.name}/result", [net.ports[value.name]])
    return net.writer


def _translated(net: Translation, node: "NodeProto") -> Port:
    """Add a node's layers and return its first output."""
    from onnx import helper

    attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
    found = None
    if node.op_type in _TRANSLATED:
        found = _TRANSLATED[node.op_type](net, node, attributes)
    elif node.op_type in _PLAIN and not attributes and "" not in node.input:
        kind, version, data = _PLAIN[node.op_type]
        found = net.made(node, kind, version, data=data)
    if found is None:
        held = f" with {', '.join(sorted(attributes))}" * bool(attributes and node.op_type in _TRANSLATED)
        words = f"lenetx has no layer for {node.op_type}{held}"
        raise InputError(f"The network cannot be written as OpenVINO IR: {words}.")
    return found


Attributes = dict[str, Any]


def _windows(attributes: Attributes) -> Attributes | None:
    """Return what convolutions and pooling share; ``None`` if the padding is not stated."""
    attributes.setdefault("strides", (1, 1))
    pads = attributes.get("pads", (0, 0, 0, 0))
    if attributes.get("auto_pad", b"NOTSET") != b"NOTSET" or len(pads) != 4 or len(attributes["strides"]) != 2:
        return None
    return {
        "strides": attributes["strides"],
        "pads_begin": pads[:2],
        "pads_end": pads[2:],
        "auto_pad": "explicit",
    }


def _conv(net: Translation, node: "NodeProto", attributes: Attributes) -> Port | None:
    group, weight = attributes.get("group", 1), net.tensors.get(node.input[1])
    data = _windows(attributes)
    if data is None or weight is None or len(weight.dims) != 4:
        return None
    data["dilations"] = attributes.get("dilations", (1, 1))
    sizes = [*weight.dims] if group == 1 else [group, weight.dims[0] // group, *weight.dims[1:]]
    inputs = [net.port(node.input[0]), net.writer.tensor(weight.name, sizes)]
    kind = "Convolution" if group == 1 else "GroupConvolution"
    if len(node.input) == 2:
        return net.made(node, kind, 1, inputs, data)
    if node.input[2] not in net.tensors:
        return None
    bias = net.writer.tensor(node.input[2], (1, weight.dims[0], 1, 1))
    return net.made(node, "Add", 1, [net.before(node, kind, 1, inputs, data), bias], _BROADCAST)


def _gemm(net: Translation, node: "NodeProto", attributes: Attributes) -> Port | None:
    if attributes.get("alpha", 1) != 1 or attributes.get("beta", 1) != 1:
        return None
    data = {f"transpose_{side.lower()}": bool(attributes.get(f"trans{side}", 0)) for side in "AB"}
    factors = [net.port(name) for name in node.input[:2]]
    if len(node.input) == 2:
        return net.made(node, "MatMul", 1, factors, data)
    product = net.before(node, "MatMul", 1, factors, data)
    return net.made(node, "Add", 1, [product, net.port(node.input[2])], _BROADCAST)


def _pool(net: Translation, node: "NodeProto", attributes: Attributes) -> Port | None:
    data = _windows(attributes)
    plain = [*attributes.get("dilations", (1, 1))] == [1, 1] and not attributes.get("storage_order", 0)
    if data is None or not plain or len(node.output) != 1 or len(attributes["kernel_shape"]) != 2:
        return None
    data |= {"kernel": attributes["kernel_shape"], "rounding_type": "ceil" if attributes.get("ceil_mode") else "floor"}
    if node.op_type == "MaxPool":
        return net.made(node, "MaxPool", 1, data=data)
    if attributes.get("ceil_mode") and attributes.get("count_include_pad"):
        return None  # a window that hangs over the end is divided differently
    data["exclude-pad"] = not attributes.get("count_include_pad", 0)
    return net.made(node, "AvgPool", 1, data=data)


def _global_pool(net: Translation, node: "NodeProto", _: Attributes) -> Port:
    return net.made(node, "ReduceMean", 1, [net.port(node.input[0]), net.whole(2, 3)], data={"keep_dims": True})


def _reduce(net: Translation, node: "NodeProto", attributes: Attributes) -> Port | None:
    if len(node.input) != 2 or node.input[1] not in net.tensors or not net.tensors[node.input[1]].dims:
        return None
    return net.made(node, _REDUCED[node.op_type], 1, data={"keep_dims": bool(attributes.get("keepdims", 1))})


def _flatten(net: Translation, node: "NodeProto", attributes: Attributes) -> Port | None:
    if attributes.get("axis", 1) != 1:
        return None
    return net.made(node, "Reshape", 1, [net.port(node.input[0]), net.whole(0, -1)], data={"special_zero": True})


def _reshape(net: Translation, node: "NodeProto", attributes: Attributes) -> Port:
    return net.made(node, "Reshape", 1, data={"special_zero": not attributes.get("allowzero", 0)})


def _transpose(net: Translation, node: "NodeProto", attributes: Attributes) -> Port:
    return net.made(node, "Transpose", 1, [net.port(node.input[0]), net.whole(*attributes["perm"])])


def _norm(net: Translation, node: "NodeProto", attributes: Attributes) -> Port | None:
    if len(node.output) != 1 or attributes.get("training_mode"):
        return None
    epsilon = attributes.get("epsilon", 1e-5)
    return net.made(node, "BatchNormInference", 5, data={"epsilon": _real(epsilon)})


def _layer_norm(net: Translation, node: "NodeProto", attributes: Attributes) -> Port | None:
    if attributes.get("axis", -1) != -1 or len(node.output) != 1:
        return None
    data = {
        "normalize_variance": True,
        "eps_mode": "INSIDE_SQRT",
        "eps": _real(attributes.get("epsilon", 1e-5)),
    }
    result = net.before(node, "MVN", 6, [net.port(node.input[0]), net.whole(-1)], data)
    if len(node.input) == 2:
        return net.made(node, "Multiply", 1, [result, net.port(node.input[1])], _BROADCAST)
    scaled = net.before(node, "Multiply", 1, [result, net.port(node.input[1])], _BROADCAST)
    return net.made(node, "Add", 1, [scaled, net.port(node.input[2])], _BROADCAST)


def _clip(net: Translation, node: "NodeProto", _: Attributes) -> Port | None:
    limits = [net.values(name) if name else None for name in node.input[1:]]
    if len(limits) != 2 or any(each is None or each.ndim for each in limits):
        return None
    return net.made(
        node, "Clamp", 1, [net.port(node.input[0])], data={"min": _real(limits[0]), "max": _real(limits[1])}
    )


def _leaky(net: Translation, node: "NodeProto", attributes: Attributes) -> Port:
    slope = net.real(attributes.get("alpha", 0.01), 1)
    return net.made(node, "PReLU", 1, [net.port(node.input[0]), slope])


def _elu(net: Translation, node: "NodeProto", attributes: Attributes) -> Port:
    return net.made(node, "Elu", 1, data={"alpha": _real(attributes.get("alpha", 1.0))})


def _selu(net: Translation, node: "NodeProto", attributes: Attributes) -> Port:
    given = attributes.get("alpha", 1.67326319217681884765625), attributes.get("gamma", 1.05070102214813232421875)
    return net.made(node, "Selu", 1, [net.port(node.input[0]), *(net.real(each, 1) for each in given)])


def _hard_sigmoid(net: Translation, node: "NodeProto", attributes: Attributes) -> Port:
    given = attributes.get("alpha", 0.2), attributes.get("beta", 0.5)
    return net.made(node, "HardSigmoid", 1, [net.port(node.input[0]), *(net.real(each) for each in given)])


def _softmax(net: Translation, node: "NodeProto", attributes: Attributes) -> Port:
    kind, version = ("SoftMax", 8) if node.op_type == "Softmax" else ("LogSoftmax", 5)
    return net.made(node, kind, version, data={"axis": attributes.get("axis", -1)})


def _concat(net: Translation, node: "NodeProto", attributes: Attributes) -> Port:
    return net.made(node, "Concat", 1, data={"axis": attributes["axis"]})


def _pad(net: Translation, node: "NodeProto", attributes: Attributes) -> Port | None:
    pads, mode = net.values(node.input[1]), attributes.get("mode", b"constant")
    if pads is None or mode not in _PADS or len(node.input) > 3 or min(pads, default=0) < 0:
        return None
    half = len(pads) // 2
    value = net.port(node.input[2]) if len(node.input) == 3 and node.input[2] else net.real(0.0)
    inputs = [net.port(node.input[0]), net.whole(*pads[:half]), net.whole(*pads[half:]), value]
    return net.made(node, "Pad", 1, inputs, data={"pad_mode": _PADS[mode]})


def _slice(net: Translation, node: "NodeProto", _: Attributes) -> Port | None:
    if len(node.input) < 4 or "" in node.input:
        return None
    data, start, stop, axes, *step = map(net.port, node.input)
    steps = step or [net.whole(*[1] * len(net.values(node.input[3])))]
    return net.made(node, "Slice", 8, [data, start, stop, *steps, axes])


def _gather(net: Translation, node: "NodeProto", attributes: Attributes) -> Port:
    inputs = [*map(net.port, node.input), net.whole(attributes.get("axis", 0))]
    return net.made(node, "Gather", 8, inputs, data={"batch_dims": 0})


def _split(net: Translation, node: "NodeProto", attributes: Attributes) -> Port:
    data, *sizes = map(net.port, node.input)
    axis = net.whole(attributes.get("axis", 0), scalar=True)
    if sizes:
        return net.made(node, "VariadicSplit", 1, [data, axis, *sizes])
    return net.made(node, "Split", 1, [data, axis], data={"num_splits": attributes["num_outputs"]})


_TRANSLATED: Mapping[str, Callable[[Translation, "NodeProto", Attributes], Port | None]] = {
    "AveragePool": _pool,
    "BatchNormalization": _norm,
    "Clip": _clip,
    "Concat": _concat,
    "Conv": _conv,
    "Elu": _elu,
    "Flatten": _flatten,
    "Gather": _gather,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_pool,
    "HardSigmoid": _hard_sigmoid,
    "LayerNormalization": _layer_norm,
    "LeakyRelu": _leaky,
    "LogSoftmax": _softmax,
    "MaxPool": _pool,
    "Pad": _pad,
    "Reshape": _reshape,
    "Selu": _selu,
    "Slice": _slice,
    "Softmax": _softmax,
    "Split": _split,
    "Transpose": _transpose,
    **dict.fromkeys(_REDUCED, _reduce),
}


def _real(value: Any) -> str:
    """Return a float32 in decimal: 9 digits give the same number again."""
    return f"{float(value):.9g}"
