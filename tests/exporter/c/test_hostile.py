"""Names that lenetx uses itself, many classes, and files that would cost time or memory before they are refused."""

import dataclasses
import tempfile

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from lenetx.errors import ArtifactError, EngineMissing, InputError
from lenetx.formats import c, open_artifact
from lenetx.formats.c.compile import compilers
from lenetx.formats.c.listing import record_in
from lenetx.formats.c.program import program
from lenetx.formats.c.reading import read, rebuilt
from lenetx.formats.c.session import CompiledBackend, SanitizedBackend
from lenetx.formats.c.source import SEAL, header, sealed
from lenetx.formats.network import Network
from lenetx.weights.checkpoint import Checkpoint

WORDS = (
    *("run", "logits", "labels", "levels", "normalise", "predict_frame", "predict_image", "frame_image", "selftest"),
    *(
        "clear",
        "golden_frames",
        "load16",
        "store16",
        "v16",
        "u8",
        "m4",
        "N16",
        "relu1",
        "next",
        "least",
        "most",
        "all4",
    ),
    *("LANES", "SCALAR", "H", "OK", "WIDTH", "CLASSES", "ERROR_NULL", "FRAME_WIDTH", "frame_rounded", "frame_mnist"),
)


class Named(nn.Module):
    """Layers called as functions, types and macros of the C file are."""

    def __init__(self, words, classes=10):
        super().__init__()
        self.words = words
        for word in words:
            setattr(self, word, nn.Linear(20, 20))
        self.first, self.last = nn.Linear(784, 20), nn.Linear(20, classes)

    def forward(self, x):
        x = self.first(x.flatten(1))
        for word in self.words:
            x = torch.relu(getattr(self, word)(x))
        return self.last(x)


def checkpoint_of(module):
    torch.manual_seed(1)
    return Checkpoint.of(module.eval(), input_shape=(1, 28, 28), framing="mnist", mean=0.5, std=0.25)


@pytest.fixture(scope="module")
def source(checkpoint):
    return read(c.export(Network(checkpoint)).decode())


@pytest.mark.parametrize("stem", ["net", pytest.param("NET", marks=pytest.mark.slow)])
def test_layers_may_have_the_names_of_what_every_file_has(stem):
    module = Named(WORDS)
    source = read(c.export(Network(checkpoint_of(module)), stem=stem).decode())
    inputs = np.random.default_rng(0).standard_normal((2, 1, 28, 28), np.float32)
    with torch.inference_mode():
        expected = module(torch.from_numpy(inputs)).numpy()
    for flags in (("-O1",), ("-O1", "-march=native")):
        found = CompiledBackend(source, compilers()[0], flags).run(inputs)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_answers_of_many_classes_do_not_block_the_sanitized_program():
    source = read(c.export(Network(checkpoint_of(Named((), 1000)))).decode())
    backend = SanitizedBackend(source, compilers()[0])
    inputs = np.zeros((300, 1, 28, 28), np.float32)
    assert backend.run(inputs).shape == (300, 1000)


@pytest.mark.parametrize("stem", ["main", pytest.param("wrapper", marks=pytest.mark.slow)])
def test_no_name_replaces_a_file_of_lenetx(checkpoint, stem):
    source = read(c.export(Network(checkpoint), stem=stem).decode())
    inputs = np.zeros((1, 1, 32, 32), np.float32)
    expected = CompiledBackend(source, compilers()[0], ("-O1",)).run(inputs)
    np.testing.assert_allclose(SanitizedBackend(source, compilers()[0]).run(inputs), expected, atol=1e-5)


def test_labels_are_in_the_header_as_they_are(checkpoint):
    labels = ("P_positive", "P_NEG", "F_x", *"3456789")
    spec = dataclasses.replace(checkpoint.spec, labels=labels)
    text = header(read(c.export(Network(dataclasses.replace(checkpoint, spec=spec))).decode()))
    assert '"P_positive", "P_NEG", "F_x", "3"' in text


