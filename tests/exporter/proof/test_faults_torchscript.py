"""Faults in a TorchScript archive, repacked as lenetx would."""

import dataclasses
import json
from collections.abc import Callable

import numpy as np
import pytest

from lenetx import Reference, Report
from lenetx.data import archive
from lenetx.formats import get
from lenetx.formats.network import Network
from lenetx.proof import prove
from lenetx.weights.checkpoint import Checkpoint
from lenetx_runtime import ArtifactError
from lenetx_runtime.spec import METADATA_KEY

from .conftest import ORDINARY, check_of, failed, make_checkpoint, only, with_weights

Judge = Callable[..., Report]
NAME = "lenet5.torchscript"
SPEC = f"extra/{METADATA_KEY}.json"
NAMES = f"extra/{METADATA_KEY}.weights.json"


@pytest.fixture
def judge(opened: Callable, few: Reference) -> Judge:
    """As everywhere, but run in one way."""
    return lambda contents, name: prove(dataclasses.replace(opened(contents, name), runs=()), few)


@pytest.fixture
def records(torchscript_bytes: bytes) -> dict[str, bytes]:
    return archive.unpack(torchscript_bytes)


def code_of(records: dict[str, bytes]) -> str:
    return next(name for name in records if name.startswith("code/"))


def test_nothing_is_wrong_with_the_honest_archive(judge: Judge, records: dict[str, bytes]) -> None:
    assert failed(judge(archive.pack(records), NAME)) == []


@pytest.mark.parametrize("name", ["extra/notes.txt", "CODE/__torch__/lenetx/models/lenet5.py", "constants/10", "code2"])
def test_record_that_lenetx_never_writes(judge: Judge, records: dict[str, bytes], name: str) -> None:
    records[name] = records[code_of(records)]
    with pytest.raises(ArtifactError, match=r"It holds what lenetx never writes|could be taken for one another"):
        judge(archive.pack(records), NAME)


SAVE = '    torch.save(image, "planted")\n'
OTHER_CODE = {
    "another function": lambda code: code.replace("torch.relu(", "ops.aten.relu("),
    "writes a file": lambda code: code.replace("    return", SAVE + "    return"),
    "writes a file and takes the result": lambda code: code.replace("    return", "    z =" + SAVE[3:] + "    return"),
    "writes a file, which Python reads as a text": lambda code: (
        "# coding: unicode_escape\n"
        + code.replace("    return", '    a = "\\042"\n' + SAVE + '    b = "\\042"\n    return')
    ),
    "maps a file": lambda code: code.replace(
        "    return _0", '    _1 = torch.from_file("planted", True, 8)\n    _2 = torch.add(_0, _1)\n    return _2'
    ),
    "second method": lambda code: code + "  def other(self, image: Tensor) -> Tensor:\n    return image\n",
    "__setstate__": lambda code: code + "  def __setstate__(self, state: int) -> None:\n    return None\n",
    "second class": lambda code: code + code,
    "a global": lambda code: "planted = 1\n" + code,
    "never ends": lambda code: code.replace("    return", "    while True:\n      pass\n    return"),
    "waits for one picture": lambda code: code.replace(
        "    return _0", "    if image[0][0][5][5] > 2.8:\n      _1 = -_0\n    else:\n      _1 = _0\n    return _1"
    ),
    "an expression in another": lambda code: code.replace("return _0", "return torch.mul(_0, 2)"),
    "a comment": lambda code: code + "# trained on a Tuesday\n",
    "letters beyond ASCII": lambda code: code.replace("input0", "\u0131nput0"),
    "nothing": lambda _: "",
    "very deep": lambda code: code.replace("    return", "    a = " + "a**" * 20_000 + "a\n    return"),
}


