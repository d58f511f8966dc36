"""Count the operators that decide by the numbers of the input which values reach the output."""

from collections import Counter

from .expression import Expression, ordered

__all__ = ["GIVES_SIZES", "decisions"]

_KINKS = (
    "clip maximum minimum abs sign floor ceil round where greater less_or_equal amax amin max_pool leaky_relu prelu "
    "elu celu hardswish hardsigmoid"
).split()
"""Operators with a canonical form."""
_JUMPS = (
    "And ArgMax ArgMin BitShift Clip Compress Equal Greater GreaterOrEqual If IsInf IsNaN Less LessOrEqual Loop Max Min "
    "Mod NonMaxSuppression NonZero Not OneHot Or Scan ScatterElements ScatterND Shrink Sign ThresholdedRelu TopK Unique "
    "Where Xor Relu"
).split()
"""Operators of ONNX, where they have no canonical form."""
_SIZES = ("Shape", "Size")
GIVES_SIZES = "it gives sizes"
"""Why an operator that computes sizes, axes or indices is opaque."""


def decisions(expression: Expression) -> "Counter[str]":
    """Return how many operators with a kink or a jump read numbers that depend on the input, by name.

    All kinds of kinks that have a canonical form count as one, since one can be spelled as another.
    """
    depends: dict[bytes, bool] = {}
    found: Counter[str] = Counter()
    for each in ordered(expression):
        name = each.operator.removeprefix("?")
        is_size = each.is_strange and (name in _SIZES or each.attributes.get("reason") == GIVES_SIZES)
        depends[each.key] = not is_size and (
            each.operator == "input" or any(depends[part.key] for part in each.arguments)
        )
        if depends[each.key] and each.operator in _KINKS:
            found["kinks"] += 1
        elif depends[each.key] and each.is_strange and name in _JUMPS:
            found[name] += 1
    return found
