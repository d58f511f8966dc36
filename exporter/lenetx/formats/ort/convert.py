"""Convert an ONNX model to an ORT file with onnxruntime itself."""

from typing import TYPE_CHECKING

from lenetx_runtime import ArtifactError
from lenetx_runtime.ort_session import CPU, import_engine, open_session

from ...files import temporary_folder
from .contents import Contents, read

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["converted"]

_NOT_SAVED = "Failed to save ORT format model"


def converted(model: "ModelProto") -> Contents:
    """Return the contents of the ORT file that onnxruntime writes for a model, without names of nodes.

    Raises:
        EngineMissing: onnxruntime is not installed, or the folder for temporary files is full.
        ArtifactError: onnxruntime cannot open the model.
    """
    engine = import_engine()
    for node in model.graph.node:
        node.name = ""
    with temporary_folder() as folder:
        path = folder / "model.ort"
        options = engine.SessionOptions()
        options.graph_optimization_level = engine.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.optimized_model_filepath = str(path)
        options.log_severity_level = 4
        options.add_session_config_entry("session.save_model_format", "ORT")
        try:
            open_session(engine, model.SerializeToString(), options, [(CPU, {})])
        except ArtifactError as error:
            if _NOT_SAVED in str(error):
                raise OSError(str(error)) from None
            raise
        contents = read(path.read_bytes())
    inner = contents["model"]
    used = {node.get("domain", b"") for node in inner["graph"]["nodes"]} | {b""}
    inner["opsets"] = [each for each in inner["opsets"] if each.get("domain", b"") in used]
    return contents
