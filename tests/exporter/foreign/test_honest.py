"""Honest files of every origin pass, and the report says what was compared and what was not."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from torch import nn

import lenetx
from lenetx.errors import UnknownName
from lenetx_runtime import InputError

from .conftest import (
    before_the_output,
    behind_the_input,
    constant,
    copied,
    detail,
    export,
    node,
    status,
    trained_norms,
)

INSIDE = ("weights", "numbers", "graph", "layers")


def outcome(report):
    """Return whether it passed, and which of the checks that look inside did not."""
    return report.passed, {name: status(report, name) for name in INSIDE if status(report, name) != "passed"}


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"dynamo": True, "external_data": False}, id="newer exporter"),
        pytest.param({"dynamo": True, "external_data": False, "optimize": False}, id="newer exporter, not optimised"),
        pytest.param({"dynamo": True, "opset_version": 25}, id="newer exporter, opset 25, weights beside it"),
        pytest.param({"dynamo": False}, id="older exporter"),
        pytest.param({"dynamo": False, "do_constant_folding": False}, id="older exporter, nothing folded"),
        pytest.param({"dynamo": False, "opset_version": 7}, id="older exporter, opset 7"),
        pytest.param({"dynamo": False, "fixed": True}, id="older exporter, a batch of 1"),
    ],
)
def test_files_of_torch_are_proven_to_the_last_bit(module, reference, tmp_path, options):
    path = tmp_path / "theirs.onnx"
    export(module, path, **options)
    report = lenetx.verify(path, against=reference)
    assert outcome(report) == (True, {})
    if options.get("fixed"):
        assert "batches of 1" in next(check.subject for check in report.checks if check.name == "batch sizes")


def test_folded_norms_are_allowed_their_rounding_where_a_layer_has_one_product(tmp_path):
    each = nn.Conv2d(8, 8, 1, groups=8, bias=False)
    layers = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), each, nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten())
    module = trained_norms(nn.Sequential(*layers, nn.Linear(8 * 14 * 14, 10)))
    model = export(module, tmp_path / "theirs.onnx", (1, 16, 16), dynamo=True, external_data=False)
    assert outcome(lenetx.verify(tmp_path / "theirs.onnx", against=module)) == (True, {})
    folded = next(tensor for tensor in model.graph.initializer if list(tensor.dims) == [8, 1, 1, 1])
    changed = numpy_helper.to_array(folded) * np.float32(1 + 2**-18)
    folded.CopyFrom(numpy_helper.from_array(changed, folded.name))
    onnx.save(model, tmp_path / "changed.onnx")
    report = lenetx.verify(tmp_path / "changed.onnx", against=module)
    assert (status(report, "weights"), status(report, "layers")) == ("failed", "failed")


class NormAndMore(nn.BatchNorm2d):
    """A batch norm that lenetx does not fold, and torch does."""

    def forward(self, x):
        return super().forward(x).relu()


def test_batch_norms_that_only_the_file_folds_are_judged_by_the_logits(tmp_path):
    layers = nn.Sequential(nn.Conv2d(1, 4, 5), NormAndMore(4), nn.Conv2d(4, 6, 5), nn.ReLU(), nn.Flatten())
    module, path = trained_norms(nn.Sequential(*layers, nn.Linear(6 * 64, 10))), tmp_path / "theirs.onnx"
    export(module, path, (1, 16, 16), dynamo=False)
    report = lenetx.verify(path, against=module)
    assert outcome(report) == (True, dict.fromkeys(("weights", "graph", "layers"), "not_applicable"))
    assert "not seen: weights, graph" in report.conclusion


class Around(nn.Module):
    """The network behind something that makes its input."""

    def __init__(self, inner, before=lambda x: x, after=lambda z: z):
        super().__init__()
        self.inner, self.before, self.after = inner, before, after

    def forward(self, x):
        return self.after(self.inner(self.before(x)))


@pytest.mark.parametrize(
    ("shape", "before", "after"),
    [
        pytest.param((32, 32, 1), lambda x: x.permute(0, 3, 1, 2), lambda z: z, id="channels last"),
        pytest.param((1024,), lambda x: x.reshape(-1, 1, 32, 32), lambda z: z, id="flat"),
        pytest.param((32, 32), lambda x: x.unsqueeze(1), lambda z: z, id="without channels"),
        pytest.param((1, 32, 32), lambda x: x, lambda z: z[:, :, None, None], id="spare axes of the logits"),
    ],
)
def test_other_axes_are_seen_from_the_file(module, reference, tmp_path, shape, before, after):
    path = tmp_path / "theirs.onnx"
    export(Around(module, before, after).eval(), path, shape, dynamo=False)
    assert outcome(lenetx.verify(path, against=reference)) == (True, {})


def by_hand(model):
    """Write the model as a hand does: constants as nodes, MatMul and Add, tensors among the inputs, odd names."""
    graph = model.graph
    dense = node(model, "Gemm", -1)
    given, matrix, bias = dense.input
    turned = numpy_helper.to_array(next(each for each in graph.initializer if each.name == matrix)).T.copy()
    (result,) = dense.output
    place = list(graph.node).index(dense)
    graph.node.remove(dense)
    constant(model, "dense/kernel:0", turned)
    graph.node.insert(place, helper.make_node("Add", ["product", bias], [result]))
    graph.node.insert(place, helper.make_node("MatMul", [given, "dense/kernel:0"], ["product"]))
    graph.node.insert(place, helper.make_node("Relu", [given], ["dead"]))
    for name, tensor in [(each.name, each) for each in graph.initializer if "conv" in each.name]:
        graph.node.insert(0, helper.make_node("Constant", [], [name], value=tensor))
        graph.initializer.remove(tensor)
    for tensor in graph.initializer:
        graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    constant(model, "unused", [1, 2, 3])
    model.ir_version = 3
    for each in graph.node:
        each.name = ""


def identities(model):
    """Put an Identity and an idle Dropout before everything, as exporters leave them."""
    ratio = constant(model, "ratio", 0.5)
    dropout = helper.make_node("Dropout", ["same", ratio], ["prepared"])
    behind_the_input(model, helper.make_node("Identity", ["x"], ["same"]), dropout)


def functions(model):
    """Let the file define its own activation, as torch's newer exporter does without its optimiser."""
    own = helper.make_opsetid("own", 1)
    inner = [helper.make_node("Relu", ["a"], ["b"])]
    model.functions.append(helper.make_function("own", "Active", ["a"], ["b"], inner, [helper.make_opsetid("", 20)]))
    model.opset_import.append(own)
    node(model, "Relu").domain = "own"
    node(model, "Relu").op_type = "Active"


