"""Read an ONNX file that another program wrote, with the weights that it keeps beside it."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ArtifactError, InputError
from lenetx_runtime.files import read_bytes
from lenetx_runtime.limits import DEFAULT_LIMITS
from lenetx_runtime.spec import METADATA_KEY

from ...graph.expression import plain
from .external import take_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from onnx import GraphProto, ModelProto, TensorProto

__all__ = ["LARGEST", "OPSETS", "load", "parse"]

OPSETS = range(7, 26)
"""From the oldest opset that torch writes to the newest that the tested engine runs."""
LARGEST = DEFAULT_LIMITS.model_bytes
"""Most bytes of a file and of the weights that it keeps beside it, together."""
_OTHER_FORMAT = b"ORTM"
_ZIP = b"PK\x03\x04"
_DEFAULT = ("", "ai.onnx")
_FLOAT = 1


def parse(data: bytes) -> "ModelProto":
    """Parse the bytes of an ONNX file, without the weights beside it.

    Raises:
        ArtifactError: they are no ONNX model.
    """
    import onnx

    if data.startswith(_ZIP):
        raise ArtifactError("It is an archive, not an ONNX model: TorchScript, .pt2 and checkpoints are archives.")
    if data[4:8] == _OTHER_FORMAT:
        raise ArtifactError("It is a model in onnxruntime's own format, not an ONNX model: verify the .onnx file.")
    try:
        model = onnx.load_from_string(data)
    except Exception:  # protobuf raises several classes
        raise ArtifactError("It is not an ONNX model, or it is damaged.") from None
    model.DiscardUnknownFields()
    if not model.graph.node or not model.graph.output:
        raise ArtifactError("It is not an ONNX model: it has no operators or no outputs.")
    return model


def is_sealed(model: "ModelProto") -> bool:
    """Return whether lenetx wrote the file, whatever else it holds."""
    return any(entry.key == METADATA_KEY for entry in model.metadata_props)


def load(path: Path) -> "tuple[ModelProto, bytes, tuple[str, ...]]":
    """Read a file with the weights beside it; return the model, the bytes of the file, and the files beside it.

    Functions of the file are written out; what only describes values is dropped, since engines infer it.

    Raises:
        InputError: the file is missing or too large, or holds something that cannot be proven.
        ArtifactError: it is damaged, or its weights are missing or lie outside its folder.
    """
    data = read_bytes(path, "model", limit=LARGEST)
    model = parse(data)
    _require_opset(model)
    model = _inlined(model)
    if model.graph.sparse_initializer:
        raise InputError("It holds sparse weights, which lenetx does not read: write it with dense ones.")
    tensors = [*model.graph.initializer, *_in_attributes(model.graph)]
    beside = take_in(tensors, path.parent, LARGEST - len(data))
    for tensor in tensors:
        _require_whole(tensor)
    held = {tensor.name for tensor in model.graph.initializer}
    if len(held) < len(model.graph.initializer):
        raise ArtifactError("Two of its tensors have one name.")
    given = [value for value in model.graph.input if value.name not in held]
    del model.graph.input[:], model.graph.value_info[:]
    model.graph.input.extend(given)
    model.ir_version = max(4, model.ir_version)  # older ones list every tensor among the inputs
    return model, data, beside


def _require_opset(model: "ModelProto") -> None:
    versions = [entry.version for entry in model.opset_import if entry.domain in _DEFAULT]
    if len(versions) != 1 or versions[0] not in OPSETS:
        words = f"opset {', '.join(map(str, versions))}" if versions else "no opset"
        raise InputError(
            f"It states {words}; lenetx proves opset {OPSETS[0]} to {OPSETS[-1]}: export it with one of them."
        )


def _inlined(model: "ModelProto") -> "ModelProto":
    from onnx import inliner

    if not model.functions:
        return model
    try:
        found: ModelProto = inliner.inline_local_functions(model)
    except Exception as error:  # onnx raises several classes
        reason = plain(" ".join(str(error).split()))
        raise ArtifactError(f"It holds functions of its own, which cannot be written out: {reason}.") from None
    return found


def _in_attributes(graph: "GraphProto") -> "Iterator[TensorProto]":
    """Yield the tensors that attributes hold, as those of Constant nodes."""
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            if attribute.HasField("g"):
                raise InputError(
                    f"Its {plain(node.op_type)} holds a graph of its own (a branch or a loop), which lenetx does not "
                    "follow: export the network with fixed sizes, or with torch's newer exporter (dynamo=True)."
                )


def _require_whole(tensor: "TensorProto") -> None:
    """Reject a tensor whose data does not match its shape and type."""
    import onnx

    fits = min(tensor.dims, default=1) >= 0
    if fits and tensor.HasField("raw_data"):
        try:
            size = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
        except Exception:  # KeyError and others
            size = 0
        fits = _is_packed(tensor.data_type) or len(tensor.raw_data) == math.prod(tensor.dims) * size
    elif fits and tensor.data_type == _FLOAT:
        fits = len(tensor.float_data) == math.prod(tensor.dims)
    if not fits:
        raise ArtifactError(f"The tensor {plain(tensor.name)} has not the numbers that its shape asks for.")


def _is_packed(kind: int) -> bool:
    """Return whether several numbers of a type share a byte."""
    from onnx import TensorProto

    names = ("UINT4", "INT4", "FLOAT4E2M1", "UINT2", "INT2")
    return kind in {getattr(TensorProto, name) for name in names if hasattr(TensorProto, name)}


def texts(value: Any) -> str:
    """Return a name in the file as one short line."""
    return plain(value if isinstance(value, str) else repr(value))
