"""Read the weights of archives and programs that lenetx wrote; one of ``lenetx.weights.READERS``."""

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
    name = "executorch" if executorch.recognises(source.data) else name
    opened = get(name).open(source.path, device="cpu")
    tensors = {each: torch.from_numpy(array.copy()) for each, array in (opened.weights or {}).items()}
    return Found(name, source.require_plain(tensors), opened.artifact.spec)
