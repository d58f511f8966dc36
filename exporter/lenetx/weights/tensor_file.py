"""Write tensors and plain values to a canonical torch archive, and read it without executing anything."""

import hashlib
import io
from collections.abc import Iterator, Mapping
from typing import Any

from ..data import archive
from ..errors import ArtifactError
from .unpickle import OtherClass, inert

__all__ = ["digest", "pack", "unpack"]


def pack(content: Mapping[str, Any]) -> bytes:
    """Return the bytes of the archive; equal contents give equal bytes."""
    import torch

    buffer = io.BytesIO()
    torch.save(dict(content), buffer)
    return archive.pack(archive.normalise(buffer.getvalue()))


def unpack(data: bytes) -> Any:
    """Return the contents of a file that ``pack`` wrote, with tensors on the CPU.

    Raises:
        ArtifactError: the file is empty, damaged, contains code, or was not written by lenetx.
    """
    if not data:
        raise ArtifactError("It is empty.")
    records = archive.unpack(data)
    try:
        return inert(records)
    except OtherClass as error:
        raise ArtifactError(f"Its contents were refused and not executed: they ask for {error.name}.") from None


def digest(content: Any) -> str:
    """Return the SHA-256 of nested mappings and sequences of tensors and plain values, including their types."""
    found = hashlib.sha256()
    for part in _parts(content):
        found.update(len(part).to_bytes(8, "little"))
        found.update(part)
    return found.hexdigest()


def _parts(content: Any) -> "Iterator[bytes | memoryview]":
    import torch

    kind = type(content).__name__
    if isinstance(content, Mapping):
        yield f"{kind} {len(content)}".encode()
        for key, value in content.items():
            yield from _parts(key)
            yield from _parts(value)
    elif isinstance(content, list | tuple):
        yield f"{kind} {len(content)}".encode()
        for value in content:
            yield from _parts(value)
    elif isinstance(content, torch.Tensor):
        yield f"{content.dtype} {list(content.shape)}".encode()
        yield content.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
    else:
        yield f"{kind} {content!r}".encode()
