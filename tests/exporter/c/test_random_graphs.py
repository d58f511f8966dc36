"""Random graphs of the supported operators as C against onnxruntime, with scratch memory that starts as garbage."""

import math
import random

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from lenetx.formats.c.program import program
from lenetx.formats.c.source import program_text

from .conftest import called

GARBAGE = np.float32(1e9)


class Drawn:
    """A graph that is drawn operator by operator.

    Args:
        seed: of all choices.
    """

    def __init__(self, seed):
        self.random, self.numbers = random.Random(seed), np.random.default_rng(seed)
        self.nodes, self.tensors = [], []
        size = [self.random.choice([1, 2, 3, 4, 8]), *(self.random.randint(4, 20) for _ in range(2))]
        self.values = [("x", (1, *size))]
        for _ in range(self.random.randint(2, 9)):
            self.random.choice(DRAWS)(self)

    def model(self):
        """Return the model of what leads to the last value, or ``None`` if the input does not."""
        name, shape = self.values[-1]
        read, kept = {name}, []
        for node in reversed(self.nodes):
            if read.intersection(node.output):
                kept.append(node)
                read.update(node.input)
        if "x" not in read:
            return None
        ends = [helper.make_tensor_value_info(*each) for each in (("x", 1, self.values[0][1]), (name, 1, shape))]
        tensors = [tensor for tensor in self.tensors if tensor.name in read]
        graph = helper.make_graph(kept[::-1], "drawn", ends[:1], ends[1:], tensors)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)

    def pick(self, wanted=lambda _: True):
        """Return a recent (name, shape), or ``None``."""
        found = [value for value in self.values[-4:] if wanted(value[1])]
        return self.random.choice(found) if found else None

    def tensor(self, values):
        """Add a constant and return its name."""
        array = np.asarray(values)
        name = f"w{len(self.tensors)}"
        kind = np.int64 if array.dtype == np.int64 else np.float32
        self.tensors.append(numpy_helper.from_array(array.astype(kind), name))
        return name

    def normal(self, *shape):
        """Add a constant of normal numbers."""
        return self.tensor(self.numbers.standard_normal(shape) / math.sqrt(math.prod(shape[1:]) or 1))

    def node(self, kind, inputs, **attributes):
        """Add a node and the shape that onnx infers for its result."""
        name = f"t{len(self.nodes)}"
        node = helper.make_node(kind, inputs, [name], **attributes)
        given = [helper.make_tensor_value_info(each, 1, shape) for each, shape in self.values if each in inputs]
        graph = helper.make_graph([node], "one", given, [onnx.ValueInfoProto(name=name)], self.tensors)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).graph.output[0].type.tensor_type.shape
        shape = tuple(axis.dim_value for axis in inferred.dim)
        if shape and min(shape) > 0:
            self.nodes.append(node)
            self.values.append((name, shape))


def is_image(shape):
    return len(shape) == 4


