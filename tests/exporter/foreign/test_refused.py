"""Files that cannot be proven: one sentence says why and how to go on, with the right exit code."""

import os

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import lenetx
from lenetx.publishing.inspection import inspect
from lenetx_runtime import ArtifactError, InputError

from .conftest import constant, copied, node, set_weight, weight

ROAD = "'lenetx verify --write-inputs' and '--logits'"


def in_type(model, kind, number):
    """Change the type of all float32 tensors, inputs and outputs."""
    for tensor in list(model.graph.initializer):
        if tensor.data_type == TensorProto.FLOAT:
            set_weight(model, tensor.name, weight(model, tensor.name).astype(kind))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = number


def float16(model):
    in_type(model, np.float16, TensorProto.FLOAT16)


def float64(model):
    in_type(model, np.float64, TensorProto.DOUBLE)


def float16_weights(model):
    """One tensor in float16 behind a conversion: half of the size, and no float32 weights."""
    name = node(model, "Gemm").input[1]
    half = weight(model, name).astype(np.float16)
    constant(model, "half", half, np.float16)
    tensor = next(each for each in model.graph.initializer if each.name == name)
    model.graph.initializer.remove(tensor)
    model.graph.node.insert(0, helper.make_node("Cast", ["half"], [name], to=TensorProto.FLOAT))


def quantised(model):
    scale, zero = constant(model, "scale", 0.1), constant(model, "zero", 0, np.int8)
    model.graph.node.insert(0, helper.make_node("QuantizeLinear", ["x", scale, zero], ["q"]))


def two_inputs(model):
    model.graph.input.append(helper.make_tensor_value_info("mask", TensorProto.FLOAT, ["batch", 1]))


def two_outputs(model):
    name = node(model, "Relu").output[0]
    model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))


def whole_numbers(model):
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    model.graph.input[0].name = "pixels"
    model.graph.node.insert(0, helper.make_node("Cast", ["pixels"], ["x"], to=TensorProto.FLOAT))


def other_classes(model):
    for name in node(model, "Gemm", -1).input[1:]:
        set_weight(model, name, weight(model, name)[:5])
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 5


def other_size(model):
    for axis in model.graph.input[0].type.tensor_type.shape.dim[2:]:
        axis.dim_value = 48


def own_domain(model):
    node(model, "Relu").domain = "their.own"
    model.opset_import.append(helper.make_opsetid("their.own", 1))


def old_opset(model):
    model.opset_import[0].version = 6


def endless_functions(model, depth=40):
    """Each function calls the one before it twice: 2⁴⁰ operators when written out."""
    own = helper.make_opsetid("f", 1)
    for place in range(depth):
        inner = f"f{place - 1}" if place else "Relu"
        domain = "f" if place else ""
        nodes = [
            helper.make_node(inner, ["a"], ["b"], domain=domain),
            helper.make_node(inner, ["b"], ["c"], domain=domain),
        ]
        opsets = [helper.make_opsetid("", 20), own]
        model.functions.append(helper.make_function("f", f"f{place}", ["a"], ["c"], nodes, opsets))
    model.opset_import.append(own)
    node(model, "Relu").domain = "f"
    node(model, "Relu").op_type = f"f{depth - 1}"


def circular_functions(model):
    endless_functions(model, 2)
    model.functions[0].node[0].op_type, model.functions[0].node[0].domain = "f1", "f"


