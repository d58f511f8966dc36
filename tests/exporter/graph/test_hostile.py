"""Graphs that no exporter writes: whatever they are, there is a sentence, and nothing crashes."""

import random

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from lenetx.graph import Unknown, difference, of_onnx

from .conftest import exported, known

UNREADABLE = "What the artifact computes cannot be read: "


def node(model, place):
    return model.graph.node[place]


GRAPHS = {
    "cycle": (
        lambda model: node(model, 0).input.__setitem__(0, "logits"),
        "Conv reads logits, which no earlier node produces.",
    ),
    "missing input": (
        lambda model: node(model, 3).input.__setitem__(1, "nothing"),
        "Conv reads nothing, which no earlier node produces.",
    ),
    "two values of one name": (
        lambda model: node(model, 3).output.__setitem__(0, "conv2d"),
        "Conv gives a value that there is already.",
    ),
    "two weights of one name": (
        lambda model: model.graph.initializer.append(model.graph.initializer[0]),
        "two of its values have one name.",
    ),
    "a weight called as the input": (
        lambda model: setattr(model.graph.initializer[0], "name", "image"),
        "two of its values have one name.",
    ),
    "no input": (lambda model: model.graph.input.pop(), "it has 0 inputs."),
    "two inputs": (lambda model: model.graph.input.append(model.graph.input[0]), "it has 2 inputs."),
    "no output": (lambda model: model.graph.output.pop(), "it has 0 outputs."),
    "another output": (
        lambda model: setattr(model.graph.output[0], "name", "\x1b[31mred"),
        "nothing gives its output �[31mred.",
    ),
    "no nodes": (lambda model: model.graph.ClearField("node"), "nothing gives its output logits."),
    "no opset": (lambda model: model.ClearField("opset_import"), "its opset is not stated."),
    "old opset": (lambda model: setattr(model.opset_import[0], "version", 6), "its opset is 6."),
    "functions": (
        lambda model: model.functions.append(onnx.FunctionProto(name="Relu")),
        "it has functions of its own or sparse weights.",
    ),
    "whole numbers as input": (
        lambda model: setattr(model.graph.input[0].type.tensor_type, "elem_type", TensorProto.INT64),
        "its input has no float32 numbers of a known shape.",
    ),
    "input of no shape": (
        lambda model: model.graph.input[0].type.tensor_type.ClearField("shape"),
        "its input has no float32 numbers of a known shape.",
    ),
}


@pytest.mark.parametrize("kind", GRAPHS)
def test_what_is_no_graph_of_a_network(lenet5, model, kind):
    damage, words = GRAPHS[kind]
    damage(model)
    assert difference(lenet5.expression, lenet5.onnx(model)) == UNREADABLE + words


def test_an_empty_file():
    assert isinstance(of_onnx(onnx.ModelProto()), Unknown)


OPERATORS = {
    "another domain": (lambda relu: setattr(relu, "domain", "com.example"), "Relu (it is not known)"),
    "a name of a thousand letters": (
        lambda relu: setattr(relu, "op_type", "R" * 1000),
        f"{'R' * 99}… (it is not known)",
    ),
    "two attributes of one name": (
        lambda relu: relu.attribute.extend([helper.make_attribute("axis", 1)] * 2),
        "Relu (two attributes of one name)",
    ),
    "an attribute": (lambda relu: relu.attribute.append(helper.make_attribute("axis", 1)), "Relu (an attribute axis)"),
    "one input more": (lambda relu: relu.input.append("fc1.bias"), "Relu (more inputs than are known)"),
    "no input": (lambda relu: relu.ClearField("input"), ""),
}


@pytest.mark.parametrize("kind", OPERATORS)
def test_what_is_no_relu(lenet5, model, kind):
    damage, words = OPERATORS[kind]
    damage(node(model, 2))
    found = difference(lenet5.expression, lenet5.onnx(model))
    assert words in found
    assert found.startswith("Behind max-pooling 2×2, stride 2 after conv1 the network's code has ReLU; ") == bool(words)


@pytest.mark.slow
def test_a_hundred_thousand_nodes(lenet5, model):
    model.graph.node[-1].output[0] = "n0"
    for place in range(100_000):
        model.graph.node.append(helper.make_node("Add", [f"n{place}", f"n{place}"], [f"n{place + 1}"]))
    model.graph.output[0].name = "n100000"
    words = "an addition; an addition; an addition; an addition; and 99996 more"
    assert difference(lenet5.expression, lenet5.onnx(model)).endswith(f": {words}.")


