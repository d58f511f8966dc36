"""Files of tensors and plain values: written canonically, read without executing anything."""

import io
from collections.abc import Mapping
from typing import Any

from . import archive
from .errors import ArtifactError

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
    import torch

    if not data:
        raise ArtifactError("It is empty.")
    archive.unpack(data)
    try:
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)  # noqa: TID251  # the one reader
    except Exception as error:  # the unpickler trips over a hostile or damaged stream in many ways
        reason = f"they are not what lenetx writes ({type(error).__name__})"  # torch's own words tell how to trust it
        raise ArtifactError(f"Its contents were refused and not executed: {reason}.") from None
