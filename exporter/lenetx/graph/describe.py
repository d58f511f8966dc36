"""Describe expressions in words, for messages that a user can act on."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .expression import Expression, plain

__all__ = ["described", "place_of"]

Held = Mapping[str, Any]

_NAMES = {
    "sqrt": "a square root",
    "abs": "an absolute value",
    "neg": "a change of sign",
    "reciprocal": "an inverse",
    "add": "an addition",
    "mul": "a product",
    "sub": "a difference",
    "div": "a quotient",
    "pow": "a power",
    "product": "a product of matrices",
    "where": "a choice",
    "greater": "a comparison",
    "less_or_equal": "a comparison",
    "maximum": "the greater of two",
    "minimum": "the less of two",
    "concat": "a concatenation",
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
_WINDOWS = {"max_pool": "max-pooling", "average_pool": "average pooling"}
_REDUCTIONS = {"norm": "a length", "mean": "a mean", "sum": "a sum", "amax": "a maximum", "amin": "a minimum"}
_RELU = {"low": 0, "high": math.inf}
_MOVES = ("reshape", "transpose", "slice", "take", "expand", "tile")
_JOINTS = {"add": "of", "mul": "with", "div": "by", "sub": "to", "pow": "of"}


def place_of(expression: Expression) -> str:
    """Describe the position of an expression by the last layer with weights before it."""
    while expression.operator in _MOVES:
        expression = expression.arguments[0]
    below = expression
    while below.operator != "input" and not _owner(below):
        inner = next((each for each in below.arguments if each.batched), None)
        if inner is None:
            break
        below = inner
    last = "the input" if below.operator == "input" else _named(below)
    return last if below is expression else f"{described(expression)} after {last}"


def described(expression: Expression) -> str:
    """Describe what an expression does with its arguments, including its attributes."""
    operator, held = expression.operator, expression.attributes
    if expression.is_opaque:
        return f"{operator[1:]} ({held['reason']})" if held["reason"] else operator[1:]
    if operator in _LAYERS:
        return f"{_layer(expression)}{_settings(held)}"
    if operator in _WINDOWS:
        return f"{_WINDOWS[operator]} {_times(held['kernel'])}, stride {_short(held['strides'])}{_settings(held)}"
    if operator in _REDUCTIONS:
        return f"{_REDUCTIONS[operator]} over {_axes(held['axes'])}"
    if operator in _SPECIAL:
        return _SPECIAL[operator](held)
    return f"{_NAMES.get(operator, operator)}{_beside(expression)}{_numbers(held)}"


def _layer(expression: Expression) -> str:
    owner, kind = _owner(expression), _LAYERS[expression.operator]
    kernel = (expression.arguments[1].shape or ())[2:]
    size = f" {_times(kernel)}" if expression.operator == "convolution" else ""
    stride = expression.attributes.get("strides", (1,))
    step = f", stride {_short(stride)}" if set(stride) != {1} else ""
    if not owner:
        return f"a {kind}{size}{step} with {', '.join(_named(each) for each in expression.arguments[1:])}"
    bare = " without bias" if len(expression.arguments) == 2 else ""
    return f"the {kind} {owner}{size}{bare}{step}"


def _owner(expression: Expression) -> str | None:
    """Return the name of the module that all weights of a layer belong to, or ``None`` if there are several."""
    if expression.operator not in _LAYERS:
        return None
    parts = [str(each.attributes.get("name", "")).rpartition(".") for each in expression.arguments[1:]]
    usual = [kind for _, _, kind in parts][:2] in (["weight"], ["weight", "bias"])
    return plain(parts[0][0]) if usual and len({owner for owner, _, _ in parts}) == 1 else None


def _named(expression: Expression) -> str:
    return _owner(expression) or described(expression)


def _settings(held: Held) -> str:
    parts = []
    if set(held.get("dilations", (1,))) != {1}:
        parts.append(f"dilation {_short(held['dilations'])}")
    if any(held.get("pads", ())):
        parts.append(f"pads {_short(held['pads'])}")
    if held.get("groups", 1) != 1:
        parts.append(f"{held['groups']} groups")
    if held.get("ceil"):
        parts.append("sizes rounded up")
    if held.get("include_pads"):
        parts.append("its pads counted")
    if "epsilon" in held:
        parts.append(f"epsilon {held['epsilon']:.9g}")
    return "".join(f", {part}" for part in parts)


def _beside(expression: Expression) -> str:
    """Name the numbers and weights among the arguments."""
    fixed = [each for each in expression.arguments if not each.batched]
    if len(expression.arguments) > 1 and len(fixed) == len(expression.arguments):
        return f" of {' and '.join(map(_named, fixed))}"
    if len(expression.arguments) != 2 or not fixed:
        return ""
    if expression.arguments[0] is fixed[0] and expression.operator in ("sub", "div", "pow"):
        return f" from {_named(fixed[0])}"
    return f" {_JOINTS.get(expression.operator, 'with')} {_named(fixed[0])}"


def _numbers(held: Held) -> str:
    parts = [f"{name} {value:.9g}" if isinstance(value, float) else f"{name} {value}" for name, value in held.items()]
    return f" ({', '.join(parts)})" if parts else ""


def _times(sizes: Sequence[int]) -> str:
    return "×".join(map(str, sizes))


def _short(sizes: Sequence[int]) -> str:
    return str(sizes[0]) if len(set(sizes)) == 1 else _times(sizes)


def _axes(places: Sequence[int]) -> str:
    """Number axes as in PyTorch, with the batch as axis 0."""
    return f"{'axes' if len(places) > 1 else 'axis'} {', '.join(str(place + 1) for place in places)}"


def _signed(value: float) -> str:
    return f"{value:.9g}".replace("inf", "∞").replace("-", "−")


_SPECIAL: Mapping[str, Callable[[Held], str]] = {
    "input": lambda held: f"an input of {_times(held['axes'])}",
    "number": lambda held: f"{held['value']:.9g}",
    "weight": lambda held: plain(held["name"]),
    "clip": lambda held: "ReLU" if held == _RELU else f"a clip to {_signed(held['low'])} … {_signed(held['high'])}",
    "reshape": lambda held: f"a shape of {_times(held['axes'])}",
    "constant": lambda held: f"a constant of {_times(held['axes'])}",
    "expand": lambda held: f"copies in a shape of {_times(held['axes'])}",
    "tile": lambda held: f"{_times(held['times'])} copies",
    "take": lambda held: f"{len(held['places'])} chosen of {_axes([held['axis']])}",
    "resize": lambda held: f"a {held['mode']} resize to {_times(held['sizes'])} ({held['coordinates']})",
    "standardised": lambda held: f"a norm over the last {held['axes']} axes, epsilon {held['epsilon']:.9g}",
    "transpose": lambda held: f"the order of axes {', '.join(str(place + 1) for place in held['order'])}",
    "slice": lambda held: f"{held['count']} of {_axes([held['axis']])} from {held['start']} on, step {held['step']}",
    "concat": lambda held: f"a concatenation along {_axes([held['axis']])}",
    "softmax": lambda held: f"softmax over {_axes([held['axis']])}",
    "log_softmax": lambda held: f"log-softmax over {_axes([held['axis']])}",
    "pad": lambda held: f"a frame of {held['value']:.9g}, {_short(held['pads'])} wide",
}
