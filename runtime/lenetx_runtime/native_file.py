"""Read what a native library says of itself, and check it, without loading it: loading runs its code.

The file is a shared library as the linker wrote it, followed by what loaders ignore: the spec, a record of how the
library was made, and a footer with the sizes of both. ``sealing`` says what the digest covers.
"""

import struct
from collections.abc import Iterator
from typing import Any

from .errors import ArtifactError
from .layout import DEFAULT_LAYOUT
from .sealing import Place, filled, only_spec
from .spec import FLOAT32, ModelSpec
from .values import LARGEST_JSON, is_text, parse_json

__all__ = ["LEVELS", "is_native", "read_record", "read_spec", "sealed"]

LEVELS = {"x86_64": ("x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"), "aarch64": ("armv8-a",)}
"""Levels of processors, by machine; each also runs what was compiled for those before it."""
_ELF = b"\x7fELF"
"""First bytes of a shared library for Linux."""
_FOOTER = struct.Struct("<QQ16s")
_MARK = b"lenetx native 1\n"
_LARGEST_SCRATCH = 2**30
_FOREIGN = "It is a shared library without a lenetx spec: it was not made by lenetx, or was stripped."


def is_native(data: bytes) -> bool:
    """Return whether these bytes are a shared library for Linux."""
    return data.startswith(_ELF)


def read_spec(data: bytes) -> ModelSpec:
    """Read the spec of a library and check the whole file against its digest.

    Raises:
        ArtifactError: not made by lenetx, damaged, or with a contract that no library has.
    """
    spec = only_spec(data, _specs(data), _FOREIGN)
    if (spec.batch, spec.layout, spec.precision) != ("dynamic", DEFAULT_LAYOUT, FLOAT32) or spec.raw_input:
        raise ArtifactError("Its spec is not one of a native library.")
    read_record(data)
    return spec


def read_record(data: bytes) -> dict[str, Any]:
    """Return how a library was made: ``machine``, ``march``, ``scratch`` (bytes of memory per call), and more.

    Raises:
        ArtifactError: there is no such record.
    """
    _, start, end = _parts(data)
    try:
        record = parse_json(data[start:end])
    except ValueError:
        record = None
    scratch = record.get("scratch") if isinstance(record, dict) else None
    if not isinstance(record, dict) or type(scratch) is not int or not 0 < scratch <= _LARGEST_SCRATCH:
        raise ArtifactError("Its record is damaged.")
    machine, march = record.get("machine"), record.get("march")
    if not is_text(machine) or march not in LEVELS.get(machine, ()):
        raise ArtifactError("It was made for a processor that this version of lenetx does not know.")
    return record


def sealed(code: bytes, spec: str, record: str) -> bytes:
    """Return the file of a library: its machine code and its JSON texts; the spec's digest is filled in.

    Raises:
        ValueError: the spec has no empty ``content_sha256``.
    """
    footer = _FOOTER.pack(len(spec), len(record), _MARK)
    data = code + spec.encode("ascii") + record.encode("ascii") + footer
    return filled(data, _specs(data))


def _parts(data: bytes) -> tuple[int, int, int]:
    """Return the offsets of the spec, of the record and of the footer.

    Raises:
        ArtifactError: there is no footer, or its sizes are wrong.
    """
    end = len(data) - _FOOTER.size
    spec, record, mark = _FOOTER.unpack_from(data, end) if end > 0 else (0, 0, b"")
    start = end - spec - record
    if mark != _MARK or not is_native(data):
        raise ArtifactError(_FOREIGN)
    if start <= 0 or max(spec, record) > LARGEST_JSON:
        raise ArtifactError("Its record is damaged.")
    return start, start + spec, end


def _specs(data: bytes) -> Iterator[Place]:
    start, end, _ = _parts(data)
    yield start, data[start:end]
