"""For every check of what a file says and is made of, a fault that it alone finds, planted in a real file."""

import dataclasses
from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from lenetx import Reference, Report
from lenetx.formats import get

from .conftest import failed, make_checkpoint, resealed, respell

Judge = Callable[..., Report]


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
