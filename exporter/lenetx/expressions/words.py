"""Expressions in words that a person can act on."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .expression import Expression, plain

__all__ = ["described", "place_of"]

_PLAIN = {
    "relu": "ReLU",
    "exp": "exp",
    "log": "log",
    "sqrt": "a square root",
    "abs": "an absolute value",
    "neg": "a change of sign",
    "reciprocal": "an inverse",
    "add": "an addition",
    "mul": "a product",
    "sub": "a difference",
    "div": "a quotient",
    "pow": "a power",
    "maximum": "the greater of two",
    "minimum": "the less of two",
    "reshape": "another shape",
    "concat": "a concatenation",
    "erf": "erf",
    "transpose": "another order of axes",
    "slice": "a slice",
    "mean": "a mean",
    "sum": "a sum",
    "amax": "a maximum",
    "amin": "a minimum",
    "log_softmax": "log-softmax",
    "leaky_relu": "leaky ReLU",
    "elu": "ELU",
    "celu": "CELU",
}
_LAYERS = {
    "linear": "dense layer",
    "convolution": "convolution",
    "batch_norm": "batch norm",
    "layer_norm": "layer norm",
}


def place_of(expression: Expression) -> str:
    """Say where an expression stands: by the last layer with weights before it."""
    if expression.operator == "input":
        return "the input"
    own = _layer_name(expression)
    if own:
        return own
    below = expression
    while below.arguments and below.operator != "input" and not _layer_name(below):
        below = next((each for each in below.arguments if each.batched), below.arguments[0])
    return f"{described(expression)} after {'the input' if below.operator == 'input' else _named(below)}"


def described(expression: Expression) -> str:
    """Say what an expression does with its arguments, its attributes included."""
    operator, held = expression.operator, expression.attributes
    if expression.is_strange:
        return f"{operator[1:]} ({held['reason']})" if held["reason"] else operator[1:]
    if operator in _LAYERS:
        return f"{_layer(expression)}{_settings(expression)}"
    if operator in _WINDOWS:
        return f"{_WINDOWS[operator]} {_times(held['kernel'])}{_settings(expression)}"
    if operator in _SPECIAL:
        return _SPECIAL[operator](held)
    return f"{_PLAIN.get(operator, operator)}{_with(expression)}{_numbers(held)}"


def _layer(expression: Expression) -> str:
    name, kind = _layer_name(expression), _LAYERS[expression.operator]
    kernel = expression.arguments[1].shape or ()
    size = f" {_times(kernel[2:])}" if expression.operator == "convolution" else ""
    if name:
        return f"the {kind} {name}{size}"
    weights = " and ".join(_named(each) for each in expression.arguments[1:])
    return f"a {kind}{size} with {weights}"


def _layer_name(expression: Expression) -> str | None:
    """Give the module whose weights, and no other's, a layer has."""
    if expression.operator not in _LAYERS:
        return None
    owners = [each.attributes.get("name", "").rpartition(".") for each in expression.arguments[1:]]
    kinds = [kind for _, _, kind in owners]
    is_usual = kinds[:1] == ["weight"] and kinds[1:2] in ([], ["bias"]) and len({owner for owner, _, _ in owners}) == 1
    return plain(owners[0][0]) or None if is_usual else None


def _named(expression: Expression) -> str:
    name = _layer_name(expression)
    if name:
        return name
    return plain(expression.attributes["name"]) if expression.operator == "weight" else described(expression)


def _settings(expression: Expression) -> str:
    held = expression.attributes
    parts = []
    for name, usual in (("strides", 1), ("dilations", 1), ("pads", 0)):
        sizes = held.get(name, ())
        if name == "strides" and expression.operator != "convolution":
            parts.append(f"stride {_times(sizes)}")
        elif any(size != usual for size in sizes):
            half = sizes[: len(sizes) // 2] if name == "pads" and _is_even(sizes) else sizes
            parts.append(f"{name.removesuffix('s')} {_times(half)}")
    if held.get("groups", 1) != 1:
        parts.append(f"{held['groups']} groups")
    parts += [words for name, words in _FLAGS.items() if held.get(name)]
    if "epsilon" in held:
        parts.append(f"epsilon {held['epsilon']:.9g}")
    return f", {', '.join(parts)}," if parts else ""


_FLAGS = {"ceil": "sizes rounded up", "include_pads": "counting its pads"}
_WINDOWS = {"max_pool": "max-pooling", "average_pool": "average pooling"}


def _with(expression: Expression) -> str:
    """Name the numbers and weights among two arguments."""
    beside = [each for each in expression.arguments if not each.batched]
    if len(expression.arguments) != 2 or len(beside) != 1:
        return ""
    first = expression.arguments[0] is beside[0] and expression.operator in ("sub", "div", "pow")
    value = beside[0]
    what = f"{value.attributes['value']:.9g}" if value.operator == "number" else _named(value)
    joints = {"add": "of", "mul": "with", "div": "by", "sub": "to", "pow": "of"}
    return f" from {what}" if first else f" {joints.get(expression.operator, 'with')} {what}"


def _numbers(held: Mapping[str, Any]) -> str:
    numbers = [
        f"{name} {value}" if not isinstance(value, float) else f"{name} {value:.9g}" for name, value in held.items()
    ]
    return f" ({', '.join(numbers)})" if numbers else ""


def _times(sizes: Sequence[int]) -> str:
    return "×".join(map(str, sizes))


def _is_even(pads: Sequence[int]) -> bool:
    half = len(pads) // 2
    return list(pads[:half]) == list(pads[half:])


def _limit(value: float | None, otherwise: str) -> str:
    return otherwise if value is None else f"{value:.9g}"


_SPECIAL: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "input": lambda held: f"an input of {_times(held['axes'])}",
    "number": lambda held: f"the number {held['value']:.9g}",
    "weight": lambda held: plain(held["name"]),
    "clip": lambda held: f"a clip to {_limit(held['low'], '−∞')} … {_limit(held['high'], '∞')}",
}
