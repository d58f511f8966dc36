"""Write an ONNX file with a spec that is based only on the file and the user's statement."""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lenetx_runtime import ArtifactError, InputError, ModelSpec
from lenetx_runtime.backend import run_in_batches
from lenetx_runtime.layout import is_row
from lenetx_runtime.onnx_file import check_graph, read_spec
from lenetx_runtime.ort import OrtBackend
from lenetx_runtime.spec import UNKNOWN, UNPROVEN

from ...graph.expression import plain
from ...weights.plain_tensors import weights_sha256
from ...weights.stated_spec import stated_spec, unknown_spec
from ...weights.statement import Statement
from .adoption import as_the_runtime, keep_only, sealed, whole
from .contract import axes_of_value, require_classifier, shown, size_of
from .outputs import require_stated
from .read import naming, without_descriptions

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto, NodeProto, TensorProto

__all__ = ["unproven"]

_SHAPES = ("Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Dropout")
"""Operators that may follow the last one that changes numbers."""
_OUTPUTS = {"Softmax": "probabilities", "Sigmoid": "probabilities", "LogSoftmax": "log_probabilities"}
_FLAT = 2
"""Axes of an input that is a row of numbers for each image."""
_IMAGES = 4
_FEWEST = 2
"""Classes of a spec, until their number is known."""


def unproven(path: Path, stated: Statement, layout: str | None, on_notice: Callable[[str], None]) -> bytes:
    """Return the contents of a foreign file with a spec that says that nothing was proven.

    The spec's weights digest is that of the file's own tensors. The file is run once, on random inputs.

    Args:
        path: the file.
        stated: preprocessing, labels and input shape; by default unknown, class numbers, and the file's. Also which of
            several outputs is kept.
        layout: of the file's input, see ``ModelSpec.layout``; found by its axes if ``None``.
        on_notice: called with a sentence about anything that was assumed.

    Raises:
        InputError: the file is missing or too large, it is no float32 classifier of images, it has several outputs and
            none is stated, a statement does not fit it, or its numbers are not finite.
        ArtifactError: it is damaged, its weights are missing, or it holds something that ``lenetx_runtime`` rejects.
    """
    with naming(path, "adopted"):
        model = whole(path)
        keep_only(model, require_stated(model, stated.network_output), path, on_notice)
        spec = _spec(_plain(model), path, stated, on_notice)
        data = sealed(model, spec, UNPROVEN, layout)
        _require_numbers(data)
        return data


def _plain(model: "ModelProto") -> "ModelProto":
    """Return a copy without descriptions of values, of a classifier."""
    import onnx

    found = onnx.ModelProto()
    found.CopyFrom(model)
    without_descriptions(found)
    require_classifier(found)
    return found


def _spec(model: "ModelProto", path: Path, stated: Statement, on_notice: Callable[[str], None]) -> ModelSpec:
    given = model.graph.input[0]
    size, channels = size_of(given)
    size, channels = stated.input_size or size, stated.channels or channels
    if size is None or channels is None:
        raise InputError(
            f"Its input {plain(given.name)} is {shown(given)}, which does not say how large its images are: state it "
            "with --input-size and --channels."
        )
    if len(axes_of_value(given) or ()) == _FLAT and not (stated.input_size and stated.channels):
        sides = "×".join(map(str, (channels, *size)))
        on_notice(
            f"Its input {plain(given.name)} is {shown(given)}, taken as images of {sides} (channels×height×width); "
            "state others with --input-size and --channels."
        )
    spec = unknown_spec(UNKNOWN, (channels, *size), _FEWEST, weights_sha256(_tensors(model)))
    spec = dataclasses.replace(spec, output=_output(model), input_name=given.name)
    with as_the_runtime():
        check_graph(model.SerializeToString(deterministic=True), spec)  # before onnx's own parsers read its attributes
    spec = dataclasses.replace(spec, labels=tuple(map(str, range(_classes(_inferred(model), stated)))))
    said = dataclasses.replace(stated, input_size=None, channels=None, network_output=None)
    return stated_spec(path.name, spec, said, on_notice)


def _inferred(model: "ModelProto") -> "ModelProto":
    """Return the model with the axes of values that onnx can infer; what it cannot must be stated."""
    import onnx

    try:
        return onnx.shape_inference.infer_shapes(model)
    except Exception:  # onnx raises several classes
        return model


def _classes(model: "ModelProto", stated: Statement) -> int:
    """Return the number of classes: what the output says, else the number of labels."""
    wanted = model.graph.output[0]
    sizes = (axes_of_value(wanted) or [0, 0])[1:]
    known = [size for size in sizes if isinstance(size, int) and size > 0]
    if len(known) == len(sizes):
        found = math.prod(known)
        if found < 2 or not is_row(known, found):
            raise InputError(f"Its output {plain(wanted.name)} is {shown(wanted)}, not a row of logits for an image.")
        return found
    if stated.labels is None:
        raise InputError(
            f"Its output {plain(wanted.name)} is {shown(wanted)}, which does not say how many classes there are: name "
            "them with --labels."
        )
    return len(stated.labels)


def _tensors(model: "ModelProto") -> dict[str, Any]:
    """Return the tensors that a file holds as torch's, by their names or those of the nodes that return them."""
    import torch
    from onnx import numpy_helper

    held: dict[str, TensorProto] = {tensor.name: tensor for tensor in model.graph.initializer}
    inside = ((node.output, each.t) for node in model.graph.node for each in node.attribute if each.HasField("t"))
    held |= {outputs[0]: tensor for outputs, tensor in inside if outputs}
    try:
        return {name: torch.from_numpy(numpy_helper.to_array(tensor).copy()) for name, tensor in held.items()}
    except (TypeError, ValueError, RuntimeError) as error:
        raise ArtifactError(f"A tensor in it cannot be read: {plain(str(error))}") from None


def _output(model: "ModelProto") -> str:
    """Return the kind of a file's outputs, by the last operator that changes numbers."""
    makers: dict[str, NodeProto] = {name: node for node in model.graph.node for name in node.output}
    node = makers.get(model.graph.output[0].name)
    while node is not None and node.op_type in _SHAPES:
        node = makers.get(node.input[0])
    return _OUTPUTS.get(node.op_type, "logits") if node is not None else "logits"


def _require_numbers(data: bytes) -> None:
    """Run a sealed file once.

    Raises:
        InputError: its numbers are not finite, or not a row for each image.
        ArtifactError: it cannot be run.
    """
    spec = read_spec(data)
    images = np.random.default_rng(1998).normal(size=(_IMAGES, *spec.input_shape)).astype(np.float32)
    found: NDArray[np.float32] = run_in_batches(OrtBackend(data, spec), images, spec)
    if found.shape != (_IMAGES, len(spec.labels)):
        raise InputError(
            f"For {_IMAGES} images it returns {list(found.shape)}, not a row of {len(spec.labels)} logits each."
        )
    if not np.isfinite(found).all():
        raise InputError("Its numbers for random images are not finite.")
