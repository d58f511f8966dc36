"""Weights in another file are refused wherever they hide, though onnxruntime would go and read that file.

Where lenetx writes weights, each place is tried twice: with the weights inside, to show that the model is a good one,
and outside. Graphs in nodes, functions and sparse tensors are refused whatever they hold.
"""

import numpy as np
import pytest
from onnx import AttributeProto, TensorProto, helper, numpy_helper

from lenetx_runtime import ArtifactError, Classifier
from lenetx_runtime.onnx_file import read_spec, seal

OTHER_FILE = "weights.bin"


def move_out(tensor):
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", OTHER_FILE


def constant(tensor, output):
    return helper.make_node("Constant", [], [output], value=tensor)


def branch(tensor, *, as_node):
    output = helper.make_tensor_value_info("chosen", TensorProto.FLOAT, [400, 10])
    nodes = [constant(tensor, "inner")] if as_node else []
    inner = tensor.name if not as_node else "inner"
    return helper.make_graph(
        [*nodes, helper.make_node("Identity", [inner], ["chosen"])], "branch", [], [output], [] if as_node else [tensor]
    )


def in_initializer(model, tensor):
    model.graph.initializer.append(tensor)


def in_constant(model, tensor):
    model.graph.node.insert(0, constant(tensor, "dense"))


def in_branch(model, tensor, *, as_node):
    safe = numpy_helper.from_array(np.ones((400, 10), np.float32), "ones")
    yes = numpy_helper.from_array(np.array(True), "yes")
    tensor.name = "hidden"
    chosen = helper.make_node(
        "If", ["yes"], ["dense"], then_branch=branch(tensor, as_node=as_node), else_branch=branch(safe, as_node=False)
    )
    model.graph.initializer.append(yes)
    model.graph.node.insert(0, chosen)


def in_branch_initializer(model, tensor):
    in_branch(model, tensor, as_node=False)


def in_branch_constant(model, tensor):
    in_branch(model, tensor, as_node=True)


def in_sparse_initializer(model, tensor):
    flat = TensorProto()
    flat.CopyFrom(tensor)
    del flat.dims[:]
    flat.dims.append(4000)
    indices = numpy_helper.from_array(np.arange(4000, dtype=np.int64))
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(flat, indices, [400, 10]))


def in_function(model, body, parameters=()):
    opset = helper.make_opsetid("", 18)
    body = [*body, helper.make_node("MatMul", ["x", "w"], ["y"])]
    function = helper.make_function("local", "Dense", ["x"], ["y"], body, [opset], attribute_protos=list(parameters))
    model.functions.append(function)
    model.opset_import.append(helper.make_opsetid("local", 1))
    model.graph.node[-1].CopyFrom(helper.make_node("Dense", ["flat"], ["logits"], domain="local"))


def in_function_constant(model, tensor):
    in_function(model, [constant(tensor, "w")])


def in_function_default(model, tensor):
    default = AttributeProto(name="weights", type=AttributeProto.TENSOR, t=tensor)
    node = helper.make_node("Constant", [], ["w"])
    node.attribute.append(AttributeProto(name="value", type=AttributeProto.TENSOR, ref_attr_name="weights"))
    in_function(model, [node], [default])


PLACES = [in_initializer, in_constant]
OTHERS = [
    in_branch_initializer,
    in_branch_constant,
    in_sparse_initializer,
    in_function_constant,
    in_function_default,
]


@pytest.fixture
def other_file(tmp_path, monkeypatch):
    """The file that a model could point to lies in the working directory, where onnxruntime looks for it."""
    monkeypatch.chdir(tmp_path)
    np.ones((400, 10), np.float32).tofile(OTHER_FILE)


def relocate(place, *, outside):
    def edit(model):
        tensor = TensorProto()
        tensor.CopyFrom(next(held for held in model.graph.initializer if held.name == "dense"))
        if outside:
            move_out(tensor)
        del model.graph.initializer[1]
        place(model, tensor)

    return edit


@pytest.mark.usefixtures("other_file")
@pytest.mark.parametrize("place", PLACES)
def test_weights_in_another_file_are_refused(build_model, seven, place):
    inside = Classifier(build_model(relocate(place, outside=False)))
    assert inside.predict(seven) == Classifier(build_model()).predict(seven)
    with pytest.raises(ArtifactError, match="another file"):
        Classifier(build_model(relocate(place, outside=True)))


@pytest.mark.usefixtures("other_file")
@pytest.mark.parametrize("place", OTHERS)
@pytest.mark.parametrize("outside", [False, True])
def test_places_that_lenetx_never_writes_weights_to_are_refused(build_model, place, outside):
    with pytest.raises(ArtifactError, match=r"never writes|not one that lenetx runs"):
        read_spec(build_model(relocate(place, outside=outside)))


@pytest.mark.parametrize("field", ["data_location", "external_data"])
def test_either_sign_of_another_file_is_enough(build_model, field):
    def edit(model):
        move_out(model.graph.initializer[1])
        model.graph.initializer[1].ClearField(field)

    with pytest.raises(ArtifactError, match="another file"):
        read_spec(build_model(edit))


def test_the_data_location_that_says_inside_is_fine(build_model, spec):
    def edit(model):
        model.graph.initializer[1].data_location = TensorProto.DEFAULT

    assert read_spec(build_model(edit)).labels == spec.labels


def varint(number):
    groups = [number >> shift & 0x7F for shift in range(0, max(number.bit_length(), 1), 7)]
    return bytes([*(group | 0x80 for group in groups[:-1]), groups[-1]])


def message(field, payload, excess=0):
    return varint(field << 3 | 2 | excess << 32) + varint(len(payload)) + payload


@pytest.mark.usefixtures("other_file")
def test_a_field_number_with_excess_bits_hides_nothing(build_model):
    """Protobuf drops the bits above the 32nd of a tag, so a longer number still means external_data to an engine."""

    def drop_weights(model):
        del model.graph.initializer[1]

    shape = varint(1 << 3) + varint(400) + varint(1 << 3) + varint(10) + varint(2 << 3) + varint(TensorProto.FLOAT)
    place = message(13, message(1, b"location") + message(2, OTHER_FILE.encode()), excess=1)
    outside = varint(14 << 3 | 1 << 32) + varint(TensorProto.EXTERNAL)
    tensor = shape + message(8, b"dense") + place + outside
    with pytest.raises(ArtifactError):
        Classifier(seal(build_model(drop_weights, sealed=False) + message(7, message(5, tensor))))


@pytest.mark.parametrize("depth", [100, 5_000])
def test_graphs_nested_without_end_are_refused_in_words(build_model, depth):
    graph = b""
    for _ in range(depth):
        graph = message(1, message(5, message(6, graph)))
    with pytest.raises(ArtifactError, match="nested graph"):
        read_spec(seal(build_model(sealed=False) + message(7, graph)))
