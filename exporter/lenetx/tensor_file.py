"""Files of tensors and plain values: written canonically, read without executing anything."""

import io
from collections.abc import Mapping
from typing import Any

from . import archive
from .errors import ArtifactError
from .weights.unpickle import OtherClass, inert

__all__ = ["pack", "unpack"]


def pack(content: Mapping[str, Any]) -> bytes:
    """Give the bytes of the file; equal contents give equal bytes."""
    import torch

    buffer = io.BytesIO()
    torch.save(dict(content), buffer)
    return archive.pack(archive.normalise(buffer.getvalue()))


def unpack(data: bytes) -> Any:
    """Give the contents of a file that :func:`pack` made, tensors on the CPU.

    Raises:
        ArtifactError: empty, damaged, holding code, or not written by lenetx.
    """
    if not data:
        raise ArtifactError("It is empty.")
    records = archive.unpack(data)
    try:
        return inert(records)
    except OtherClass as error:
        raise ArtifactError(f"Its contents were refused and not executed: they ask for {error.name}.") from None