def convolution(net):
    name, (_, channels, *size) = net.pick(is_image) or ("", (0, 0, 0, 0))
    if not channels:
        return
    groups = net.random.choice([1, 1, 1, channels])
    kernel = [net.random.randint(1, 4), net.random.randint(1, 5)]
    pads = [net.random.randint(0, 2) for _ in range(4)]
    dilations = [net.random.choice([1, 1, 2]) for _ in range(2)]
    reach = [each * (window - 1) + 1 for each, window in zip(dilations, kernel, strict=True)]
    if any(edge + pads[axis] + pads[axis + 2] < reach[axis] for axis, edge in enumerate(size)):
        return
    outputs = groups * net.random.choice([1, 2, 4] if groups > 1 else [1, 2, 3, 4, 6, 7, 8, 10, 16, 18, 33])
    inputs = [name, net.normal(outputs, channels // groups, *kernel)]
    inputs += [net.normal(outputs)] * net.random.randint(0, 1)
    strides = [net.random.choice([1, 1, 2]), net.random.choice([1, 1, 2, 3])]
    net.node("Conv", inputs, strides=strides, dilations=dilations, pads=pads, group=groups)


def pooling(net):
    name, (_, channels, *size) = net.pick(is_image) or ("", (0, 0, 0, 0))
    kernel = [net.random.randint(1, 3) for _ in range(2)]
    pads = [net.random.randint(0, window - 1) * net.random.randint(0, 1) for window in kernel * 2]
    if not channels or any(edge + pads[axis] + pads[axis + 2] < kernel[axis] for axis, edge in enumerate(size)):
        return
    kind, counts = net.random.choice(
        [("MaxPool", {}), ("AveragePool", {"count_include_pad": net.random.randint(0, 1)})]
    )
    ceil = int(not any(pads) and not counts.get("count_include_pad") and net.random.random() < 0.3)
    strides = [net.random.randint(1, window) if ceil else net.random.randint(1, 3) for window in kernel]
    net.node(kind, [name], kernel_shape=kernel, strides=strides, pads=pads, ceil_mode=ceil, **counts)


def activation(net):
    name, _ = net.pick()
    kind = net.random.choice(["Relu", "Relu", "LeakyRelu", "Tanh", "Sigmoid", "Clip", "Identity"])
    net.node(kind, [name, net.tensor(-0.5), net.tensor(0.75)] if kind == "Clip" else [name])


def addition(net):
    name, shape = net.pick()
    others = [other for other, each in net.values[-5:] if each == shape]
    repeated = [1] * len(shape)
    axis = net.random.randrange(len(shape))
    repeated[axis] = shape[axis]
    inputs = [name, net.random.choice([*others, net.normal(*repeated)])]
    net.node("Add", inputs[:: net.random.choice([1, -1])])


def joining(net):
    name, shape = net.pick(is_image) or ("", ())
    others = [other for other, each in net.values[-5:] if is_image(each) and shape[2:] == each[2:]]
    if others:
        net.node("Concat", [name, net.random.choice(others)], axis=1)


def norm(net):
    name, shape = net.pick(is_image) or ("", ())
    if shape:
        positive = [net.tensor(net.numbers.uniform(0.5, 2, shape[1])) for _ in range(2)]
        net.node("BatchNormalization", [name, positive[0], net.normal(shape[1]), net.normal(shape[1]), positive[1]])


def padding(net):
    name, shape = net.pick(lambda shape: is_image(shape) and min(shape[2:]) > 3) or ("", ())
    if shape:
        amounts = [0, 0, *(net.random.randint(0, 2) for _ in range(2))] * 2
        net.node("Pad", [name, net.tensor(np.array(amounts))], mode=net.random.choice(["constant", "edge", "reflect"]))


def reshaping(net):
    name, shape = net.pick()
    count = math.prod(shape)
    first = net.random.choice([each for each in range(1, 10) if count % each == 0])
    net.node("Reshape", [name, net.tensor(np.array([1, first, count // first, 1]))])


def mean(net):
    name, shape = net.pick(is_image) or ("", ())
    if shape:
        net.node("GlobalAveragePool", [name])


def dense(net):
    name, shape = net.pick()
    net.node("Flatten", [name])
    outputs = net.random.choice([1, 3, 4, 10, 17, 40])
    weight = net.normal(outputs, math.prod(shape))
    net.node("Gemm", [net.values[-1][0], weight, net.normal(outputs)], transB=1)


def product(net):
    name, shape = net.pick()
    matrix = [shape[-1], net.random.choice([1, 3, 5, 9])]
    net.node("MatMul", [name, net.normal(*shape[:-2] * net.random.randint(0, 1), *matrix)])


DRAWS = (
    *(convolution, convolution, convolution, pooling, pooling, activation, activation),
    *(addition, joining, norm, padding, reshaping, mean, dense, product),
)


@pytest.mark.parametrize("first", [0, *(pytest.param(each, marks=pytest.mark.slow) for each in range(40, 400, 40))])
def test_logits_are_those_of_onnxruntime(library, first):
    found, lines = [], ["#include <stdint.h>", "#include <math.h>"]
    for seed in range(first, first + 40):
        model = Drawn(seed).model()
        if model is None:
            continue
        inputs = np.random.default_rng(seed).standard_normal(
            [axis.dim_value for axis in model.graph.input[0].type.tensor_type.shape.dim], np.float32
        )
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        name, made = f"net{seed}", program(model, f"net{seed}")
        values = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        lines += program_text(made, values, name, [], made.functions)
        head = f"void {name}(const float *in, float *out, float *memory)"
        lines += [f"{head};", head, "{", f"    {name}_run(in, out, memory);", "}"]
        found.append((name, made, inputs, session.run(None, {"x": inputs})[0]))
    assert len(found) > 30
    for flags in (("-O1", "-march=native"), ("-O1", *(f"-D{name}_SCALAR" for name, *_ in found))):
        built = library("\n".join(lines), *flags)
        for name, made, inputs, expected in found:
            out, memory = np.full(expected.shape, GARBAGE), np.full(made.floats + 64, GARBAGE)
            called(getattr(built, name), inputs, out, memory)
            assert (memory[made.floats :] == GARBAGE).all(), name
            scale = max(1, float(np.abs(expected).max()))
            np.testing.assert_allclose(out, expected, rtol=1e-4, atol=2e-5 * scale, err_msg=f"{name} {flags[:2]}")
