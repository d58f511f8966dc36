"""A file of operators that move numbers, bend them or attend, changed in one place: the graph alone shows it."""

import functools

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper

from lenetx.graph import Expression, difference
from lenetx.graph.expression import make, weight
from lenetx.graph.shapes import expand

from .conftest import Known
from .test_operators import NETWORKS, SHAPE, written


@functools.cache
def exported(name):
    """Return what a network does, and the bytes of its file."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = NETWORKS[name]().eval().requires_grad_(False)
    known = Known(network, SHAPE)
    return known, written(network, known, opset=18).SerializeToString()


def nodes(model, operator):
    return [node for node in model.graph.node if node.op_type == operator]


def changed_input(model, node, place, change):
    """Replace a constant of one node by a changed copy; other nodes may read the original."""
    held = next(each for each in model.graph.initializer if each.name == node.input[place])
    array = change(numpy_helper.to_array(held).copy())
    model.graph.initializer.append(numpy_helper.from_array(array, "constant:900"))
    node.input[place] = "constant:900"


def last_changed(array):
    array.reshape(-1)[-1] += 1
    return array


def put(node, name, value):
    kept = [each for each in node.attribute if each.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name, value)])


def sleeping(model, operator):
    """Put a choice behind an operator that takes another value where a number is greater than any seen."""
    node = nodes(model, operator)[0]
    clean, place = node.output[0], list(model.graph.node).index(node)
    node.output[0] = "clean"
    model.graph.initializer.append(numpy_helper.from_array(np.float32(1e6), "constant:900"))
    for more in (
        helper.make_node("Where", ["woken", "constant:900", "clean"], [clean]),
        helper.make_node("Greater", ["clean", "constant:900"], ["woken"]),
    ):
        model.graph.node.insert(place + 1, more)


def swapped(model, operator):
    node = nodes(model, operator)[0]
    node.input[0], node.input[1] = node.input[1], node.input[0]


def constant_of(operator, place, change=last_changed, which=0):
    return lambda model: changed_input(model, nodes(model, operator)[which], place, change)


def attribute_of(operator, name, value, which=0):
    return lambda model: put(nodes(model, operator)[which], name, value)


FAULTS = {
    "another shift": ("Moves", lambda model: swapped(model, "Concat")),
    "another axis of a flip": ("Moves", lambda model: _another_flip(model)),
    "other places of an index": ("Moves", constant_of("GatherND", 1, lambda array: array[::-1].copy())),
    "other places along an axis": ("Moves", constant_of("Gather", 1, lambda array: array[::-1].copy())),
    "other copies": ("Moves", constant_of("Tile", 1, lambda array: array[[0, 3, 2, 1]])),
    "another frame": ("Moves", lambda model: put(_pad_of(model, b"reflect"), "mode", "edge")),
    "another interpolation": ("Moves", attribute_of("Resize", "coordinate_transformation_mode", "half_pixel")),
    "other squares": ("Moves", attribute_of("DepthToSpace", "mode", "DCR")),
    "a branch that sleeps behind copies": ("Moves", lambda model: sleeping(model, "Tile")),
    "another beta": ("Curves", lambda model: _doubled_softplus(model)),
    "another threshold": ("Curves", constant_of("Greater", 1, lambda array: array + 1)),
    "other slopes": ("Curves", lambda model: nodes(model, "PRelu")[0].input.__setitem__(1, "group.bias")),
    "another epsilon": ("Curves", attribute_of("InstanceNormalization", "epsilon", 2e-5)),
    "numbers of a norm that has none": ("Curves", constant_of("InstanceNormalization", 1)),
    "other windows": ("Curves", constant_of("GatherND", 1, lambda array: array[::-1].copy())),
    "another mask": ("Curves", lambda model: _another_mask(model)),
    "a branch that sleeps behind a bend": ("Curves", lambda model: sleeping(model, "Softplus")),
    "another axis of softmax": ("Tokens", attribute_of("Softmax", "axis", -2)),
    "another scale": ("Tokens", constant_of("Div", 1, lambda array: array + 1)),
    "keys as values": ("Tokens", lambda model: swapped(model, "MatMul")),
    "another order of windows": ("Tokens", attribute_of("Transpose", "perm", [0, 4, 2, 3, 5, 1])),
    "other letters": ("Tokens", attribute_of("Einsum", "equation", "bjc,bic->bij")),
    "a branch that sleeps behind a token": ("Tokens", lambda model: sleeping(model, "Expand")),
    "a branch that sleeps in attention": ("Tokens", lambda model: sleeping(model, "Softmax")),
}


def _another_flip(model):
    flip = next(node for node in nodes(model, "Slice") if _is_backwards(model, node))
    changed_input(model, flip, 3, lambda array: array[::-1] * 0 + [1, 2][: len(array)])


def _is_backwards(model, node):
    held = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    return len(node.input) > 4 and (held[node.input[4]] < 0).all()


def _pad_of(model, mode):
    return next(each for each in nodes(model, "Pad") if any(a.s == mode for a in each.attribute if a.name == "mode"))


def _doubled_softplus(model):
    scaled = nodes(model, "Softplus")[0].input[0]
    node = next(each for each in model.graph.node if scaled in each.output)
    changed_input(model, node, 1, lambda array: array + 1)


def _another_mask(model):
    held = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    node = next(node for node in nodes(model, "Where") if node.input[0] in held)
    changed_input(model, node, 0, np.logical_not)


@pytest.mark.parametrize("name", ["Moves", "Curves", "Tokens"])
def test_honest_files_are_followed(name):
    known, contents = exported(name)
    found = known.onnx(contents)
    assert isinstance(known.expression, Expression)
    assert isinstance(found, Expression)
    assert difference(known.expression, found) is None


@pytest.mark.parametrize("fault", FAULTS)
def test_a_change_is_a_difference(fault):
    name, change = FAULTS[fault]
    known, contents = exported(name)
    model = onnx.load_from_string(contents)
    change(model)
    assert model.SerializeToString() != contents
    assert difference(known.expression, known.onnx(model)) is not None


def test_a_copy_of_a_weight_for_each_image_has_a_place():
    """Nothing before it depends on the input."""
    copies = expand(weight("token", (1, 4)), (1, 4), batched=True)
    other = make("exp", [copies], (1, 4))
    assert difference(make("log", [copies], (1, 4)), other) == (
        "Behind token the network's code has log; the artifact has exp."
    )
