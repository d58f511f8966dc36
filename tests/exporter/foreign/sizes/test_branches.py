"""Branches that the sizes of a file decide: the way taken is proven, the other is left out; all others are told."""

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

import lenetx
from lenetx_runtime import ArtifactError, InputError

from ..conftest import constant, copied, detail, export, negated, scaled, shifted, status

NOT_FOLLOWED = "Its {} holds a graph of its own .*, which lenetx does not follow: .*dynamo=True"


class Net(nn.Module):
    """Torch's older exporter writes each of its two norms with a branch."""

    input_shape = (1, 12, 12)

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 4, 3, 2), nn.Conv2d(4, 5, 3)
        self.norm, self.other = nn.LocalResponseNorm(3), nn.LocalResponseNorm(2, alpha=0.1, k=2.0)
        self.dense = nn.Linear(45, 4)

    def forward(self, x):
        x = self.norm(torch.relu(self.first(x)))
        return self.dense(self.other(torch.relu(self.second(x))).flatten(1))


def branches(model, place=0):
    """Return the branches of an ``If``: the one that is taken, where the axis has the size 1, and the other."""
    node = [each for each in model.graph.node if each.op_type == "If"][place]
    graphs = {each.name: each.g for each in node.attribute}
    return graphs["then_branch"], graphs["else_branch"]


@pytest.mark.parametrize("options", [{}, {"opset_version": 11}, {"fixed": True}])
def test_norms_of_the_older_exporter_are_proven_to_the_last_operator(module, prove, tmp_path, options):
    model = export(module, tmp_path / "theirs.onnx", (1, 12, 12), dynamo=False, **options)
    assert [node.op_type for node in model.graph.node].count("If") == 2
    report = prove(model)
    assert report.passed
    assert {name: status(report, name) for name in ("weights", "numbers", "graph")} == dict.fromkeys(
        ("weights", "numbers", "graph"), "passed"
    )
    assert status(report, "branches") == "not_applicable"
    assert "only that way was run and judged" in detail(report, "branches")


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("fault", [negated, scaled, shifted])
def test_a_fault_in_the_way_taken_is_found(plain, prove, fault, place):
    model = copied(plain)
    fault(branches(model, place)[0])
    assert not prove(model).passed


def test_a_fault_in_the_other_way_is_not_looked_at(plain, prove):
    model = copied(plain)
    scaled(branches(model)[1])
    assert prove(model).passed


def graph_of(nodes, *outputs, tensors=()):
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    return helper.make_graph(nodes, "branch", [], values, list(tensors))


def with_branch(model, condition, nodes, taken, other, outputs=("chosen",)):
    """Put a branch, whose condition some nodes make, behind the first ReLU; the first output is read in its place."""
    graph = model.graph
    place = next(place for place, node in enumerate(graph.node) if node.op_type == "Relu") + 1
    relu = graph.node[place - 1]
    read, relu.output[0] = relu.output[0], "given"
    branch = helper.make_node("If", [condition], list(outputs), then_branch=taken, else_branch=other)
    for each in [helper.make_node("Identity", [outputs[0]], [read]), branch, *nodes[::-1]]:
        graph.node.insert(place, each)


SAME = helper.make_node("Identity", ["given"], ["y"])
WRONG = helper.make_node("Neg", ["given"], ["y"])


CONDITIONS = {
    "a constant": ([], {"condition": np.array(True)}),
    "a size": (
        [
            helper.make_node("Shape", ["given"], ["shape"]),
            helper.make_node("Gather", ["shape", "axis"], ["size"]),
            helper.make_node("Equal", ["size", "five"], ["condition"]),
        ],
        {"axis": np.array(3), "five": np.array([5])[0]},
    ),
    "a size that is smaller": (
        [
            helper.make_node("Shape", ["given"], ["shape"], start=2, end=3),
            helper.make_node("Less", ["shape", "six"], ["condition"]),
        ],
        {"six": np.array([6])},
    ),
    "not another size": (
        [
            helper.make_node("Shape", ["given"], ["shape"], start=1, end=2),
            helper.make_node("Greater", ["shape", "four"], ["greater"]),
            helper.make_node("Cast", ["greater"], ["number"], to=TensorProto.INT64),
            helper.make_node("Cast", ["number"], ["truth"], to=TensorProto.BOOL),
            helper.make_node("Not", ["truth"], ["condition"]),
        ],
        {"four": np.array([4])},
    ),
    "a negative quotient, which onnxruntime rounds towards zero": (
        [
            helper.make_node("Div", ["minus_seven", "two"], ["quotient"]),
            helper.make_node("Equal", ["quotient", "minus_three"], ["condition"]),
        ],
        {"minus_seven": np.array(-7), "two": np.array(2), "minus_three": np.array(-3)},
    ),
}


def with_condition(model, name, taken, other, **options):
    nodes, numbers = CONDITIONS[name]
    for key, value in numbers.items():
        constant(model, key, value, value.dtype.type)
    with_branch(model, "condition", nodes, taken, other, **options)


@pytest.mark.parametrize("name", CONDITIONS)
def test_what_sizes_decide_is_followed(plain, prove, name):
    for taken, other, passed in ((SAME, WRONG, True), (WRONG, SAME, False)):
        model = copied(plain)
        with_condition(model, name, graph_of([taken], "y"), graph_of([other], "y"))
        assert prove(model).passed is passed


