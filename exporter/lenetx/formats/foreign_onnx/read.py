"""Read an ONNX file that another program wrote, with its external weights."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ArtifactError, InputError
from lenetx_runtime.files import read_bytes
from lenetx_runtime.limits import DEFAULT_LIMITS
from lenetx_runtime.spec import METADATA_KEY

from ...graph.expression import plain
from ...graph.onnx_graph import names_of
from ...weights.other_files import not_fetched
from .branches import branches_of, unknown_branch
from .external import take_in
from .protobuf import graphs_in

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, TensorProto

__all__ = ["LARGEST", "OPSETS", "fill", "load", "naming", "parse", "require_opset", "texts", "without_descriptions"]

OPSETS = range(7, 26)
"""From the oldest opset that torch writes to the newest that the tested engine runs."""
LARGEST = DEFAULT_LIMITS.model_bytes
"""Maximum bytes of a file and its external weights together."""
_OTHER_FORMAT = b"ORTM"
_ZIP = b"PK\x03\x04"
_DEFAULT = ("", "ai.onnx")
_FLOAT = 1
_EXTERNAL = "external_data"
_MOST_NODES = 2**17
"""Most nodes of a file whose functions are written out: functions that call each other grow without end."""
_MOST_CALLS = 64
"""Most functions that call one another in a row."""


@contextmanager
def naming(path: Path, verb: str) -> Iterator[None]:
    """Name a file in the errors about it.

    Args:
        path: the file.
        verb: what an ``InputError`` says it cannot be, such as "proven".
    """
    try:
        yield
    except ArtifactError as error:
        raise ArtifactError(f"'{path}' cannot be used. {error}") from None
    except InputError as error:
        raise InputError(f"'{path}' cannot be {verb}. {error}") from None


def parse(data: bytes) -> "ModelProto":
    """Parse the bytes of an ONNX file, without the weights beside it.

    Raises:
        ArtifactError: they are not an ONNX model.
    """
    import onnx

    if data.startswith(_ZIP):
        raise ArtifactError(
            "It is an archive, not an ONNX model: TorchScript, .pt2 and checkpoints are archives. Name it by its kind."
        )
    if data[4:8] == _OTHER_FORMAT:
        raise ArtifactError("It is a model in onnxruntime's own format, not an ONNX model: verify the .onnx file.")
    if words := not_fetched(data, "FILE"):
        raise ArtifactError(f"It is not an ONNX model. {words}")
    try:
        model = onnx.load_from_string(data)
    except Exception:  # protobuf raises several classes
        raise ArtifactError("It is not an ONNX model, or it is damaged: fetch or export it again.") from None
    model.DiscardUnknownFields()
    graphs = [model.graph, *(graph for node in model.graph.node for graph in graphs_in(node))]
    if not all(isinstance(name, str) for graph in graphs for name in names_of(graph)):
        raise ArtifactError("A name in it is not readable text.")
    if not model.graph.node or not model.graph.output:
        raise ArtifactError("It is not an ONNX model: it has no operators or no outputs. Fetch or export it again.")
    return model


def is_sealed(model: "ModelProto") -> bool:
    """Return whether lenetx wrote the file."""
    return any(entry.key == METADATA_KEY for entry in model.metadata_props)


def load(path: Path) -> "tuple[ModelProto, bytes, tuple[str, ...]]":
    """Read a file with the weights beside it; return the model, the file's bytes and the names of the files beside it.

    Functions in the file are inlined; what only describes values is dropped, since engines infer it.

    Raises:
        InputError: the file is missing or too large, or holds something that cannot be proven.
        ArtifactError: it is damaged, or its weights are missing or outside its folder.
    """
    data = read_bytes(path, "model", limit=LARGEST)
    model = parse(data)
    require_opset(model)
    model = _inlined(model)
    beside = fill(model, path.parent, LARGEST - len(data), with_branches=True)
    return without_descriptions(model), data, beside


def fill(model: "ModelProto", folder: Path, limit: int, *, with_branches: bool = False) -> tuple[str, ...]:
    """Read a model's external weights, in place, and check all tensors; return the names of the external files.

    Args:
        model: the model.
        folder: of its file.
        limit: maximum total bytes of the external files.
        with_branches: accept branches, see ``branches.follow_branches``, and read their tensors too.

    Raises:
        InputError, ArtifactError: as ``load``.
    """
    tensors = [*_tensors_of(model.graph, with_branches)]
    beside = take_in(tensors, folder, limit)
    for tensor in tensors:
        _require_whole(tensor)
    if len({tensor.name for tensor in model.graph.initializer}) < len(model.graph.initializer):
        raise ArtifactError("Two of its tensors have one name.")
    return beside


def without_descriptions(model: "ModelProto") -> "ModelProto":
    """Drop, in place, what only describes values, and tensors among the inputs; return the model."""
    held = {tensor.name for tensor in model.graph.initializer}
    given = [value for value in model.graph.input if value.name not in held]
    del model.graph.input[:], model.graph.value_info[:]
    model.graph.input.extend(given)
    model.ir_version = max(4, model.ir_version)  # older ones list every tensor among the inputs
    return model


def require_opset(model: "ModelProto") -> None:
    """Check that a model declares one opset that can be proven.

    Raises:
        InputError: it does not.
    """
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
    if _written_out(model) > _MOST_NODES:
        raise InputError(
            f"Its functions call each other in a circle, or have more than {_MOST_NODES:,} operators when written out."
        )
    try:
        found: ModelProto = inliner.inline_local_functions(model)
    except Exception as error:  # onnx raises several classes
        reason = plain(" ".join(str(error).split()))
        raise ArtifactError(f"It holds functions of its own, which cannot be written out: {reason}.") from None
    return found


def _written_out(model: "ModelProto") -> int:
    """Return the number of nodes after functions are written out; too many if they call each other in a circle."""
    sizes: dict[tuple[str, str], int] = {}
    for _ in range(min(len(model.functions) + 1, _MOST_CALLS)):  # each round settles at least one more function
        before = dict(sizes)
        for function in model.functions:
            count = sum(sizes.get((node.domain, node.op_type), 1) for node in function.node)
            sizes[function.domain, function.name] = min(count, _MOST_NODES + 1)
        if sizes == before:
            return sum(sizes.get((node.domain, node.op_type), 1) for node in model.graph.node)
    return _MOST_NODES + 1


def _tensors_of(graph: "GraphProto", with_branches: bool) -> "Iterator[TensorProto]":
    """Yield the tensors of a graph, also those in attributes, such as those of Constant nodes, and in branches."""
    if graph.sparse_initializer:
        raise InputError("It holds sparse weights, which lenetx does not read: write it with dense ones.")
    yield from graph.initializer
    for node in graph.node:
        branches = branches_of(node) if with_branches else None
        if branches is None and any(graphs_in(node)):
            raise unknown_branch(node)
        for branch in branches or ():
            yield from _tensors_of(branch, with_branches)
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def _require_whole(tensor: "TensorProto") -> None:
    """Reject a tensor whose data does not match its shape and type, or that has its data twice."""
    from onnx import numpy_helper

    count = math.prod(tensor.dims)
    held = [field.name for field, _ in tensor.ListFields() if field.name.endswith("_data") and field.name != _EXTERNAL]
    fits = min(tensor.dims, default=1) >= 0 and len(held) <= 1
    if fits and tensor.data_type == _FLOAT:
        fits = len(tensor.raw_data) == 4 * count if held == ["raw_data"] else len(tensor.float_data) == count
    elif fits:
        try:
            fits = numpy_helper.to_array(tensor).size == count
        except Exception:  # onnx and numpy raise several unrelated classes
            fits = False
    if not fits:
        raise ArtifactError(f"The tensor {plain(tensor.name)} has data that does not match its shape.")


def texts(value: Any) -> str:
    """Return a name in the file as one short line."""
    return plain(value if isinstance(value, str) else repr(value))
