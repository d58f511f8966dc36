"""Convert an ONNX model to an ORT file with onnxruntime itself."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from lenetx_runtime.ort_file import ACTIVATIONS, FUSED
from lenetx_runtime.ort_session import CPU, import_engine, open_session

from .contents import Contents, read

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

__all__ = ["converted", "fuse"]

_DOMAIN = "com.microsoft"
_FUSED = {operator.decode(): fused.decode() for fused, operator in FUSED.items()}
_ACTIVATIONS = tuple(map(bytes.decode, ACTIVATIONS))


def fuse(model: "ModelProto") -> None:
    """Fuse activations into the layers before them, in place, where nothing else reads a layer's output.

    onnxruntime does this when it opens an ONNX file, and nothing when it opens an ORT file. Its other rewrites are left
    out: they depend on its version, and on the CPU that writes the file or change the weights.
    """
    graph = model.graph
    readers: dict[str, list[NodeProto]] = {value.name: [] for value in graph.output}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    outputs = {value.name for value in graph.output}
    for node in list(graph.node):
        found = [] if node.output[0] in outputs else readers.get(node.output[0], [])
        if node.op_type in _FUSED and len(found) == 1 and found[0].op_type in _ACTIVATIONS:
            node.op_type, node.domain, node.output[0] = _FUSED[node.op_type], _DOMAIN, found[0].output[0]
            attribute = node.attribute.add()
            attribute.name, attribute.type, attribute.s = "activation", attribute.STRING, found[0].op_type.encode()
            graph.node.remove(found[0])
    if any(node.domain for node in graph.node):
        entry = model.opset_import.add()
        entry.domain, entry.version = _DOMAIN, 1


def converted(model: "ModelProto") -> Contents:
    """Return the contents of the ORT file that onnxruntime writes for a model, without names of nodes.

    Raises:
        EngineMissing: onnxruntime is not installed.
        ArtifactError: onnxruntime cannot open the model.
    """
    engine = import_engine()
    for node in model.graph.node:
        node.name = ""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.ort"
        options = engine.SessionOptions()
        options.graph_optimization_level = engine.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.optimized_model_filepath = str(path)
        options.log_severity_level = 4
        options.add_session_config_entry("session.save_model_format", "ORT")
        open_session(engine, model.SerializeToString(), options, [(CPU, {})])
        contents = read(path.read_bytes())
    inner = contents["model"]
    used = {node.get("domain", b"") for node in inner["graph"]["nodes"]} | {b""}
    inner["opsets"] = [each for each in inner["opsets"] if each.get("domain", b"") in used]
    return contents
