"""What follows ExecuTorch's program in a ``.pte`` file, and whose files are refused."""

import hashlib
import json
import struct

import pytest

from lenetx.data import archive
from lenetx.errors import ArtifactError
from lenetx.formats import executorch as format_
from lenetx.formats.executorch import contents, lower

pytest.importorskip("executorch")

FORMAT = "executorch"
PLACES, PROGRAM = "places.json", "program.json"


@pytest.fixture(scope="module")
def parts(exported):
    """The lowered program of a trained lenet5, and the records that follow it."""
    data = exported(FORMAT)
    _, _, _, size, start, more = struct.unpack_from("<4s4sIQQQ", data, 4)
    end = max(size, start + more)
    return data[:end], archive.unpack(data[end:])


def test_weights_that_the_program_holds_are_not_stored_again(parts):
    assert set(parts[1]) == {PROGRAM, PLACES}


def _listing(**changes):
    def change(program, records):
        listing = json.loads(records[PLACES]) | {"sha256": hashlib.sha256(program).hexdigest()}
        listing |= {name: value(listing[name]) for name, value in changes.items()}
        return program, {**records, PLACES: json.dumps(listing, sort_keys=True, separators=(",", ":")).encode()}

    return change


def _program(change):
    return lambda program, records: _listing()(change(program), records)


def _document(old, new):
    def change(program, records):
        assert old in records[PROGRAM]
        return program, {**records, PROGRAM: records[PROGRAM].replace(old, new, 1)}

    return change


def _first(place):
    return lambda found: [place, *found[1:]]


def _with(**fields):
    """Change the spec in the program; its length stays."""

    def change(program):
        for name, (old, new) in fields.items():
            old, new = f'"{name}":{old}'.encode(), f'"{name}":{new}'.encode()
            assert program.count(old) == 1
            assert len(old) == len(new)
            program = program.replace(old, new)
        return program

    return _program(change)


EARLY = {
    "nothing behind it": (lambda program, _: (program, None), "no program of lenetx follows its own"),
    "another digest": (_listing(sha256=lambda _: "0" * 64), "was not written by lenetx, or it is damaged"),
    "no list": (lambda program, records: (program, {PROGRAM: records[PROGRAM]}), "has no lenetx spec"),
    "a list of another kind": (lambda program, records: (program, {**records, PLACES: b"[]"}), "has no lenetx spec"),
    "a doubled key": (
        lambda program, records: (program, {**records, PLACES: b'{"spec":[0,9],' + records[PLACES][1:]}),
        "has no lenetx spec",
    ),
    "no document": (lambda program, records: (program, {PLACES: records[PLACES]}), "has no lenetx spec"),
    "a spec elsewhere": (_listing(spec=lambda _: [0, 300]), "spec|not made by lenetx"),
    "a spec before the start": (_listing(spec=lambda at: [-at[0], at[1]]), "has no lenetx spec"),
    "fewer tensors": (_listing(tensors=lambda found: found[:-1]), "another form"),
    "a tensor behind the end": (_listing(tensors=_first([2**40, [0, 1, 2, 3]])), "not that of a network"),
    "a tensor before the start": (_listing(tensors=_first([-8, [0, 1, 2, 3]])), "is not a whole number"),
    "axes in another order": (_listing(tensors=_first([0, [3, 2, 1, 0]])), "in an unknown order"),
    "axes without an end": (_listing(tensors=_first([0, [0, 0, 0, 0]])), "in an unknown order"),
    "a tensor that is not there": (_listing(tensors=_first(None)), "another form"),
    "a huge tensor": (_document(b'"as_int":120', b'"as_int":12000000000'), "less numbers than it lists|other size"),
    "an operator with side effects": (_document(b"aten.relu.default", b"aten.from_file.default"), "lenetx wrote"),
    "no largest batch": (_with(largest_batch=("64", " 0")), "largest_batch is 0"),
    "a largest batch of a fixed one": (_with(batch=('"dynamic"', " " * 8 + "8")), "with a dynamic batch"),
    "a larger input": (_with(height=("32", "99")), "input_shape is"),
}


@pytest.mark.parametrize("name", EARLY)
def test_a_file_that_lenetx_would_not_write_is_refused_before_it_is_lowered(parts, opened, monkeypatch, name):
    def untouched(*_):
        raise AssertionError("it was lowered")

    monkeypatch.setattr(lower, "load", untouched)
    monkeypatch.setattr("lenetx.formats.pt2.reopen.load", untouched)
    change, words = EARLY[name]
    program, records = change(*parts)
    with pytest.raises(ArtifactError, match=words):
        opened(program + (b"" if records is None else archive.pack(records)))


def test_a_batch_that_lenetx_does_not_write_is_refused_before_its_example_is_made(parts, opened, monkeypatch):
    monkeypatch.setattr(format_, "rebuilt", None)
    monkeypatch.setattr(format_, "_MOST_NUMBERS", 64 * 32 * 32 - 1)
    with pytest.raises(ArtifactError, match="states a larger batch than lenetx writes"):
        opened(parts[0] + archive.pack(parts[1]))


LATE = {
    "another weight": lambda program, records: _listing()(program[:-7] + b"\0" * 7, records),
    "another instruction": lambda program, records: _listing()(
        program.replace(b"aten::sym_size", b"aten::sym_szie"), records
    ),
    "another operator": _document(b"aten.relu.default", b"aten.bernoulli.default"),
    "another activation": _document(b"aten.relu.default", b"aten.sigmoid.default"),
    "the same in other words": lambda program, records: (
        program,
        {**records, PLACES: json.dumps(json.loads(records[PLACES])).encode()},
    ),
    "another record": lambda program, records: (program, {**records, "more": b""}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LATE)
def test_a_file_that_differs_from_what_is_lowered_again_is_refused(parts, opened, monkeypatch, name):
    """ExecuTorch does not see it."""
    monkeypatch.setattr(format_, "ExecutorchBackend", None)
    program, records = LATE[name](*parts)
    with pytest.raises(ArtifactError, match=r"It is not what ExecuTorch lowers of the program in it\."):
        opened(program + archive.pack(records))


@pytest.mark.slow
def test_another_version_of_executorch_is_named(parts, opened):
    program, records = _listing(executorch=lambda _: "1.4.0")(*parts)
    with pytest.raises(ArtifactError, match=r"ExecuTorch 1\.4\.0 wrote it, and .* lowers it differently"):
        opened(program + archive.pack(records))


def test_a_program_of_another_tool_is_not_one_of_ours(parts):
    assert contents.recognises(parts[0] + archive.pack(parts[1]))
    assert not contents.recognises(parts[0])
    assert not contents.recognises(b"")
