"""Write the preprocessing of frames into an ONNX graph, and separate it from the network again.

A raw graph takes uint8[N, h, w] or uint8[N, h, w, 3] frames as ``lenetx_runtime.preprocess.normalise`` does, and
computes the same bits of its float32[N, C, H, W]: in float64, rounded once. A look-up (Gather) gives them too, and is
slower in onnxruntime; float32 arithmetic gives others.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lenetx_runtime import InputError, ModelSpec
from lenetx_runtime.preprocess import lookup_table
from lenetx_runtime.spec import UNKNOWN

from .intermediates import values_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto, NodeProto, TensorProto

__all__ = [
    "INPUTS",
    "Preprocessing",
    "add_preprocessing",
    "difference",
    "opened_preprocessing",
    "without_preprocessing",
]

PREFIX = "preprocessing:"
"""Prefix for the names of all values that the preprocessing computes or reads; no part of a module has such a name."""
INPUTS = f"{PREFIX}inputs"
"""The name of what enters the network: float32[N, C, H, W]."""
_UNKNOWN = (
    "The weights do not record their preprocessing, which a graph with raw input would contain: state it with "
    "--framing, --mean and --std."
)


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """The preprocessing in an artifact's graph.

    Attributes:
        problem: how it differs from what lenetx writes for the spec; ``None`` if it does not.
        nodes: its operators, in words.
        normalised: runs uint8[N, …] frames, with the graph optimised or not, and returns what enters the network,
            float32[N, …].
    """

    problem: str | None
    nodes: str
    normalised: "Callable[[NDArray[np.uint8], bool], NDArray[np.float32]]"


def require_preprocessing(spec: ModelSpec) -> None:
    """Check that a spec's preprocessing is known.

    Raises:
        InputError: it is not.
    """
    if spec.framing == UNKNOWN:
        raise InputError(_UNKNOWN)


def add_preprocessing(model: "ModelProto", spec: ModelSpec) -> "ModelProto":
    """Let a model take frames: change its input, and put the nodes of the preprocessing before its own.

    Args:
        model: takes float32[N, C, H, W]; changed in place.
        spec: its spec, whose preprocessing is known.
    """
    from onnx import TensorProto

    graph = model.graph
    for node in graph.node:
        node.input[:] = [INPUTS if name == spec.input_name else name for name in node.input]
    nodes, tensors = _preprocessing(spec)
    own = [*graph.node]
    del graph.node[:]
    graph.node.extend([*nodes, *own])
    graph.initializer.extend(tensors)
    kind = graph.input[0].type.tensor_type
    batch, kind.elem_type = kind.shape.dim[0], TensorProto.UINT8
    _set_axes(kind, batch, spec.frame_shape)
    return model


def without_preprocessing(model: "ModelProto", spec: ModelSpec) -> "ModelProto":
    """Return a copy of a raw model without its preprocessing: the network, whose input is called ``INPUTS``."""
    import onnx

    network = onnx.ModelProto()
    network.CopyFrom(model)
    graph = network.graph
    nodes = [node for node in graph.node if not _is_preprocessing(node)]
    tensors = [tensor for tensor in graph.initializer if not tensor.name.startswith(PREFIX)]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(tensors)
    graph.input[0].name, kind = INPUTS, graph.input[0].type.tensor_type
    kind.elem_type = onnx.TensorProto.FLOAT
    _set_axes(kind, kind.shape.dim[0], spec.input_shape)
    return network


def difference(model: "ModelProto", spec: ModelSpec) -> str | None:
    """Return how the preprocessing in a model differs from what lenetx writes for a spec; ``None`` if it does not."""
    from onnx import TensorProto

    if model.graph.input[0].type.tensor_type.elem_type != TensorProto.UINT8:
        return "Its input is not uint8."
    nodes, tensors = _preprocessing(spec)
    found = [node for node in model.graph.node if _is_preprocessing(node)]
    if found != nodes:
        wrong = next((ours for ours, theirs in zip(found, nodes, strict=False) if ours != theirs), None)
        if wrong is None or [node.op_type for node in found] != [node.op_type for node in nodes]:
            return f"Its operators are {_words(found)} instead of {_words(nodes)}."
        return f"The {wrong.op_type} that computes {wrong.output[0]} is not as lenetx writes it."
    return _wrong_tensor([tensor for tensor in model.graph.initializer if tensor.name.startswith(PREFIX)], tensors)


def opened_preprocessing(data: bytes, model: "ModelProto", spec: ModelSpec) -> Preprocessing:
    """Return the preprocessing of an opened file.

    Args:
        data: the file.
        model: the same, parsed.
        spec: its spec.
    """

    def normalised(frames: "NDArray[np.uint8]", optimised: bool) -> "NDArray[np.float32]":
        return values_of(data, spec, frames, [INPUTS], optimised=optimised)[INPUTS]

    nodes = [node for node in model.graph.node if _is_preprocessing(node)]
    return Preprocessing(difference(model, spec), _words(nodes), normalised)


def _preprocessing(spec: ModelSpec) -> "tuple[list[NodeProto], list[TensorProto]]":
    """Return the nodes and tensors for a spec.

    Black is padded last, where it is one number for all channels: the arithmetic is then on fewer numbers.
    """
    from onnx import TensorProto, helper

    black = lookup_table(spec)[:, 0]
    steps = _Steps(spec.input_name)
    if spec.channels == 1:
        steps.add("Unsqueeze", "planes", axes=np.array([1], np.int64))
    else:
        steps.nodes.append(helper.make_node("Transpose", [steps.last], [f"{PREFIX}planes"], perm=[0, 3, 1, 2]))
        steps.last = f"{PREFIX}planes"
    steps.cast("levels", TensorProto.DOUBLE)
    padding = np.array([0, 0, spec.padding, spec.padding] * 2, np.int64)
    pads_last = spec.padding > 0 and len({number.tobytes() for number in black}) == 1
    if spec.padding and not pads_last:
        steps.add("Pad", "padded", pads=padding)
    for operator, name, values in _arithmetic(spec):
        steps.add(operator, f"by_{name}", **{name: values[..., None]})
    steps.cast("rounded" if pads_last else "inputs", TensorProto.FLOAT)
    if pads_last:
        steps.add("Pad", "inputs", pads=padding, black=black[0])
    return steps.nodes, steps.tensors


def _arithmetic(spec: ModelSpec) -> "list[tuple[str, str, NDArray[np.float64]]]":
    """Return the operators with a name and float64[C, 1] each: two, or three if two give other bits for any level.

    onnxruntime 1.32 rounds a single float64 constant to float32, and drops a Mul by what is then 1 or an Add of 0.
    """
    levels = np.arange(256, dtype=np.float64)
    scale, mean, std = (np.array(value, np.float64).reshape(-1, 1) for value in (spec.scale, spec.mean, spec.std))
    with np.errstate(all="ignore"):
        factor, offset = scale / std, -mean / std
        folded = (levels * factor + offset).astype(np.float32)
        is_kept = factor.size > 1 or all(
            np.float32(value.item()) != neutral or value.item() == neutral
            for value, neutral in ((factor, 1), (offset, 0))
        )
    if folded.tobytes() == lookup_table(spec).tobytes() and is_kept:
        return [("Mul", "factor", factor), ("Add", "offset", offset)]
    return [("Mul", "scale", scale), ("Sub", "mean", mean), ("Div", "std", std)]


class _Steps:
    """Collect nodes, each of which reads the result of the one before it."""

    def __init__(self, first: str) -> None:
        self.nodes: list[NodeProto] = []
        self.tensors: list[TensorProto] = []
        self.last = first

    def add(self, operator: str, result: str, **tensors: "NDArray[Any]") -> None:
        from onnx import helper, numpy_helper

        names = [f"{PREFIX}{name}" for name in tensors]
        self.nodes.append(helper.make_node(operator, [self.last, *names], [f"{PREFIX}{result}"]))
        arrays = zip(tensors.values(), names, strict=True)
        self.tensors += [numpy_helper.from_array(np.asarray(array), name) for array, name in arrays]
        self.last = f"{PREFIX}{result}"

    def cast(self, result: str, kind: int) -> None:
        from onnx import helper

        self.nodes.append(helper.make_node("Cast", [self.last], [f"{PREFIX}{result}"], to=kind))
        self.last = f"{PREFIX}{result}"


def _set_axes(kind: Any, batch: Any, axes: tuple[int, ...]) -> None:
    from onnx import TensorShapeProto

    kind.shape.CopyFrom(TensorShapeProto(dim=[batch, *(TensorShapeProto.Dimension(dim_value=size) for size in axes)]))


def _is_preprocessing(node: "NodeProto") -> bool:
    return any(name.startswith(PREFIX) for name in node.output)


def _wrong_tensor(found: "list[TensorProto]", right: "list[TensorProto]") -> str | None:
    from onnx import numpy_helper

    expected = {tensor.name: tensor for tensor in right}
    for tensor in found:
        if tensor != expected.pop(tensor.name, None):
            values = numpy_helper.to_array(tensor).reshape(-1)[:8].tolist()
            return f"Its {tensor.name.removeprefix(PREFIX)} is {values}, which is not the spec's."
    return f"It lacks {min(expected)}." if expected else None


def _words(nodes: "list[NodeProto]") -> str:
    return ", ".join(node.op_type for node in nodes) or "none"
