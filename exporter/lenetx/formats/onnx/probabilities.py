"""Add the softmax of the logits to an ONNX graph as a second output, and separate it from the network again."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lenetx_runtime import InputError, ModelSpec
from lenetx_runtime.ort_session import CPU, import_engine, open_session
from lenetx_runtime.spec import PROBABILITIES

from .intermediates import values_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnx import ModelProto, NodeProto

__all__ = ["Probabilities", "add_probabilities", "opened_probabilities", "without_probabilities"]

_MEMORY = 2**28


@dataclass(frozen=True, slots=True)
class Probabilities:
    """The second output of an artifact.

    Attributes:
        problem: how its node differs from the one that lenetx writes; ``None`` if it does not.
        both: runs inputs as the file takes them, and returns float32[N, K] logits and float32[N, K] probabilities.
        softmax: runs the node by itself on float32[N, K] logits.
    """

    problem: str | None
    both: "Callable[[NDArray[np.float32]], tuple[NDArray[np.float32], NDArray[np.float32]]]"
    softmax: "Callable[[NDArray[np.float32]], NDArray[np.float32]]"


def require_logits(spec: ModelSpec) -> None:
    """Check that a network returns logits.

    Raises:
        InputError: it does not.
    """
    if spec.output != "logits":
        raise InputError(f"The network returns {spec.output.replace('_', ' ')}: a softmax can be added only to logits.")


def add_probabilities(model: "ModelProto", spec: ModelSpec) -> "ModelProto":
    """Add the output ``probabilities`` to a model, in place.

    Args:
        model: returns logits.
        spec: its spec.

    Raises:
        InputError: a weight has that name.
    """
    if PROBABILITIES in {tensor.name for tensor in model.graph.initializer}:
        raise InputError(f"A weight of the network is called {PROBABILITIES}, as the second output would be.")
    model.graph.node.append(_softmax(spec))
    result = model.graph.output.add()
    result.CopyFrom(model.graph.output[0])
    result.name = PROBABILITIES
    return model


def without_probabilities(model: "ModelProto") -> "ModelProto":
    """Return a copy of a model without the output ``probabilities`` and the nodes that compute it."""
    import onnx

    network = onnx.ModelProto()
    network.CopyFrom(model)
    graph = network.graph
    nodes = [node for node in graph.node if PROBABILITIES not in node.output]
    outputs = [value for value in graph.output if value.name != PROBABILITIES]
    del graph.node[:], graph.output[:]
    graph.node.extend(nodes)
    graph.output.extend(outputs)
    return network


def opened_probabilities(data: bytes, model: "ModelProto", spec: ModelSpec) -> Probabilities:
    """Return the second output of an opened file.

    Args:
        data: the file.
        model: the same, parsed.
        spec: its spec.
    """
    found = [node for node in model.graph.node if PROBABILITIES in node.output]

    def both(inputs: "NDArray[np.float32]") -> "tuple[NDArray[np.float32], NDArray[np.float32]]":
        values = values_of(data, spec, inputs, [spec.output_name, PROBABILITIES], optimised=True)
        return values[spec.output_name], values[PROBABILITIES]

    return Probabilities(_difference(found, spec), both, lambda logits: _alone(model, found, spec, logits))


def _softmax(spec: ModelSpec) -> "NodeProto":
    """Return the node; without an attribute its axis is the last one."""
    from onnx import helper

    return helper.make_node("Softmax", [spec.output_name], [PROBABILITIES])


def _difference(found: "list[NodeProto]", spec: ModelSpec) -> str | None:
    if found == [_softmax(spec)]:
        return None
    given = [f"{node.op_type} of {', '.join(node.input)}" for node in found]
    given += [f"{each.name} = {each.i}" for node in found for each in node.attribute]
    return f"They are {'; '.join(given) or 'not computed'} instead of the Softmax of {spec.output_name}."


def _alone(
    model: "ModelProto", nodes: "list[NodeProto]", spec: ModelSpec, logits: "NDArray[np.float32]"
) -> "NDArray[np.float32]":
    """Run nodes of a model by themselves."""
    import onnx

    alone = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    alone.graph.name = "probabilities"
    alone.graph.node.extend(nodes)
    kinds = [each for each in model.graph.output if each.name in (spec.output_name, PROBABILITIES)]
    alone.graph.input.extend(kinds[:1])
    alone.graph.output.extend(kinds[1:])
    if spec.batch != "dynamic":
        for value in (*alone.graph.input, *alone.graph.output):
            value.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnxruntime = import_engine()
    session = open_session(onnxruntime, alone.SerializeToString(), onnxruntime.SessionOptions(), [(CPU, {})], _MEMORY)
    found: NDArray[np.float32] = session.run([PROBABILITIES], {spec.output_name: logits})[0]
    return found
