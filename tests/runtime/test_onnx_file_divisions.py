"""A division of whole numbers that could end the process is refused, and no other is."""

import numpy as np
import pytest
from onnx import defs, helper, numpy_helper

from lenetx_runtime import ArtifactError, Classifier
from lenetx_runtime.graph_checks import OTHERS
from lenetx_runtime.onnx_file import read_spec

LEAST = np.iinfo(np.int64).min


def dividing(nodes, operator="Div", also=(), **tensors):
    """Return an edit that adds tensors, nodes that make ``a`` and ``b`` where no tensor is, and their division."""

    def edit(model):
        logits = model.graph.node[-1]
        logits.output[0] = "sums"
        tensors_given = {"least": np.array([LEAST]), "one": np.array([1])} | tensors
        model.graph.initializer.extend(
            numpy_helper.from_array(np.asarray(each), name) for name, each in tensors_given.items()
        )
        made = [helper.make_node(*node[:3], **(node[3] if len(node) > 3 else {})) for node in nodes]
        made += [
            helper.make_node(operator, ["a", "b", *also], ["share"]),
            helper.make_node("Cast", ["share"], ["row"], to=1),
        ]
        made += [helper.make_node("Add", ["sums", "row"], ["logits"])]
        model.graph.node.extend(made)

    return edit


MEAN = ("ReduceMean", ["image"], ["b"])
CHOSEN = ("ArgMax", ["sums"], ["a"], {"axis": 1, "keepdims": 1})
REFUSED = {
    "the least by -1": dividing([], a=[LEAST], b=[-1]),
    "beside a third input, which is a fraction": dividing([], also=["image"], a=[LEAST], b=[-1]),
    "beside an input that has no name": dividing([("Exp", ["sums"], [""])], also=[""], a=[LEAST], b=[-1]),
    "of int32": dividing([], a=np.array([-(2**31)], np.int32), b=np.array([-1], np.int32)),
    "by 0": dividing([], a=[1], b=[0]),
    "the rest of it": dividing([], "Mod", a=[LEAST], b=[0]),
    "by something computed": dividing([CHOSEN, ("Neg", ["a"], ["b"])]),
    "by a cast": dividing([("Cast", ["sums"], ["b"], {"to": 7})], a=[LEAST]),
    "by what takes the place of a number": dividing([("Where", ["yes", "least", "one"], ["b"])], a=[LEAST], yes=[True]),
    "by a size": dividing([("Shape", ["image"], ["b"])], a=[LEAST]),
    "by whole numbers of a node": dividing([("Constant", [], ["b"], {"value_ints": [1, 6]})], a=[LEAST]),
    "by a tensor of a node": dividing(
        [("Constant", [], ["b"], {"value": numpy_helper.from_array(np.array([-1]))})], a=[LEAST]
    ),
    "by a second result": dividing([("TopK", ["sums", "one"], ["top", "b"])], a=[LEAST]),
}
TAKEN = {
    "by a constant above zero": dividing([CHOSEN], b=[3]),
    "by a constant above zero, of a node": dividing(
        [CHOSEN, ("Constant", [], ["b"], {"value": numpy_helper.from_array(np.array([3]))})]
    ),
    "by a computed fraction": dividing([("Identity", ["sums"], ["a"]), MEAN]),
    "by a fraction of a size": dividing(
        [("Shape", ["image"], ["size"]), ("Cast", ["size"], ["b"], {"to": 1}), ("Add", ["b", "b"], ["a"])],
    ),
    "a constant fraction": dividing([("Exp", ["sums"], ["b"])], a=np.ones(1, np.float32)),
    "by halves": dividing(
        [("Split", ["sums"], ["halves", "b"], {"num_outputs": 2, "axis": 1})], a=np.ones((1, 5), np.float32)
    ),
}


@pytest.mark.parametrize("edit", REFUSED)
def test_what_may_end_the_process_is_refused(build_model, edit):
    with pytest.raises(ArtifactError, match="It divides whole numbers by 'b', which may be -1 or 0"):
        read_spec(build_model(REFUSED[edit]))


@pytest.mark.parametrize("edit", TAKEN)
def test_what_cannot_is_taken(build_model, spec, edit):
    assert read_spec(build_model(TAKEN[edit])).labels == spec.labels


def test_constants_are_understood_in_either_spelling(build_model, seven):
    def listed(model):
        dividing([CHOSEN], b=[3])(model)
        tensor = next(each for each in model.graph.initializer if each.name == "b")
        tensor.ClearField("raw_data")
        tensor.int64_data.append(3)

    assert Classifier(build_model(listed)).predict(seven) == Classifier(build_model(dividing([CHOSEN], b=[3]))).predict(
        seven
    )


def test_two_values_of_one_name_are_trusted_in_neither(build_model):
    def edit(model):
        dividing([("Identity", ["least"], ["a"])], b=np.array([3]))(model)
        model.graph.initializer.append(numpy_helper.from_array(np.array([-1]), "b"))

    with pytest.raises(ArtifactError, match="Two of its tensors have one name"):
        read_spec(build_model(edit))


def test_values_in_a_circle_are_trusted_in_none(build_model):
    ring = [("Identity", ["a"], ["b"]), ("Identity", ["b"], ["a"])]
    with pytest.raises(ArtifactError, match="which may be -1 or 0"):
        read_spec(build_model(dividing(ring)))


def test_the_operators_whose_result_has_another_type_than_their_first_input_are_all_known():
    """Of those that lenetx runs at all: onnx lists them with the types that they take."""
    known = {"Cast", *(name.decode() for name in OTHERS)}
    graphs, sequences = {"If", "Loop", "Scan"}, {"ConcatFromSequence", "OptionalGetElement", "SequenceAt"}
    whole, found = {"tensor(int32)", "tensor(int64)"}, set()
    for schema in defs.get_all_schemas_with_history():
        result, source = [*schema.outputs, None][0], [*schema.inputs, None][0]
        if schema.domain or not result or not whole & set(result.types):
            continue
        if source is None or (result.type_str != source.type_str and set(source.types) - whole):
            found.add(schema.name)
    assert found - graphs - sequences <= known
