"""Read and write zip archives in one canonical form; checkpoints, TorchScript and ``.pt2`` files are stored this way.

The bytes of torch's own archives depend on the file's name, the date and a serial number. Ours store the same records
uncompressed, in sorted order, under the root ``archive/``, with a fixed date: the same records give the same bytes.
``unpack`` packs the records again and compares, so any changed bit is detected: zip's checksums cover the contents,
and the comparison covers the rest.

torch looks records up with its own search, which ignores case. So archives with names that could be confused are
rejected, and torch only reads archives that ``pack`` wrote.
"""

import io
import re
import unicodedata
import zipfile
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING

from ..errors import ArtifactError

if TYPE_CHECKING:
    import mmap

__all__ = ["has", "is_archive", "names", "normalise", "pack", "records_of", "require_bounded", "require_few", "unpack"]

ROOT = "archive/"
_START = b"PK\x03\x04"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_ENTRY = re.compile(rb"PK\x01\x02")
_MOST_ENTRIES = 2**15
_TABLES = 64
"""Allowed packing overhead of a record: 1/64 of its size plus 64 bytes. Incompressible data needs about 1/1000."""
_VOLATILE = (".data/serialization_id", ".debug_pkl")


def pack(records: Mapping[str, bytes]) -> bytes:
    """Return the bytes of an archive of these records (name below the root → contents)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(records):
            entry = zipfile.ZipInfo(ROOT + name, _EPOCH)
            entry.create_system = 3  # Unix, on every operating system
            archive.writestr(entry, records[name])
    return buffer.getvalue()


def unpack(data: bytes) -> dict[str, bytes]:
    """Return the records of an archive that ``pack`` wrote.

    Raises:
        ArtifactError: it is not an archive, was not written by ``pack``, is truncated, or any bit was changed.
    """
    records = records_of(data)
    if pack(records) != data:
        raise ArtifactError("It was not written by lenetx, or it is damaged.")
    return records


def normalise(data: bytes) -> dict[str, bytes]:
    """Return the records of an archive that torch wrote, without those that differ between two saves."""
    return {name: contents for name, contents in records_of(data).items() if not name.endswith(_VOLATILE)}


def is_archive(data: bytes) -> bool:
    """Return whether torch would read this as an archive: torch checks the first bytes, zipfile the last."""
    return data.startswith(_START)


def has(data: bytes, name: str) -> bool:
    """Return whether this is an archive that contains a record's name anywhere, in any case."""
    return is_archive(data) and re.search(re.escape(f"/{name}".encode()), data, re.IGNORECASE) is not None


def names(data: bytes) -> set[str]:
    """Return the record names below the root of any zip archive; empty if it is not a readable archive."""
    try:
        require_few(data)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {name.split("/", 1)[-1] for name in archive.namelist()}
    except Exception:  # zipfile trips over damaged headers in many ways
        return set()


def require_few(data: "bytes | mmap.mmap") -> None:
    """Raise ArtifactError if an archive lists more records than can be read in reasonable time."""
    if next(islice(_ENTRY.finditer(data), _MOST_ENTRIES, None), None):
        raise ArtifactError(f"It has more than {_MOST_ENTRIES:,} records.")


def require_bounded(entries: Iterable[zipfile.ZipInfo], size: int) -> None:
    """Raise ArtifactError if records overlap, use an unsupported compression, or are larger packed than unpacked.

    Small contents in large packed records would take disproportionately long to unpack.

    Args:
        entries: the records of an archive that may be compressed.
        size: size of the archive in bytes.
    """
    for entry in entries:
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ArtifactError(f"{entry.filename!r} in it is compressed in another way than numpy does it.")
        if entry.compress_size > entry.file_size + entry.file_size // _TABLES + _TABLES:
            raise ArtifactError(f"{entry.filename!r} in it is larger packed than unpacked: save it anew.")
        size -= entry.compress_size
    if size < 0:
        raise ArtifactError("Its records overlap, as no program writes them.")


def records_of(data: bytes, leave: tuple[str, ...] = ()) -> dict[str, bytes]:
    """Return the records of any archive that torch could have written, by name below the root.

    Args:
        data: the contents of the file.
        leave: name prefixes of records to skip.

    Raises:
        ArtifactError: it is not an archive, or torch may read it differently: its records are compressed or overlap,
            or their names could be confused.
    """
    require_few(data)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _require_names([entry.filename for entry in archive.infolist()])
            below = {entry.filename.split("/", 1)[1]: entry for entry in archive.infolist()}
            entries = {name: entry for name, entry in below.items() if not name.startswith(leave)}
            _require_stored(entries.values(), len(data))
            records = {name: archive.read(entry) for name, entry in entries.items()}
    except ArtifactError:
        raise
    except Exception as error:  # zipfile trips over damaged headers in many ways
        raise ArtifactError(f"It is not a readable archive: {error}.") from None
    return records


def _require_names(names: Iterable[str]) -> None:
    spellings: dict[str, str] = {}
    for name in names:
        parts = name.split("/")
        if len(parts) < 2 or not all(parts) or {".", ".."} & set(parts) or "\\" in name or not name.isprintable():
            raise ArtifactError(f"Its record has the name {name!r}, which neither torch nor lenetx writes.")
        other = spellings.setdefault(unicodedata.normalize("NFKC", name).casefold(), name)
        if other is not name:
            raise ArtifactError(f"Its records {other!r} and {name!r} could be taken for one another.")
    if len({name.split("/", 1)[0] for name in spellings}) > 1:
        raise ArtifactError("Its records lie in more than one folder, as neither torch nor lenetx writes them.")


def _require_stored(entries: Iterable[zipfile.ZipInfo], size: int) -> None:
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED:  # a compressed record could unpack to any size
            raise ArtifactError(f"It was not written by lenetx or torch.save: {entry.filename!r} in it is compressed.")
        size -= entry.file_size
    if size < 0:
        raise ArtifactError("Its records overlap, as neither torch nor lenetx writes them.")
