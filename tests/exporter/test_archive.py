"""The canonical archive in which checkpoints and TorchScript files are stored."""

import io
import re
import zipfile

import pytest

from lenetx.data import archive
from lenetx.errors import ArtifactError

RECORDS = {"data.pkl": b"pickle", "data/1": bytes(range(256)) * 4, "data/0": b"", "version": b"3\n"}


def zipped(records, compression=zipfile.ZIP_STORED, root="archive/"):
    """Return an archive as any other program would write it."""
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
    assert archive.normalise(zipped(written, root="lenet5/")) == RECORDS


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
    with pytest.raises(ArtifactError, match="in it is compressed"):
        archive.unpack(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 * 2**20


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (("a/data.pkl", "a/data.pkl"), "could be taken for one another"),
        (("a/data.pkl", "a/DATA.PKL"), "could be taken for one another"),
        (("a/code/x.py", "a/CODE/x.py"), "could be taken for one another"),
        (("a/code/x.py", "a/\uff43ode/x.py"), "could be taken for one another"),
        (("a/data.pkl", "A/data.pkl"), "could be taken for one another"),
        (("a/data.pkl", "a/./data.pkl"), "has the name 'a/./data.pkl'"),
        (("a/data.pkl", "a//data.pkl"), "has the name 'a//data.pkl'"),
        (("a/data.pkl", "a/x/../data.pkl"), "has the name 'a/x/../data.pkl'"),
        (("a/data.pkl", "a\\data.pkl"), "has the name"),
        (("a/data.pkl", "data.pkl"), "has the name 'data.pkl'"),
        (("a/data.pkl", "a/data.pkl\u200b"), "has the name"),
        (("a/data.pkl", "b/version"), "in more than one folder"),
    ],
)
def test_records_that_torch_could_take_for_one_another_are_refused(names, reason):
    """torch finds records regardless of case: it would run other code than was read."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for name in names:
            made.writestr(zipfile.ZipInfo(name), name.encode())
    for read in (archive.records_of, archive.unpack):
        with pytest.raises(ArtifactError, match=re.escape(reason)):
            read(buffer.getvalue())


def test_records_that_overlap_are_refused():
    """Many names of the same megabyte would be many megabytes."""
    data = bytearray(zipped({name: bytes(1000) for name in "abcdefgh"}))
    directory = zipfile.ZipFile(io.BytesIO(data)).start_dir
    starts = [place for place in range(directory, len(data)) if data[place : place + 4] == b"PK\x01\x02"]
    for start in starts:
        data[start + 42 : start + 46] = bytes(4)  # all begin where the first does
        data[start + 20 : start + 28] = (7000).to_bytes(4, "little") * 2
    with pytest.raises(ArtifactError, match="overlap"):
        archive.records_of(bytes(data))
