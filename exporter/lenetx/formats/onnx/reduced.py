"""Export an ONNX file in reduced precision, and open one for its proof."""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lenetx_runtime import ArtifactError, InputError
from lenetx_runtime.ort import OrtBackend
from lenetx_runtime.preprocess import normalise
from lenetx_runtime.selftest import SelfTest
from lenetx_runtime.spec import FLOAT16, INT8, ModelSpec

from ...bounds.selftest import rounded_answers
from ...graph import of_onnx
from ...quantization.calibration import Calibration, Sample
from ...quantization.program import Program
from ...quantization.reduce import to_float16, to_int8
from ...quantization.rounding import measure, require_known
from ...quantization.widen import activations, stored, widened
from ..artifact import Artifact, OpenedArtifact
from ..reduced import Reduced
from .intermediates import values_of
from .runs import runs_of
from .structure import constants, numbers, structure, training_operators, weights

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto

    from ..network import Network

__all__ = ["open_reduced", "reduced"]

_GOLDEN = 4
"""Images in a self-test: half as many as in float32, since they are a larger share of a smaller file."""


def reduced(
    model: "ModelProto", spec: ModelSpec, precision: str, sample: Sample | None
) -> "tuple[ModelProto, ModelSpec]":
    """Return a model in reduced precision and its spec, with a self-test of its own.

    Args:
        model: in float32, as lenetx writes it; changed in place.
        spec: of the float32 model.
        precision: ``float16`` or ``int8``.
        sample: the images for the calibration of int8.

    Raises:
        InputError: int8 without ``sample``, a weight is beyond the range of float16, or the arithmetic of an operator
            cannot be proven in this precision; the message names it.
    """
    if precision == FLOAT16:
        found, calibration = to_float16(model), None
    elif sample is None:
        raise InputError("int8 needs calibration images: name a data set with --data.")
    else:
        found, calibration = to_int8(model, sample.inputs, sample.calibration.method), sample.calibration.to_text()
    program = Program(found)
    require_known(program, spec.input_shape)
    selftest = None if spec.selftest is None else _selftest(program, spec, spec.selftest)
    return found, dataclasses.replace(spec, precision=precision, calibration=calibration, selftest=selftest)


def _selftest(program: Program, spec: ModelSpec, whole: SelfTest) -> SelfTest | None:
    frames = whole.frames(spec)[:_GOLDEN]
    answers = measure(program, normalise(frames, spec))
    if not (np.isfinite(answers.exact).all() and np.isfinite(answers.limits).all()):
        return None
    return SelfTest.of(frames, *rounded_answers(answers))


def open_reduced(
    path: Path,
    data: bytes,
    model: "ModelProto",
    spec: ModelSpec,
    device: str,
    export: "Callable[[Network, Sample, int], ModelProto]",
) -> OpenedArtifact:
    """Open a file in float16 or int8.

    Args:
        path: the file.
        data: its contents.
        model: the same, parsed.
        spec: the same file's.
        device: where it runs.
        export: exports a network to int8 again, with the given images and opset.

    Raises:
        ArtifactError: its graph is not one that lenetx writes in this precision.
        DeviceUnavailable, EngineMissing: the device or onnxruntime is not available.
    """
    try:
        program = Program(model)
        require_known(program, spec.input_shape)
    except InputError as error:
        raise ArtifactError(str(error)) from None
    if program.is_int8 != (spec.precision == INT8):
        raise ArtifactError(
            f"Its spec says {spec.precision}, and its graph {'does' if program.is_int8 else 'does not'} quantize."
        )
    wide = widened(model)
    opset = next(entry.version for entry in model.opset_import)

    def quantized_anew(network: "Network", sample: Sample) -> Any:
        again = export(network, sample, opset)
        return stored(again), activations(again)

    return OpenedArtifact(
        artifact=Artifact("onnx", spec.precision, path, hashlib.sha256(data).hexdigest(), len(data), spec),
        backend=OrtBackend(data, spec, device=device),
        structure=structure(model, spec),
        weights=weights(wide),
        numbers=numbers(wide),
        constants=constants(wide),
        runs=runs_of(data, spec, device),
        training=lambda: training_operators(model),
        expression=lambda names: of_onnx(wide, names),
        evaluate=lambda inputs: measure(program, inputs).eager,
        reduced=Reduced(
            program,
            stored(model),
            activations(model),
            partial(_integers, data, spec, {node.input[0]: node.output[0] for node in _quantizing(model)}),
            Calibration.from_text(spec.calibration),
            quantized_anew,
        ),
    )


def _quantizing(model: "ModelProto") -> list[Any]:
    return [node for node in model.graph.node if node.op_type == "QuantizeLinear"]


def _integers(
    data: bytes, spec: ModelSpec, names: Mapping[str, str], inputs: "NDArray[np.float32]"
) -> "dict[str, NDArray[Any]]":
    found = values_of(data, spec, inputs, names.values())
    return {name: found[output] for name, output in names.items()}
