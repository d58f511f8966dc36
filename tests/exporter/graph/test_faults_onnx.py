"""Faults in the graph of an ONNX file, most of them too small for any logit to show: each is named with its place."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from lenetx.graph import difference


def find(model, operator, place=0):
    return [node for node in model.graph.node if node.op_type == operator][place]


def put(node, **attributes):
    kept = [each for each in node.attribute if each.name not in attributes]
    del node.attribute[:]
    node.attribute.extend([*kept, *(helper.make_attribute(name, value) for name, value in attributes.items())])


def behind(model, *nodes, **constants):
    """Put nodes behind the logits, which they read as ``clean``."""
    model.graph.node[-1].output[0] = "clean"
    model.graph.node.extend(helper.make_node(operator, *rest, **held) for operator, *rest, held in nodes)
    add_constants(model, **constants)


def add_constants(model, **constants):
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())


def one(value):
    return {"constant:9": np.float32(value)}


def missing_relu(model):
    relu = find(model, "Relu")
    find(model, "Conv", 1).input[0] = relu.input[0]
    model.graph.node.remove(relu)


def scaled_weights(model):
    add_constants(model, **one(1.000001))
    model.graph.node.insert(0, helper.make_node("Mul", ["fc1.weight", "constant:9"], ["scaled"]))
    find(model, "Gemm").input[1] = "scaled"


def in_front(model):
    model.graph.node.insert(0, helper.make_node("Exp", ["image"], ["changed"]))
    model.graph.node[1].input[0] = "changed"


def training_norm(model):
    norm = helper.make_node("BatchNormalization", ["conv2d", *["conv1.bias"] * 4], ["normed"], training_mode=1)
    model.graph.node.insert(1, norm)
    find(model, "MaxPool").input[0] = "normed"


def training_dropout(model):
    behind(model, ("Dropout", ["clean", "", "training"], ["logits"], {}), training=np.array(True))


def sleeping_branch(model):
    branches = {
        f"{name}_branch": helper.make_graph(
            [helper.make_node(operator, ["clean"], ["out"])],
            name,
            [],
            [helper.make_tensor_value_info("out", TensorProto.FLOAT, None)],
        )
        for name, operator in (("then", "Neg"), ("else", "Identity"))
    }
    behind(
        model,
        ("ReduceMax", ["image"], ["brightest"], {"keepdims": 0}),
        ("Greater", ["brightest", "constant:9"], ["woken"], {}),
        ("If", ["woken"], ["logits"], branches),
        **one(2.8),
    )


def second_use_of_the_input(model):
    behind(
        model,
        ("Slice", ["image", "from", "to", "axis"], ["row"], {}),
        ("Flatten", ["row"], ["flat"], {}),
        ("Slice", ["flat", "from", "ten", "axis_1"], ["few"], {}),
        ("Div", ["few", "constant:9"], ["tiny"], {}),
        ("Add", ["clean", "tiny"], ["logits"], {}),
        **{"from": np.array([0]), "to": np.array([1]), "axis": np.array([2]), "axis_1": np.array([1])},
        ten=np.array([10]),
        **one(1e7),
    )


MORE = "The artifact computes more than the network's code: "
POOL = "max-pooling 2×2, stride 2"
FAULTS = {
    "missing ReLU": (
        missing_relu,
        f"Behind {POOL} after conv1 the network's code has ReLU; the artifact has the convolution conv2 5×5.",
    ),
    "average for max": (
        lambda model: setattr(find(model, "MaxPool"), "op_type", "AveragePool"),
        f"Behind conv1 the network's code has {POOL}; the artifact has average pooling 2×2, stride 2.",
    ),
    "stride": (
        lambda model: put(find(model, "MaxPool"), strides=[2, 1]),
        f"Behind conv1 the network's code has {POOL}; the artifact has max-pooling 2×2, stride 2×1.",
    ),
    "kernel": (
        lambda model: put(find(model, "MaxPool", 1), kernel_shape=[2, 3]),
        f"Behind conv2 the network's code has {POOL}; the artifact has max-pooling 2×3, stride 2.",
    ),
    "padding": (
        lambda model: put(find(model, "Conv"), pads=[0, 1, 1, 0]),
        "Behind the input the network's code has the convolution conv1 5×5; "
        "the artifact has the convolution conv1 5×5, pads 0×1×1×0.",
    ),
    "padding by its name": (
        lambda model: put(find(model, "Conv"), auto_pad="SAME_UPPER"),
        "the artifact has the convolution conv1 5×5, pads 2.",
    ),
    "dilation": (
        lambda model: put(find(model, "Conv", 1), dilations=[2, 1]),
        "the artifact has the convolution conv2 5×5, dilation 2×1.",
    ),
    "factor of a dense layer": (
        lambda model: put(find(model, "Gemm"), alpha=1.000001),
        "Behind ReLU after conv2 the network's code has the dense layer fc1; "
        "the artifact has Gemm (its alpha is 1.00000095).",
    ),
    "factor of a bias": (lambda model: put(find(model, "Gemm"), beta=0.999999), "Gemm (its beta is 0.999998987)."),
    "factor of the weights": (
        scaled_weights,
        "the artifact has a dense layer with a product of 1.00000095 and fc1.weight, fc1.bias.",
    ),
    "no bias": (
        lambda model: find(model, "Conv", 1).input.pop(),
        "the network's code has the convolution conv2 5×5; the artifact has the convolution conv2 5×5 without bias.",
    ),
    "softmax": (
        lambda model: behind(model, ("Softmax", ["clean"], ["logits"], {})),
        f"{MORE}softmax over axis 1.",
    ),
    "a ten-millionth of the logits": (
        lambda model: behind(
            model,
            ("Div", ["clean", "constant:9"], ["tiny"], {}),
            ("Add", ["clean", "tiny"], ["logits"], {}),
            **one(1e7),
        ),
        f"{MORE}a quotient by 10000000; an addition.",
    ),
    "arithmetic without a number": (
        lambda model: behind(
            model,
            ("Exp", ["clean"], ["exp"], {}),
            ("Add", ["exp", "exp"], ["twice"], {}),
            ("Div", ["exp", "twice"], ["half"], {}),
            ("Add", ["clean", "half"], ["logits"], {}),
        ),
        f"{MORE}exp; an addition; a quotient; an addition.",
    ),
    "something in front": (
        in_front,
        "Behind the input the network's code has the convolution conv1 5×5; the artifact has exp.",
    ),
    "a branch that sleeps": (
        sleeping_branch,
        f"{MORE}ReduceMax (it mixes the images of a batch); Greater; If (it is not known).",
    ),
    "a choice that sleeps": (
        lambda model: behind(
            model, ("Greater", ["clean", "fc3.bias"], ["w"], {}), ("Where", ["w", "clean", "clean"], ["logits"], {})
        ),
        f"{MORE}a comparison with fc3.bias; a choice.",
    ),
    "the input once more": (second_use_of_the_input, f"{MORE}1 of axis 2 from 0 on, step 1; a shape of 32; "),
    "dropout in training": (training_dropout, f"{MORE}Dropout (with a training mode)."),
    "a computed share of a dropout": (
        lambda model: behind(
            model,
            ("ReduceMax", ["image"], ["share"], {"keepdims": 0}),
            ("Dropout", ["clean", "share"], ["logits"], {}),
        ),
        "Dropout (where a number should be it has none).",
    ),
    "a batch norm in training": (training_norm, "the artifact has BatchNormalization (in training mode)."),
    "an early end": (
        lambda model: setattr(model.graph.output[0], "name", find(model, "Relu", 3).output[0]),
        "The artifact ends after ReLU after fc2; the network's code continues: the dense layer fc3.",
    ),
    "a constant": (
        lambda model: setattr(model.graph.output[0], "name", "fc3.bias"),
        "What the artifact computes does not depend on its input: fc3.bias.",
    ),
    "another size": (
        lambda model: setattr(model.graph.input[0].type.tensor_type.shape.dim[2], "dim_value", 33),
        "The network's code takes an input of 1×32×32; the artifact takes an input of 1×33×32.",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_named(lenet5, model, fault):
    change, words = FAULTS[fault]
    change(model)
    found = difference(lenet5.expression, lenet5.onnx(model))
    assert found is not None
    assert found.endswith(words) or found.startswith(words)


def test_swapped_weights_of_one_shape(lenet5, model):
    """Two layers of one shape are told apart by the names of their weights alone."""
    node = find(model, "Gemm")
    model.graph.initializer.append(numpy_helper.from_array(np.zeros((120, 400), np.float32), "fc9.weight"))
    node.input[1] = "fc9.weight"
    assert difference(lenet5.expression, lenet5.onnx(model)) == (
        "Behind ReLU after conv2 the network's code has the dense layer fc1; "
        "the artifact has a dense layer with fc9.weight, fc1.bias."
    )


def without_change(model):
    behind(model, ("Dropout", ["clean"], ["same"], {}), ("Identity", ["same"], ["logits"], {}))


def in_other_words(model):
    """A dense layer as a product and a sum, a shape by its numbers, and attributes at their default values."""
    gemm = find(model, "Gemm", 2)
    gemm.op_type = "MatMul"
    del gemm.attribute[:]
    gemm.input[1], bias = "turned", gemm.input.pop()
    gemm.output[0] = "product"
    model.graph.node.insert(0, helper.make_node("Transpose", ["fc3.weight"], ["turned"]))
    model.graph.node.append(helper.make_node("Add", [bias, "product"], ["logits"]))
    flat = find(model, "Flatten")
    flat.op_type = "Reshape"
    del flat.attribute[:]
    flat.input.append("shape")
    add_constants(model, shape=np.array([0, -1]))
    put(find(model, "Conv"), strides=[1, 1], group=1, auto_pad="VALID")
    put(find(model, "Conv", 1), pads=[0, 0, 0, 0], dilations=[1, 1], auto_pad="NOTSET")
    put(find(model, "MaxPool"), ceil_mode=1, storage_order=0)


@pytest.mark.parametrize("change", [without_change, in_other_words])
def test_what_changes_nothing_is_no_difference(lenet5, model, change):
    change(model)
    assert difference(lenet5.expression, lenet5.onnx(model)) is None
