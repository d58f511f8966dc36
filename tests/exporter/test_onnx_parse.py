"""What is no plain ONNX file of ours is refused before an engine sees it."""

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from lenetx.errors import ArtifactError
from lenetx.formats import open_artifact
from lenetx.formats.onnx.parse import parse
from lenetx_runtime.onnx_file import seal

REFERENCE = Path(__file__).parents[2] / "artifacts" / "reference" / "lenet5.onnx"


def ones(name, *shape):
    return numpy_helper.from_array(np.ones(shape, np.float32), name)


@pytest.fixture(scope="session")
def plain():
    """A file with a variadic operator, an optional input that is left out, and one with two outputs."""
    nodes = [
        helper.make_node("Split", ["image"], ["left", "right"], axis=3),
        helper.make_node("Clip", ["left", "", "constant:0"], ["clipped"]),
        helper.make_node("Max", ["clipped", "right"], ["most"]),
        helper.make_node("Flatten", ["most"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weight"], ["logits"]),
    ]
    image, logits = (
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in (("image", ["batch", 1, 4, 8]), ("logits", ["batch", 3]))
    )
    tensors = [ones("weight", 16, 3), ones("constant:0")]
    graph = helper.make_graph(nodes, "lenetx", [image], [logits], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def graph_of():
    inner = helper.make_node("Identity", ["most"], ["inner"])
    out = helper.make_tensor_value_info("inner", onnx.TensorProto.FLOAT, None)
    return helper.make_graph([inner], "inside", [], [out])


def dead(model):
    model.graph.node.append(helper.make_node("Relu", ["flat"], ["dead"]))


def dead_twice(model):
    dead(model)
    model.graph.node.append(helper.make_node("Relu", ["dead"], ["deader"]))


def training(model):
    model.training_info.add().algorithm.name = "step"


def overridden(model):
    model.graph.input.append(helper.make_tensor_value_info("weight", onnx.TensorProto.FLOAT, [16, 3]))


def function(model):
    opset = helper.make_opsetid("", 18)
    body = helper.make_node("Relu", ["x"], ["y"])
    model.functions.append(helper.make_function("example", "Mine", ["x"], ["y"], [body], [opset]))


def branch(model):
    model.graph.node[3].input[0] = "chosen"
    model.graph.initializer.append(numpy_helper.from_array(np.array(True), "constant:1"))
    node = helper.make_node("If", ["constant:1"], ["chosen"], then_branch=graph_of(), else_branch=graph_of())
    model.graph.node.insert(3, node)


def sparse(model):
    values, places = ones("few", 1), numpy_helper.from_array(np.zeros(1, np.int64), "places")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [4]))


def second_result(model):
    model.graph.node[2].CopyFrom(helper.make_node("Dropout", ["clipped"], ["most", "mask"]))
    model.graph.node[0].output[1] = "unread"


def foreign(model):
    model.graph.node[2].domain = "com.microsoft"
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))


def short(model):
    model.graph.initializer[0].raw_data = b"123"


def both_kinds(model):
    model.graph.initializer[0].float_data.extend([1.0] * 48)


def elsewhere(model):
    model.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL


def two_values(model):
    attribute = model.graph.node[4].attribute.add(name="alpha", type=onnx.AttributeProto.FLOAT, f=1.0)
    attribute.i = 1


FAULTS = {
    "dead node": (dead, "No node reads the output of Relu (dead)"),
    "chain of dead nodes": (dead_twice, "No node reads the output of Relu (deader)"),
    "unread tensor": (lambda model: model.graph.initializer.append(ones("junk", 2)), "No node reads the tensor junk"),
    "unread result": (second_result, "No node reads mask, which Dropout returns besides the rest"),
    "empty input": (lambda model: model.graph.node[2].input.insert(1, ""), "Max lacks an input: number 2 of 3"),
    "no input": (lambda model: model.graph.node[2].ClearField("input"), "Max has 0 inputs"),
    "missing input": (lambda model: model.graph.node[4].input.__setitem__(1, ""), "Gemm lacks an input: number 2"),
    "input of nothing": (
        lambda model: model.graph.node[3].input.__setitem__(0, "x"),
        "Flatten reads x, which no earlier node",
    ),
    "initializer that is an input": (overridden, "Two values have one name, or one has none: weight"),
    "doubled initializer": (lambda model: model.graph.initializer.append(ones("weight", 1)), "Two values have"),
    "doubled result": (lambda model: model.graph.node[3].output.__setitem__(0, "most"), "Two values have"),
    "function": (function, "It holds functions in ModelProto"),
    "training": (training, "It holds training_info in ModelProto"),
    "graph within": (branch, "It holds g in AttributeProto"),
    "sparse tensor": (sparse, "It holds sparse_initializer in GraphProto"),
    "shapes of values": (lambda model: model.graph.value_info.add(name="most"), "It holds value_info in GraphProto"),
    "quantization": (
        lambda model: model.graph.quantization_annotation.add(tensor_name="weight"),
        "It holds quantization_annotation in GraphProto",
    ),
    "another domain": (foreign, "Max is an operator of the domain com.microsoft"),
    "no operator": (lambda model: setattr(model.graph.node[2], "op_type", "Mux"), "Mux is not an operator of ONNX"),
    "strange attribute": (
        lambda model: model.graph.node[2].attribute.append(helper.make_attribute("x\n", 1)),
        "Max has an attribute x",
    ),
    "doubled attribute": (
        lambda model: model.graph.node[0].attribute.append(helper.make_attribute("axis", 2)),
        "Split has two attributes of one name",
    ),
    "attribute of two values": (two_values, "The attribute alpha is a graph, or of a kind"),
    "too few numbers": (short, "The tensor weight has data that does not match"),
    "numbers twice": (both_kinds, "The tensor weight has data that does not match"),
    "numbers in another file": (elsewhere, "It holds data_location in TensorProto"),
    "opset twice": (lambda model: model.opset_import.append(helper.make_opsetid("ai.onnx", 18)), "twice"),
}


