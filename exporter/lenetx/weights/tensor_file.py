"""Write tensors and plain values to a canonical torch archive, and read it without executing anything."""

import hashlib
import io
from collections.abc import Iterator, Mapping
from typing import Any

from ..data import archive
from ..errors import ArtifactError
from .unpickle import OtherClass, load_safely

__all__ = ["digest", "pack", "require_bounded", "unpack"]

_PLAIN = (str, int, float, bool, type(None))
_DEEPEST = 32
_MOST_VALUES = 2**18
_MOST_COPIES = 4
"""Maximum size of all tensors, as a multiple of the file's size: tied weights are counted once for each name."""


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
        content = load_safely(records)
    except OtherClass as error:
        raise ArtifactError(f"Its contents were rejected and not executed: they need {error.name}.") from None
    require_bounded(content, len(data))
    return content


def require_bounded(content: Any, size: int) -> None:
    """Check that nested mappings and sequences can be walked quickly: a small pickle can name a part many times.

    Args:
        content: contents of a file.
        size: size of the file in bytes.

    Raises:
        ArtifactError: it is nested too deep, holds far more than the file, a tensor that is not dense, or an object.
    """
    room, waiting = _MOST_COPIES * size, [(content, 0)]
    for _ in range(_MOST_VALUES):
        if not waiting:
            return
        each, depth = waiting.pop()
        if depth > _DEEPEST:
            raise ArtifactError(f"Its contents are nested more than {_DEEPEST} deep.")
        if isinstance(each, Mapping):
            waiting.extend((part, depth + 1) for pair in each.items() for part in pair)
        elif isinstance(each, list | tuple):
            waiting.extend((part, depth + 1) for part in each)
        else:
            room -= _bytes_of(each)
        if room < 0:
            raise ArtifactError("Its tensors are far larger than the file: they repeat a few numbers.")
    raise ArtifactError(f"It holds more than {_MOST_VALUES:,} values.")


def _bytes_of(value: Any) -> int:
    import torch

    if not isinstance(value, torch.Tensor):
        if type(value) not in _PLAIN:
            raise ArtifactError(f"It holds a {type(value).__name__}, which no file of lenetx holds.")
        return 0
    if value.layout != torch.strided or value.device.type != "cpu":
        raise ArtifactError("It holds a tensor that is not dense.")
    return value.nbytes


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
