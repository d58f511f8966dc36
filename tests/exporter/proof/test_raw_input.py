"""Graphs that take uint8 frames: honest ones pass, and each fault is found by the check that is meant for it."""

import dataclasses

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from lenetx import ArtifactError, InputError, Reference
from lenetx.formats import get
from lenetx.formats.network import Network
from lenetx.formats.onnx import preprocessing
from lenetx.weights.checkpoint import Checkpoint
from lenetx_runtime import Classifier
from lenetx_runtime.preprocess import lookup_table

from .conftest import check_of, failed, make_checkpoint, only, resealed, respell

COLOURS = {"mean": (0.5, 0.45, 0.4), "std": (0.25, 0.22, 0.2)}
UNREACHABLE = {"zeros", "denormal inputs", "large inputs", "refusals"}


@pytest.fixture(scope="module")
def raw_bytes(reference):
    return get("onnx").export(reference.network, raw_input=True)


@pytest.fixture(scope="module")
def colour():
    """A network for 8×12 colour frames with a border of 2."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 10 * 14, 3)).eval()
    found = Checkpoint.of(module, input_shape=(3, 12, 16), labels=("a", "b", "c"), framing="stretch", **COLOURS)
    spec = dataclasses.replace(found.spec, padding=2, selftest=None)
    return Reference(dataclasses.replace(found, spec=spec), None, "There are none.")


@pytest.fixture(scope="module")
def colour_bytes(colour):
    return get("onnx").export(colour.network, raw_input=True)


def changed(name, change):
    """Change one tensor of the preprocessing."""

    def damage(model):
        tensor = next(each for each in model.graph.initializer if each.name == f"preprocessing:{name}")
        values = numpy_helper.to_array(tensor).copy()
        tensor.CopyFrom(numpy_helper.from_array(np.asarray(change(values), values.dtype), tensor.name))

    return damage


def looked_up(table):
    """Replace the arithmetic of one channel by a table of 256 values."""

    def damage(model):
        graph = model.graph
        own = [node for node in graph.node if not node.output[0].startswith("preprocessing:")]
        kept = [each for each in graph.initializer if each.name[14:] in ("axes", "pads", "black")]
        kept += [each for each in graph.initializer if not each.name.startswith("preprocessing:")]
        nodes = [
            helper.make_node("Unsqueeze", ["image", "preprocessing:axes"], ["preprocessing:planes"]),
            helper.make_node("Cast", ["preprocessing:planes"], ["preprocessing:levels"], to=TensorProto.INT32),
            helper.make_node("Gather", ["preprocessing:table", "preprocessing:levels"], ["preprocessing:rounded"]),
            helper.make_node(
                "Pad", [f"preprocessing:{each}" for each in ("rounded", "pads", "black")], ["preprocessing:inputs"]
            ),
        ]
        del graph.node[:], graph.initializer[:]
        graph.node.extend([*nodes, *own])
        graph.initializer.extend([*kept, numpy_helper.from_array(table, "preprocessing:table")])

    return damage


def reordered(perm):
    def damage(model):
        node = next(node for node in model.graph.node if node.op_type == "Transpose")
        node.attribute[0].ints[:] = perm

    return damage


def flipped_channels(model):
    """Take BGR for RGB: the weights stay, and the numbers of the channels are swapped."""
    for name in ("factor", "offset"):
        changed(name, lambda values: values[::-1])(model)


def test_an_honest_file_passes_and_says_what_it_saw(judge, raw_bytes):
    report = judge(raw_bytes, "a.raw.onnx")
    report.raise_if_failed()
    assert report.artifact["input"] == "uint8[N, 28, 28]"
    assert report.conclusion.endswith("; from uint8[N, 28, 28]).")
    assert {check.name for check in report.checks if check.group == "hard inputs" and not check.ran} == UNREACHABLE
    assert {"raw nodes", "raw levels", "weights", "graph", "layers", "labels"} <= {
        check.name for check in report.checks if check.status == "passed"
    }
    assert "256 levels in each channel" in check_of(report, "raw levels").subject
    assert not [check.name for check in report.checks if check.status == "not_run"]


def test_an_honest_file_in_colour_passes(judge, colour, colour_bytes):
    report = judge(colour_bytes, "a.raw.onnx", colour)
    report.raise_if_failed()
    assert report.artifact["input"] == "uint8[N, 8, 12, 3]"
    assert check_of(report, "raw nodes").subject == "Transpose, Cast, Pad, Mul, Add, Cast"
    ours, theirs = Classifier(colour_bytes), Classifier(get("onnx").export(colour.network))
    pictures = list(np.random.default_rng(0).integers(0, 256, (5, 20, 30, 3), np.uint8))
    assert ours.predict_batch(pictures) == theirs.predict_batch(pictures)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (changed("factor", lambda factor: factor * (1 + 1e-7)), "Its factor is"),
        (changed("offset", lambda offset: offset + 1e-7), "Its offset is"),
        (changed("black", lambda black: black * 0), "Its black is"),
        (changed("pads", lambda pads: np.add(pads, [0, 0, 1, -1, 0, 0, -1, 1])), "Its pads is"),
    ],
    ids=["factor", "offset", "black", "pads"],
)
def test_a_wrong_number_is_found_by_the_nodes_and_by_the_levels(judge_once, raw_bytes, damage, words):
    report = judge_once(resealed(raw_bytes, damage), "a.raw.onnx")
    assert {"raw nodes", "raw levels"} <= set(failed(report))
    assert words in check_of(report, "raw nodes").detail
    assert "numbers differ from the runtime's" in check_of(report, "raw levels").detail


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"mean": (0.1559 + 1e-6,)}, "Its offset is"),
        ({"std": (0.2976 * (1 + 1e-6),)}, "Its factor is"),
        ({"scale": 1 / 256}, "Its factor is"),
    ],
    ids=["mean", "std", "scale"],
)
def test_the_preprocessing_of_another_spec_is_found(judge_once, checkpoint, wrong, words):
    other = dataclasses.replace(checkpoint, spec=dataclasses.replace(checkpoint.spec, **wrong))
    contents = get("onnx").export(Network(other), raw_input=True)
    right = {name: getattr(checkpoint.spec, name) for name in wrong}
    report = judge_once(resealed(contents, respell(lambda spec: dataclasses.replace(spec, **right))), "a.raw.onnx")
    assert {"raw nodes", "raw levels"} <= set(failed(report))
    assert words in check_of(report, "raw nodes").detail


def test_numbers_that_two_operators_cannot_reproduce_get_three(judge, checkpoint):
    """Level 7 minus the mean is 0, or the rounding error of something: a factor and an offset give another one."""
    spec = dataclasses.replace(checkpoint.spec, mean=(7 / 255,), std=(0.2,))
    other = Reference(dataclasses.replace(checkpoint, spec=spec), None, "There are none.")
    report = judge(get("onnx").export(other.network, raw_input=True), "a.raw.onnx", other)
    report.raise_if_failed()
    assert check_of(report, "raw nodes").subject == "Unsqueeze, Cast, Mul, Sub, Div, Cast, Pad"


def test_a_table_that_is_off_by_one_level(judge_once, raw_bytes, checkpoint):
    table = lookup_table(checkpoint.spec)[0]
    report = judge_once(resealed(raw_bytes, looked_up(np.r_[table[1:], table[-1:]])), "a.raw.onnx")
    assert {"raw nodes", "raw levels", "random inputs"} <= set(failed(report))
    honest = judge_once(resealed(raw_bytes, looked_up(table)), "a.raw.onnx")
    assert "Unsqueeze, Cast, Gather, Pad instead of" in only(honest, "raw nodes").detail


@pytest.mark.parametrize("damage", [reordered([0, 3, 2, 1]), flipped_channels], ids=["turned", "blue, green, red"])
def test_axes_and_channels_in_another_order(judge_once, colour, colour_bytes, damage):
    report = judge_once(resealed(colour_bytes, damage), "a.raw.onnx", colour)
    assert {"raw nodes", "raw levels", "random inputs"} <= set(failed(report))


def test_a_spec_that_agrees_with_a_wrong_graph_is_found_by_the_spec(judge_once, checkpoint):
    spec = dataclasses.replace(checkpoint.spec, mean=(checkpoint.spec.mean[0] + 0.01,))
    other = Network(dataclasses.replace(checkpoint, spec=spec))
    report = judge_once(get("onnx").export(other, raw_input=True), "a.raw.onnx")
    assert {"spec", "preprocessing", "raw levels", "random inputs"} <= set(failed(report))
    assert "raw nodes" not in failed(report)


def test_a_network_that_reads_the_frames_beside_its_inputs_fails_by_its_graph(judge_once, raw_bytes):
    """What is judged is everything that runs: nothing but the preprocessing may read the frames."""

    def damage(model):
        graph, zero = model.graph, numpy_helper.from_array(np.zeros((), np.float32), "constant:90")
        nodes = [
            helper.make_node("Cast", ["preprocessing:planes"], ["seen"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMax", ["seen"], ["most"], keepdims=0),
            helper.make_node("Mul", ["most", "constant:90"], ["nothing"]),
            helper.make_node("Add", ["sum", "nothing"], ["logits"]),
        ]
        graph.node[-1].output[0] = "sum"
        graph.node.extend(nodes)
        graph.initializer.append(zero)

    assert "graph" in failed(judge_once(resealed(raw_bytes, damage), "a.raw.onnx"))


def test_a_graph_without_an_input_is_refused(opened, raw_bytes):
    def damage(model):
        del model.graph.input[:]
        model.graph.initializer.append(numpy_helper.from_array(np.zeros((1, 28, 28), np.uint8), "image"))

    with pytest.raises(ArtifactError, match="Its spec says"):
        opened(resealed(raw_bytes, damage), "a.raw.onnx")


def test_changed_weights_are_found_behind_the_preprocessing(judge_once, raw_bytes):
    def damage(model):
        tensor = next(each for each in model.graph.initializer if each.name == "fc3.bias")
        values = numpy_helper.to_array(tensor).copy()
        values[3] = np.nextafter(values[3], np.float32(1))
        tensor.CopyFrom(numpy_helper.from_array(values, "fc3.bias"))

    assert (
        "1 of 10 numbers in fc3.bias" in only(judge_once(resealed(raw_bytes, damage), "a.raw.onnx"), "weights").detail
    )


def test_what_enters_the_network_is_that_of_the_runtime_at_every_padding(colour):
    """One black for all channels is padded last; each has the same bits as the runtime's."""
    for padding, mean in ((0, COLOURS["mean"]), (2, COLOURS["mean"]), (2, (0.5,) * 3)):
        numbers = {"mean": mean, "std": (0.25,) * 3} if len({*mean}) == 1 else COLOURS
        spec = dataclasses.replace(colour.checkpoint.spec, padding=padding, **numbers)
        network = Network(dataclasses.replace(colour.checkpoint, spec=spec))
        model = onnx.load_from_string(get("onnx").export(network, raw_input=True))
        assert preprocessing.difference(model, spec) is None
        operators = [node.op_type for node in model.graph.node]
        assert operators.count("Pad") == (padding > 0)
        assert (padding > 0 and operators.index("Pad") > operators.index("Add")) == (len({*mean}) == 1)


def test_unknown_preprocessing_and_reduced_precision_are_refused(reference):
    spec = dataclasses.replace(
        reference.checkpoint.spec, framing="unknown", polarity="as_is", padding=0, mean=(0,), std=(1,)
    )
    unknown = Network(dataclasses.replace(reference.checkpoint, spec=spec))
    with pytest.raises(InputError, match="do not record their preprocessing"):
        get("onnx").export(unknown, raw_input=True)
    with pytest.raises(InputError, match="available in float32 only; the precision is float16"):
        get("onnx").export(reference.network, raw_input=True, precision="float16")


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["lenet5-1998", "lenet5-3x3", "lenet5-bn", "lenet5-dropout"])
def test_every_network(judge, architecture):
    other = Reference(make_checkpoint(architecture), None, "There are none.")
    for options in ({}, {"batch": 4}, {"opset": 14}, {"opset": 23}):
        contents = get("onnx").export(other.network, raw_input=True, probabilities=True, **options)
        judge(contents, "a.raw.onnx", other).raise_if_failed()
