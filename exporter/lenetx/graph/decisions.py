"""Count the operators that choose, by the numbers of the input, which values reach the output, or that could."""

from collections import Counter
from collections.abc import Mapping

from .expression import Expression, ordered

__all__ = ["CURVES", "GIVES_SIZES", "decisions"]

CURVES = "curves"

_KINKS = (
    "clip maximum minimum abs floor ceil round amax amin max_pool leaky_relu prelu elu celu hardswish hardsigmoid "
    "Relu Clip Max Min Abs Floor Ceil Round ReduceMax ReduceMin MaxPool LeakyRelu PRelu Elu Celu HardSwish HardSigmoid "
    "Selu ThresholdedRelu Shrink GlobalMaxPool"
)
"""Operators with a kink; capitalised names are ONNX operators without a canonical form."""
_CHOICES = (
    "where greater less_or_equal sign ArgMax ArgMin Compress Equal Greater GreaterOrEqual If IsInf IsNaN Less "
    "LessOrEqual Loop Mod NonZero OneHot Scan ScatterElements ScatterND Sign TopK Unique Where "
    "NonMaxSuppression Hardmax"
)
"""Operators that choose, or jump from one value to another."""
_CURVES = "sigmoid tanh erf atan exp softplus softmax mish Sigmoid Tanh Erf Atan Exp Softplus Softmax Mish Gelu Swish"
"""Smooth operators that come close to a constant, and so could switch too."""
_CONVERSIONS = "Cast CastLike _to_copy And Or Not Xor"
"""Operators that round or combine; behind others that choose, they choose nothing more."""
_SIZES = ("Shape", "Size")
_KINDS = {"kinks": _KINKS, "choices": f"{_CHOICES} {_CONVERSIONS}", CURVES: _CURVES}
GIVES_SIZES = "it gives sizes"
"""Why an operator that computes sizes, axes or indices is opaque."""


def decisions(expression: Expression) -> "Counter[str]":
    """Return how many operators with a kink, a jump or a limit read numbers that depend on the input, by kind.

    The kinds are ``kinks``, ``choices`` and ``curves``, since each operator can be written as another of its kind.
    """
    kinds = {name: kind for kind, names in _KINDS.items() for name in names.split()}
    depends: dict[bytes, bool] = {}
    found: Counter[str] = Counter()
    for each in ordered(expression):
        name = _name(each)
        is_size = each.is_opaque and (name in _SIZES or each.attributes.get("reason") == GIVES_SIZES)
        reads = each.operator == "input" or any(depends[part.key] for part in each.arguments)
        depends[each.key] = reads and not is_size
        if depends[each.key] and name in kinds and not _repeats(each, kinds):
            found[kinds[name]] += 1
    return found


def _repeats(each: Expression, kinds: Mapping[str, str]) -> bool:
    """Return whether an operator only converts or combines what others have chosen."""
    return _name(each) in _CONVERSIONS.split() and all(kinds.get(_name(read)) == "choices" for read in each.arguments)


def _name(each: Expression) -> str:
    return each.operator.removeprefix("?")
