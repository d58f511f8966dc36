"""Faults of what an ONNX file holds: hidden numbers, foreign operators, frozen axes, other models, cut bytes.

Other checks than the one that is named here may see them too; test_alone_files.py shows each check alone.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from lenetx import Report

from .conftest import check_of, failed, respell

Judge = Callable[..., Report]


def test_unexpected_weight(judge_damaged: Judge) -> None:
    def damage(model: onnx.ModelProto) -> None:
        model.graph.initializer.append(numpy_helper.from_array(np.zeros(10, np.float32), "extra"))
        model.graph.node[-1].output[0] = "clean"
        model.graph.node.append(helper.make_node("Add", ["clean", "extra"], ["logits"]))

    report = judge_damaged(damage)
    assert "weights" in failed(report)
    assert "extra is unexpected" in check_of(report, "weights").detail


def test_other_weights_beside_the_ones_that_are_shown(judge_damaged: Judge) -> None:
    """What is computed with differs by less than rounding, and stands in no initializer."""

    def damage(model: onnx.ModelProto) -> None:
        last = model.graph.node[-1]
        shown = next(each for each in model.graph.initializer if each.name == last.input[1])
        secret = numpy_helper.from_array(numpy_helper.to_array(shown) * np.float32(1 + 1e-7), "secret")
        model.graph.initializer.remove(shown)
        model.graph.node.insert(0, helper.make_node("Constant", [], ["secret"], value=secret))
        model.graph.node[-1].input[1] = "secret"

    report = judge_damaged(damage)
    assert {"constants", "weights", "graph"} <= set(failed(report))
    assert "Constant holds numbers in its value" in check_of(report, "constants").detail


def test_random_numbers_below_every_limit(judge_damaged: Judge) -> None:
    def damage(model: onnx.ModelProto) -> None:
        last = model.graph.node[-1]
        logits, last.output[0] = last.output[0], "exact"
        model.graph.node.append(helper.make_node("RandomNormalLike", ["exact"], ["noise"], scale=1e-9))
        model.graph.node.append(helper.make_node("Add", ["exact", "noise"], [logits]))

    assert "operators" in failed(judge_damaged(damage))


def test_frozen_batch_axis(judge_damaged: Judge) -> None:
    def damage(model: onnx.ModelProto) -> None:
        for value in (*model.graph.input, *model.graph.output):
            value.type.tensor_type.shape.dim[0].dim_value = 1

    assert {"axes", "batch sizes", "random inputs", "real inputs"} <= set(failed(judge_damaged(damage)))


def test_fixed_batch_that_takes_another(judge_damaged: Judge) -> None:
    """The graph says "batch", the spec says 4."""
    report = judge_damaged(respell(lambda spec: dataclasses.replace(spec, batch=4)))
    assert failed(report) == ["axes", "batch sizes"]
    assert check_of(report, "batch sizes").detail == "It takes a batch of 5, though its spec says 4."


@pytest.mark.parametrize(("name", "value"), [("alpha", 1.000001), ("beta", 0.999999)])
def test_a_number_beside_the_weights(judge_damaged: Judge, name: str, value: float) -> None:
    """It changes every logit by less than rounding may."""

    def damage(model: onnx.ModelProto) -> None:
        last = model.graph.node[-1]
        assert last.op_type == "Gemm"
        last.attribute.append(helper.make_attribute(name, value))

    assert "numbers" in failed(judge_damaged(damage))


def test_a_number_of_its_own_in_the_graph(judge_damaged: Judge) -> None:
    """It changes every logit by less than rounding may."""

    def damage(model: onnx.ModelProto) -> None:
        model.graph.initializer.append(numpy_helper.from_array(np.array(1.000001, np.float32), "constant:0"))
        model.graph.node[-1].output[0] = "clean"
        model.graph.node.append(helper.make_node("Mul", ["clean", "constant:0"], ["logits"]))

    report = judge_damaged(damage)
    assert "numbers" in failed(report)
    assert "1.00000095" in check_of(report, "numbers").detail


@pytest.mark.parametrize("kind", ["of fractions", "of whole numbers"])
def test_a_tensor_that_passes_for_a_constant(judge_damaged: Judge, kind: str) -> None:
    def damage(model: onnx.ModelProto) -> None:
        graph, added = model.graph, "constant:0"
        graph.node[-1].output[0] = "clean"
        values = np.full(10, 1e-9, np.float32) if kind == "of fractions" else np.zeros(10, np.int64)
        graph.initializer.append(numpy_helper.from_array(values, "constant:0"))
        if kind == "of whole numbers":
            graph.node.append(helper.make_node("Cast", ["constant:0"], ["added"], to=onnx.TensorProto.FLOAT))
            added = "added"
        graph.node.append(helper.make_node("Add", ["clean", added], ["logits"]))

    report = judge_damaged(damage)
    assert {"numbers", "graph"} <= set(failed(report))
    assert "holds no constant:0 of 10" in check_of(report, "numbers").detail
