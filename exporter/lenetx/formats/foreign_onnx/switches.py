"""Find smooth operators that act as switches: their results never change, although what they read does."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lenetx_runtime import ModelSpec

from ...graph.expression import plain
from ..onnx.intermediates import values_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto, NodeProto

__all__ = ["idle_switches"]

_SATURATING = "Sigmoid Tanh Erf Atan Exp Softplus Softmax Mish Gelu Swish"
_FLAT = 2.0**-20
"""Largest range of results that are the same number but for rounding."""
_VARIES = 2.0**-10
"""Smallest range of inputs that would change the results of an operator that is not saturated."""


def idle_switches(model: "ModelProto", data: bytes, spec: ModelSpec, probes: "Sequence[NDArray[np.float32]]") -> str:
    """Return the operators that are saturated for every input, such as a steep sigmoid far from its threshold.

    No honest network needs one: its results could be a constant. It may hide another answer to inputs beyond the
    threshold.

    Args:
        model: the file, of which ``data`` are the bytes.
        data: what the engine runs.
        spec: the names and axes of the model.
        probes: float32[N, C, H, W] each, at most one batch.
    """
    nodes = [node for node in _depending(model, spec) if node.op_type in _SATURATING.split()]
    for inputs in probes:
        nodes = list(_idle(nodes, data, spec, inputs)) if nodes else []
    return ", ".join(plain(f"{node.op_type} '{node.output[0]}'") for node in nodes)


def _depending(model: "ModelProto", spec: ModelSpec) -> "Iterator[NodeProto]":
    """Yield the nodes whose first input depends on the model's."""
    known = {spec.input_name}
    for node in model.graph.node:
        if known.intersection(node.input):
            known.update(node.output)
        if node.input and node.input[0] in known:
            yield node


def _idle(
    nodes: "Sequence[NodeProto]", data: bytes, spec: ModelSpec, inputs: "NDArray[np.float32]"
) -> "Iterator[NodeProto]":
    names = [name for node in nodes for name in (node.input[0], node.output[0]) if name != spec.input_name]
    values = values_of(data, spec, inputs, names) | {spec.input_name: inputs}
    for node in nodes:
        read, made = values[node.input[0]], values[node.output[0]]
        if node.op_type == "Softmax":  # its results are parts of one whole; of a single number they are 1
            is_flat = float(np.ptp(made)) > _FLAT >= float(np.ptp(made, axis=0).max(initial=0))
        else:
            is_flat = float(np.ptp(made)) <= _FLAT
        if is_flat and float(np.ptp(read)) >= _VARIES:
            yield node
