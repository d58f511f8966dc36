"""Write int8 programs from a QDQ graph, and show them to the proof: their graph, and their integers."""

from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ArtifactError, InputError
from lenetx_runtime.onnx_file import check_graph
from lenetx_runtime.spec import INT8, ModelSpec

from ...graph import of_onnx
from ...quantization.calibration import Calibration, Sample
from ...quantization.program import Program
from ...quantization.rounding import measure, require_known
from ...quantization.widen import activations, stored, widened
from .. import onnx as onnx_format
from ..onnx.parse import parse
from ..onnx.reduced import reduced
from ..onnx.structure import constants, numbers, training_operators, weights
from ..reduced import Reduced
from .contents import Carried, Tail
from .lower import lowered_to_int8
from .session import ExecutorchBackend

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnx import ModelProto

    from .. import Batch
    from ..network import Network

__all__ = ["carried_of", "model_of", "quantized", "shown"]

_WIDTHS = {1: 4, 3: 1, 6: 4, 7: 8}
"""Bytes per number of float32, int8, int32 and int64, by ONNX's numbers."""


def quantized(network: "Network", batch: "Batch", sample: Sample | None) -> "tuple[ModelProto, ModelSpec]":
    """Return the QDQ graph of a network, and its spec.

    Raises:
        InputError: as ``onnx.reduced.reduced``.
    """
    import onnx

    model = onnx.load_from_string(onnx_format.export(network, batch=batch))
    del model.metadata_props[:]
    return reduced(model, network.spec, INT8, sample)


def carried_of(model: "ModelProto") -> Carried:
    """Return a graph as a file carries it."""
    from onnx import ModelProto, numpy_helper

    bare = ModelProto()
    bare.CopyFrom(model)
    for tensor in bare.graph.initializer:
        tensor.ClearField("raw_data")
    tensors = [numpy_helper.to_array(tensor) for tensor in model.graph.initializer]
    return Carried(bare.SerializeToString(deterministic=True), tensors)


def model_of(tail: Tail) -> "ModelProto":
    """Return the graph that a file carries.

    Raises:
        ArtifactError: it is not one that lenetx writes in int8.
    """
    import onnx

    try:
        model = onnx.load_from_string(tail.document)
        for place, tensor in enumerate(model.graph.initializer):
            tensor.raw_data = tail.numbers(place, tensor.dims, _WIDTHS[tensor.data_type])
        contents = model.SerializeToString(deterministic=True)
    except Exception:  # protobuf raises several classes
        raise ArtifactError("It was not written by lenetx: it lacks a readable graph.") from None
    check_graph(contents, tail.spec)
    model = parse(contents)
    try:
        program = Program(model)
        require_known(program, tail.spec.input_shape)
    except InputError as error:
        raise ArtifactError(str(error)) from None
    if not program.is_int8:
        raise ArtifactError("Its spec says int8, and its graph does not quantize.")
    return model


def shown(model: "ModelProto", spec: ModelSpec, backend: ExecutorchBackend) -> dict[str, Any]:
    """Return what ``OpenedArtifact`` says of an int8 file beside what it says of every file.

    Args:
        model: its graph.
        spec: of the network.
        backend: runs its program.
    """
    program, wide = Program(model), widened(model)

    def quantized_anew(network: "Network", sample: Sample) -> Any:
        again, _ = quantized(network, spec.batch, sample)
        return stored(again), activations(again)

    return {
        "weights": weights(wide),
        "numbers": numbers(wide),
        "constants": constants(wide),
        "training": lambda: training_operators(model),
        "expression": lambda names: of_onnx(wide, names),
        "evaluate": lambda inputs: measure(program, inputs).eager,
        "reduced": Reduced(
            program,
            stored(model),
            activations(model),
            partial(_integers, program, cache(lambda: _backend_with_integers(model, spec)), backend),
            Calibration.from_text(spec.calibration),
            quantized_anew,
        ),
    }


def _backend_with_integers(model: "ModelProto", spec: ModelSpec) -> ExecutorchBackend:
    """Return what runs the graph lowered once more, to a program that also returns its integers."""
    return ExecutorchBackend(lowered_to_int8(model, spec, is_shown=True).program, spec)


def _integers(
    program: Program,
    with_integers: Callable[[], ExecutorchBackend],
    backend: ExecutorchBackend,
    inputs: "NDArray[np.float32]",
) -> "dict[str, NDArray[np.int8]]":
    """Return the integers of a program that shows them, if its logits are those of the file's program, bit for bit.

    Raises:
        ArtifactError: they are others.
    """
    logits, *found = with_integers().outputs(inputs)
    if logits.tobytes() != backend.run(inputs).tobytes():
        raise ArtifactError("The program that shows its integers returns other logits than the file's.")
    return dict(zip(program.quantized, found, strict=True))