def changed(plain, change):
    model = onnx.ModelProto()
    model.CopyFrom(plain)
    change(model)
    return model.SerializeToString(deterministic=True)


def test_what_lenetx_writes_is_read(plain):
    data = plain.SerializeToString(deterministic=True)
    assert parse(data).SerializeToString(deterministic=True) == data


def test_a_sort_gives_indices_that_nothing_has_to_read(plain):
    def sort(model):
        model.graph.initializer.append(numpy_helper.from_array(np.array([16]), "constant:1"))
        model.graph.node.insert(4, helper.make_node("TopK", ["flat", "constant:1"], ["sorted", "indices"]))
        model.graph.node[5].input[0] = "sorted"

    data = changed(plain, sort)
    assert parse(data).SerializeToString(deterministic=True) == data


@pytest.mark.parametrize("fault", FAULTS)
def test_what_lenetx_never_writes_is_refused(plain, fault):
    change, words = FAULTS[fault]
    with pytest.raises(ArtifactError, match=re.escape(words)):
        parse(changed(plain, change))


def field(number, contents):
    size, head = len(contents), bytearray()
    while size > 127:
        head.append(size & 127 | 128)
        size >>= 7
    key, keys = number << 3 | 2, bytearray()
    while key > 127:
        keys.append(key & 127 | 128)
        key >>= 7
    return bytes([*keys, key, *head, size]) + contents


def nested(data):
    """A type of 200 levels: protobuf refuses it."""
    kind = b"\x0a\x02\x08\x01"
    for _ in range(200):
        kind = field(4, field(1, kind))
    return data + field(7, field(13, field(1, b"v") + field(2, kind)))


SPELLINGS = {
    "name that is no text": (lambda data: data.replace(b"weight", b"wei\xff\xfft"), "is not readable text"),
    "nesting": (nested, "nested too deeply"),
    "unknown field": (lambda data: data + field(99, b"x"), "a field of ModelProto that this version of onnx"),
    "graph in two parts": (lambda data: data + field(7, b""), "serialises the same model differently"),
    "number in more bytes than it needs": (
        lambda data: b"\x08\x88\x00" + data[2:],
        "serialises the same model differently",
    ),
    "version twice": (lambda data: b"\x08\x07" + data, "serialises the same model differently"),
    "no model": (lambda data: data[:-3], "not an ONNX model"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_what_is_spelled_otherwise_is_refused(plain, spelling):
    change, words = SPELLINGS[spelling]
    with pytest.raises(ArtifactError, match=words):
        parse(change(plain.SerializeToString(deterministic=True)))


def test_a_sealed_file_is_refused_before_an_engine_sees_it(tmp_path, monkeypatch):
    def engine(*_, **__):
        raise AssertionError("the engine saw it")

    monkeypatch.setattr("lenetx.formats.onnx.OrtBackend", engine)
    model = onnx.load_from_string(REFERENCE.read_bytes())
    model.graph.node.append(helper.make_node("Max", [model.graph.node[0].output[0], ""], ["dead"]))
    data = re.sub(rb'"content_sha256":"\w{64}"', b'"content_sha256":"' + b"0" * 64 + b'"', model.SerializeToString())
    path = tmp_path / "dead.onnx"
    path.write_bytes(seal(data))
    with pytest.raises(ArtifactError, match=r"'.*dead.onnx' cannot be used. An operator 'Max' in it lacks an input"):
        open_artifact(path)
