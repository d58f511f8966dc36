"""Files with several outputs: one is proven or adopted, the others and what only they need are left out."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

import lenetx
from lenetx.errors import ProofFailed
from lenetx.formats.foreign_onnx.outputs import keep_output
from lenetx_runtime import Classifier, InputError

from .conftest import constant, copied, detail, export, status

INSIDE = ("weights", "numbers", "graph")


class Net(nn.Module):
    """Logits alone; its subclasses return more."""

    input_shape = (1, 12, 12)

    def __init__(self):
        super().__init__()
        self.conv, self.dense, self.side = nn.Conv2d(1, 3, 5, 3), nn.Linear(27, 4), nn.Linear(27, 4)

    def hidden(self, x):
        return torch.relu(self.conv(x)).flatten(1)

    def forward(self, x):
        return self.dense(self.hidden(x))


class Two(Net):
    def forward(self, x):
        z = super().forward(x)
        return z, z.softmax(1)


class Named(Net):
    def forward(self, x):
        hidden = self.hidden(x)
        return {"side": self.side(hidden), "main": self.dense(hidden)}


class Nested(Net):
    def forward(self, x):
        hidden = self.hidden(x)
        return (hidden, self.side(hidden)), self.dense(hidden)


def made(kind):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return kind().eval()


def written(module, path, **options):
    return export(module, path, (1, 12, 12), **options)


@pytest.fixture
def theirs(tmp_path):
    return tmp_path / "theirs.onnx"


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """A file whose outputs are the hidden numbers, the logits, which make the third, and their softmax."""
    path = tmp_path_factory.mktemp("three") / "three.onnx"
    model = written(made(Two), path, dynamo=False, output_names=["z", "shares"])
    hidden = next(node for node in model.graph.node if node.op_type == "Flatten").output[0]
    model.graph.output.insert(0, helper.make_tensor_value_info(hidden, TensorProto.FLOAT, ["batch", 27]))
    return model


@pytest.mark.parametrize("dynamo", [True, False])
@pytest.mark.parametrize(("kind", "output", "left"), [(Two, None, 1), (Two, 1, 0), (Named, "main", 0), (Named, 0, 1)])
def test_the_output_of_the_network_s_logits_is_proven(theirs, dynamo, kind, output, left):
    module = made(kind)
    names = [value.name for value in written(module, theirs, dynamo=dynamo).graph.output]
    report = lenetx.verify(theirs, against=module, output=output, on_notice=lambda _: None)
    assert report.passed
    assert {name: status(report, name) for name in INSIDE} == dict.fromkeys(INSIDE, "passed")
    proven = next(name for name in names if name != names[left])
    assert report.artifact["output"] == proven
    assert f"its output {proven} only" in report.conclusion
    assert status(report, "outputs") == "not_applicable"
    assert detail(report, "outputs") == f"Only {proven} is judged; left out, with what only they need: {names[left]}."


@pytest.mark.parametrize("dynamo", [True, False])
def test_the_position_counts_the_tensors_inside_other_outputs(theirs, dynamo):
    module = made(Nested)
    names = [value.name for value in written(module, theirs, dynamo=dynamo).graph.output]
    report = lenetx.verify(theirs, against=module, on_notice=lambda _: None)
    assert (report.passed, report.artifact["output"]) == (True, names[2])


@pytest.mark.parametrize("output", ["z", "1", 1, -2])
def test_a_name_or_an_index_in_the_file_is_enough_for_a_network_of_one_output(three, theirs, output):
    theirs.write_bytes(three.SerializeToString())
    report = lenetx.verify(theirs, against=made(Net), output=output)
    assert (report.passed, report.artifact["output"]) == (True, "z")
    assert status(report, "unread nodes") == "passed"
    against = lenetx.Checkpoint.of(made(Net))
    assert lenetx.verify(theirs, against=against, output=output).passed


def test_a_name_in_the_file_states_the_output_of_the_network_at_its_position(theirs):
    module = made(Two)
    written(module, theirs, dynamo=False, output_names=["z", "shares"])
    report = lenetx.verify(theirs, against=module, output="shares", on_notice=lambda _: None)
    assert (report.passed, report.artifact["output"]) == (True, "shares")


@pytest.mark.parametrize("kind", [Net, Two])
def test_probabilities_stated_as_logits_are_told_as_another_choice(three, theirs, kind):
    theirs.write_bytes(three.SerializeToString())
    report = lenetx.verify(theirs, against=made(kind), output="shares", on_notice=lambda _: None)
    assert not report.passed
    assert "it differs by choice. It is the network, but it returns the softmax of its logits" in report.conclusion


def test_an_output_of_other_numbers_fails(theirs):
    module = made(Named)
    names = [value.name for value in written(module, theirs, dynamo=False).graph.output]
    checkpoint = lenetx.Checkpoint.of(module, output="main", on_notice=lambda _: None)
    report = lenetx.verify(theirs, against=checkpoint, output=names[0])
    assert not report.passed


def test_a_fault_before_the_output_is_found_and_one_in_the_others_is_not_looked_at(three, theirs):
    model = copied(three)
    next(node for node in model.graph.node if node.op_type == "Softmax").op_type = "Relu"
    del next(node for node in model.graph.node if node.output[0] == "shares").attribute[:]
    theirs.write_bytes(model.SerializeToString())
    assert lenetx.verify(theirs, against=made(Net), output="z").passed
    next(node for node in model.graph.node if node.op_type == "Relu").op_type = "Sigmoid"
    theirs.write_bytes(model.SerializeToString())
    assert not lenetx.verify(theirs, against=made(Net), output="z").passed


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (
            None,
            r"It has 3 outputs \(.*z: float32\[batch, 4\], .*and several can be the network's logits, float32\[N, 4\]:",
        ),
        ("zz", "gives float32.*, one output: --output chooses among several; got 'zz'"),
        (7, "got '7'"),
        (0, "27 numbers for an image; the network has 4 classes"),
    ],
)
def test_what_cannot_be_chosen_is_told(three, theirs, output, words):
    theirs.write_bytes(three.SerializeToString())
    with pytest.raises(InputError, match=words):
        lenetx.verify(theirs, against=made(Net), output=output)


def test_a_file_none_of_whose_outputs_fits_is_told(three, theirs):
    model = copied(three)
    del model.graph.output[1:]
    model.graph.output.append(helper.make_tensor_value_info("z", TensorProto.DOUBLE, ["batch", 4]))
    theirs.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match=r"It has 2 outputs .*, none of which is float32\[N, 4\]"):
        lenetx.verify(theirs, against=made(Net))


def test_an_output_that_is_alone_in_its_type_needs_no_choice(three, theirs):
    model = copied(three)
    model.graph.node.append(helper.make_node("ArgMax", ["z"], ["label"], axis=1, keepdims=0))
    del model.graph.output[2:]
    model.graph.output.append(helper.make_tensor_value_info("label", TensorProto.INT64, ["batch"]))
    theirs.write_bytes(model.SerializeToString())
    report = lenetx.verify(theirs, against=made(Net))
    assert (report.passed, report.artifact["output"]) == (True, "z")


def test_only_what_the_others_need_is_left_out(three):
    """Nodes that lead nowhere stay with what they read; so do tensors that nothing reads."""
    model = copied(three)
    graph = model.graph
    constant(model, "idle", 1.0)
    for name in ("factor", "shift"):
        constant(model, name, 2.0)
        graph.input.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, []))
    graph.node.extend(
        [
            helper.make_node("Mul", ["shares", "factor"], ["scaled"]),
            helper.make_node("Add", ["shares", "shift"], ["shifted"]),
            helper.make_node("Relu", ["shifted"], ["dead"]),
        ]
    )
    graph.output.append(helper.make_tensor_value_info("scaled", TensorProto.FLOAT, ["batch", 4]))
    graph.value_info.append(helper.make_tensor_value_info("shifted", TensorProto.FLOAT, ["batch", 4]))
    right = copied(model)
    (scaled,) = (node for node in right.graph.node if node.output[0] == "scaled")
    right.graph.node.remove(scaled)
    for field in (right.graph.initializer, right.graph.input):
        field.remove(next(each for each in field if each.name == "factor"))
    for value in [value for value in right.graph.output if value.name != "z"]:
        right.graph.output.remove(value)
    assert keep_output(model, "z") == (three.graph.output[0].name, "shares", "scaled")
    assert model.SerializeToString(deterministic=True) == right.SerializeToString(deterministic=True)


@pytest.mark.parametrize("dynamo", [True, False])
def test_an_adopted_file_has_that_output_alone(theirs, tmp_path, dynamo):
    module = made(Two)
    model = written(module, theirs, dynamo=dynamo)
    names = [value.name for value in model.graph.output]
    notes = []
    report = lenetx.adopt(theirs, against=module, framing="stretch", folder=tmp_path / "out", on_notice=notes.append)
    assert report.passed
    assert f"'theirs.onnx' has 2 outputs: {names[0]} is kept; {names[1]} and what only they need are left out." in notes
    found = onnx.load(tmp_path / "out" / "theirs.onnx")
    assert [value.name for value in found.graph.output] == names[:1]
    kept = [node for node in model.graph.node if node.op_type != "Softmax"]
    assert list(found.graph.node) == kept
    assert [each.name for each in found.graph.initializer] == [each.name for each in model.graph.initializer]
    image = np.arange(144, dtype=np.uint8).reshape(12, 12)
    right = module(torch.from_numpy(image / np.float32(255))[None, None].float())[1][0].tolist()
    with Classifier(tmp_path / "out" / "theirs.onnx", require_verified=True) as classifier:
        assert classifier.self_test().passed
        found = dict(classifier.predict(image).probabilities)
    assert [found[label] for label in "0123"] == pytest.approx(right, abs=1e-6)


def test_weights_that_only_the_others_read_are_not_adopted(theirs, tmp_path):
    module = made(Named)
    model = written(module, theirs, dynamo=False)
    checkpoint = lenetx.Checkpoint.of(module, output="main", on_notice=lambda _: None)
    report = lenetx.adopt(theirs, against=checkpoint, folder=tmp_path / "out")
    assert report.passed
    found = onnx.load(tmp_path / "out" / "theirs.onnx").graph
    names = {each.name for each in model.graph.initializer} - {each.name for each in found.initializer}
    assert names == {"side.weight", "side.bias"}
    left = [numpy_helper.to_array(each) for each in found.initializer if each.name == "dense.weight"]
    assert np.array_equal(left, [module.dense.weight.detach().numpy()])


def test_a_wrong_choice_is_not_adopted(three, theirs, tmp_path):
    theirs.write_bytes(three.SerializeToString())
    with pytest.raises(ProofFailed, match="Nothing was published"):
        lenetx.adopt(theirs, against=lenetx.Checkpoint.of(made(Net)), output="shares", folder=tmp_path / "out")
    assert not (tmp_path / "out" / "theirs.onnx").exists()


def test_without_weights_the_output_must_be_stated(three, theirs, tmp_path):
    theirs.write_bytes(three.SerializeToString())
    options = {"unproven": True, "framing": "stretch", "folder": tmp_path / "out"}
    with pytest.raises(InputError, match=r"cannot be adopted. It has 3 outputs \(.*\): choose one with --output INDEX"):
        lenetx.adopt(theirs, **options)
    with pytest.raises(InputError, match="; got 'other'"):
        lenetx.adopt(theirs, output="other", **options)
    for output, kind in (("shares", "probabilities"), (1, "logits")):
        lenetx.adopt(theirs, output=output, **options)
        with Classifier(tmp_path / "out" / "theirs.onnx") as classifier:
            assert classifier.spec.output == kind
