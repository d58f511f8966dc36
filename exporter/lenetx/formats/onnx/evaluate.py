"""Compute an ONNX file's logits with onnx's reference implementation."""

from typing import TYPE_CHECKING, Any

from lenetx_runtime import ModelSpec
from lenetx_runtime.backend import batches
from lenetx_runtime.layout import arrange

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnx import ModelProto

__all__ = ["evaluate"]


def evaluate(model: "ModelProto", spec: ModelSpec, inputs: "NDArray[np.float32]") -> "NDArray[np.float32]":
    """Return float32[N, K] logits for float32[N, C, H, W] inputs."""
    import numpy as np
    from onnx.reference import ReferenceEvaluator

    evaluator = ReferenceEvaluator(model)
    arranged = arrange(spec.layout) or (lambda batch: batch)
    found = []
    for part, count in batches(inputs, spec):
        values: Any = evaluator.run([spec.output_name], {spec.input_name: arranged(part)})
        found.append(values[0][:count])
    logits: NDArray[np.float32] = np.concatenate(found)
    return logits.reshape(len(inputs), -1)