def test_branches_within_branches_with_values_of_all_graphs(plain, prove):
    """The inner one reads a value of the outer branch and of the graph, and hides none; one output is not read."""
    model = copied(plain)
    inner = graph_of([helper.make_node("Mul", ["given", "one"], ["y"])], "y")
    wrong = graph_of([helper.make_node("Neg", ["one"], ["y"])], "y")
    one = numpy_helper.from_array(np.float32(1), "one")
    nested = helper.make_node("If", ["condition"], ["z"], then_branch=inner, else_branch=wrong)
    other = graph_of([helper.make_node("Neg", ["given"], ["z"]), helper.make_node("Neg", ["z"], ["w"])], "z", "w")
    with_condition(
        model, "a constant", graph_of([nested], "z", "one", tensors=[one]), other, outputs=("chosen", "more")
    )
    report = prove(model)
    assert report.passed
    assert next(check.subject for check in report.checks if check.name == "branches") == "4 branches"


def test_a_branch_may_give_a_value_of_the_graph_around_it(plain, prove):
    model = copied(plain)
    with_condition(model, "a constant", graph_of([], "given"), graph_of([WRONG], "y"))
    assert prove(model).passed


def on_the_batch(model):
    nodes = [
        helper.make_node("Shape", ["given"], ["shape"], start=0, end=1),
        helper.make_node("Equal", ["shape", "two"], ["condition"]),
    ]
    constant(model, "two", [2], np.int64)
    with_branch(model, "condition", nodes, graph_of([WRONG], "y"), graph_of([SAME], "y"))


def on_the_numbers(model):
    nodes = [
        helper.make_node("ReduceMax", ["given"], ["most"], keepdims=0),
        helper.make_node("Greater", ["most", "limit"], ["condition"]),
    ]
    constant(model, "limit", 1e6)
    with_branch(model, "condition", nodes, graph_of([WRONG], "y"), graph_of([SAME], "y"))


def without_a_way(model):
    with_condition(model, "a constant", graph_of([SAME], "y"), graph_of([WRONG], "y"))
    del next(node for node in model.graph.node if node.output[0] == "chosen").attribute[1]


def of_more_outputs(model):
    with_condition(model, "a constant", graph_of([SAME], "y", "given"), graph_of([WRONG], "y"))


def in_a_domain(model):
    with_condition(model, "a constant", graph_of([SAME], "y"), graph_of([WRONG], "y"))
    next(node for node in model.graph.node if node.output[0] == "chosen").domain = "their.own"


def too_many(model):
    for _ in range(65):
        with_branch(model, "condition", [], graph_of([SAME], "y"), graph_of([WRONG], "y"), outputs=("given",))
    constant(model, "condition", True, np.bool_)


@pytest.mark.parametrize(
    "change", [on_the_batch, on_the_numbers, without_a_way, of_more_outputs, in_a_domain, too_many]
)
def test_other_branches_are_told(plain, prove, change):
    model = copied(plain)
    change(model)
    with pytest.raises(InputError, match=NOT_FOLLOWED.format("If")):
        prove(model)


def test_loops_are_told(plain, prove):
    model = copied(plain)
    body = helper.make_graph([], "body", [], [helper.make_tensor_value_info("go", TensorProto.BOOL, [])])
    model.graph.node.append(helper.make_node("Loop", ["", ""], [], body=body))
    with pytest.raises(InputError, match=NOT_FOLLOWED.format("Loop")):
        prove(model)


def test_tensors_in_branches_are_checked(plain, prove):
    model = copied(plain)
    for branch in branches(model):
        scaled(branch)
        (tensor,) = branch.initializer
        tensor.raw_data = tensor.raw_data[:-1]
        with pytest.raises(ArtifactError, match="has data that does not match its shape"):
            prove(model)
        tensor.CopyFrom(numpy_helper.from_array(np.float16(1), tensor.name))
    with pytest.raises(InputError, match="It computes in float16"):
        prove(model)


def test_values_that_only_a_branch_reads_are_kept_with_its_output(plain, checkpoint, tmp_path):
    """What the branch reads also makes another output, which is left out."""
    model = copied(plain)
    model.graph.node.insert(0, helper.make_node("Softmax", [model.graph.output[0].name], ["shares"]))
    model.graph.node.append(model.graph.node[0])
    del model.graph.node[0]
    pooled = next(node for node in model.graph.node if node.op_type == "AveragePool").output[0]
    for name in ("shares", pooled):
        model.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))
    path = tmp_path / "theirs.onnx"
    path.write_bytes(model.SerializeToString())
    assert lenetx.verify(path, against=checkpoint, output=0).passed


def test_a_file_with_branches_is_not_adopted(plain, checkpoint, tmp_path):
    path = tmp_path / "theirs.onnx"
    path.write_bytes(plain.SerializeToString())
    with pytest.raises(InputError, match="cannot be adopted. " + NOT_FOLLOWED.format("If")):
        lenetx.adopt(path, against=checkpoint, folder=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_engine_agrees_with_the_ways_that_are_taken(module, plain):
    """An engine that runs the file as it is gives the logits that are proven."""
    import onnxruntime

    inputs = np.random.default_rng(0).normal(size=(3, 1, 12, 12)).astype(np.float32)
    session = onnxruntime.InferenceSession(plain.SerializeToString(), providers=["CPUExecutionProvider"])
    found = session.run(None, {"x": inputs})[0]
    assert np.allclose(found, module(torch.from_numpy(inputs)).detach().numpy(), atol=1e-6)
