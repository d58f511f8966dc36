"""Zip archives in one canonical form, as checkpoints and TorchScript files are stored.

torch writes archives whose bytes depend on the file's name, the date and a serial number. Ours hold the same records
stored without compression, in sorted order, under the root ``archive/``, with one date: the same records give the
same bytes. Reading writes the records anew and compares, so that every changed bit is noticed, the checksums of zip
covering the contents and the comparison the rest.

torch looks records up by a search of its own, which does not tell upper from lower case. So no archive is read here in
which two names could be taken for one, and torch is given only archives that ``pack`` wrote.
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

__all__ = ["has", "is_archive", "names", "normalise", "pack", "records_of", "require_few", "require_modest", "unpack"]

ROOT = "archive/"
_START = b"PK\x03\x04"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_ENTRY = re.compile(rb"PK\x01\x02")
_MOST_ENTRIES = 2**15
_TABLES = 64
"""Of packed bytes, one of so many may be no contents, and so many bytes more: of a thousand where nothing shrinks."""
_VOLATILE = (".data/serialization_id", ".debug_pkl")


def pack(records: Mapping[str, bytes]) -> bytes:
    """Return the bytes of the archive that holds these records (name below the root → contents)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(records):
            entry = zipfile.ZipInfo(ROOT + name, _EPOCH)
            entry.create_system = 3  # the same on every operating system
            archive.writestr(entry, records[name])
    return buffer.getvalue()


def unpack(data: bytes) -> dict[str, bytes]:
    """Return the records of an archive that ``pack`` wrote.

    Raises:
        ArtifactError: not an archive, not ours, cut off, or changed in any bit.
    """
    records = records_of(data)
    if pack(records) != data:
        raise ArtifactError("It was not written by lenetx, or it is damaged.")
    return records


def normalise(data: bytes) -> dict[str, bytes]:
    """Return the records of an archive that torch wrote, less those that differ from one writing to the next."""
    return {name: contents for name, contents in records_of(data).items() if not name.endswith(_VOLATILE)}


def is_archive(data: bytes) -> bool:
    """Return whether torch would read this as an archive: it looks at the first bytes, zipfile at the last."""
    return data.startswith(_START)


def has(data: bytes, name: str) -> bool:
    """Return whether this is an archive in which a name is written somewhere, in capitals or not."""
    return is_archive(data) and re.search(re.escape(f"/{name}".encode()), data, re.IGNORECASE) is not None


def names(data: bytes) -> set[str]:
    """Return the names of the records of any zip archive below its root; none if this is no readable archive."""
    try:
        require_few(data)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {name.split("/", 1)[-1] for name in archive.namelist()}
    except Exception:  # zipfile trips over damaged headers in many ways
        return set()


def require_few(data: "bytes | mmap.mmap") -> None:
    """Raise ArtifactError if an archive lists more records than are read in time."""
    if next(islice(_ENTRY.finditer(data), _MOST_ENTRIES, None), None):
        raise ArtifactError(f"It has more than {_MOST_ENTRIES:,} records.")


def require_modest(entries: Iterable[zipfile.ZipInfo], size: int) -> None:
    """Raise ArtifactError for records that take longer to unpack than their contents are worth.

    Args:
        entries: the records of an archive that may be compressed.
        size: bytes of the archive.
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
    """Return the records of any archive that torch could have written, by their names below the root.

    Args:
        data: the contents of the file.
        leave: what begins the names of records that are not read.

    Raises:
        ArtifactError: not an archive, or one that torch may read in another way: with records that are compressed,
            overlap, or have names that could be taken for one another.
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
        if entry.compress_type != zipfile.ZIP_STORED:  # it could unpack to any size
            raise ArtifactError(f"It was not written by lenetx or torch.save: {entry.filename!r} in it is compressed.")
        size -= entry.file_size
    if size < 0:
        raise ArtifactError("Its records overlap, as neither torch nor lenetx writes them.")
