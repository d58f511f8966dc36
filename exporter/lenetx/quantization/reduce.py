"""Reduce the precision of an ONNX model to float16 or int8, with onnxruntime's tools."""

import contextlib
import io
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lenetx_runtime import InputError

from ..files import temporary_folder
from ..graph.expression import plain
from .names import tidied

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnx import ModelProto

__all__ = ["FLOAT16_LARGEST", "METHODS", "to_float16", "to_int8"]

FLOAT16_LARGEST = 65504.0
"""The largest float16."""
_FLOAT = 1
_BATCH = 50

_IN_FLOAT32 = {"BatchNormalization"}
"""Operators that onnxruntime's tools would quantize, and its engine computes in float32 all the same."""
METHODS = {"minmax": "MinMax", "entropy": "Entropy", "percentile": "Percentile"}
"""Names of onnxruntime's calibration methods: how the range of each activation is found."""


def to_float16(model: "ModelProto") -> "ModelProto":
    """Return the model with float16 weights and arithmetic, and float32 input and output.

    Each weight is rounded once, to nearest, ties to even. Source: ``onnxruntime.transformers.float16``.

    Raises:
        InputError: a weight is beyond the range of float16.
    """
    import numpy as np
    from onnx import numpy_helper
    from onnxruntime.transformers.float16 import convert_float_to_float16

    for tensor in model.graph.initializer:
        if tensor.data_type == _FLOAT:
            values = numpy_helper.to_array(tensor)
            if np.abs(values).max(initial=0) > FLOAT16_LARGEST:
                raise InputError(
                    f"{plain(tensor.name)} has a weight of {np.abs(values).max():.6g}, and the largest float16 is "
                    f"{FLOAT16_LARGEST:.0f}: export it in float32."
                )
            # rounded here, since the converter moves numbers below 6e-8 away from zero
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16).astype(np.float32), tensor.name))
    with _quiet():
        return tidied(convert_float_to_float16(model, keep_io_types=True))


def to_int8(model: "ModelProto", inputs: "NDArray[np.float32]", method: str) -> "ModelProto":
    """Return the model with int8 weights, one scale per output channel, and int8 activations, one scale per tensor.

    It is static quantization in the QDQ form: ``QuantizeLinear`` and ``DequantizeLinear`` around each operator, which
    engines fuse into integer arithmetic. The logits stay float32, and so do batch norms. Source:
    ``onnxruntime.quantization``.

    Args:
        model: in float32.
        inputs: float32[N, C, H, W], from which the ranges of the activations are taken.
        method: one of ``METHODS``.

    Raises:
        InputError: onnxruntime cannot quantize the model.
        EngineMissing: the folder for temporary files is full.
    """
    import numpy as np
    from onnxruntime import quantization
    from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
        def __init__(self) -> None:
            name, fixed = model.graph.input[0].name, model.graph.input[0].type.tensor_type.shape.dim[0].dim_value
            parts = (np.arange(start, start + (fixed or _BATCH)) for start in range(0, len(inputs), fixed or _BATCH))
            # the last of a fixed size is filled up with the first images
            rows = (part % len(inputs) if fixed else part[part < len(inputs)] for part in parts)
            self._batches = ({name: inputs[each]} for each in rows)

        def get_next(self) -> Any:
            return next(self._batches, None)

    with _quiet(), temporary_folder() as folder:
        try:
            quantization.quantize_static(
                model,
                folder / "int8.onnx",
                Reader(),
                quant_format=quantization.QuantFormat.QDQ,
                per_channel=True,
                activation_type=quantization.QuantType.QInt8,
                weight_type=quantization.QuantType.QInt8,
                calibrate_method=quantization.CalibrationMethod[METHODS[method]],
                op_types_to_quantize=sorted({*QDQRegistry, *QLinearOpsRegistry} - _IN_FLOAT32),
                extra_options={"QDQKeepRemovableActivations": True},
            )
        except OSError:  # the folder is full
            raise
        except Exception as error:  # onnxruntime's tools raise any exception
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
            raise InputError(f"onnxruntime cannot quantize this network: {reason}.") from None
        import onnx

        return tidied(onnx.load(folder / "int8.onnx"))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Drop what onnxruntime's tools print and log."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)
