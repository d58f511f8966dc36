"""The canonical archive in which checkpoints and TorchScript files are stored."""

import io
import zipfile

import pytest

from lenetx import archive
from lenetx.errors import ArtifactError

RECORDS = {"data.pkl": b"pickle", "data/1": bytes(range(256)) * 4, "data/0": b"", "version": b"3\n"}


def zipped(records, compression=zipfile.ZIP_STORED, root="archive/"):
    """Give an archive as any other program would write it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as made:
        for name, contents in records.items():
            made.writestr(root + name, contents)
    return buffer.getvalue()


def test_what_was_packed_is_unpacked():
    assert archive.unpack(archive.pack(RECORDS)) == RECORDS


def test_the_same_records_give_the_same_bytes_in_any_order():
    backwards = dict(reversed(RECORDS.items()))
    assert archive.pack(backwards) == archive.pack(RECORDS)


def test_any_zip_program_reads_it():
    with zipfile.ZipFile(io.BytesIO(archive.pack(RECORDS))) as opened:
        assert opened.testzip() is None
        assert sorted(opened.namelist()) == sorted(f"archive/{name}" for name in RECORDS)
        assert {entry.date_time for entry in opened.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_what_torch_varies_from_one_writing_to_the_next_is_left_out():
    written = RECORDS | {".data/serialization_id": b"123", "code/__torch__/net.py.debug_pkl": b"/a/path"}
    assert archive.normalise(zipped(written, zipfile.ZIP_DEFLATED, root="lenet5/")) == RECORDS


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a readable archive"),
        (b"no archive", "not a readable archive"),
        (archive.pack(RECORDS)[:-1], "not a readable archive"),
        (archive.pack(RECORDS)[:100], "not a readable archive"),
        (zipped(RECORDS), "not written by lenetx"),
        (zipped(RECORDS, root="other/"), "not written by lenetx"),
        (archive.pack(RECORDS) + b"\0", "not written by lenetx|not a readable archive"),
        (b"#!/bin/sh\n" + archive.pack(RECORDS), "not written by lenetx"),
    ],
    ids=range(8),
)
def test_anything_else_is_refused(data, reason):
    with pytest.raises(ArtifactError, match=reason):
        archive.unpack(data)


def test_every_single_bit_is_guarded():
    packed = archive.pack(RECORDS)
    for position in range(len(packed)):
        for bit in range(8):
            changed = bytearray(packed)
            changed[position] ^= 1 << bit
            with pytest.raises(ArtifactError):
                archive.unpack(bytes(changed))


def test_a_bomb_is_refused_without_being_unpacked():
    """A thousand-fold compression would fill the memory; what unpacks to more than it takes is never ours."""
    import tracemalloc

    bomb = zipped({"data.pkl": bytes(256 * 2**20)}, zipfile.ZIP_DEFLATED)
    assert len(bomb) < 2**20
    tracemalloc.start()
    with pytest.raises(ArtifactError, match="not written by lenetx"):
        archive.unpack(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 * 2**20


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_two_records_of_one_name_are_refused():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for contents in (b"first", b"second"):
            made.writestr(zipfile.ZipInfo("archive/data.pkl"), contents)
    with pytest.raises(ArtifactError, match="not written by lenetx"):
        archive.unpack(buffer.getvalue())
