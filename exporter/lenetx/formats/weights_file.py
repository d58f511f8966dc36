"""Read the weights of archives and programs that lenetx wrote; one of ``lenetx.weights.READERS``."""

from lenetx_runtime import ArtifactError
from lenetx_runtime.spec import FLOAT32

from ..data import archive
from ..weights.found import Found, Source
from . import get
from .executorch import contents as executorch
from .spec_record import SPEC

__all__ = ["read", "recognises"]

_RECORDS = {"archive_format": "pt2", "extra/graph.onnx": "openvino"}
"""Formats by a record that only their archives have."""


def recognises(data: bytes) -> bool:
    """Return whether lenetx wrote this archive or program."""
    return archive.has(data, SPEC) or executorch.recognises(data)


def read(source: Source) -> Found:
    """Read the weights, by their names in the checkpoint."""
    import torch

    name = next((name for record, name in _RECORDS.items() if archive.has(source.data, record)), "torchscript")
    if executorch.recognises(source.data):
        name, precision = "executorch", executorch.read(source.data).spec.precision
        if precision != FLOAT32:
            raise ArtifactError(f"Its weights are {precision}: give the checkpoint that it was made from.")
    opened = get(name).open(source.path, device="cpu")
    tensors = {each: torch.from_numpy(array.copy()) for each, array in (opened.weights or {}).items()}
    return Found(name, source.require_plain(tensors), opened.artifact.spec)