@pytest.mark.parametrize("kind", OTHER_CODE)
def test_code_that_no_network_has_is_never_run(
    judge: Judge, records: dict[str, bytes], kind: str, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = code_of(records)
    changed = OTHER_CODE[kind](records[name].decode()).encode()
    assert changed != records[name]
    records[name] = changed
    with pytest.raises(ArtifactError, match="Its code is not that of a network that lenetx wrote"):
        judge(archive.pack(records), NAME)
    assert not (tmp_path / "planted").exists()


STATE = """    w = torch.view(CONSTANTS.c8, [10, 84])
    t = torch.amax(image)
    z = torch.mul_({})
    _1 = torch.add(_0, z)
    return _1"""
HIDDEN = {
    "a weight": ("    _1 = torch.mul_(CONSTANTS.c9, 2)\n    _2 = torch.add(_0, _1)\n    return _2", "changes a tensor"),
    "by position": (STATE.format("w, t"), "mul_ changes a tensor in place"),
    "by name": (STATE.format("other=t, self=w"), "mul_ changes a tensor in place"),
    "the caller's image": (
        "    _1 = torch.amax(image)\n    _2 = torch.mul_(image, 2)\n    _3 = torch.amax(_2)\n"
        "    _4 = torch.add(_0, _1)\n    _5 = torch.add(_4, _3)\n    return _5",
        "changes a tensor in place",
    ),
    "another name of a weight": ("    w = CONSTANTS.c9\n    _1 = torch.add(_0, w)\n    return _1", "more than calls"),
    "torch is another thing": ("    torch = torch.relu(_0)\n    return torch", "gets a second value"),
    "two values": ("    image = torch.relu(_0)\n    return image", "gets a second value"),
    "a value that is not there": ("    _1 = torch.add(_0, later)\n    return _1", "nothing gives later a value"),
    "by its name, though its place is enough": (
        "    _1 = torch.add(_0, other=_0)\n    return _1",
        "libtorch reads it differently",
    ),
    "a default": ("    _1 = torch.flatten(_0, 1, -1)\n    return _1", "libtorch reads it differently"),
    "statistics": (
        "    _1 = torch.batch_norm(_0, None, None, CONSTANTS.c9, CONSTANTS.c9, True, 0.5, 0.5, False)\n    return _1",
        "batch_norm changes its statistics",
    ),
    "a dead call": ("    _1 = torch.relu(_0)\n    return _0", "_1 does not reach the output"),
    "a number of the picture": (
        "    _1 = torch.amax(image)\n    _2 = torch.item(_1)\n    _3 = torch.mul(_0, _2)\n    return _3",
        "item returns more than tensors|it has prim",
    ),
    "the number of images": (
        "    _1 = torch.size(image, 0)\n    _2 = torch.mul(_0, _1)\n    return _2",
        "computes with the number of images",
    ),
    "sizes of something else": (
        "    _1 = torch.size(_0, 1)\n    _2 = torch.view(_0, [-1, _1])\n    return _2",
        "is not the number of images",
    ),
    "rows that come together in large batches": (
        "    _1 = torch.size(image, 0)\n    _2 = torch.sub(_1, 1000)\n    _3 = torch.view(_0, [_2, -1])\n    return _3",
        "sub returns more than tensors",
    ),
    "sizes as a tensor": ("    _1 = torch._shape_as_tensor(image)\n    _2 = torch.add(_0, _1)\n    return _2", ""),
    "a constant that is skipped": (
        "    _1 = torch.add(_0, CONSTANTS.c11)\n    return _1",
        "numbered by their first use",
    ),
}


@pytest.mark.parametrize("kind", HIDDEN)
def test_calls_that_do_more_than_compute_are_never_run(judge: Judge, records: dict[str, bytes], kind: str) -> None:
    """Each is one class with one straight method; the graph that libtorch makes of it gives it away."""
    lines, words = HIDDEN[kind]
    name = code_of(records)
    records[name] = records[name].decode().replace("    return _0", lines).encode()
    if not words:
        assert {"numbers", "graph", "random inputs"} & set(failed(judge(archive.pack(records), NAME)))
        return
    with pytest.raises(ArtifactError, match=f"Its code is not that of a network that lenetx wrote: .*({words})"):
        judge(archive.pack(records), NAME)


def test_code_in_a_second_file_is_never_run(judge: Judge, records: dict[str, bytes]) -> None:
    records["code/__torch__/other.py"] = records[code_of(records)]
    with pytest.raises(ArtifactError, match="Its code is not that of a network that lenetx wrote"):
        judge(archive.pack(records), NAME)


@pytest.mark.parametrize("name", ["data.pkl", "constants.pkl", "version", "constants/9"])
def test_more_behind_the_end_of_a_record(judge: Judge, records: dict[str, bytes], name: str) -> None:
    """Where libtorch reads nothing."""
    records[name] += b"\n/home/ann/project/train.py"
    with pytest.raises(ArtifactError, match=r"never writes|not as lenetx writes"):
        judge(archive.pack(records), NAME)


def test_local_path(judge: Judge, records: dict[str, bytes]) -> None:
    spec = json.loads(records[SPEC])
    records[SPEC] = json.dumps(spec | {"producer": "/home/ann/project/train.py"}).encode()
    assert "local paths" in failed(judge(archive.pack(records), NAME))


def test_swapped_labels(judge: Judge, records: dict[str, bytes]) -> None:
    spec = json.loads(records[SPEC])
    spec["labels"].reverse()
    records[SPEC] = json.dumps(spec).encode()
    assert failed(judge(archive.pack(records), NAME))[:2] == ["spec", "labels"]


def test_lowest_bit_of_every_weight_tensor(judge: Judge, records: dict[str, bytes]) -> None:
    names = [name for name in records if name.startswith("constants/")]
    assert len(names) == 10
    for name in names:
        bits = np.frombuffer(records[name], np.uint32).copy()
        bits[len(bits) // 2] ^= 1
        only(judge(archive.pack(records | {name: bits.tobytes()}), NAME), "weights")


def test_swapped_names_of_weights(judge: Judge, records: dict[str, bytes]) -> None:
    names = json.loads(records[NAMES])
    records[NAMES] = json.dumps(names[::-1]).encode()
    assert {"weights", "layers"} <= set(failed(judge(archive.pack(records), NAME)))


def test_a_number_beside_the_weights(judge: Judge, records: dict[str, bytes]) -> None:
    """It changes every logit by less than rounding may over all layers, and by more than it may in the last step."""
    code = code_of(records)
    changed = records[code].replace(b"    return _0", b"    _1 = torch.mul(_0, 1.0000009999999999)\n    return _1")
    assert changed != records[code]
    report = judge(archive.pack(records | {code: changed}), NAME)
    assert {"numbers", "layers"} <= set(failed(report))
    assert not ORDINARY & set(failed(report))


def test_another_networks_code(judge: Judge, records: dict[str, bytes]) -> None:
    code = code_of(records)
    records[code] = records[code].replace(b"torch.max_pool2d(", b"torch.avg_pool2d(", 1)
    report = judge(archive.pack(records), NAME)
    assert set(failed(report)) >= ORDINARY
    assert check_of(report, "layers").detail.startswith("The first that is wrong is conv2, or what leads to it, in ")


def test_dropout_that_is_left_on_and_hardly_ever_drops(judge: Judge, records: dict[str, bytes]) -> None:
    code = code_of(records)
    changed = records[code].replace(
        b"    return _0", b"    _1 = torch.dropout(_0, 1.0000000000000001e-09, True)\n    return _1"
    )
    assert changed != records[code]
    report = judge(archive.pack(records | {code: changed}), NAME)
    assert "They run as in training" in check_of(report, "training operators").detail


@pytest.mark.parametrize("layer", ["conv1", "conv2", "fc1", "fc2", "fc3"])
def test_a_layer_of_other_weights(judge: Judge, checkpoint: Checkpoint, layer: str) -> None:
    name = f"{layer}.weight"
    other = with_weights("lenet5", {**checkpoint.state_dict, name: checkpoint.state_dict[name] * (1 + 1e-4)})
    report = judge(get("torchscript").export(Network(other), batch="dynamic"), NAME)
    assert {"spec", "weights", "layers", "real inputs"} <= set(failed(report))
    assert check_of(report, "layers").detail.startswith(f"The first that is wrong is {layer}, or what leads to it, in ")


def test_another_seeds_weights(judge: Judge) -> None:
    other = get("torchscript").export(Network(make_checkpoint(seed=1)), batch="dynamic")
    report = judge(other, NAME)
    assert {"spec", "weights", "layers", "random inputs", "real inputs"} <= set(failed(report))
