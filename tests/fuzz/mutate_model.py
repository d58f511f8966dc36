"""Changes of a model that leave it a protobuf message, so that onnxruntime itself gets to see them.

None makes a large tensor out of nothing (ConstantOfShape, Expand, Tile, Resize): what a sealed graph asks for, it gets.
"""

import numpy as np
import onnx
from mutate import mutated
from onnx import AttributeProto, TensorProto, helper

NUMBERS = (-(2**63), -(2**31), -7, -1, 0, 1, 2, 3, 7, 1000, 2**20, 2**24, 2**31 - 1, 2**31, 2**32, 2**40, 2**63 - 1)
FLOATS = (0.0, -1.0, 1e-45, 3e38, float("inf"), float("nan"))
OPERATORS = ("Conv", "ConvTranspose", "Relu", "MaxPool", "AveragePool", "GlobalAveragePool", "Slice", "Flatten", "Gemm")
OPERATORS += ("MatMul", "Identity", "Reshape", "Split", "Squeeze", "Gather", "Loop", "If", "Scan", "Cast", "NonZero")
OPERATORS += ("OneHot", "EyeLike", "Einsum", "TopK", "CumSum", "Transpose", "LSTM", "QuantizeLinear", "SequenceEmpty")
ATTRIBUTES = ("pads", "dilations", "group", "ceil_mode", "axis", "transB", "value", "mode", "to", "auto_pad")


def changed(data, random):
    """Return the bytes of a serialised model with one to four changes, drawn from a ``random.Random``."""
    model = onnx.load_from_string(data)
    for _ in range(random.randint(1, 4)):
        CHANGES[random.randrange(len(CHANGES))](model, random)
    return model.SerializeToString()


def _attribute(model, random):
    attribute = random.choice([one for node in model.graph.node for one in node.attribute] or [AttributeProto()])
    if attribute.ints:
        attribute.ints[random.randrange(len(attribute.ints))] = random.choice(NUMBERS)
    elif attribute.type == AttributeProto.FLOAT:
        attribute.f = random.choice(FLOATS)
    else:
        attribute.i = random.choice(NUMBERS)


def _new_attribute(model, random):
    value = random.choice([random.choice(NUMBERS), [random.choice(NUMBERS)] * random.randint(1, 8), 0.5, "SAME_UPPER"])
    random.choice(model.graph.node).attribute.append(helper.make_attribute(random.choice(ATTRIBUTES), value))


def _sizes(model, random):
    dims = random.choice(model.graph.initializer).dims
    if dims and random.random() < 0.7:
        dims[random.randrange(len(dims))] = random.choice(NUMBERS)
    elif random.random() < 0.5:
        dims.append(random.choice(NUMBERS))
    else:
        del dims[:]


def _numbers(model, random):
    tensor = random.choice(model.graph.initializer)
    if tensor.data_type == TensorProto.INT64:
        tensor.raw_data = np.array([random.choice(NUMBERS)], np.int64).tobytes()
    else:
        tensor.raw_data = mutated(tensor.raw_data, random)


def _type(model, random):
    random.choice(model.graph.initializer).data_type = random.randrange(26)


def _operator(model, random):
    random.choice(model.graph.node).op_type = random.choice(OPERATORS)


def _domain(model, random):
    random.choice(model.graph.node).domain = random.choice(["ai.onnx.ml", "com.microsoft", "local", "../../lib.so"])


def _wire(model, random):
    names = [name for node in model.graph.node for name in (*node.input, *node.output)]
    node = random.choice(model.graph.node)
    side = random.choice([node.input, node.output])
    if side:
        side[random.randrange(len(side))] = random.choice([*names, "", "nowhere"])


def _remove(model, random):
    if len(model.graph.node) > 1:
        del model.graph.node[random.randrange(len(model.graph.node))]


def _repeat(model, random):
    model.graph.node.insert(random.randrange(len(model.graph.node)), random.choice(model.graph.node))


def _shape(model, random):
    value = random.choice([*model.graph.input, *model.graph.output])
    dims = value.type.tensor_type.shape.dim
    if dims:
        dims[random.randrange(len(dims))].dim_value = random.choice(NUMBERS)


def _version(model, random):
    if random.random() < 0.5:
        model.opset_import[0].version = random.choice((*NUMBERS, 7, 13, 21, 25))
    else:
        model.ir_version = random.choice(NUMBERS)


def _spec(model, random):
    if model.metadata_props:
        text = mutated(model.metadata_props[0].value.encode(), random)
        model.metadata_props[0].value = text.decode("utf-8", "replace")


CHANGES = (
    _attribute,
    _attribute,
    _new_attribute,
    _sizes,
    _numbers,
    _type,
    _operator,
    _domain,
    _wire,
    _remove,
    _repeat,
    _shape,
    _version,
    _spec,
)