def test_a_program_that_cannot_be_built_leaves_no_folder(source, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(EngineMissing, match=r"does not compile what lenetx wrote: .*#error no"):
        SanitizedBackend(dataclasses.replace(source, text="#error no\n"), compilers()[0])
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("title", ["lenetx spec", "lenetx graph"])
@pytest.mark.parametrize("value", ["[" * 100_000, '{"a":1,"a":2}', "1e999", '"x'])
def test_a_comment_that_is_not_plain_json_is_refused(source, tmp_path, title, value):
    before, _, rest = source.text.rpartition(SEAL)[0].partition(f"/* {title}\n")
    path = tmp_path / "lenet5.c"
    path.write_text(sealed(f"{before}/* {title}\n   {value}\n*/\n{rest.partition('*/')[2]}"))
    with pytest.raises(ArtifactError, match=r"is damaged|spec is not"):
        open_artifact(path)


@pytest.mark.parametrize("shape", [[1, 1, 16000, 16000], [2**62], [2**16]])
def test_a_graph_that_declares_more_numbers_than_the_file_holds_is_refused_before_they_are_made(
    source, monkeypatch, shape
):
    graph = record_in(source.text, "lenetx graph")
    graph["tensors"] += [[f"more {number}", "float32", shape] for number in range(4)]
    monkeypatch.setattr(np, "zeros", None)
    with pytest.raises(ArtifactError, match="declares more numbers than the file can hold"):
        rebuilt(graph, source.spec, source.stem, None, size=2 * 100_000, with_framing=True)


def test_a_graph_of_more_nodes_than_a_network_has_is_refused_before_they_are_placed(source, monkeypatch):
    graph = record_in(source.text, "lenetx graph")
    graph["nodes"][-1][2] = ["step 0"]
    graph["nodes"] += [["Relu", [f"step {at}"], [f"step {at + 1}"], {}] for at in range(2**12)]
    graph["nodes"].append(["Relu", [f"step {2**12}"], ["logits"], {}])
    monkeypatch.setattr("lenetx.formats.c.source.program", None)
    with pytest.raises(ArtifactError, match=r"its graph has 4,1\d\d nodes; at most 4,096 are possible"):
        rebuilt(graph, source.spec, source.stem, None, size=len(source.text), with_framing=True)


def test_heads_of_arrays_without_an_end_are_read_once(source, tmp_path):
    """Each was searched to the end of the file: 60,000 of them took minutes."""
    path = tmp_path / "lenet5.c"
    path.write_text(sealed(source.text.rpartition(SEAL)[0] + "static const float a[1] = {\n" * 60_000))
    with pytest.raises(ArtifactError, match="without an end"):
        open_artifact(path)


@pytest.mark.parametrize("stem", ["x" * 101, "", "a=b", "-x"])
def test_a_name_that_compilers_may_refuse_is_refused(checkpoint, stem):
    with pytest.raises(InputError, match="is not a name for a C file"):
        c.export(Network(checkpoint), stem=stem or " ")


def sized(kind, inputs, **attributes):
    """Return a model whose Reshape reads a size that a node computes from whole numbers."""
    names = [f"w{place}" for place in range(len(inputs))]
    nodes = [
        helper.make_node(kind, names, ["size"], **attributes),
        helper.make_node("Reshape", ["x", "size"], ["y"]),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in "xy"]
    tensors = [
        numpy_helper.from_array(np.array(each, np.int64), name) for each, name in zip(inputs, names, strict=True)
    ]
    graph = helper.make_graph(nodes, "sized", ends[:1], ends[1:], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


@pytest.mark.parametrize(
    ("kind", "inputs"),
    [("ConstantOfShape", [[1, 2**28]]), ("Tile", [[1], [2**28]]), ("Expand", [[1], [2**28]]), ("Range", [0, 2**28, 1])],
)
def test_sizes_are_computed_by_few_operators_only(kind, inputs):
    model = sized(kind, inputs)
    with pytest.raises(InputError, match=rf"{kind} 'size' is an operator that lenetx does not write as C"):
        program(model, "net")


def test_long_tensors_are_not_folded_as_sizes():
    model = sized("Concat", [[1] * 100, [4]], axis=0)
    assert onnx.checker.check_model(model) is None
    with pytest.raises(InputError, match="Concat 'size' reads only constants"):
        program(model, "net")


def test_the_header_beside_a_file_may_be_anything(source, tmp_path):
    path = tmp_path / "lenet5.c"
    path.write_text(source.text)
    with (tmp_path / "lenet5.h").open("wb") as file:
        file.truncate(2**40)
    assert [check.status for check in c.open(path).structure if check.name == "header"] == ["failed"]
