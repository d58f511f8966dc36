"""Read and write safetensors files: tensors and a table of strings, no code.

Files are read and checked by the package safetensors. It writes the strings in random order, so the header is sorted
and written here: the same weights and strings give the same bytes.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lenetx_runtime.spec import METADATA_KEY
from lenetx_runtime.values import LARGEST_JSON, parse_json

from ..errors import ArtifactError
from .found import Found, Source

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["pack", "read", "recognises", "unpack"]

_METADATA = "__metadata__"
_MOST_TENSORS = 2**14
"""Maximum number of tensors: the package takes about 50 µs for each, however small it is."""
_LENGTH = 8
"""Bytes of the little-endian integer before the header, which is the header's length; also the tensors' alignment."""


def recognises(data: bytes) -> bool:
    """Return whether the contents begin like a safetensors file."""
    length = int.from_bytes(data[:_LENGTH], "little")
    return data[_LENGTH : _LENGTH + 1] == b"{" and length <= len(data) - _LENGTH


def read(source: Source) -> Found:
    """Read the tensors and note whether the file is a lenetx checkpoint."""
    tensors, texts = unpack(source.data)
    return Found("safetensors", source.require_plain(tensors), is_lenetx=METADATA_KEY in texts)


def unpack(data: bytes) -> "tuple[dict[str, Tensor], dict[str, str]]":
    """Return the tensors and the strings of a file, by name.

    Raises:
        ArtifactError: the file is damaged or not safetensors.
    """
    from safetensors.torch import load

    if int.from_bytes(data[:_LENGTH], "little") > LARGEST_JSON:
        raise ArtifactError(f"Its header has more than {LARGEST_JSON // 2**20} MiB.")
    try:
        header, _ = _split(data)
        if len(header) > _MOST_TENSORS:
            raise ValueError(f"it has {len(header):,} tensors, and no network here more than {_MOST_TENSORS:,}")
        tensors = load(data)
    except Exception as error:  # the package, and torch for sizes that it accepts, raise several unrelated classes
        raise ArtifactError(f"It is not a readable safetensors file: {' '.join(str(error).split())}.") from None
    return tensors, dict(header.get(_METADATA) or {})


def pack(tensors: "Mapping[str, Tensor]", texts: Mapping[str, str]) -> bytes:
    """Return the bytes of a file with these tensors and strings, independent of the order of either."""
    from safetensors.torch import save

    header, body = _split(save({name: tensors[name].contiguous() for name in sorted(tensors)}))
    written = json.dumps({_METADATA: dict(sorted(texts.items())), **header}, separators=(",", ":")).encode()
    written += b" " * (-len(written) % _LENGTH)
    return len(written).to_bytes(_LENGTH, "little") + written + body


def _split(data: bytes) -> tuple[dict[str, Any], bytes]:
    end = _LENGTH + int.from_bytes(data[:_LENGTH], "little")
    return parse_json(data[_LENGTH:end]), data[end:]
