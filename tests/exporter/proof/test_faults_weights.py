"""Faults in each layer, as files and as functions: which checks see them, and which layer is named."""

import dataclasses
from collections.abc import Callable

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from lenetx import Reference, Report
from lenetx.proof import prove

from .conftest import ORDINARY, Damage, Floats, check_of, failed, only, resealed, session_of
from .programs import ROUNDED

Judge = Callable[..., Report]
Change = Callable[[Floats], Floats]

LAYERS = ("conv1", "conv2", "fc1", "fc2", "fc3")


@pytest.fixture
def judge_damaged(opened: Callable, onnx_bytes: bytes, few: Reference) -> Judge:
    """As everywhere, but run in one way."""

    def run(damage: Damage) -> Report:
        file = opened(resealed(onnx_bytes, damage), "lenet5.onnx")
        return prove(dataclasses.replace(file, runs=()), few)

    return run


def change_of(kind: str) -> tuple[str, Change]:
    """Return which tensor of a layer is changed, and how."""
    return {
        "weights × (1 + 1e-4)": ("weight", lambda w: w * np.float32(1 + 1e-4)),
        "the first bit of a mantissa": ("weight", lambda w: with_flipped_bit(w, 22)),
        "a bias + 1e-3": ("bias", lambda b: b + np.float32(1e-3) * (np.arange(len(b)) == np.argmax(b))),
        "transposed kernel": ("weight", transposed),
        "swapped channels": ("weight", lambda w: w[[1, 0, *range(2, len(w))]]),
        "a NaN": ("weight", lambda w: np.where(np.arange(w.size).reshape(w.shape) == 3, np.float32("nan"), w)),
    }[kind]


SEEN_BY_THE_LAYER = (
    "the first bit of a mantissa",
    "a bias + 1e-3",
    "transposed kernel",
    "swapped channels",
    "a NaN",
    "weights × (1 + 1e-4)",
)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("kind", SEEN_BY_THE_LAYER)
def test_the_file_is_caught_and_the_layer_named(judge_damaged: Judge, layer: str, kind: str) -> None:
    part, change = change_of(kind)
    report = judge_damaged(changed(f"{layer}.{part}", change))
    assert {"weights", "layers"} <= set(failed(report))
    assert f"in {layer}.{part} differ" in check_of(report, "weights").detail
    assert check_of(report, "layers").detail.startswith(f"The first that is wrong is {layer}, or what leads to it, in ")


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("kind", ["weights × (1 + 1e-4)", "transposed kernel", "swapped channels", "a NaN"])
def test_the_numbers_alone_give_it_away(judge_function: Judge, onnx_bytes: bytes, few, layer: str, kind: str) -> None:
    part, change = change_of(kind)
    other = session_of(resealed(onnx_bytes, changed(f"{layer}.{part}", change)))
    assert set(failed(judge_function(other, few))) >= ORDINARY


@pytest.mark.parametrize("layer", LAYERS)
def test_biases_a_thousandth_more(judge_function: Judge, onnx_bytes: bytes, few: Reference, layer: str) -> None:
    other = session_of(resealed(onnx_bytes, changed(f"{layer}.bias", lambda b: b + np.float32(1e-3))))
    assert set(failed(judge_function(other, few))) >= ORDINARY


@pytest.mark.parametrize("layer", LAYERS)
def test_a_millionth_more_is_seen_by_its_bits_alone(judge_damaged: Judge, layer: str) -> None:
    """Honest float32 errs as much."""
    report = judge_damaged(changed(f"{layer}.weight", lambda w: w * np.float32(1 + 1e-6)))
    assert f"in {layer}.weight differ" in only(report, "weights").detail


@pytest.mark.parametrize("layer", LAYERS)
def test_one_bit_of_one_weight(judge_damaged: Judge, layer: str) -> None:
    report = judge_damaged(changed(f"{layer}.weight", lambda w: with_flipped_bit(w, 10)))
    assert f"1 of {check_size(layer)} numbers in {layer}.weight differ" in check_of(report, "weights").detail
    assert "weights" in failed(report)


@pytest.mark.parametrize(("place", "layer"), list(enumerate(LAYERS[1:])))
def test_a_missing_relu(judge_damaged: Judge, place: int, layer: str) -> None:
    def damage(model: onnx.ModelProto) -> None:
        relu = [node for node in model.graph.node if node.op_type == "Relu"][place]
        relu.op_type = "Identity"

    report = judge_damaged(damage)
    assert set(failed(report)) >= ORDINARY
    assert check_of(report, "layers").detail.startswith(f"The first that is wrong is {layer}, or what leads to it, ")


@pytest.mark.parametrize(("place", "layer"), [(0, "conv2"), (1, "fc1")])
def test_average_for_max_pooling(judge_damaged: Judge, place: int, layer: str) -> None:
    def damage(model: onnx.ModelProto) -> None:
        pool = [node for node in model.graph.node if node.op_type == "MaxPool"][place]
        pool.op_type = "AveragePool"

    report = judge_damaged(damage)
    assert set(failed(report)) >= ORDINARY
    assert check_of(report, "layers").detail.startswith(f"The first that is wrong is {layer}, or what leads to it, ")


@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax"])
def test_what_follows_the_last_layer(judge_damaged: Judge, operator: str) -> None:
    def damage(model: onnx.ModelProto) -> None:
        model.graph.node[-1].output[0] = "clean"
        model.graph.node.append(helper.make_node(operator, ["clean"], ["logits"], axis=1))

    report = judge_damaged(damage)
    assert set(failed(report)) >= ORDINARY
    assert check_of(report, "layers").detail.startswith("The first that is wrong is what follows the last layer in ")


@pytest.mark.parametrize("precision", ROUNDED)
@pytest.mark.parametrize("layer", LAYERS)
def test_weights_of_less_precision(judge_damaged: Judge, precision: str, layer: str) -> None:
    rounded = ROUNDED[precision]
    report = judge_damaged(changed(f"{layer}.weight", lambda w: rounded(torch.from_numpy(w)).numpy()))
    assert {"weights", "layers", "random inputs", "real inputs"} <= set(failed(report))
    assert check_of(report, "layers").detail.startswith(f"The first that is wrong is {layer}, ")


def changed(name: str, change: Change) -> Damage:
    def damage(model: onnx.ModelProto) -> None:
        tensor = next(each for each in model.graph.initializer if each.name == name)
        other = change(numpy_helper.to_array(tensor).copy())
        tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(other, np.float32), name))

    return damage


def with_flipped_bit(weight: Floats, bit: int) -> Floats:
    """Turn over one bit of the largest number."""
    bits: NDArray[np.uint32] = weight.copy().view(np.uint32)
    bits.reshape(-1)[np.abs(weight).argmax()] ^= 1 << bit
    return bits.view(np.float32)


def transposed(weight: Floats) -> Floats:
    """Swap the two axes of a kernel, or write a matrix column by column."""
    return weight.swapaxes(2, 3) if weight.ndim == 4 else np.ascontiguousarray(weight.T).reshape(weight.shape)


def check_size(layer: str) -> int:
    return {"conv1": 150, "conv2": 2400, "fc1": 48000, "fc2": 10080, "fc3": 840}[layer]
