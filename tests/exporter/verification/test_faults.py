"""For every check a fault that it alone finds, planted in a real file."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import onnx
import pytest
import torch
from onnx import NodeProto, helper, numpy_helper

from lenetx import Reference, Report, data
from lenetx.formats import get
from lenetx_runtime.preprocess import lookup_table

from .conftest import add_to_logits, failed, filled, make_checkpoint, resealed, respell, with_weights

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


@pytest.mark.parametrize("tensor", sorted(make_checkpoint().state_dict))
def test_lowest_bit_of_one_weight(judge_damaged: Judge, tensor: str) -> None:
    def damage(model: onnx.ModelProto) -> None:
        weight = next(each for each in model.graph.initializer if each.name == tensor)
        bits = numpy_helper.to_array(weight).copy().view(np.uint32)
        bits.reshape(-1)[bits.size // 2] ^= 1
        weight.CopyFrom(numpy_helper.from_array(bits.view(np.float32), tensor))

    report = judge_damaged(damage)
    assert failed(report) == ["weights"]
    assert (
        f"1 of {make_checkpoint().state_dict[tensor].numel()} numbers in {tensor} differ" in report.failures[0].detail
    )


def test_unexpected_weight(judge_damaged: Judge) -> None:
    def damage(model: onnx.ModelProto) -> None:
        model.graph.initializer.append(numpy_helper.from_array(np.zeros(10, np.float32), "extra"))
        model.graph.node[-1].output[0] = "clean"
        model.graph.node.append(helper.make_node("Add", ["clean", "extra"], ["logits"]))

    report = judge_damaged(damage)
    assert failed(report) == ["weights"]
    assert "extra is unexpected" in report.failures[0].detail


def test_other_weights_beside_the_ones_that_are_shown(judge_damaged: Judge) -> None:
    """The initializer is right, and no node reads it; what is computed with differs by less than rounding."""

    def damage(model: onnx.ModelProto) -> None:
        last = model.graph.node[-1]
        shown = next(each for each in model.graph.initializer if each.name == last.input[1])
        secret = numpy_helper.from_array(numpy_helper.to_array(shown) * np.float32(1 + 1e-7), "secret")
        model.graph.node.insert(0, helper.make_node("Constant", [], ["secret"], value=secret))
        model.graph.node[-1].input[1] = "secret"

    report = judge_damaged(damage)
    assert failed(report) == ["constants"]
    assert "no node reads fc3.weight" in report.failures[0].detail
    assert "there is a constant secret" in report.failures[0].detail


@pytest.mark.parametrize(
    "change",
    [
        lambda spec: dataclasses.replace(spec, labels=(*spec.labels[1:], spec.labels[0])),
        lambda spec: dataclasses.replace(spec, mean=(0.5,)),
        lambda spec: dataclasses.replace(spec, std=(0.5,)),
        lambda spec: dataclasses.replace(spec, scale=1.0),
        lambda spec: dataclasses.replace(spec, weights_sha256="0" * 63 + "1"),
    ],
    ids=["labels", "mean", "std", "scale", "weights_sha256"],
)
def test_other_spec(judge_damaged: Judge, change: Callable) -> None:
    assert failed(judge_damaged(respell(change))) == ["spec"]


def test_invalid_file_that_runs(judge_damaged: Judge) -> None:
    def damage(model: onnx.ModelProto) -> None:
        model.graph.ClearField("name")

    assert failed(judge_damaged(damage)) == ["file"]


def test_operator_of_another_domain(judge_damaged: Judge) -> None:
    def damage(model: onnx.ModelProto) -> None:
        first = model.graph.node[0]
        assert "Relu" in {node.op_type for node in model.graph.node}  # another one before the pooling changes nothing
        first.op_type, first.domain = "FusedConv", "com.microsoft"
        first.attribute.append(helper.make_attribute("activation", "Relu"))
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))

    assert failed(judge_damaged(damage)) == ["operators"]


def test_random_numbers_below_every_limit(judge_damaged: Judge) -> None:
    def damage(model: onnx.ModelProto) -> None:
        last = model.graph.node[-1]
        logits, last.output[0] = last.output[0], "exact"
        model.graph.node.append(helper.make_node("RandomNormalLike", ["exact"], ["noise"], scale=1e-9))
        model.graph.node.append(helper.make_node("Add", ["exact", "noise"], [logits]))

    assert "operators" in failed(judge_damaged(damage))


def test_batch_axis_without_its_name(judge_damaged: Judge) -> None:
    def damage(model: onnx.ModelProto) -> None:
        for value in (*model.graph.input, *model.graph.output):
            value.type.tensor_type.shape.dim[0].dim_param = "N"

    assert failed(judge_damaged(damage)) == ["axes"]


def test_frozen_batch_axis(judge_damaged: Judge) -> None:
    def damage(model: onnx.ModelProto) -> None:
        for value in (*model.graph.input, *model.graph.output):
            value.type.tensor_type.shape.dim[0].dim_value = 1

    assert {"axes", "batch sizes", "random inputs", "real inputs"} <= set(failed(judge_damaged(damage)))


@pytest.mark.parametrize("place", ["/home/ann/train.py", r"C:\Users\ann\train.py", "site-packages"])
def test_local_path(judge_damaged: Judge, place: str) -> None:
    def damage(model: onnx.ModelProto) -> None:
        model.graph.node[3].doc_string = f'File "{place}", line 8, in forward'

    report = judge_damaged(damage)
    assert failed(report) == ["local paths"]
    assert place.split("ann")[0] in report.failures[0].detail


def test_fixed_batch_that_takes_another(judge: Judge, checkpoint: object, reference: Reference) -> None:
    """The graph says "batch", the spec says 4."""
    contents = get("onnx").export(checkpoint, batch="dynamic", opset=None)

    def damage(model: onnx.ModelProto) -> None:
        respell(lambda spec: dataclasses.replace(spec, batch=4))(model)

    report = judge(resealed(contents, damage), "lenet5.onnx", reference)
    assert failed(report) == ["axes", "batch sizes"]


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


@pytest.mark.parametrize(("name", "value"), [("alpha", 1.000001), ("beta", 0.999999)])
def test_a_number_beside_the_weights(judge_damaged: Judge, name: str, value: float) -> None:
    """It changes every logit by less than rounding may."""

    def damage(model: onnx.ModelProto) -> None:
        last = model.graph.node[-1]
        assert last.op_type == "Gemm"
        last.attribute.append(helper.make_attribute(name, value))

    assert failed(judge_damaged(damage)) == ["numbers"]


def test_a_number_of_its_own_in_the_graph(judge_damaged: Judge) -> None:
    """It changes every logit by less than rounding may."""

    def damage(model: onnx.ModelProto) -> None:
        model.graph.initializer.append(numpy_helper.from_array(np.array(1.000001, np.float32), "constant:0"))
        model.graph.node[-1].output[0] = "clean"
        model.graph.node.append(helper.make_node("Mul", ["clean", "constant:0"], ["logits"]))

    report = judge_damaged(damage)
    assert failed(report) == ["numbers"]
    assert "1.00000095" in report.failures[0].detail


def test_a_tensor_that_passes_for_a_constant(judge_damaged: Judge) -> None:
    def damage(model: onnx.ModelProto) -> None:
        model.graph.initializer.append(numpy_helper.from_array(np.full(10, 1e-9, np.float32), "constant:0"))
        model.graph.node[-1].output[0] = "clean"
        model.graph.node.append(helper.make_node("Add", ["clean", "constant:0"], ["logits"]))

    report = judge_damaged(damage)
    assert failed(report) == ["constants"]
    assert "constant:0 is neither one number nor a shape" in report.failures[0].detail


def test_a_shape_that_is_computed_with(judge_damaged: Judge) -> None:
    def damage(model: onnx.ModelProto) -> None:
        model.graph.initializer.append(numpy_helper.from_array(np.zeros(10, np.int64), "constant:0"))
        model.graph.node[-1].output[0] = "clean"
        model.graph.node.append(helper.make_node("Cast", ["constant:0"], ["added"], to=onnx.TensorProto.FLOAT))
        model.graph.node.append(helper.make_node("Add", ["clean", "added"], ["logits"]))

    assert failed(judge_damaged(damage)) == ["constants"]
