"""Translate a network to ONNX with torch's exporter and keep torch's optimiser from changing its weights."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lenetx_runtime.spec import ModelSpec

from ...errors import InputError
from ...execution.user_code import place_of
from ...models.probe import quiet

if TYPE_CHECKING:
    import onnx
    from torch import nn

    from .. import Batch

__all__ = ["FROZEN", "cause", "reason", "translate"]

_TRACE_BATCH = 2
"""Batch size of the sample input; a batch of 1 can freeze the batch axis (pytorch#151582)."""
FROZEN = (
    "The network's code fixes the batch size while it is traced: int(x.shape[0]) or a loop over the images does that. "
    "Write x.shape[0] where the size is needed, or export a fixed batch with --batch N."
)
_LONGEST = 300
"""Maximum characters of the exporter's message to quote in an error."""
_HIDDEN = "lenetx.hidden"
"""A domain that torch's optimiser does not know."""
_FOLDED = ("BatchNormalization",)
"""Operators that torch's optimiser folds into the layer before them, in float32."""


def translate(network: "nn.Module", spec: ModelSpec, batch: "Batch", opset: int) -> "onnx.ModelProto":
    """Translate a network with torch's exporter.

    Args:
        network: the module, in eval mode, on the CPU.
        spec: defines the names and shapes of its input and output.
        batch: ``"dynamic"`` or a fixed batch size.
        opset: an opset that the exporter writes directly.

    Raises:
        InputError: torch's exporter cannot export it, or its code fixes the batch size and ``batch`` is dynamic.
        Exception: the network's own code raised it.
    """
    import torch

    sample = torch.zeros(_TRACE_BATCH if batch == "dynamic" else batch, *spec.input_shape)
    shapes = ({0: torch.export.Dim("batch")},) if batch == "dynamic" else None
    with quiet():
        program = _program(network, sample, shapes, spec, opset)
        if shapes is not None and (isinstance(program, Exception) or _is_frozen(program)):
            again = _traced(network, sample, shapes)
            program = program if again is None else _program(again, sample, None, spec, opset)
        if isinstance(program, Exception) and not _is_frozen(program):
            if place_of(traceback.extract_tb(cause(program).__traceback__)):
                raise cause(program)  # raised by the network's own code, and reported as such
            raise InputError(f"torch's exporter cannot write this network as ONNX: {reason(program)}")
        if shapes is not None and _is_frozen(program):
            raise InputError(FROZEN)
        with _hidden(program):
            program.optimize()
    model: onnx.ModelProto = program.model_proto
    return model


def _program(network: Any, sample: Any, shapes: Any, spec: ModelSpec, opset: int) -> Any:
    """Return torch's ONNX program, or the exception that the exporter raised."""
    import torch

    try:
        return torch.onnx.export(
            network,
            (sample,),
            dynamo=True,
            input_names=[spec.input_name],
            output_names=[spec.output_name],
            dynamic_shapes=shapes,
            opset_version=opset,
            external_data=False,
            verbose=False,
            optimize=False,
            custom_translation_table={torch.ops.aten.rrelu_with_noise_functional.default: _rrelu},
        )
    except Exception as error:  # the exporter and the network's code may raise any exception
        return error


def _traced(network: "nn.Module", sample: Any, shapes: Any) -> Any:
    """Trace a network with dynamo, which keeps len(x) and int(x.shape[0]) symbolic; return ``None`` if it cannot."""
    import torch

    try:
        return torch.export.export(network, (sample,), dynamic_shapes=shapes, strict=True)
    except Exception:  # dynamo may raise any exception for code that it cannot trace
        return None


def _is_frozen(program: Any) -> bool:
    """Return whether the batch axis became a number, in the program or according to the exporter's error."""
    if isinstance(program, Exception):
        return "Constraints violated" in str(program)
    shape = program.model.graph.inputs[0].shape
    return shape is not None and isinstance(shape[0], int)


def _rrelu(inputs: Any, noise: Any, lower: float = 1 / 8, upper: float = 1 / 3, *_: Any, **__: Any) -> Any:
    """Translate RReLU in eval mode to LeakyRelu with the mean slope; torch's exporter cannot translate it."""
    from onnxscript import opset18

    return opset18.LeakyRelu(inputs, alpha=(lower + upper) / 2), noise


def reason(error: BaseException) -> str:
    """Return the first line of the root cause of the exporter's error."""
    root = cause(error)
    words = (str(root).strip().splitlines() or [""])[0].removesuffix(".")
    return f"{words[:_LONGEST] or type(root).__name__}."


def cause(error: BaseException) -> BaseException:
    """Return the root cause of an error."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


@contextmanager
def _hidden(program: Any) -> Iterator[None]:
    """Hide batch norms from torch's optimiser, which folds in float32; those that can be folded are, in float64."""
    nodes = [node for node in program.model.graph if node.op_type in _FOLDED]
    for node in nodes:
        node.domain = _HIDDEN
    yield
    for node in program.model.graph:
        if node.domain == _HIDDEN:
            node.domain = ""
    program.model.opset_imports.pop(_HIDDEN, None)
