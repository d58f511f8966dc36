"""A file without weights is sealed as unproven and says so; what cannot be sealed is told, and nothing is written."""

import dataclasses
import json

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import lenetx
from lenetx.errors import InputError, UnknownName
from lenetx_runtime import ArtifactError, Classifier

from ..conftest import (
    copied,
    node,
    set_weight,
    weight,
)
from ..test_faults import lowest_bit
from .conftest import Net, frames, parts

PUBLISHED = {"theirs.onnx", "theirs.onnx.verified.json", "manifest.json"}


def test_unproven_says_so_everywhere(plain, tmp_path, checkpoint, contents):
    from lenetx.publishing.inspection import inspect

    theirs, out = tmp_path / "theirs.onnx", tmp_path / "out"
    theirs.write_bytes(plain.SerializeToString())
    labels = list("abcdefghij")
    report = lenetx.adopt(theirs, unproven=True, labels=labels, framing="mnist", mean=0.1559, std=0.2976, folder=out)
    assert not report.passed
    assert (report.artifact["origin"], report.reference) == ("unproven", {})
    assert set(contents(out)) == {"theirs.onnx", "manifest.json"}
    entry = json.loads((out / "manifest.json").read_text())["artifacts"]["theirs.onnx"]
    assert entry["origin"] == "unproven"
    assert "NOT proven" in entry["conclusion"]
    path = out / "theirs.onnx"
    assert parts(onnx.load(path)) == parts(plain)
    with Classifier(path) as classifier:
        assert classifier.spec.labels == tuple(labels)
        assert (classifier.spec.origin, classifier.spec.selftest) == ("unproven", None)
        assert len(classifier.predict_batch(list(frames()))) == 5
    with pytest.raises(ArtifactError, match=r"adopted unproven, without weights to compare it with\. 'lenetx adopt"):
        Classifier(path, require_verified=True)
    assert inspect(path).facts["proof"].startswith("unproven: ")
    # Its weights turn up: it is judged as any file, but its seal still says that nobody did.
    own = dataclasses.replace(checkpoint, spec=dataclasses.replace(checkpoint.spec, labels=tuple(labels)))
    verified = lenetx.verify(path, against=own)
    assert verified.passed
    assert "gets no certificate" in lenetx.certify(path, verified)
    proven = lenetx.adopt(path, against=own, folder=tmp_path / "proven")
    assert proven.passed
    with Classifier(tmp_path / "proven" / "theirs.onnx", require_verified=True) as classifier:
        assert classifier.spec.origin == "adopted"


def test_the_weights_of_an_unproven_file_are_told_by_their_digest(plain, tmp_path):
    digests = []
    for change in (lambda _: None, lowest_bit):
        model = copied(plain)
        change(model)
        (tmp_path / "theirs.onnx").write_bytes(model.SerializeToString())
        lenetx.adopt(tmp_path / "theirs.onnx", unproven=True, folder=tmp_path / "out")
        digests.append(Classifier(tmp_path / "out" / "theirs.onnx").spec.weights_sha256)
    assert len(set(digests)) == 2


def infinite(model):
    name = node(model, "Gemm", -1).input[2]
    set_weight(model, name, weight(model, name) * np.float32(np.inf))


def no_size(model):
    for axis in model.graph.input[0].type.tensor_type.shape.dim:
        axis.dim_param = "any"


def in_another_file(model):
    tensor = model.graph.initializer[0]
    onnx.external_data_helper.set_external_data(tensor, "nowhere.bin")
    tensor.ClearField("raw_data")


def outside(model):
    in_another_file(model)
    next(each for each in model.graph.initializer[0].external_data if each.key == "location").value = "../secret.bin"


def two_inputs(model):
    model.graph.input.append(helper.make_tensor_value_info("mask", 7, ["N", 5]))


def whole_numbers(model):
    model.graph.input[0].type.tensor_type.elem_type = 7


def half(model):
    for tensor in model.graph.initializer:
        if tensor.data_type == 1:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))


def with_a_branch(model):
    empty = helper.make_graph([], "branch", [], [])
    model.graph.node.insert(0, helper.make_node("If", ["x"], ["y"], then_branch=empty, else_branch=empty))


def with_a_function(model):
    function = helper.make_function("own", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], [])
    function.opset_import.extend(model.opset_import)
    model.functions.append(function)


def windows(model):
    node(model, "Conv").attribute.append(helper.make_attribute("pads", [10**6] * 4))


