"""Faults in an ORT file, sealed as lenetx would: each fails the proof, however small."""

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from torch import nn

from lenetx import Checkpoint, Reference, Report, data
from lenetx.formats import get
from lenetx.formats.network import Network
from lenetx.formats.ort.contents import Contents, read, write
from lenetx.formats.ort.convert import converted
from lenetx.formats.ort.translate import as_onnx, fuse
from lenetx.proof import prove
from lenetx_runtime.ort_file import seal

from .conftest import Damage, check_of, failed

DIGEST = re.compile(rb'(?<="content_sha256":")[0-9a-f]{64}')


class Net(nn.Module):
    """A fused convolution, a batch norm that nothing folds, numbers in attributes and in tensors, and padding."""

    input_shape = 1, 32, 32

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 4, 5, stride=4, padding=2), nn.Conv2d(4, 4, 3, padding=1)
        self.norm, self.dense = nn.BatchNorm2d(4), nn.Linear(16, 10)
        for tensor in (self.norm.running_mean, self.norm.running_var, self.norm.weight, self.norm.bias):
            tensor.data.uniform_(0.5, 1.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x).relu()
        x = nn.functional.leaky_relu(self.norm(x) + 0.3 * self.second(x), 0.2)
        return self.dense(nn.functional.adaptive_max_pool2d(x, 2).flatten(1))


@pytest.fixture(scope="module")
def against(digits: data.Dataset) -> Reference:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = Net().eval()
    return Reference(Checkpoint.of(net, labels=digits.class_names), None)


@pytest.fixture(scope="module")
def sound(against: Reference) -> bytes:
    return get("ort").export(Network(against.checkpoint), batch="dynamic")


@pytest.fixture
def judge(opened: Callable, against: Reference) -> Callable[[bytes], Report]:
    """Run in one way: what these faults change does not depend on the threads."""
    return lambda contents: prove(dataclasses.replace(opened(contents, "net.ort"), runs=()), against)


def sealed(contents: Contents) -> bytes:
    return seal(DIGEST.sub(b"0" * 64, write(contents)))


def damaged(sound: bytes, damage: Damage) -> bytes:
    """Change the graph as ONNX, and let onnxruntime write it: the strongest attacker."""
    model = as_onnx(read(sound))
    damage(model)
    fuse(model)
    return sealed(converted(model))


def find(model: onnx.ModelProto, operator: str) -> onnx.NodeProto:
    return next(node for node in model.graph.node if node.op_type == operator)


def tensor(model: onnx.ModelProto, name: str, change: Callable[[Any], Any]) -> None:
    place = next(each for each in model.graph.initializer if each.name == name)
    place.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(place).copy()), name))


def put(node: onnx.NodeProto, name: str, value: Any) -> None:
    kept = [each for each in node.attribute if each.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name, value)])


def last_bit(array: Any) -> Any:
    array.reshape(-1).view(np.int32)[3] ^= 1
    return array


def another_activation(model: onnx.ModelProto) -> None:
    find(model, "Relu").op_type = "Tanh"


def no_activation(model: onnx.ModelProto) -> None:
    relu = find(model, "Relu")
    find(model, "Conv").output[0] = relu.output[0]
    model.graph.node.remove(relu)


def swapped(model: onnx.ModelProto) -> None:
    find(model, "BatchNormalization").input[1:3] = reversed(find(model, "BatchNormalization").input[1:3])


def added(model: onnx.ModelProto) -> None:
    model.graph.node[-1].output[0] = "clean"
    model.graph.node.append(helper.make_node("LeakyRelu", ["clean"], ["logits"], alpha=0.999999))


def pads(model: onnx.ModelProto) -> None:
    put(find(model, "Conv"), "pads", [3, 3, 1, 1])


FAULTS: dict[str, tuple[Damage, str]] = {
    "the last bit of a weight": (lambda model: tensor(model, "first.weight", last_bit), "weights"),
    "the last bit of a running mean": (lambda model: tensor(model, "norm.running_mean", last_bit), "weights"),
    "another fused activation": (another_activation, "graph"),
    "no fused activation": (no_activation, "graph"),
    "another epsilon": (lambda model: put(find(model, "BatchNormalization"), "epsilon", 1.001e-5), "graph"),
    "another alpha": (lambda model: put(find(model, "LeakyRelu"), "alpha", 0.2000001), "graph"),
    "other pads": (pads, "graph"),
    "two inputs swapped": (swapped, "graph"),
    "a node after the last": (added, "graph"),
}


def test_nothing_is_wrong_with_the_honest_file(judge: Callable, sound: bytes) -> None:
    """It is also what comes of a translation to ONNX and back."""
    assert damaged(sound, lambda _: None) == sound
    report = judge(sound)
    assert failed(report) == []
    assert {"weights", "numbers", "graph", "engine's form", "local paths"} <= {
        check.name for check in report.checks if check.status == "passed"
    }


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_in_the_graph(judge: Callable, sound: bytes, kind: str) -> None:
    damage, name = FAULTS[kind]
    report = judge(damaged(sound, damage))
    assert name in failed(report)
    assert check_of(report, "engine's form").status == "passed"


def other_kernel(contents: Contents) -> None:
    """The table by which the engine finds its kernels."""
    contents["resolver"]["operators"][0]["strings"][0]["args"].pop()


def other_type(contents: Contents) -> None:
    value = next(each for each in contents["model"]["graph"]["values"] if each["name"] == b"relu")
    value["type"]["tensor"]["shape"]["axes"][1]["size"]["number"] = 5


def local_path(contents: Contents) -> None:
    contents["model"]["graph"]["nodes"][0]["provider"] = b"/home/someone/libprovider.so"


HIDDEN = {"other_kernel": other_kernel, "other_type": other_type, "local_path": local_path}


@pytest.mark.parametrize("kind", HIDDEN)
def test_a_fault_in_what_a_translation_leaves_out(judge: Callable, sound: bytes, kind: str) -> None:
    contents = read(sound)
    HIDDEN[kind](contents)
    assert "engine's form" in failed(judge(sealed(contents)))


def test_a_file_of_another_version_of_the_engine_is_not_compared_with_this_ones(judge: Callable, sound: bytes) -> None:
    contents = read(sound)
    contents["model"]["metadata"][1]["value"] = b"1.30.0"
    report = judge(sealed(contents))
    assert failed(report) == []
    found = check_of(report, "engine's form")
    assert (found.status, found.detail) == ("not_applicable", "It was written by onnxruntime 1.30.0.")


def test_a_node_that_nothing_reads_is_refused(opened: Callable, sound: bytes) -> None:
    def dead(model: onnx.ModelProto) -> None:
        model.graph.node.append(helper.make_node("Exp", ["image"], ["unread"]))

    with pytest.raises(Exception, match="No node reads the output of Exp"):
        opened(damaged(sound, dead), "net.ort")
