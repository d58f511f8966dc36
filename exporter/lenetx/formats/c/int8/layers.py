"""Turn convolutions and dense layers of a QDQ graph into integer steps."""

from typing import TYPE_CHECKING, Any

import numpy as np

from ..graph import unsupported
from ..lower import windows
from ..steps import counted
from .qdq import Qdq, attributes_of
from .steps import Affine, Quantization, Step

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import NodeProto

__all__ = ["convolution", "dense_layer"]

_LARGEST_SUM = 2**31


def convolution(qdq: Qdq, name: str, how: Quantization | None, node: "NodeProto") -> Step:
    """Return the step of a Conv; ``how`` is how its result is quantized, or ``None`` for the logits.

    Raises:
        InputError: there is no integer formula; it names the node.
    """
    attributes, given = attributes_of(node), qdq.graph.shapes[node.input[0]]
    made = qdq.graph.shape(node, node.output[0])
    if len(given) != 4:
        raise unsupported(node, "is not a 2-D convolution")
    weight = _weight(qdq, node, 0)
    shape = qdq.stored[weight].numbers.shape
    strides, dilations, pads = windows(attributes, given[2:], shape[2:], made[2:])
    if min(pads) < 0:
        raise unsupported(node, "has negative pads")
    more = {"strides": strides, "dilations": dilations, "pads": pads, "groups": attributes.get("group", 1)}
    return _affine(qdq, name, how, node, weight, counted(*shape), size=made[2:], given=given[1:], **more)


def dense_layer(qdq: Qdq, name: str, how: Quantization | None, node: "NodeProto") -> Step:
    """Return the step of a Gemm or MatMul; arguments and errors are those of ``convolution``."""
    given = qdq.graph.shapes[node.input[0]]
    is_turned = bool(attributes_of(node).get("transB"))
    weight = _weight(qdq, node, 0 if is_turned else 1)
    indices = counted(*qdq.stored[weight].numbers.shape)
    if len(given) != 2 or indices.ndim != 2:
        raise unsupported(node, "is not one row times one matrix")
    order = indices if is_turned else indices.T
    return _affine(qdq, name, how, node, weight, order[:, :, None, None], size=(1, 1), given=(given[1], 1, 1))


def _weight(qdq: Qdq, node: "NodeProto", axis: int) -> str:
    """Return the name of a layer's weight, whose outputs lie along an axis."""
    maker = qdq.makers.get(node.input[1])
    name = "" if maker is None else maker.input[0]
    if name not in qdq.stored or qdq.stored[name].is_shifted:
        raise unsupported(node, "has no constant int8 weight without a zero point")
    each = qdq.stored[name]
    if each.numbers.dtype != np.int8 or (each.scales.ndim and each.axis != axis):
        raise unsupported(node, "has no int8 weight with one scale for each output")
    return name


def _affine(
    qdq: Qdq,
    name: str,
    how: Quantization | None,
    node: "NodeProto",
    weight: str,
    order: "NDArray[np.int64]",
    **geometry: Any,
) -> Step:
    source, given = qdq.source(node, node.input[0])
    products = np.broadcast_to(given.scale * qdq.stored[weight].scales.astype(np.float64), len(order))
    bias = _bias(qdq, node, products)
    numbers = qdq.stored[weight].numbers.ravel()[order].astype(np.int64).reshape(len(order), -1)
    _require_range(node, numbers, bias, given.zero)
    own = 0 if any(geometry.get("pads", ())) else given.zero
    step = Affine(
        **qdq.common(name, node, source),
        weight=weight,
        order=order,
        bias=bias,
        folded=(bias - own * numbers.sum(axis=1)).astype(np.int32),
        zero=given.zero,
        **geometry,
    )
    if how is None:
        step.scales = products.astype(np.float32)
    else:
        step.rescale = qdq.rescale(node, products / how.scale, how.zero)
    return step


def _bias(qdq: Qdq, node: "NodeProto", products: "NDArray[np.float64]") -> "NDArray[np.int64]":
    """Return the bias in the steps of the products."""
    if len(node.input) < 3 or not node.input[2]:
        return np.zeros(len(products), np.int64)
    maker = qdq.makers.get(node.input[2])
    each = None if maker is None else qdq.stored.get(maker.input[0])
    if each is None or each.is_shifted or each.numbers.shape != products.shape:
        raise unsupported(node, "has a bias that is not one int32 number for each channel")
    if not np.allclose(each.scales.astype(np.float64), products, rtol=2.0**-22, atol=0):
        raise unsupported(node, "has a bias whose scale is not that of its products")
    return each.numbers.astype(np.int64)


def _require_range(node: "NodeProto", numbers: Any, bias: Any, zero: int) -> None:
    """Check that no sum can leave int32, in any order and with the zero point in the bias or in the sum."""
    sizes = np.abs(numbers).sum(axis=1)
    if (sizes * (256 + abs(zero)) + np.abs(bias) >= _LARGEST_SUM).any():
        raise unsupported(node, "has sums that may not fit into int32")