def endless(model):
    """Add what onnx's own parser of equations never gets to the end of."""
    model.graph.node.append(helper.make_node("Einsum", ["x"], ["y"], equation=". . .ij->ij"))
    model.graph.output[0].type.tensor_type.ClearField("shape")


def doubled(model):
    model.graph.initializer.append(model.graph.initializer[0])


def of_another_domain(model):
    node(model, "Relu").domain = "com.example"


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (infinite, InputError, "not finite"),
        (no_size, InputError, "--input-size and --channels"),
        (in_another_file, ArtifactError, "which is not beside it"),
        (outside, ArtifactError, "outside of its folder"),
        (two_inputs, InputError, "has 2 inputs"),
        (whole_numbers, InputError, "not float32"),
        (half, InputError, "computes in float16"),
        (with_a_branch, InputError, "a graph of its own"),
        (with_a_function, ArtifactError, "a function, a nested graph or a sparse tensor"),
        (windows, ArtifactError, "far beyond the pictures"),
        (endless, ArtifactError, "An Einsum in it"),
        (doubled, ArtifactError, "Two of its tensors have one name"),
        (of_another_domain, ArtifactError, "not one that lenetx runs.* 'lenetx verify' may prove it"),
    ],
)
def test_what_cannot_be_sealed_is_told_and_nothing_is_written(plain, tmp_path, change, kind, words):
    model = copied(plain)
    change(model)
    (tmp_path / "theirs.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(kind, match=words):
        lenetx.adopt(tmp_path / "theirs.onnx", unproven=True, folder=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_stated_layout_decides(plain, adopt, tmp_path):
    with pytest.raises(InputError, match="not the network's in the layout nhwc, but in the layout nchw: omit --layout"):
        adopt(copied(plain), layout="nhwc")
    with pytest.raises(UnknownName, match="nchw"):
        lenetx.adopt(tmp_path / "theirs.onnx", unproven=True, layout="nwch")
    assert not (tmp_path / "out").exists()


def test_a_stated_size_closes_open_axes(plain, tmp_path):
    model = copied(plain)
    no_size(model)
    (tmp_path / "theirs.onnx").write_bytes(model.SerializeToString())
    lenetx.adopt(tmp_path / "theirs.onnx", unproven=True, input_shape=(1, 32, 32), folder=tmp_path / "out")
    assert Classifier(tmp_path / "out" / "theirs.onnx").spec.input_shape == (1, 32, 32)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "with --against; --unproven seals it without any"),
        ({"unproven": True, "against": "w.pth"}, "omit one"),
        ({"unproven": True, "data_name": "digits"}, "--data is for the proof"),
        ({"against": "w.pth", "labels": ["a", "b"]}, "`labels` is for a module in memory"),
        ({"against": Net}, "the class Net: call it"),
        ({"unproven": True, "name": "a/b"}, "not a file name"),
        ({"unproven": True, "weights_options": lenetx.WeightsOptions(architecture="lenet5")}, "reads no weights"),
    ],
)
def test_arguments_that_do_not_go_together(plain, tmp_path, options, words):
    (tmp_path / "theirs.onnx").write_bytes(plain.SerializeToString())
    with pytest.raises(InputError, match=words):
        lenetx.adopt(tmp_path / "theirs.onnx", folder=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("program", [lambda inputs: inputs, Net(), None])
def test_a_program_in_memory_has_no_file_to_adopt(tmp_path, program):
    with pytest.raises(InputError, match=r"Only the path of an ONNX file can be adopted; got .*`lenetx.verify` proves"):
        lenetx.adopt(program, against=Net(), input_shape=(1, 28, 28), folder=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_their_file_is_never_overwritten(plain, checkpoint, tmp_path):
    path = tmp_path / "theirs.onnx"
    path.write_bytes(plain.SerializeToString())
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "theirs.onnx").symlink_to(path)
    for folder in (tmp_path, tmp_path / "out"):
        with pytest.raises(InputError, match="is the file itself, which is never overwritten: name another folder"):
            lenetx.adopt(path, against=checkpoint, folder=folder)
    assert path.read_bytes() == plain.SerializeToString()


def test_what_lenetx_wrote_needs_no_adoption(plain, adopt, checkpoint, tmp_path):
    _, path = adopt(copied(plain))
    with pytest.raises(InputError, match="has a lenetx spec already"):
        lenetx.adopt(path, against=checkpoint, folder=tmp_path / "again")
