"""Faults in a TorchScript archive, repacked as lenetx would."""

import dataclasses
import json
from collections.abc import Callable

import numpy as np
import pytest

from lenetx import Reference, Report, archive
from lenetx.checkpoint import Checkpoint
from lenetx.formats import get
from lenetx.verification import prove
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
    return lambda contents, name: prove(dataclasses.replace(opened(contents, name), engines=()), few)


@pytest.fixture
def records(torchscript_bytes: bytes) -> dict[str, bytes]:
    return archive.unpack(torchscript_bytes)


def code_of(records: dict[str, bytes]) -> str:
    return next(name for name in records if name.startswith("code/"))


def test_nothing_is_wrong_with_the_honest_archive(judge: Judge, records: dict[str, bytes]) -> None:
    assert failed(judge(archive.pack(records), NAME)) == []


def test_record_that_lenetx_never_writes(judge: Judge, records: dict[str, bytes]) -> None:
    records["extra/notes.txt"] = b"trained on a Tuesday"
    assert failed(judge(archive.pack(records), NAME)) == ["file"]


SAVE = '    torch.save(image, "planted")\n'
OTHER_CODE = {
    "another function": lambda code: code.replace("torch.relu(", "ops.aten.relu("),
    "reads a file": lambda code: code.replace("torch.relu(", "torch.from_file('planted', True, 8) + torch.relu("),
    "prints": lambda code: code.replace("torch.relu(", "ops.prim.Print('x') or torch.relu("),
    "writes a file": lambda code: code.replace("    return", SAVE + "    return"),
    "writes a file, which Python reads as a text": lambda code: (
        "# coding: unicode_escape\n"
        + code.replace("    return", '    a = "\\042"\n' + SAVE + '    b = "\\042"\n    return')
    ),
    "second method": lambda code: code + "  def other(self, image: Tensor) -> Tensor:\n    return image\n",
    "second class": lambda code: code + code,
    "never ends": lambda code: code.replace("    return", "    while True:\n      pass\n    return"),
    "waits for one picture": lambda code: code.replace(
        "    return _0", "    if image[0][0][5][5] > 2.8:\n      _1 = -_0\n    else:\n      _1 = _0\n    return _1"
    ),
    "turns a number by less than a limit": lambda code: code.replace("return _0", "return _0 * 1.0000003"),
    "a comment": lambda code: code + "# trained on a Tuesday\n",
    "letters beyond ASCII": lambda code: code.replace("input0", "\u0131nput0"),
    "a number read out of the picture": lambda code: code.replace(
        "    return _0", "    return torch.mul(_0, int(torch.amax(image)))"
    ),
    "a factor of large batches": lambda code: code.replace(
        "    return _0",
        "    _1 = torch.floor_divide(ops.prim.NumToTensor(torch.size(image, 0)), 1001)\n"
        "    return torch.mul(_0, torch.add(_1, 1))",
    ),
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
    with pytest.raises(ArtifactError, match="Its code is not that of a network of lenetx"):
        judge(archive.pack(records), NAME)
    assert not (tmp_path / "planted").exists()


def test_code_in_a_second_file_is_never_run(judge: Judge, records: dict[str, bytes]) -> None:
    records["code/__torch__/other.py"] = records[code_of(records)]
    with pytest.raises(ArtifactError, match="Its code is not that of a network of lenetx"):
        judge(archive.pack(records), NAME)


def test_local_path(judge: Judge, records: dict[str, bytes]) -> None:
    """Behind the end of a pickle libtorch reads nothing."""
    records["data.pkl"] += b"\n/home/ann/project/train.py"
    assert failed(judge(archive.pack(records), NAME)) == ["local paths"]


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
    changed = records[code].replace(b"    return _0", b"    return torch.mul(_0, 1.0000009999999999)")
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
    changed = records[code].replace(b"    return _0", b"    return torch.dropout(_0, 1.0000000000000001e-09, True)")
    assert changed != records[code]
    report = judge(archive.pack(records | {code: changed}), NAME)
    assert "They run as in training" in check_of(report, "training operators").detail


@pytest.mark.parametrize("layer", ["conv1", "conv2", "fc1", "fc2", "fc3"])
def test_a_layer_of_other_weights(judge: Judge, checkpoint: Checkpoint, layer: str) -> None:
    name = f"{layer}.weight"
    other = with_weights("lenet5", {**checkpoint.state_dict, name: checkpoint.state_dict[name] * (1 + 1e-4)})
    report = judge(get("torchscript").export(other, batch="dynamic", opset=None), NAME)
    assert {"spec", "weights", "layers", "real inputs"} <= set(failed(report))
    assert check_of(report, "layers").detail.startswith(f"The first that is wrong is {layer}, or what leads to it, in ")


def test_another_seeds_weights(judge: Judge) -> None:
    other = get("torchscript").export(make_checkpoint(seed=1), batch="dynamic", opset=None)
    report = judge(other, NAME)
    assert {"spec", "weights", "layers", "random inputs", "real inputs"} <= set(failed(report))
