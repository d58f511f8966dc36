"""Read ONNX's arithmetic, activations and reductions into canonical form."""

from collections.abc import Callable, Mapping

from . import arithmetic as do
from .expression import Expression, Unsupported
from .onnx_node import Node
from .shapes import axis_of

__all__ = ["NUMBERS"]

Operator = Callable[[Node], Expression]

_FLOAT = 1
_SELU = (1.6732632423543772, 1.0507009873554805)


def _pointwise(name: str) -> Operator:
    return lambda node: do.pointwise(name, node.value())


def _pair(read: Callable[[Expression, Expression], Expression]) -> Operator:
    return lambda node: read(node.value(0), node.value(1))


def _extreme(name: str) -> Operator:
    def read(node: Node) -> Expression:
        if node.inputs != 2:
            raise Unsupported(f"of {node.inputs} values")
        return do.extreme(name, node.value(0), node.value(1))

    return read


def _clip(node: Node) -> Expression:
    return do.clip(node.value(), node.number(1), node.number(2))


def _elu(node: Node) -> Expression:
    return do.pointwise("elu", node.value(), alpha=node.fraction("alpha", 1.0), scale=1, input_scale=1)


def _selu(node: Node) -> Expression:
    alpha, scale = node.fraction("alpha", _SELU[0]), node.fraction("gamma", _SELU[1])
    return do.pointwise("elu", node.value(), alpha=alpha, scale=scale, input_scale=1)


def _hardsigmoid(node: Node) -> Expression:
    slope, offset = node.fraction("alpha", 0.2), node.fraction("beta", 0.5)
    return do.pointwise("hardsigmoid", node.value(), slope=slope, offset=offset)


def _softmax(name: str) -> Operator:
    def read(node: Node) -> Expression:
        inputs = node.value()
        return do.over_axis(name, inputs, axis_of(inputs, node.integer("axis", -1)))

    return read


def _reduce(name: str) -> Operator:
    def read(node: Node) -> Expression:
        inputs, axes = node.value(), node.integers("axes")
        if node.inputs > 1:
            if axes is not None:
                raise Unsupported("axes given twice")
            axes = node.sizes(1)
        node.require("noop_with_empty_axes", 0)
        keep = bool(node.integer("keepdims", 1))
        return do.reduce(name, inputs, [axis_of(inputs, axis) for axis in axes or ()], keep=keep)

    return read


def _same(node: Node) -> Expression:
    return node.value()


def _dropout(node: Node) -> Expression:
    node.integer("seed", 0)
    node.number(1)  # the ratio: unused in inference, but engines would compute it
    if node.optional(2) is not None:
        raise Unsupported("with a training mode")
    return node.value()


def _cast(node: Node) -> Expression:
    node.require("to", _FLOAT)
    node.integer("saturate", 1)
    inputs = node.value()
    if inputs.operator == "weight":
        raise Unsupported("of a constant")
    return inputs


_SAME = {
    "Sign": "sign",
    "Sin": "sin",
    "Cos": "cos",
    "Atan": "atan",
    "Floor": "floor",
    "Ceil": "ceil",
    "Round": "round",
    "Softplus": "softplus",
    "Tanh": "tanh",
    "Sigmoid": "sigmoid",
    "Erf": "erf",
    "Exp": "exp",
    "Log": "log",
    "Sqrt": "sqrt",
    "Abs": "abs",
    "Neg": "neg",
    "Reciprocal": "reciprocal",
    "Mish": "mish",
    "HardSwish": "hardswish",
}

NUMBERS: Mapping[str, Operator] = {
    **{name: _pointwise(own) for name, own in _SAME.items()},
    "Relu": lambda node: do.clip(node.value(), 0, None),
    "Add": _pair(do.add),
    "Sub": _pair(do.sub),
    "Mul": _pair(do.mul),
    "Div": lambda node: do.combine("div", node.value(0), node.value(1)),
    "Pow": lambda node: do.combine("pow", node.value(0), node.value(1)),
    "Greater": lambda node: do.combine("greater", node.value(0), node.value(1)),
    "LessOrEqual": lambda node: do.combine("less_or_equal", node.value(0), node.value(1)),
    "Where": lambda node: do.where(node.value(0), node.value(1), node.value(2)),
    "PRelu": lambda node: do.combine("prelu", node.value(0), node.value(1)),
    "Max": _extreme("maximum"),
    "Min": _extreme("minimum"),
    "Clip": _clip,
    "LeakyRelu": lambda node: do.pointwise("leaky_relu", node.value(), slope=node.fraction("alpha", 0.01)),
    "Elu": _elu,
    "Selu": _selu,
    "Celu": lambda node: do.pointwise("celu", node.value(), alpha=node.fraction("alpha", 1.0)),
    "HardSigmoid": _hardsigmoid,
    "Gelu": lambda node: do.gelu(node.value(), node.text("approximate", "none")),
    "Softmax": _softmax("softmax"),
    "LogSoftmax": _softmax("log_softmax"),
    "ReduceMean": _reduce("mean"),
    "ReduceSum": _reduce("sum"),
    "ReduceMax": _reduce("amax"),
    "ReduceMin": _reduce("amin"),
    "ReduceL2": _reduce("norm"),
    "Identity": _same,
    "Dropout": _dropout,
    "Cast": _cast,
}
