"""Every fault in a foreign file is caught, by the check that sees it best."""

import numpy as np
import pytest
from onnx import helper

from .conftest import before_the_output, behind_the_input, constant, copied, detail, node, set_weight, status, weight


def float16(model):
    for tensor in list(model.graph.initializer):
        if tensor.data_type == 1:
            set_weight(model, tensor.name, weight(model, tensor.name).astype(np.float16).astype(np.float32))


def bfloat16(model):
    for tensor in list(model.graph.initializer):
        if tensor.data_type == 1:
            bits = weight(model, tensor.name).view(np.uint32) & 0xFFFF0000
            set_weight(model, tensor.name, bits.view(np.float32))


def conv(model):
    """Return the name of the second convolution's weight."""
    return node(model, "Conv", 1).input[1]


def dense(model):
    """Return the name of the first dense layer's weight."""
    return node(model, "Gemm").input[1]


def scaled(model):
    set_weight(model, dense(model), weight(model, dense(model)) * np.float32(1 + 1e-4))


def one_bias(model):
    name = node(model, "Gemm").input[2]
    array = weight(model, name).copy()
    array[0] += 1e-3
    set_weight(model, name, array)


def lowest_bit(model):
    array = weight(model, dense(model)).copy()
    array.reshape(-1).view(np.uint32)[7] ^= 1
    set_weight(model, dense(model), array)


def transposed_kernel(model):
    set_weight(model, conv(model), weight(model, conv(model)).transpose(0, 1, 3, 2))


def swapped_channels(model):
    set_weight(model, conv(model), weight(model, conv(model))[::-1])


def other_order_of_classes(model):
    for name in node(model, "Gemm", -1).input[1:]:
        set_weight(model, name, weight(model, name)[[1, 0, *range(2, 10)]])


def without_relu(model):
    node(model, "Relu").op_type = "Identity"


def wrong_padding(model):
    pads, value = constant(model, "pads", [0, 0, 1, 1, 0, 0, -1, -1], np.int64), constant(model, "zero", 0.0)
    behind_the_input(model, helper.make_node("Pad", ["x", pads, value], ["prepared"]))


def other_epsilon(model):
    for attribute in node(model, "BatchNormalization").attribute:
        if attribute.name == "epsilon":
            attribute.f = 1e-2


def one_variance(model):
    """Of a batch norm that is not the first."""
    name = node(model, "BatchNormalization", 1).input[4]
    set_weight(model, name, weight(model, name) * np.float32(1 + 1e-3))


def in_training_mode(model):
    norm = node(model, "BatchNormalization")
    for attribute in list(norm.attribute):
        if attribute.name == "training_mode":
            norm.attribute.remove(attribute)
    norm.attribute.append(helper.make_attribute("training_mode", 1))
    norm.output.extend(["mean of the batch", "variance of the batch"])


def random_numbers(model):
    noise = helper.make_node("RandomNormalLike", ["logits"], ["noise"], scale=1e-9)
    before_the_output(model, noise, helper.make_node("Add", ["logits", "noise"], ["output"]))


def frozen_batch(model):
    before_the_output(
        model, helper.make_node("Reshape", ["logits", constant(model, "two", [2, 10], np.int64)], ["output"])
    )


@pytest.mark.parametrize(
    ("damage", "checks"),
    [
        (float16, {"weights", "random inputs"}),
        (bfloat16, {"weights", "random inputs"}),
        (scaled, {"weights", "layers", "random inputs"}),
        (one_bias, {"weights", "layers", "random inputs"}),
        (lowest_bit, {"weights"}),
        (transposed_kernel, {"weights", "layers", "random inputs"}),
        (swapped_channels, {"weights", "layers", "random inputs"}),
        (other_order_of_classes, {"weights", "layers", "random inputs", "diagnosis"}),
        (without_relu, {"graph", "layers", "random inputs"}),
        (wrong_padding, {"graph", "layers", "random inputs"}),
        (one_variance, {"weights", "random inputs"}),
        (other_epsilon, {"graph", "random inputs"}),
        (in_training_mode, {"training operators"}),
        (random_numbers, {"operators"}),
        (frozen_batch, {"batch sizes"}),
    ],
)
def test_faults_are_caught_by_the_checks_that_see_them(plain, prove, damage, checks):
    model = copied(plain)
    damage(model)
    report = prove(model)
    assert not report.passed
    assert checks <= {check.name for check in report.failures}


def test_the_first_wrong_layer_is_named(plain, prove):
    model = copied(plain)
    transposed_kernel(model)
    report = prove(model)
    assert "The first that is wrong is conv2" in detail(report, "layers")
    assert "numbers in conv2.weight differ" in detail(report, "weights")


def test_weights_of_another_training_are_told_as_such(plain, prove):
    """They fit by their shapes alone."""
    model = copied(plain)
    random = np.random.default_rng(0)
    for tensor in list(model.graph.initializer):
        if tensor.data_type == 1:
            array = weight(model, tensor.name)
            set_weight(model, tensor.name, np.abs(random.normal(size=array.shape)).astype(np.float32) + 0.1)
    report = prove(model)
    assert status(report, "weights") == "failed"
    assert "None of its weights is the checkpoint's" in detail(report, "weights")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("Softmax", "it returns the softmax of its logits"),
        ("LogSoftmax", "it returns the log-softmax of its logits"),
        ("Sigmoid", "it returns the sigmoid of its logits"),
    ],
)
def test_a_softmax_at_the_end_is_a_choice(plain, prove, change, words):
    model = copied(plain)
    before_the_output(model, helper.make_node(change, ["logits"], ["output"]))
    report = prove(model)
    assert f"it differs by choice. It is the network, but {words}." in report.conclusion
    assert not report.passed


def test_another_preprocessing_is_a_choice(plain, prove):
    model = copied(plain)
    mean, std = constant(model, "mean", 0.25), constant(model, "std", 0.5)
    nodes = helper.make_node("Sub", ["x", mean], ["centred"]), helper.make_node("Div", ["centred", std], ["prepared"])
    behind_the_input(model, *nodes)
    report = prove(model)
    assert "it differs by choice" in report.conclusion
    assert "it takes x · 2 + -0.5 for an input x" in report.conclusion


def test_another_order_of_the_classes_is_a_mistake(plain, prove):
    model = copied(plain)
    other_order_of_classes(model)
    report = prove(model)
    assert "another order of the classes: 1, 0, 2, 3, 4, 5, 6, 7, 8, 9" in detail(report, "diagnosis")
    assert "by choice" not in report.conclusion