def language_model(model):
    model.Clear()
    names = ("input_ids", "attention_mask")
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"]) for name in names]
    outputs = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "length", 100])]
    words = numpy_helper.from_array(np.zeros((100, 100), np.float32), "words")
    graph = helper.make_graph(
        [helper.make_node("Gather", ["words", "input_ids"], ["logits"])], "text", inputs, outputs, [words]
    )
    model.CopyFrom(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (float16, "It computes in float16, .*verify the float32 file that it was made from, or adopt that"),
        (float16_weights, "It computes in float16"),
        (float64, "It computes in float64"),
        (quantised, "It computes in int8"),
        (two_inputs, f"It has 2 inputs .*mask: float32.*{ROAD}"),
        (two_outputs, r"It has 2 outputs .*several can be the network's logits.*: choose one with --output INDEX"),
        (whole_numbers, rf"Its input pixels is uint8\[batch, 1, 32, 32\], not float32: .*{ROAD}"),
        (language_model, r"It has 2 inputs \(input_ids: int64\[batch, length\]"),
        (other_classes, r".*\[batch, 5\], 5 numbers for an image; the network has 10 classes: name the weights"),
        (other_size, r".*\[batch, 1, 48, 48\], which is not the network's: nchw \[N, 1, 32, 32\].*--input-size"),
        (own_domain, f"It needs an operator that onnxruntime does not have: .*{ROAD}"),
        (old_opset, "It states opset 6; lenetx proves opset 7 to 25"),
        (endless_functions, "Its functions call each other"),
        (circular_functions, "Its functions call each other"),
    ],
)
def test_what_cannot_be_proven_is_named_with_the_road_on(plain, reference, tmp_path, change, words):
    model, path = copied(plain), tmp_path / "theirs.onnx"
    change(model)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match=f"'{path}' cannot be proven. {words}") as caught:
        lenetx.verify(path, against=reference)
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("change", [quantised, two_inputs, language_model, old_opset])
def test_inspect_says_why_a_file_cannot_be_proven(plain, reference, tmp_path, change):
    model, path = copied(plain), tmp_path / "theirs.onnx"
    change(model)
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError) as caught:
        lenetx.verify(path, against=reference)
    assert str(caught.value).endswith(f"cannot be proven. {inspect(path).facts['next']}")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no operators or no outputs. Fetch or export it again"),
        (b"no model at all, only some words", "It is not an ONNX model, or it is damaged: fetch or export it again"),
        (b"version https://git-lfs.github.com/spec/v1", "not an ONNX model. It is a pointer of Git LFS"),
        (b"<!DOCTYPE html><html>", "not an ONNX model. It is a web page"),
        (b"\x1f\x8b\x08 and so on", "It is compressed with gzip: unpack it first, with 'gunzip FILE'"),
        (b"PK\x03\x04 and so on", "It is an archive, not an ONNX model"),
        (b"\0\0\0\0ORTM and so on", "onnxruntime's own format"),
    ],
)
def test_what_is_no_model_is_told_as_such(reference, tmp_path, data, words):
    path = tmp_path / "theirs.onnx"
    path.write_bytes(data)
    with pytest.raises(ArtifactError, match=words) as caught:
        lenetx.verify(path, against=reference)
    assert caught.value.exit_code == 4


def twice(tensor):
    tensor.float_data.extend([1.0])


def too_short(tensor):
    tensor.raw_data = tensor.raw_data[:-4]


def negative(tensor):
    tensor.dims[0] = -1


def of_no_type(tensor):
    tensor.data_type = 99


@pytest.mark.parametrize("change", [twice, too_short, negative, of_no_type])
def test_damaged_tensors(plain, reference, tmp_path, change):
    model, path = copied(plain), tmp_path / "theirs.onnx"
    change(next(each for each in model.graph.initializer if each.data_type == TensorProto.FLOAT))
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ArtifactError, match="has data that does not match its shape"):
        lenetx.verify(path, against=reference)


@pytest.fixture
def beside(plain, tmp_path):
    """The function that writes a model whose weights lie in the given place, with a file of zeros as large as they."""
    folder = tmp_path / "folder"
    folder.mkdir()

    def write(location, **entries):
        path = folder / "theirs.onnx"
        onnx.save(copied(plain), path, save_as_external_data=True, location="weights.bin", size_threshold=0)
        model = onnx.load(path, load_external_data=False)
        for tensor in model.graph.initializer:
            values = {entry.key: entry.value for entry in tensor.external_data} | {"location": location} | entries
            del tensor.external_data[:]
            for key, value in values.items():
                entry = tensor.external_data.add()
                entry.key, entry.value = key, str(value)
        path.write_bytes(model.SerializeToString())
        return path

    return write


def test_nothing_outside_of_the_folder_is_read(beside, reference, tmp_path):
    (tmp_path / "secret.bin").write_bytes(bytes(10**6))
    for location in ("../secret.bin", str(tmp_path / "secret.bin"), "a/../../secret.bin", r"..\secret.bin", ""):
        with pytest.raises(ArtifactError, match="where lenetx reads nothing: write it with its weights inside or"):
            lenetx.verify(beside(location), against=reference)


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no links on this system")
def test_links_are_not_followed(beside, reference, tmp_path):
    (tmp_path / "secret.bin").write_bytes(bytes(10**6))
    (tmp_path / "folder" / "link.bin").symlink_to("../secret.bin")
    (tmp_path / "folder" / "inner").symlink_to("..")
    for location in ("link.bin", "inner/secret.bin"):
        with pytest.raises(ArtifactError, match="a link, which lenetx does not follow"):
            lenetx.verify(beside(location), against=reference)


@pytest.mark.parametrize(
    ("location", "entries", "words"),
    [
        ("gone.bin", {}, "It keeps weights in 'gone.bin', which is not beside it: put that file into its folder"),
        ("weights.bin", {"offset": 10**9}, "are cut off"),
        ("weights.bin", {"length": 10**12}, "are cut off"),
        ("weights.bin", {"offset": -8}, "are cut off"),
        ("weights.bin", {"offset": "x"}, "says no number"),
        ("weights.bin", {"length": 4}, "has data that does not match its shape"),
    ],
)
def test_weights_that_are_not_there(beside, reference, location, entries, words):
    path = beside(location, **entries)
    with pytest.raises(ArtifactError, match=words) as caught:
        lenetx.verify(path, against=reference)
    assert caught.value.exit_code == 4
