"""Convert an ONNX model to an ORT file with onnxruntime itself."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from lenetx_runtime.ort_session import CPU, import_engine, open_session

from .contents import Contents, read

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["converted"]


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