@pytest.mark.parametrize("change", [by_hand, identities, functions])
def test_files_written_by_hand_are_followed(plain, prove, change):
    model = copied(plain)
    change(model)
    assert outcome(prove(model)) == (True, {})


def test_names_say_nothing(plain, prove):
    """Two tensors of one shape have each other's names: only their bits count."""
    model = copied(plain)
    tensors = [each.name for each in model.graph.initializer]
    swapped = dict(zip(tensors, reversed(tensors), strict=True))
    for tensor in model.graph.initializer:
        tensor.name = swapped[tensor.name]
    for each in model.graph.node:
        each.input[:] = [swapped.get(name, name) for name in each.input]
    assert outcome(prove(model)) == (True, {})


def test_files_of_onnxruntimes_optimiser(plain, prove, tmp_path):
    import onnxruntime

    path, source = tmp_path / "optimised.onnx", tmp_path / "plain.onnx"
    source.write_bytes(plain.SerializeToString())
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath, options.log_severity_level = str(path), 4
    onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    report = prove(onnx.load(path))
    assert outcome(report) == (True, {})
    assert "another program folded their batch norms in float32" in detail(report, "weights")


def test_operators_that_onnx_does_not_define_are_judged_by_their_logits(plain, prove):
    """As onnxruntime's optimiser writes them at its extended level."""
    model = copied(plain)
    dense, name = node(model, "Gemm", -1), "com.microsoft"
    dense.op_type, dense.domain = "FusedGemm", name
    dense.attribute.append(helper.make_attribute("activation", "LeakyRelu"))
    dense.attribute.append(helper.make_attribute("activation_alpha", 1.0))
    model.opset_import.append(helper.make_opsetid(name, 1))
    report = prove(model)
    assert report.passed
    assert status(report, "graph") == "not_applicable"
    assert "FusedGemm" in detail(report, "graph")
    assert "The graph was not compared" in report.conclusion


