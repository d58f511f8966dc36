"""For every check of what a file computes, a fault that it alone finds, planted in a real file."""

import math
from collections.abc import Callable

import onnx
import pytest
import torch
from onnx import NodeProto, helper

from lenetx import Reference, Report, data
from lenetx.formats import get
from lenetx_runtime.preprocess import lookup_table

from .conftest import add_to_logits, failed, filled, make_checkpoint, resealed, with_weights

Judge = Callable[..., Report]
SMALL = 1e-3
"""Far above every limit here, far below what would flip a label of these networks on these digits."""

TABLE = lookup_table(make_checkpoint().spec)
BLACK, WHITE = float(TABLE[0, 0]), float(TABLE[0, 255])


def extremes(image: str) -> list[NodeProto]:
    """The smallest and largest pixel of every image, float32[N, 1]."""
    return [
        helper.make_node("Neg", [image], ["negative"]),
        helper.make_node("GlobalMaxPool", ["negative"], ["top_of_negative"]),
        helper.make_node("GlobalMaxPool", [image], ["top"]),
        helper.make_node("Flatten", ["top"], ["largest"], axis=1),
        helper.make_node("Neg", ["top_of_negative"], ["bottom"]),
        helper.make_node("Flatten", ["bottom"], ["smallest"], axis=1),
        helper.make_node("Less", ["smallest", "largest"], ["varied"]),
        *filled("below_black", "smallest", BLACK - 0.1),
        helper.make_node("Less", ["smallest", "below_black"], ["beyond"]),
        helper.make_node("Not", ["beyond"], ["picture"]),
    ]


def greys(image: str) -> list[NodeProto]:
    """Whether an image has a pixel that is neither black nor white, bool[N, 1] ``grey``."""
    return [
        *extremes(image),
        *filled("black", image, BLACK),
        *filled("white", image, WHITE),
        helper.make_node("Sub", [image, "black"], ["from_black"]),
        helper.make_node("Sub", ["white", image], ["to_white"]),
        helper.make_node("Mul", ["from_black", "to_white"], ["greyness"]),
        helper.make_node("GlobalMaxPool", ["greyness"], ["greyest"]),
        helper.make_node("Flatten", ["greyest"], ["greyest_pixel"], axis=1),
        *filled("some", "greyest_pixel", 0.01),
        helper.make_node("Greater", ["greyest_pixel", "some"], ["grey"]),
    ]


def unlike_pictures(image: str) -> list[NodeProto]:
    return [*extremes(image), helper.make_node("Identity", ["beyond"], ["when"])]


def flat(image: str) -> list[NodeProto]:
    return [*extremes(image), helper.make_node("Not", ["varied"], ["when"])]


def black_and_white(image: str) -> list[NodeProto]:
    return [
        *greys(image),
        helper.make_node("Not", ["grey"], ["ungrey"]),
        helper.make_node("And", ["ungrey", "varied"], ["when"]),
    ]


def like_pictures(image: str) -> list[NodeProto]:
    return [
        *greys(image),
        helper.make_node("And", ["grey", "varied"], ["shaded"]),
        helper.make_node("And", ["shaded", "picture"], ["when"]),
    ]


def batch_of_seven(image: str) -> list[NodeProto]:
    return [
        helper.make_node("Shape", [image], ["count"], start=0, end=1),
        helper.make_node("Cast", ["count"], ["size"], to=onnx.TensorProto.FLOAT),
        *filled("seven", "size", 7.0),
        helper.make_node("Equal", ["size", "seven"], ["when"]),
    ]


def always(image: str) -> list[NodeProto]:
    return [*extremes(image), helper.make_node("Or", ["picture", "beyond"], ["when"])]


def last_logit_only(model: onnx.ModelProto) -> None:
    """Add 8e-6 to the last logit, by taking the logits apart and putting them together again."""
    model.graph.node[-1].output[0] = "clean"
    parts = [f"logit_{index}" for index in range(10)]
    model.graph.node.extend(
        [
            helper.make_node("Split", ["clean"], parts, axis=1, num_outputs=10),
            *filled("amount", parts[-1], 8e-6),
            helper.make_node("Add", [parts[-1], "amount"], ["raised"]),
            helper.make_node("Concat", [*parts[:-1], "raised"], ["logits"], axis=1),
        ]
    )


@pytest.mark.parametrize(
    ("condition", "check"),
    [
        (unlike_pictures, "random inputs"),
        (flat, "constant inputs"),
        (black_and_white, "saturated inputs"),
        (like_pictures, "real inputs"),
        (batch_of_seven, "batch sizes"),
    ],
)
def test_wrong_on_one_kind_of_input(judge_damaged: Judge, condition: Callable, check: str) -> None:
    report = judge_damaged(add_to_logits(condition, SMALL))
    assert failed(report) == [check]
    found = next(each for each in report.checks if each.name == check)
    assert found.measured > found.limit


@pytest.mark.parametrize(
    ("condition", "check"),
    [
        (unlike_pictures, "random inputs"),
        (flat, "constant inputs"),
        (black_and_white, "saturated inputs"),
        (like_pictures, "real inputs"),
        (batch_of_seven, "batch sizes"),
    ],
)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_not_finite_where_eager_is(judge_damaged: Judge, condition: Callable, check: str, value: float) -> None:
    report = judge_damaged(add_to_logits(condition, value))
    follows = {"random inputs": ["batch sizes"], "real inputs": ["test labels"]}
    assert failed(report) == [check, *follows.get(check, [])]


def test_nothing_is_wrong_with_a_surgery_that_does_nothing(judge_damaged: Judge) -> None:
    assert failed(judge_damaged(add_to_logits(always, 0.0))) == []


def test_label_flip_below_the_limit(judge: Judge, digits: data.Dataset) -> None:
    """Two classes tie exactly; a difference that rounding explains decides between them."""
    weights = dict(make_checkpoint().state_dict)
    for name in ("fc3.weight", "fc3.bias"):
        weights[name] = weights[name].clone()
        weights[name][9] = weights[name][3]
    weights["fc3.bias"][3] = weights["fc3.bias"][9] = 50.0
    tied = with_weights("lenet5", weights)
    reference = Reference(tied, digits)
    contents = get("onnx").export(tied, batch="dynamic", opset=None)

    report = judge(resealed(contents, last_logit_only), "lenet5.onnx", reference)
    assert failed(report) == ["test labels"]
    assert next(check for check in report.checks if check.name == "test labels").measured == len(digits.test)


@pytest.mark.parametrize("layer", ["conv1", "conv2", "fc1", "fc2", "fc3"])
@pytest.mark.parametrize("cast", [torch.bfloat16, torch.float16])
def test_lower_precision_passed_off_as_float32(judge: Judge, checkpoint, layer: str, cast: torch.dtype) -> None:
    """Without the comparison of weights: the numbers alone give it away."""
    weights = {
        name: tensor.to(cast).float() if name.startswith(layer) else tensor
        for name, tensor in checkpoint.state_dict.items()
    }
    contents = get("torchscript").export(with_weights("lenet5", weights), batch="dynamic", opset=None)
    assert {"weights", "real inputs", "random inputs"} <= set(failed(judge(contents, "lenet5.torchscript")))
