"""Sizes that a file computes from constants are those of ONNX's own reference."""

import tracemalloc

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from lenetx.formats.foreign_onnx.constants import compute_constants


def model_of(operator, arrays, **attributes):
    names = [f"x{place}" for place in range(len(arrays))]
    domain = attributes.pop("domain", "")
    node = helper.make_node(operator, names, ["y"], domain=domain, **attributes)
    tensors = [numpy_helper.from_array(np.array(each), name) for name, each in zip(names, arrays, strict=True)]
    value = helper.make_tensor_value_info("y", TensorProto.INT64, None)
    graph = helper.make_graph([node], "sizes", [], [value], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])


def computed(model):
    """Return what is computed under the name of the output; ``None`` if the node is left."""
    found = onnx.ModelProto()
    found.CopyFrom(model)
    compute_constants(found)
    return next((numpy_helper.to_array(each) for each in found.graph.initializer if each.name == "y"), None)


places = st.integers(-9, 9) | st.sampled_from([2**63 - 1, -(2**63) + 1])


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 5), st.integers(1, 4), places, places, st.sampled_from([-3, -1, 1, 2]), st.sampled_from([0, 1, -1])
)
def test_slices_are_those_of_the_reference(rows, columns, start, end, step, axis):
    array = np.arange(rows * columns).reshape(rows, columns)
    model = model_of("Slice", [array, [start], [end], [axis], [step]])
    found = computed(model)
    if found is not None:
        assert np.array_equal(found, ReferenceEvaluator(model).run(None, {})[0])
    assert found is not None or start < -array.shape[axis]


@pytest.mark.parametrize(
    ("operator", "arrays", "attributes"),
    [
        ("Concat", [[1, 2], [3]], {"axis": 0}),
        ("Concat", [[[1], [2]], [[3], [4]]], {"axis": -1}),
        ("Reshape", [[1, 2, 3, 4], [-1, 2]], {}),
        ("Transpose", [[[1, 2], [3, 4]]], {}),
        ("Transpose", [[[1, 2, 3]]], {"perm": [1, 0]}),
        ("Cast", [[1, 2]], {"to": TensorProto.INT64}),
        ("Cast", [3], {"to": TensorProto.INT64}),
    ],
)
def test_other_operators_are_those_of_the_reference(operator, arrays, attributes):
    model = model_of(operator, arrays, **attributes)
    assert np.array_equal(computed(model), ReferenceEvaluator(model).run(None, {})[0])


@pytest.mark.parametrize(
    ("operator", "arrays", "attributes"),
    [
        ("Concat", [[1.0], [2.0]], {"axis": 0}),
        ("Transpose", [[[1.0, 2.0]]], {}),
        ("Transpose", [[[1, 2]]], {"domain": "their.own"}),
        ("Cast", [[1, 2]], {"to": TensorProto.FLOAT}),
        ("Reshape", [[1, 2], [0, 1]], {}),
        ("Reshape", [[1, 2], [3, -1]], {}),
        ("Slice", [[1, 2], [0], [1], [4]], {}),
    ],
)
def test_weights_other_domains_and_what_does_not_fit_are_left(operator, arrays, attributes):
    assert computed(model_of(operator, arrays, **attributes)) is None


def test_a_node_that_reads_one_tensor_many_times_takes_no_memory():
    model = model_of("Concat", [np.zeros(2**17, np.int64)], axis=0)
    model.graph.node[0].input[:] = ["x0"] * 64
    tracemalloc.start()
    assert computed(model) is None
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16 * 2**20
