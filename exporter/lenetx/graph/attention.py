"""Convert PyTorch's attention operators to canonical form, in the steps that its exporter writes."""

import math

from . import arithmetic as do
from .expression import Expression, Unsupported, number
from .layer_forms import linear, matmul
from .shapes import pick, reshape, transpose
from .torch_call import Call

__all__ = ["of_heads", "scaled"]


def scaled(call: Call) -> Expression:
    """Read softmax(q kᵀ · scale) v.

    Raises:
        Unsupported: it uses a mask or dropout.
    """
    query, key, value = (call.value(name) for name in ("query", "key", "value"))
    scale = call.optional_scalar("scale")
    if call.scalar("dropout_p"):
        raise Unsupported("in training mode")
    return _attention(query, key, value, scale)


def of_heads(call: Call) -> Expression:
    """Read multi-head self-attention of a value [N, length, size].

    Raises:
        Unsupported: query, key and value differ, or it uses a mask or returns its attention weights.
    """
    inputs, size, heads = call.value("query"), call.whole("embed_dim"), call.whole("num_head")
    others = call.value("key"), call.value("value")
    if any(each.key != inputs.key for each in others) or len(inputs.axes) != 2 or inputs.axes[1] != size:
        raise Unsupported("of several values")
    weights = [call.value(f"{layer}_{kind}") for layer in ("qkv", "proj") for kind in ("weight", "bias")]
    if call.flag("need_weights"):
        raise Unsupported("with its weights")
    length = inputs.axes[0]
    mixed = linear(inputs, transpose(weights[0], (1, 0)), weights[1])
    parts = transpose(reshape(mixed, (1, length, 3, size)), (2, 1, 0, 3))
    parts = reshape(parts, (3, length, size))
    shape = (length, heads, size // heads)
    query, key, value = (transpose(reshape(pick(parts, 0, place), shape), (1, 0, 2)) for place in range(3))
    found = transpose(_attention(query, key, value, None), (1, 0, 2))
    return linear(reshape(found, (length, size)), transpose(weights[2], (1, 0)), weights[3])


def _attention(query: Expression, key: Expression, value: Expression, scale: float | None) -> Expression:
    """Build attention over values [N, heads, length, size], with √scale as a factor of both query and key."""
    last = len(key.axes) - 1
    factor = number(math.sqrt(1 / math.sqrt(key.axes[-1]) if scale is None else scale))
    turned = transpose(key, [*range(last - 1), last, last - 1])
    shares = do.over_axis("softmax", matmul(do.mul(query, factor), do.mul(turned, factor)), last)
    return matmul(shares, value)
