"""Zip archives in one canonical form, as checkpoints and TorchScript files are stored.

torch writes archives whose bytes depend on the file's name, the date and a serial number. Ours hold the same records
stored without compression, in sorted order, under the root ``archive/``, with one date: the same records give the
same bytes. Reading writes the records anew and compares, so that every changed bit is noticed, the checksums of zip
covering the contents and the comparison the rest.
"""

import io
import zipfile
from collections.abc import Mapping

from .errors import ArtifactError

__all__ = ["normalise", "pack", "unpack"]

ROOT = "archive/"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_VOLATILE = (".data/serialization_id", ".debug_pkl")


def pack(records: Mapping[str, bytes]) -> bytes:
    """Give the bytes of the archive that holds these records (name below the root → contents)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(records):
            entry = zipfile.ZipInfo(ROOT + name, _EPOCH)
            entry.create_system = 3  # the same on every operating system
            archive.writestr(entry, records[name])
    return buffer.getvalue()


def unpack(data: bytes) -> dict[str, bytes]:
    """Give the records of an archive that :func:`pack` wrote.

    Raises:
        ArtifactError: not an archive, not ours, cut off, or changed in any bit.
    """
    try:
        records = _records(data, compressed=False)
    except ArtifactError:
        raise
    except Exception as error:  # zipfile trips over damaged headers in many ways
        raise ArtifactError(f"It is not a readable archive: {error}.") from None
    if pack(records) != data:
        raise ArtifactError("It was not written by lenetx, or it is damaged.")
    return records


def normalise(data: bytes) -> dict[str, bytes]:
    """Give the records of an archive that torch wrote, less those that differ from one writing to the next."""
    records = _records(data, compressed=True)
    return {name: contents for name, contents in records.items() if not name.endswith(_VOLATILE)}


def _records(data: bytes, *, compressed: bool) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if not compressed and any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise ArtifactError("It was not written by lenetx.")  # and could unpack to any size
        return {name.split("/", 1)[-1]: archive.read(name) for name in archive.namelist()}
