"""Read PyTorch's arithmetic, activations and reductions into canonical form."""

from collections.abc import Callable, Mapping

from . import arithmetic as do
from .expression import Expression, Unsupported, number
from .shapes import axis_of, cut
from .torch_call import Call

__all__ = ["NUMBERS"]

Operator = Callable[[Call], Expression]


def _pointwise(name: str) -> Operator:
    return lambda call: do.pointwise(name, call.value())


def _scaled(call: Call) -> Expression:
    return _times(call.scalar("alpha"), call.value("other"))


def _rsub(call: Call) -> Expression:
    return do.sub(call.value("other"), _times(call.scalar("alpha"), call.value()))


def _times(factor: float, value: Expression) -> Expression:
    return value if factor == 1 else do.mul(number(factor), value)


def _combine(name: str) -> Operator:
    return lambda call: do.combine(name, call.value(), call.value("other"))


def _extreme(name: str) -> Operator:
    return lambda call: do.extreme(name, call.value(), call.value("other"))


def _clip(low: str, high: str) -> Operator:
    def read(call: Call) -> Expression:
        lowest = call.optional_scalar(low) if low else None
        return do.clip(call.value(), lowest, call.optional_scalar(high) if high else None)

    return read


def _elu(call: Call) -> Expression:
    numbers = {name: call.scalar(name) for name in ("alpha", "scale", "input_scale")}
    return do.pointwise("elu", call.value(), **numbers)


def _softmax(name: str) -> Operator:
    def read(call: Call) -> Expression:
        inputs = call.value()
        if call.flag("half_to_float"):
            raise Unsupported("in half precision")
        return do.over_axis(name, inputs, axis_of(inputs, call.whole("dim")))

    return read


def _reduce(name: str) -> Operator:
    def read(call: Call) -> Expression:
        inputs, axes = call.value(), call.take("dim") if call.has("dim") else None
        places = [axis_of(inputs, axis) for axis in axes or ()]
        if inputs.operator == "reshape" and any(inputs.axes[place] == 1 for place in places):
            raise Unsupported("over an axis that another shape has given it")  # as PyTorch pools along one axis
        return do.reduce(name, inputs, places, keep=call.has("keepdim") and call.flag("keepdim"))

    return read


def _variance(call: Call) -> Expression:
    inputs, axes, correction = call.value(), call.take("dim"), call.optional_scalar("correction")
    places = [axis_of(inputs, axis) for axis in axes or ()]
    return do.variance(inputs, places, 1 if correction is None else correction, keep=call.flag("keepdim"))


def _norm(call: Call) -> Expression:
    if call.scalar("ord") != 2:
        raise Unsupported("of another order than 2")
    return _reduce("norm")(call)


def _random_leaky(call: Call) -> Expression:
    if call.flag("training"):
        raise Unsupported("in training mode")
    call.drop("noise")
    return do.pointwise("leaky_relu", call.value(), slope=(call.scalar("lower") + call.scalar("upper")) / 2)


def _threshold(call: Call) -> Expression:
    inputs, value = call.value(), number(call.scalar("value"))
    return do.where(do.combine("less_or_equal", inputs, number(call.scalar("threshold"))), value, inputs)


def _hardshrink(call: Call) -> Expression:
    inputs, limit = call.value(), number(call.scalar("lambd"))
    return do.where(do.combine("less_or_equal", do.pointwise("abs", inputs), limit), number(0), inputs)


def _softshrink(call: Call) -> Expression:
    inputs, limit = call.value(), number(call.scalar("lambd"))
    less = do.sub(inputs, do.mul(do.pointwise("sign", inputs), limit))
    return do.where(do.combine("greater", do.pointwise("abs", inputs), limit), less, do.mul(inputs, number(0)))


def _glu(call: Call) -> Expression:
    inputs = call.value()
    axis = axis_of(inputs, call.whole("dim"))
    half = inputs.axes[axis] // 2
    return do.mul(cut(inputs, axis, 0, half), do.pointwise("sigmoid", cut(inputs, axis, half, None)))


_SAME = (
    *("tanh", "sigmoid", "erf", "exp", "log", "sqrt", "abs", "neg", "reciprocal", "mish", "sign", "sin", "cos", "atan"),
    *("floor", "ceil", "round"),
)

NUMBERS: Mapping[str, Operator] = {
    **{name: _pointwise(name) for name in _SAME},
    "log1p": lambda call: do.pointwise("log", do.add(call.value(), number(1))),
    "expm1": lambda call: do.sub(do.pointwise("exp", call.value()), number(1)),
    "rsqrt": lambda call: do.pointwise("reciprocal", do.pointwise("sqrt", call.value())),
    "log_sigmoid_forward": lambda call: do.pointwise("log", do.pointwise("sigmoid", call.value())),
    "relu": lambda call: do.clip(call.value(), 0, None),
    "add": lambda call: do.add(call.value(), _scaled(call)),
    "sub": lambda call: do.sub(call.value(), _scaled(call)),
    "rsub": _rsub,
    "mul": lambda call: do.mul(call.value(), call.value("other")),
    "div": _combine("div"),
    "pow": lambda call: do.combine("pow", call.value(), call.value("exponent")),
    "maximum": _extreme("maximum"),
    "minimum": _extreme("minimum"),
    "clamp": _clip("min", "max"),
    "clamp_min": _clip("min", ""),
    "clamp_max": _clip("", "max"),
    "hardtanh": _clip("min_val", "max_val"),
    "leaky_relu": lambda call: do.pointwise("leaky_relu", call.value(), slope=call.scalar("negative_slope")),
    "elu": _elu,
    "celu": lambda call: do.pointwise("celu", call.value(), alpha=call.scalar("alpha")),
    "_prelu_kernel": lambda call: do.combine("prelu", call.value(), call.value("weight")),
    "rrelu_with_noise": _random_leaky,
    "softplus": lambda call: do.softplus(call.value(), call.scalar("beta"), call.scalar("threshold")),
    "threshold": _threshold,
    "hardshrink": _hardshrink,
    "softshrink": _softshrink,
    "glu": _glu,
    "gelu": lambda call: do.gelu(call.value(), call.take("approximate")),
    "silu": lambda call: do.silu(call.value()),
    "hardswish": _pointwise("hardswish"),
    "hardsigmoid": lambda call: do.pointwise("hardsigmoid", call.value(), slope=1 / 6, offset=0.5),
    "_softmax": _softmax("softmax"),
    "_log_softmax": _softmax("log_softmax"),
    "mean": _reduce("mean"),
    "sum": _reduce("sum"),
    "amax": _reduce("amax"),
    "amin": _reduce("amin"),
    "var": _variance,
    "std": lambda call: do.pointwise("sqrt", _variance(call)),
    "linalg_vector_norm": _norm,
}