def test_another_spelling_is_judged_by_its_logits(plain, prove):
    """A sum with zero times the logits changes nothing, and no honest reader follows it."""
    model = copied(plain)
    nothing = constant(model, "nothing", np.zeros(10))
    twice = helper.make_node("Mul", ["logits", nothing], ["zeros"])
    before_the_output(model, twice, helper.make_node("Add", ["logits", "zeros"], ["output"]))
    report = prove(model)
    assert report.passed
    assert status(report, "graph") == "not_applicable"
    assert "judged by its logits" in detail(report, "graph")


def test_smooth_operators_that_do_nothing_are_judged_by_their_logits(plain, prove):
    """Zero times the sigmoid of the logits, which differs from input to input: it hides no answer."""
    model = copied(plain)
    bent = helper.make_node("Sigmoid", ["logits"], ["bent"])
    zeros = helper.make_node("Mul", ["bent", constant(model, "nothing", np.zeros(10))], ["zeros"])
    before_the_output(model, bent, zeros, helper.make_node("Add", ["logits", "zeros"], ["output"]))
    report = prove(model)
    assert report.passed
    assert "judged by its logits" in detail(report, "graph")
    assert "other results for rare inputs or larger batches are not excluded" in report.conclusion


@pytest.mark.parametrize("activation", [nn.Softshrink(), nn.Hardshrink()])
def test_choices_may_be_written_as_other_choices(tmp_path, activation):
    """The older exporter writes the absolute value and the sign of the network's code as comparisons."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), activation, nn.Linear(8, 4)).eval()
    path = tmp_path / "theirs.onnx"
    export(module, path, (1, 8, 8), dynamo=False)
    report = lenetx.verify(path, against=module, input_shape=(1, 8, 8))
    assert report.passed
    assert "judged by its logits" in detail(report, "graph")


def test_the_report_of_a_foreign_file_claims_nothing_of_labels(plain, prove):
    report = prove(plain)
    assert {status(report, name) for name in ("spec", "preprocessing", "self-test", "refusals")} == {"not_applicable"}
    assert not any(check.name == "manifest" for check in report.checks)


def test_the_engine_gets_the_weights_beside_the_file(module, reference, tmp_path):
    path = tmp_path / "theirs.onnx"
    export(module, path, dynamo=True, external_data=True)
    assert sorted(each.suffix for each in tmp_path.iterdir()) == [".data", ".onnx"]
    report = lenetx.verify(path, against=reference)
    assert outcome(report) == (True, {})


def test_axes_without_sizes_are_stated(module, reference, tmp_path):
    """The file says neither sizes nor, by its first operator, where the channels are."""
    path = tmp_path / "theirs.onnx"
    model = export(Around(module, lambda x: x.permute(0, 3, 1, 2)).eval(), path, (32, 32, 1), dynamo=False)
    for axis in model.graph.input[0].type.tensor_type.shape.dim:
        axis.dim_param = "?"
    behind_the_input(model, helper.make_node("Identity", ["x"], ["prepared"]))
    path.write_bytes(model.SerializeToString())
    assert outcome(lenetx.verify(path, against=reference, layout="nhwc")) == (True, {})
    with pytest.raises(InputError, match=r"in the layout flat"):
        lenetx.verify(path, against=reference, layout="flat")
    with pytest.raises(UnknownName, match="layout"):
        lenetx.verify(path, against=reference, layout="hwcn")


def test_a_dense_layer_whose_inputs_are_in_another_order_is_judged_by_its_logits(plain, prove):
    """As Keras writes it: the maps are flattened with their channels last."""
    model = copied(plain)
    dense, flat = node(model, "Gemm"), node(model, "Flatten")
    name = dense.input[1]
    tensor = next(each for each in model.graph.initializer if each.name == name)
    array = numpy_helper.to_array(tensor).reshape(120, 16, 5, 5).transpose(0, 2, 3, 1).reshape(120, 400)
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(array), name))
    place = list(model.graph.node).index(flat)
    model.graph.node.insert(place, helper.make_node("Transpose", [flat.input[0]], ["last"], perm=[0, 2, 3, 1]))
    model.graph.node[place + 1].input[0] = "last"
    report = prove(model)
    assert outcome(report) == (True, {"weights": "not_applicable", "graph": "not_applicable"})
    assert "not seen: weights, graph" in report.conclusion
