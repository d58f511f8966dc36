"""Faults in foreign files that no logit of the proof shows."""

import copy

import numpy as np
import pytest
from onnx import helper
from torch import nn

import lenetx

from .conftest import before_the_output, constant, copied, detail, export, node


def mean_of_image(model):
    node = helper.make_node("ReduceMean", ["x", constant(model, "axes", [1, 2, 3], np.int64)], ["mean"], keepdims=0)
    column = constant(model, "column", [1], np.int64)
    return [node, helper.make_node("Unsqueeze", ["mean", column], ["level"])]


def hidden_branch(model):
    """Take another answer for images whose mean is one that no probe has."""
    least, other = constant(model, "least", 123.4), constant(model, "other", np.arange(10))
    nodes = [
        *mean_of_image(model),
        helper.make_node("Greater", ["level", least], ["chosen"]),
        helper.make_node("Where", ["chosen", other, "logits"], ["output"]),
    ]
    before_the_output(model, *nodes)


def hidden_kink(model):
    """The same, of operators that the network has too."""
    least = constant(model, "least", 1e38)
    nodes = [
        *mean_of_image(model),
        helper.make_node("Sub", ["level", least], ["beyond"]),
        helper.make_node("Relu", ["beyond"], ["more"]),
        helper.make_node("Add", ["logits", "more"], ["output"]),
    ]
    before_the_output(model, *nodes)


def steep(operator):
    """Return a fault that replaces the logits of images whose mean exceeds what no probe has, by smooth operators."""

    def damage(model):
        nodes = mean_of_image(model)
        least, slope, other = (
            constant(model, name, value)
            for name, value in (("least", 123.4), ("slope", 1e4), ("other", np.arange(10.0)))
        )
        nodes += [
            helper.make_node("Sub", ["level", least], ["beyond"]),
            helper.make_node("Mul", ["beyond", slope], ["steep"]),
            *operator(model),
            helper.make_node("Mul", ["switch", other], ["more"]),
            helper.make_node("Add", ["logits", "more"], ["output"]),
        ]
        before_the_output(model, *nodes)

    return damage


def sigmoid(_):
    return [helper.make_node("Sigmoid", ["steep"], ["switch"])]


def tanh(model):
    one = constant(model, "one", 1.0)
    return [helper.make_node("Tanh", ["steep"], ["bent"]), helper.make_node("Add", ["bent", one], ["switch"])]


def softmax(model):
    """Of the level and zero."""
    zeros = helper.make_node("Mul", ["steep", constant(model, "none", 0.0)], ["zeros"])
    first = [constant(model, name, [value], np.int64) for name, value in (("start", 0), ("end", 1), ("axis", 1))]
    return [
        zeros,
        helper.make_node("Concat", ["steep", "zeros"], ["pair"], axis=1),
        helper.make_node("Softmax", ["pair"], ["shares"], axis=1),
        helper.make_node("Slice", ["shares", *first], ["switch"]),
    ]


def conversion(model):
    """Whether a number is at least one, after a scaling by which those of the probes are not."""
    return [
        helper.make_node("Mul", ["level", constant(model, "small", 1e-38)], ["least of all"]),
        helper.make_node("Cast", ["least of all"], ["whole"], to=6),
        helper.make_node("Cast", ["whole"], ["truth"], to=9),
        helper.make_node("Cast", ["truth"], ["switch"], to=1),
    ]


HIDDEN = [hidden_branch, hidden_kink, steep(sigmoid), steep(tanh), steep(softmax), steep(conversion)]


@pytest.mark.parametrize("hide", HIDDEN)
def test_other_answers_to_rare_inputs_are_found_in_the_graph(plain, prove, hide):
    model = copied(plain)
    hide(model)
    report = prove(model)
    assert "graph" in {check.name for check in report.failures}
    assert "decide" in detail(report, "graph")


def epsilon_within_the_limits(model):
    for attribute in node(model, "BatchNormalization").attribute:
        if attribute.name == "epsilon":
            attribute.f = 1.001e-5


def test_other_numbers_are_no_other_spelling(plain, prove):
    model = copied(plain)
    epsilon_within_the_limits(model)
    report = prove(model)
    assert [check.name for check in report.failures] == ["graph"]
    assert "It is the network with other numbers. " in detail(report, "graph")


def test_a_weight_that_no_input_reaches_is_compared_too(tmp_path):
    """It was changed too much to be found by its numbers, and its unit is off for every input of the proof."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 4)).eval()
    module[1].weight.data[3], module[1].bias.data[3] = 1e-30, -1e3
    changed = copy.deepcopy(module)
    changed[3].weight.data[2, 3] = 50.0
    path = tmp_path / "theirs.onnx"
    export(changed, path, (1, 8, 8), dynamo=False)
    report = lenetx.verify(path, against=module, input_shape=(1, 8, 8))
    assert [check.name for check in report.failures] == ["weights"]
    assert "1 of 32 numbers in 3.weight differ" in detail(report, "weights")
