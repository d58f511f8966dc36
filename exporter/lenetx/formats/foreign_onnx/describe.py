"""Describe an ONNX file of any kind that another program wrote."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ArtifactError, InputError
from lenetx_runtime.files import read_bytes

from ...graph.expression import plain
from .contract import require_classifier, shown
from .precision import precision_of
from .read import LARGEST, parse, require_opset, without_descriptions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnx import ModelProto, TensorProto

__all__ = ["described"]

_FLOAT = 1
_ROAD = (
    "'lenetx verify FILE --against WEIGHTS' proves it, 'lenetx adopt FILE --against WEIGHTS' makes it one that "
    "lenetx_runtime runs"
)


def described(path: Path) -> "tuple[dict[str, Any], dict[str, NDArray[np.float32]]]":
    """Return facts about a file, ready for JSON, and its float32 tensors by name; files beside it are only named.

    Raises:
        InputError: the file is missing or too large.
        ArtifactError: it is not an ONNX model.
    """
    from onnx import numpy_helper

    data = read_bytes(path, "model", limit=LARGEST)
    try:
        model = parse(data)
        beside = [tensor for tensor in model.graph.initializer if tensor.external_data or tensor.data_location]
        inside = [tensor for tensor in model.graph.initializer if tensor not in beside and tensor.data_type == _FLOAT]
        arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in inside if min(tensor.dims, default=1) > 0}
    except (ValueError, TypeError, RuntimeError) as error:
        raise ArtifactError(f"'{path}' cannot be used. A tensor in it cannot be read: {plain(str(error))}") from None
    except ArtifactError as error:
        raise ArtifactError(f"'{path}' cannot be used. {error}") from None
    return _facts(model, beside), arrays


def _facts(model: "ModelProto", beside: "list[TensorProto]") -> dict[str, Any]:
    held = {tensor.name for tensor in model.graph.initializer}
    operators = Counter(node.op_type for node in model.graph.node)
    files = sorted({entry.value for tensor in beside for entry in tensor.external_data if entry.key == "location"})
    return {
        "inputs": [f"{plain(v.name)}: {shown(v)}" for v in model.graph.input if v.name not in held],
        "outputs": [f"{plain(value.name)}: {shown(value)}" for value in model.graph.output],
        "opset": {plain(entry.domain) or "ai.onnx": entry.version for entry in model.opset_import},
        "operators": {plain(name): count for name, count in operators.most_common()},
        "precision": precision_of(model),
        "external_data": [plain(name) for name in files] or None,
        "written_by": plain(f"{model.producer_name} {model.producer_version}".strip()) or None,
        "next": _next(model),
    }


def _next(model: "ModelProto") -> str:
    """Return how the file is proven, or why it cannot be."""
    plain_inputs = type(model)()
    plain_inputs.CopyFrom(model)
    try:
        require_opset(model)
        require_classifier(without_descriptions(plain_inputs))
    except InputError as error:
        return str(error)
    return _ROAD
