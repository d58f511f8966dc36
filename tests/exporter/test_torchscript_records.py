"""The records of a TorchScript archive: torch reads what is written here, and reading takes nothing else."""

import io
import itertools
import time

import pytest
import torch

from lenetx.data import archive
from lenetx.errors import ArtifactError
from lenetx.formats.torchscript.code import Constant, Name, Program, Statement, write
from lenetx.formats.torchscript.records import packed, unpacked

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.load` is deprecated:DeprecationWarning")


def sums(constants):
    """A program that reads each constant."""
    names = ["x", *(f"y{place}" for place in range(len(constants)))]
    calls = [
        Statement((after,), "add", (Name(before), Constant(place)))
        for place, (before, after) in enumerate(itertools.pairwise(names))
    ]
    return Program("__torch__.nets.Net", "x", tuple(calls), names[-1])


def constants_of(records):
    module = torch.jit.load(io.BytesIO(archive.pack(records)))
    return [
        node.t("value")
        for node in module.graph.findAllNodes("prim::Constant")
        if node.hasAttribute("value") and node.kindOf("value") == "t"
    ]


@pytest.mark.parametrize(
    "constants",
    [
        [torch.arange(6.0).view(1, 2, 3), torch.tensor(0.25), torch.zeros(0), torch.ones(2, 0, 3)],
        [torch.arange(70_000.0), torch.tensor([True]), torch.arange(3), torch.zeros(1, dtype=torch.float64)],
        [torch.full((1,), float(place)) for place in range(100)],
    ],
    ids=["shapes", "types and large ones", "many"],
)
def test_torch_reads_the_constants_that_were_written(constants):
    program = sums(constants)
    records = packed(program, constants)
    assert unpacked(records) == program
    found = {(tuple(each.shape), each.dtype, each.numpy().tobytes()) for each in constants_of(records)}
    assert {(tuple(each.shape), each.dtype, each.numpy().tobytes()) for each in constants} <= found


@pytest.fixture
def records():
    constants = [torch.arange(6.0).view(2, 3), torch.ones(3)]
    return packed(sums(constants), constants)


CHANGED = {
    "another kind of number": lambda r: (
        r | {"constants.pkl": r["constants.pkl"].replace(b"FloatStorage", b"CharStorage")}
    ),
    "another shape": lambda r: r | {"constants.pkl": r["constants.pkl"].replace(b"(K\x02K\x03t", b"(K\x03K\x02t")},
    "other strides": lambda r: r | {"constants.pkl": r["constants.pkl"].replace(b"(K\x03K\x01t", b"(K\x01K\x02t")},
    "an offset": lambda r: r | {"constants.pkl": r["constants.pkl"].replace(b"K\x00(", b"K\x01(", 1)},
    "a storage twice": lambda r: (
        r | {"constants.pkl": r["constants.pkl"].replace(b"X\x01\0\0\x001", b"X\x01\0\0\x000")}
    ),
    "numbers that are not there": lambda r: {**r, "constants/1": b""},
    "more numbers": lambda r: {**r, "constants/1": bytes(16)},
    "a call in the pickle": lambda r: r | {"constants.pkl": b"cos\nsystem\n(X\x04\0\0\0truetR."},
    "no pickle": lambda r: r | {"constants.pkl": b"\x89."},
    "no constants": lambda r: {name: each for name, each in r.items() if name != "constants.pkl"},
    "another object": lambda r: r | {"data.pkl": r["data.pkl"].replace(b"Net", b"Not")},
    "attributes": lambda r: r | {"data.pkl": b"\x80\x02c__torch__.nets\nNet\nq\0)\x81}(X\x01\0\0\0wK\x01ub."},
    "an older format": lambda r: r | {"version": b"1\n"},
    "another order of bytes": lambda r: r | {"byteorder": b"big"},
    "another place of the code": lambda r: {name.replace("nets", "Nets"): each for name, each in r.items()},
    "two files of code": lambda r: r | {"code/__torch__.py": b""},
    "a record of its own": lambda r: r | {"constants/2": b""},
}


@pytest.mark.parametrize("kind", CHANGED)
def test_records_that_differ_are_refused(records, kind):
    changed = CHANGED[kind](records)
    assert changed != records
    with pytest.raises(ArtifactError) as caught:
        unpacked(changed)
    assert "\n" not in str(caught.value)


def test_a_constant_that_nothing_reads_is_refused():
    constants = [torch.ones(1), torch.ones(2)]
    records = packed(sums(constants[:1]), constants)
    with pytest.raises(ArtifactError, match="never writes"):
        unpacked(records)


def test_the_format_is_as_new_as_its_operators_need():
    call = Statement(("y",), "div", (Name("x"), 2))
    assert packed(Program("__torch__.Net", "x", (call,), "y"), [])["version"] == b"4\n"


@pytest.mark.parametrize("text", ["(" * 1_000_000, "a" * 1_000_000 + "[", "a=" * 500_000, "x, " * 600_000, "[" * 2**22])
def test_code_of_any_length_is_read_in_no_time(records, text):
    name = next(each for each in records if each.startswith("code/"))
    line = write(sums([])).replace("    return", f"    y = torch.relu({text})\n    return")
    start = time.process_time()
    with pytest.raises(ArtifactError):
        unpacked(records | {name: line.encode()})
    assert time.process_time() - start < 50