NAMES = ("axis", "axes", "perm", "pads", "strides", "kernel_shape", "dilations", "group", "auto_pad", "alpha", "beta")
NAMES += (
    "transA",
    "transB",
    "ceil_mode",
    "count_include_pad",
    "epsilon",
    "training_mode",
    "keepdims",
    "to",
    "allowzero",
)
NAMES += ("num_outputs", "mode", "approximate", "gamma", "noop_with_empty_axes", "momentum", "stash_type", "seed")
VALUES = (0, 1, -1, 2**62, 1.0, 1e38, float("nan"), [0], [1, 1], [2, 2], [-1], [1] * 4, [3, 2, 1, 0], [2**62] * 2)
VALUES += ("SAME_UPPER", "x", "none", [1.5], ["a"], [0, 2, 1, 3])
CONSTANTS = (np.int64(0), np.array([], np.int64), np.array([0]), np.array([-1]), np.array([-1, 10]), np.array([0, -1]))
CONSTANTS += (np.array([2**62]), np.array([-(2**63)]), np.float32(2), np.array([1.5], np.float32), np.array(True))
TYPES = (
    "Conv",
    "Gemm",
    "MatMul",
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Relu",
    "Clip",
    "Max",
    "MaxPool",
    "AveragePool",
    "Flatten",
)
TYPES += (
    "Reshape",
    "Transpose",
    "Slice",
    "Split",
    "Squeeze",
    "Unsqueeze",
    "Concat",
    "Gather",
    "Pad",
    "Softmax",
    "Cast",
)
TYPES += ("ReduceMean", "GlobalAveragePool", "BatchNormalization", "LayerNormalization", "Identity", "Dropout", "If")


DEFAULTS = (("group", 1), ("alpha", 1.0), ("beta", 1.0), ("transA", 0), ("ceil_mode", 0), ("storage_order", 0))
"""Attributes that change nothing where a node knows them."""


def mutated(contents, chance):
    """Change a graph in one or two places."""
    model = onnx.load_from_string(contents)
    graph = model.graph
    values = ["image", "", *(tensor.name for tensor in graph.initializer), *(each.output[0] for each in graph.node)]
    for _ in range(chance.randint(1, 2)):
        chosen = chance.choice(graph.node)
        kind = chance.randrange(8)
        if kind == 0:
            chosen.op_type = chance.choice(TYPES)
        elif kind == 1:
            chosen.attribute.append(helper.make_attribute(chance.choice(NAMES), chance.choice(VALUES)))
        elif kind == 2:
            chosen.attribute.append(AttributeProto(name=chance.choice(NAMES), type=AttributeProto.INTS))
        elif kind == 3:
            name = f"constant:{chance.randrange(9)}"
            graph.initializer.append(numpy_helper.from_array(chance.choice(CONSTANTS), name))
            chosen.input.append(name)
        elif kind == 4 and len(chosen.input):
            chosen.input[chance.randrange(len(chosen.input))] = chance.choice(values)
        elif kind == 5 and len(chosen.input):
            chosen.input.pop()
        elif kind == 6:
            chosen.attribute.append(helper.make_attribute(*chance.choice(DEFAULTS)))
        else:
            chance.choice(graph.initializer).dims.append(chance.choice([-1, 0, 1, 5]))
    return model


@pytest.mark.parametrize("architecture", ["lenet5", "lenet5-1998"])
def test_any_change_is_a_sentence_or_changes_no_number(architecture):
    own, contents = known(architecture), exported("onnx", architecture)
    image = np.random.default_rng(0).standard_normal((3, *own.shape), np.float32)
    right = onnxruntime.InferenceSession(contents).run(None, {"image": image})[0]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    chance, same = random.Random(1998), 0
    for _ in range(600):
        model = mutated(contents, chance)
        words = difference(own.expression, own.onnx(model))
        if words is None:
            same += 1
            try:
                session = onnxruntime.InferenceSession(model.SerializeToString(), options)
            except Exception:
                continue
            assert np.allclose(session.run(None, {"image": image})[0], right, rtol=0, atol=1e-6)
        else:
            assert words.endswith(".")
            assert words.isprintable()
            assert len(words) < 800
    assert same > 10
