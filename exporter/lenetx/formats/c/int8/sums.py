"""Turn means, sums, joins and functions of one number in a QDQ graph into integer steps."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..graph import unsupported
from ..lower import windows
from ..pooling import Pool
from .chains import Chain, functions
from .fixed import FINEST, common_shift
from .qdq import Qdq, attributes_of
from .steps import Average, Join, MaxPool, Quantization, Rescale, Step, Table, Total

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import NodeProto

__all__ = ["join", "mapped", "total"]


def mapped(qdq: Qdq, name: str, how: Quantization | None, chain: Chain) -> Step:
    """Return the step of functions of one number, with a pooling before or after them.

    Args:
        qdq: the graph.
        name: of the tensor that it writes.
        how: how that is quantized; ``None`` for the logits.
        chain: its nodes.

    Raises:
        InputError: there is no integer formula; it names the node.
    """
    source, given = qdq.tensors[chain.head.input[0]]
    before, pool, after = chain.split()
    node = pool or (before or chain.nodes or [chain.head])[-1]
    if pool is not None and pool.op_type != "MaxPool":
        return _average(qdq, name, how, (source, given), before, pool, after)
    if how is None:
        raise unsupported(node, "returns the logits, which only a layer or a mean may")
    if pool is None:
        return Table(**qdq.common(name, node, source), table=qdq.table(source, given, how, before))
    reached = functions(qdq.graph.shapes[source], given, before, qdq.constant)
    if (np.diff(reached, axis=1) < 0).any():
        raise unsupported(pool, "follows a function that is not quantized and falls somewhere")
    table = qdq.table(source, given, how, [*before, *after])
    is_same = (table == np.arange(-128, 128)).all()
    windows_ = _windows(qdq, pool)
    return MaxPool(**qdq.common(name, pool, source), **windows_, table=None if is_same else table)


def _windows(qdq: Qdq, node: "NodeProto") -> dict[str, Any]:
    attributes, given = attributes_of(node), qdq.graph.shapes[node.input[0]]
    if len(given) != 4:
        raise unsupported(node, "does not pool images")
    made = qdq.graph.shape(node, node.output[0])
    size = made[2:] if len(made) == 4 else (1, 1)
    window = tuple(attributes.get("kernel_shape", given[2:]))
    strides, dilations, pads = windows(attributes, given[2:], window, size)
    kind = "max" if node.op_type == "MaxPool" else "average"
    pool = Pool(kind, window, strides, dilations, pads, bool(attributes.get("count_include_pad", 0)))
    return {"pool": pool, "given": given[1:], "size": size}


def _average(
    qdq: Qdq,
    name: str,
    how: Quantization | None,
    source: tuple[str, Quantization],
    before: "list[NodeProto]",
    node: "NodeProto",
    after: "list[NodeProto]",
) -> Step:
    (tensor, given), found = source, _windows(qdq, node)
    pool = found["pool"]
    _require_whole(qdq, node, found)
    if after:
        raise unsupported(after[0], "follows a mean without a quantization between them")
    count = math.prod(pool.window)
    step = Average(**qdq.common(name, node, tensor), **found, zero=given.zero)
    if how is None:
        if before:
            raise unsupported(before[0], "is not quantized before a mean that is the output")
        step.scale = float(np.float32(given.scale / count))
    elif not before:
        step.rescale = qdq.rescale(node, np.array([given.scale / count / how.scale]), how.zero)
    else:
        real = functions(qdq.graph.shapes[tensor], given, before, qdq.constant) / (count * how.scale)
        shift = common_shift(float(np.abs(real).max(initial=0)) or 1.0, 30)
        if len(real) > 1 or shift < 1 or count / 2 * 2.0**-shift > FINEST:
            raise unsupported(node, "is a mean of a function for which there is no integer formula")
        step.entries = np.rint(np.ldexp(real[0], shift)).astype(np.int32)
        step.rescale = Rescale(np.ones(1, np.int32), np.array([shift], np.int8), how.zero)
    return step


def _require_whole(qdq: Qdq, node: "NodeProto", found: dict[str, Any]) -> None:
    """Check that a mean is over whole images, or over windows of one size."""
    pool, (height, width) = found["pool"], found["given"][1:]
    if node.op_type == "ReduceMean":
        attributes = attributes_of(node)
        given = qdq.constant(node.input[1]) if len(node.input) > 1 else None
        axes = attributes.get("axes", []) if given is None else given.tolist()
        if sorted(axis % 4 for axis in axes) != [2, 3]:
            raise unsupported(node, "is a mean over other axes than rows and columns")
    for axis, length in enumerate((height, width)):
        reach = (found["size"][axis] - 1) * pool.strides[axis] + pool.window[axis]
        if reach > length + pool.pads[axis] + pool.pads[axis + 2]:
            raise unsupported(node, "has windows that reach beyond the image")
    if any(pool.pads) and not pool.counts_padding:
        raise unsupported(node, "has windows of several sizes")


def total(qdq: Qdq, name: str, how: Quantization | None, node: "NodeProto") -> Step:
    """Return the step of an Add; arguments and errors are those of ``mapped``."""
    shape = qdq.graph.shape(node, node.output[0])
    if how is None:
        raise unsupported(node, "returns the logits, which only a layer or a mean may")
    computed = [each for each in node.input if not qdq.is_constant(each)]
    if not computed or any(qdq.graph.shapes[each] != shape for each in computed):
        raise unsupported(node, "repeats one of its tensors along an axis")
    sources = [qdq.source(node, each) for each in computed]
    ratios = [given.scale / how.scale for _, given in sources]
    constants = np.zeros(1)
    for each in filter(None, node.input):
        if (held := qdq.constant(each)) is not None:
            constants = constants + _by_channel(node, held, shape) / how.scale
    largest = 256 * sum(ratios) + float(np.abs(constants).max())
    shift = common_shift(largest, 61)
    if shift < 1 or (256 * len(ratios) + 1) / 2 * 2.0**-shift > FINEST:
        raise unsupported(node, "adds tensors whose scales are too far from that of its result")
    return Total(
        **qdq.common(name, node, *(tensor for tensor, _ in sources)),
        zeros=tuple(given.zero for _, given in sources),
        factors=tuple(round(math.ldexp(ratio, shift)) for ratio in ratios),
        constants=np.rint(np.ldexp(constants, shift)).astype(np.int64),
        shift=shift,
        zero=how.zero,
    )


def _by_channel(node: "NodeProto", values: "NDArray[Any]", shape: tuple[int, ...]) -> "NDArray[np.float64]":
    whole = np.broadcast_to(values, shape)[0].reshape(shape[1], -1)
    if (whole != whole[:, :1]).any():
        raise unsupported(node, "adds a constant that is not one number for each channel")
    found: NDArray[np.float64] = whole[:, 0] if (whole != whole[0, 0]).any() else whole[0, :1]
    return found


def join(qdq: Qdq, name: str, how: Quantization | None, node: "NodeProto") -> Step:
    """Return the step of a Concat; arguments and errors are those of ``mapped``."""
    shape = qdq.graph.shape(node, node.output[0])
    if how is None or attributes_of(node)["axis"] % len(shape) != 1:
        raise unsupported(node, "does not join channels, or returns the logits")
    reads, tables = [], []
    for each in node.input:
        chain = qdq.chain(each)
        before, pool, _ = chain.split()
        if chain.head.op_type != "DequantizeLinear" or pool is not None:
            raise unsupported(node, "joins a tensor that is not quantized")
        tensor, given = qdq.tensors[chain.head.input[0]]
        table = qdq.table(tensor, given, how, before)
        reads.append(tensor)
        tables.append(None if (table == np.arange(-128, 128)).all() else table)
    if any(table is not None and len(table) > 1 for table in tables):
        raise unsupported(node, "joins functions that differ between channels")
    sizes = tuple(math.prod(qdq.graph.shapes[tensor]) for tensor in reads)
    return Join(**qdq.common(name, node, *reads), tables=tuple(tables), sizes=sizes)
