"""Return the outputs of an ONNX file's affine layers: run the same graph with more outputs and no optimisation."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from lenetx_runtime import InputError, ModelSpec
from lenetx_runtime.backend import batches
from lenetx_runtime.layout import arrange
from lenetx_runtime.ort import memory_for
from lenetx_runtime.ort_session import CPU, import_engine, open_session
from lenetx_runtime.spec import PROBABILITIES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnx import ModelProto, NodeProto

    Results = tuple[dict[str, list[NDArray[np.float32]]], NDArray[np.float32]]

__all__ = ["affine_outputs", "entering", "layers_of", "values_of"]

_AFFINE = ("Conv", "Gemm", "MatMul")


def layers_of(
    data: bytes, spec: ModelSpec, inputs: "NDArray[np.float32]", outputs: "Mapping[str, list[str]] | None" = None
) -> "Results":
    """Run inputs and return each affine layer's outputs, by weight name, and the float32[N, K] logits.

    This runs the unoptimised graph on the CPU; the optimised program is checked end to end.

    Args:
        data: the ONNX file.
        spec: its spec.
        inputs: float32[N, C, H, W], or frames for a spec with ``raw_input``.
        outputs: the layers' output names by weight, see ``affine_outputs``; by default those of the file.
    """
    import onnx

    model = onnx.load_from_string(data)
    outputs = affine_outputs(model) if outputs is None else outputs
    shown = dict.fromkeys(name for names in outputs.values() for name in names)
    whole = values_of(data, spec, inputs, [*shown, spec.output_name])
    results = {weight: [whole[name] for name in some] for weight, some in outputs.items()}
    return results, whole[spec.output_name].reshape(len(inputs), len(spec.labels))


def entering(data: bytes, spec: ModelSpec, inputs: "NDArray[np.float32]") -> "NDArray[np.float32]":
    """Run float32[N, C, H, W] and return what enters the first affine layer, float32[N, …].

    Raises:
        InputError: there is no such layer.
    """
    import onnx

    first = next((node for node in onnx.load_from_string(data).graph.node if node.op_type in _AFFINE), None)
    if first is None:
        raise InputError("It has no convolution and no dense layer.")
    name = first.input[0]
    return inputs if name == spec.input_name else values_of(data, spec, inputs, [name])[name]


def values_of(
    data: bytes, spec: ModelSpec, inputs: "NDArray[Any]", wanted: "Iterable[str]", *, optimised: bool = False
) -> "dict[str, NDArray[np.float32]]":
    """Run the graph on the CPU, by default unoptimised, and return the values of the given names, float32[N, …] each.

    Protobuf merges concatenated messages and joins their repeated fields, so the file need not be rewritten.
    """
    import numpy as np
    import onnx

    onnxruntime = import_engine()
    names = [*dict.fromkeys(wanted)]
    own = {spec.output_name, *[PROBABILITIES] * spec.probabilities}
    graph = onnx.GraphProto(output=[onnx.ValueInfoProto(name=name) for name in names if name not in own])
    more = onnx.ModelProto(graph=graph).SerializeToString()
    arranged = arrange(spec.layout) or (lambda batch: batch)
    options = onnxruntime.SessionOptions()
    levels = onnxruntime.GraphOptimizationLevel
    options.graph_optimization_level = levels.ORT_ENABLE_ALL if optimised else levels.ORT_DISABLE_ALL
    options.log_severity_level = 4
    session = open_session(onnxruntime, data + more, options, [(CPU, {})], memory_for(data, spec))
    parts = []
    for part, count in batches(inputs, spec):
        found = session.run(names, {spec.input_name: arranged(part)})
        parts.append([each[:count] for each in found])
    return {name: np.concatenate([part[place] for part in parts]) for place, name in enumerate(names)}


def affine_outputs(model: "ModelProto") -> dict[str, list[str]]:
    """Return the output names of affine layers, after the bias, by the name of the weight that they read."""
    graph = model.graph
    held = {tensor.name for tensor in graph.initializer}
    turned = {
        node.output[0]: node.input[0]
        for node in graph.node
        if node.op_type in ("Transpose", "Reshape", "Identity") and node.input[0] in held
    }
    found: dict[str, list[str]] = {}
    for node in graph.node:
        if node.op_type in _AFFINE and len(node.input) > 1:
            weight = turned.get(node.input[1], node.input[1])
            if weight in held:
                found.setdefault(weight, []).append(_with_bias(node, graph.node, held))
    return found


def _with_bias(node: "NodeProto", nodes: "list[NodeProto]", held: set[str]) -> str:
    """Return the name of a layer's output; after the ``Add`` if a MatMul's only reader adds a bias."""
    result: str = node.output[0]
    readers = [each for each in nodes if result in each.input]
    if node.op_type == "MatMul" and len(readers) == 1 and readers[0].op_type == "Add":
        others = [name for name in readers[0].input if name != result]
        if len(others) == 1 and others[0] in held:
            added: str = readers[0].output[0]
            return added
    return result
