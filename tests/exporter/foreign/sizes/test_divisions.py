"""Divisions by sizes, which are above 0, are proven; an engine would end on others, and they are refused."""

import numpy as np
import pytest
import torch
from onnx import helper, numpy_helper
from torch import nn
from torch.nn import functional

from lenetx.formats.foreign_onnx.contract import fit_axes, spec_for
from lenetx.formats.foreign_onnx.sizes import fix_divisors
from lenetx_runtime import ArtifactError

from ..conftest import constant, copied, export, status

REFUSED = "It divides whole numbers by '.*', which may be -1 or 0"
_SIDE = 3


class Windows(nn.Module):
    """Attention within shifted windows, as in Swin: the number of windows is computed, and divided by."""

    def __init__(self, channels: int, shift: int) -> None:
        super().__init__()
        self.dense, self.shift = nn.Linear(channels, channels), shift

    def forward(self, x):
        images, height, width, channels = x.shape
        x = functional.pad(x, (0, 0, 0, (_SIDE - width % _SIDE) % _SIDE, 0, (_SIDE - height % _SIDE) % _SIDE))
        _, high, wide, _ = x.shape
        x = torch.roll(x, (-self.shift, -self.shift), (1, 2))
        count = (high // _SIDE) * (wide // _SIDE)
        x = self.split(x, images, high, wide).reshape(images * count, _SIDE**2, channels)
        scores = self.dense(x) @ x.transpose(1, 2) * (channels**-0.5)
        mask = x.new_zeros((1, high, wide, 1))
        mask[:, -self.shift :] = 1
        mask = self.split(mask, 1, high, wide).reshape(count, _SIDE**2)
        mask = mask.unsqueeze(1) - mask.unsqueeze(2)
        mask = mask.masked_fill(mask != 0, -100.0)
        scores = scores.view(x.size(0) // count, count, _SIDE**2, _SIDE**2) + mask
        x = functional.softmax(scores.view(-1, _SIDE**2, _SIDE**2), dim=-1) @ x
        x = x.view(images, high // _SIDE, wide // _SIDE, _SIDE, _SIDE, channels).permute(0, 1, 3, 2, 4, 5)
        x = torch.roll(x.reshape(images, high, wide, channels), (self.shift, self.shift), (1, 2))
        return x[:, :height, :width, :].contiguous()

    @staticmethod
    def split(x, images, high, wide):
        x = x.view(images, high // _SIDE, _SIDE, wide // _SIDE, _SIDE, -1)
        return x.permute(0, 1, 3, 2, 4, 5)


class Net(nn.Module):
    """The second block's sizes follow only from what the first block computes."""

    input_shape = (1, 12, 12)

    def __init__(self):
        super().__init__()
        self.conv, self.dense = nn.Conv2d(1, 4, 3, 2), nn.Linear(4, 3)
        self.blocks = nn.Sequential(Windows(4, 1), Windows(4, 2))

    def forward(self, x):
        return self.dense(self.blocks(self.conv(x).permute(0, 2, 3, 1)).mean((1, 2)))


def divisions(model):
    held = {each.name for each in model.graph.initializer}
    held |= {node.output[0] for node in model.graph.node if node.op_type == "Constant"}
    return [node for node in model.graph.node if node.op_type == "Div" and node.input[1] not in held]


@pytest.mark.parametrize("options", [{}, {"opset_version": 11}, {"fixed": True}, {"do_constant_folding": False}])
def test_windows_of_the_older_exporter_are_proven(module, prove, tmp_path, options):
    model = export(module, tmp_path / "theirs.onnx", (1, 12, 12), dynamo=False, **options)
    report = prove(model)
    assert report.passed, report.failures
    assert status(report, "weights") == "passed"


def test_a_divisor_becomes_a_constant_and_what_computed_it_alone_goes(plain, checkpoint):
    model = copied(plain)
    for node in divisions(model):  # nothing else reads them then
        made = helper.make_node("Add", [node.input[1], constant(model, f"{node.output[0]}:0", 0, np.int64)], ["alone"])
        made.output[0] = node.input[1] = f"{node.output[0]}:alone"
        model.graph.node.insert([*model.graph.node].index(node), made)
    spec = spec_for(model, checkpoint.spec)
    fit_axes(model, spec)
    fix_divisors(model, spec)
    assert not divisions(model)
    found = {each.name: numpy_helper.to_array(each).tolist() for each in model.graph.initializer}
    assert [found[name] for name in sorted(found) if name.startswith("lenetx:divisor")] == [4, 4]
    assert not any(name.endswith(":alone") for node in model.graph.node for name in node.output)


def dividing(model, nodes, **numbers):
    """Divide a size by ``divisor``, which nodes make of ``shape``, and add 0 times the result to the logits."""
    graph = model.graph
    image, logits = graph.input[0].name, graph.output[0].name
    for node in graph.node:
        node.output[:] = ["sums" if name == logits else name for name in node.output]
    for name, value in numbers.items():
        constant(model, name, value, np.int64)
    constant(model, "nothing", 0)
    graph.node.extend(
        [
            helper.make_node("Shape", [image], ["shape"], start=2, end=4),
            *nodes,
            helper.make_node("Div", ["shape", "divisor"], ["share"]),
            helper.make_node("ReduceMax", ["share"], ["most"], keepdims=0),
            helper.make_node("Cast", ["most"], ["fraction"], to=1),
            helper.make_node("Mul", ["fraction", "nothing"], ["zero"]),
            helper.make_node("Add", ["sums", "zero"], [logits]),
        ]
    )


def of_shape(operator, *others, **attributes):
    return helper.make_node(operator, ["shape", *others], ["divisor"], **attributes)


BATCH = helper.make_node("Shape", ["x"], ["images"], start=0, end=1)


@pytest.mark.parametrize(
    ("nodes", "numbers"),
    [
        ([of_shape("Identity")], {}),
        ([of_shape("Sub", "less")], {"less": [11, 5]}),
        ([of_shape("Mod", "seven")], {"seven": [7]}),
        ([of_shape("Mod", "minus")], {"minus": [7, 11]}),
        (
            [of_shape("Slice", "first", "last", "axis", "back")],
            {"first": [-1], "last": [-3], "axis": [0], "back": [-1]},
        ),
        ([of_shape("Identity"), helper.make_node("Neg", ["divisor"], ["unread"])], {}),
    ],
)
def test_sizes_above_zero_are_proven(plain, prove, nodes, numbers):
    model = copied(plain)
    dividing(model, nodes, **numbers)
    report = prove(model)
    assert report.passed
    assert status(report, "unread nodes") == ("not_applicable" if len(nodes) == 2 else "passed")


@pytest.mark.parametrize(
    ("nodes", "numbers"),
    [
        ([of_shape("Sub", "less")], {"less": [12, 1]}),
        ([of_shape("Sub", "less")], {"less": [13]}),
        ([of_shape("Mod", "minus")], {"minus": [-7]}),
        ([BATCH, helper.make_node("Identity", ["images"], ["divisor"])], {}),
        ([BATCH, of_shape("Mul", "images")], {}),
        (
            [
                helper.make_node("ReduceMax", ["x"], ["brightest"], keepdims=0),
                helper.make_node("Cast", ["brightest"], ["number"], to=7),
                of_shape("Add", "number"),
            ],
            {},
        ),
    ],
    ids=["zero", "below zero", "a remainder below zero", "images", "a multiple of images", "the numbers of an image"],
)
def test_others_are_refused(plain, prove, nodes, numbers):
    model = copied(plain)
    dividing(model, nodes, **numbers)
    with pytest.raises(ArtifactError, match=REFUSED):
        prove(model)
