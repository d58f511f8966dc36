"""Read the spec of a sealed model file: ONNX, or ORT, which onnxruntime also recognises by its contents."""

from . import onnx_file, ort_file
from .spec import ModelSpec

__all__ = ["read_spec"]


def read_spec(data: bytes) -> ModelSpec:
    """Read the spec of a sealed model and check the whole file.

    Raises:
        ArtifactError: not a model, not made by lenetx, damaged, or not safe to open.
    """
    return ort_file.read_spec(data) if ort_file.is_ort(data) else onnx_file.read_spec(data)
