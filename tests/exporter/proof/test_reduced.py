"""Break artifacts in float16 and int8 one way at a time: the check that is meant for it finds it."""

import dataclasses

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

import lenetx
from lenetx import Reference, data
from lenetx.formats import get
from lenetx.formats.network import Network
from lenetx.proof import prove
from lenetx.quantization.calibration import sample
from lenetx_runtime.certificate import certificate_path
from lenetx_runtime.preprocess import normalise
from lenetx_runtime.spec import FLOAT16, INT8

from .conftest import check_of, failed, first, only, resealed, respell, with_weights

STEP = 1 + 2.0**-7
"""What a scale is multiplied by: less than one step of int8 for the largest weight."""


@pytest.fixture(scope="module")
def int8_bytes(reference, digits):
    images = sample(digits, reference.checkpoint.spec, images=100)
    return get("onnx").export(reference.network, precision=INT8, sample=images)


@pytest.fixture(scope="module")
def float16_bytes(reference):
    return get("onnx").export(reference.network, precision=FLOAT16)


@pytest.fixture(scope="module")
def blind(checkpoint):
    """A reference without images, so that nothing can be calibrated again."""
    return Reference(checkpoint, None, "There are none.", max_drop=100)


@pytest.fixture(scope="module")
def lenient(checkpoint, digits):
    """A reference that accepts any loss of accuracy: what a fault does to labels is not the question."""
    return Reference(checkpoint, first(digits, 64), max_drop=100)


def changed(name, change):
    """Change one tensor of a model."""

    def damage(model):
        tensor = next(each for each in model.graph.initializer if each.name == name)
        values = numpy_helper.to_array(tensor).copy()
        tensor.CopyFrom(numpy_helper.from_array(np.asarray(change(values), values.dtype), name))

    return damage


def times(name, factor, channel=...):
    def change(values):
        values[channel] = values[channel] * np.float32(factor)
        return values

    return changed(name, change)


def test_honest_files_pass_every_check(judge, int8_bytes, float16_bytes, lenient):
    for contents, name, precision in ((int8_bytes, "a.int8.onnx", INT8), (float16_bytes, "a.fp16.onnx", FLOAT16)):
        report = judge(contents, name, lenient)
        report.raise_if_failed()
        assert report.artifact["precision"] == precision
        assert f"the network in {precision}" in report.conclusion
        assert "eager's" in report.conclusion
        assert f"rounding of its own {precision} graph" in report.reference["limit"]
        assert not [check.name for check in report.checks if check.status == "not_run"]


def test_the_scale_of_a_channel_that_is_off_by_less_than_a_step_fails_by_the_weights_alone(judge, int8_bytes, blind):
    """Fused operators take the bias's scale for the product of two others, so both are changed."""

    def damage(model):
        times("conv2.weight:scale", STEP, 3)(model)
        times("conv2.bias:scale", STEP, 3)(model)

    check = only(judge(resealed(int8_bytes, damage), "a.int8.onnx", blind), "weights")
    assert "conv2.weight in channel 3" in check.detail


def test_a_channel_of_tiny_weights_has_wider_steps_so_that_its_bias_fits(judge, checkpoint, digits):
    """As the channels that training gives up; wider steps anywhere else fail."""
    weight = checkpoint.state_dict["conv2.weight"].clone()
    weight[3] *= 1e-9
    tiny = with_weights("lenet5", {**checkpoint.state_dict, "conv2.weight": weight})
    blind = Reference(tiny, None, "There are none.", max_drop=100)
    images = sample(digits, tiny.spec, images=100)
    contents = get("onnx").export(Network(tiny), precision=INT8, sample=images)
    scales = numpy_helper.to_array(_tensor(contents, "conv2.weight:scale"))
    assert scales[3] > 2 * weight[3].abs().max().item() / 127
    judge(contents, "a.int8.onnx", blind).raise_if_failed()

    def damage(model):
        for name in ("conv2.weight", "conv2.bias"):
            times(f"{name}:scale", 2, 4)(model)
            changed(name, lambda values: np.where(_is_channel(values, 4), np.round(values / 2), values))(model)

    check = check_of(judge(resealed(contents, damage), "a.int8.onnx", blind), "weights")
    assert (check.status, "conv2.weight in channel 4" in check.detail) == ("failed", True)


def _is_channel(values, channel):
    return (np.arange(len(values)) == channel).reshape(-1, *[1] * (values.ndim - 1))


@pytest.mark.parametrize("tensor", ["conv2.weight", "fc1.bias"])
def test_an_integer_that_is_not_the_nearest_fails_by_the_weights_alone(judge, int8_bytes, blind, tensor):
    def change(values):
        values.reshape(-1)[7] += 1
        return values

    check = only(judge(resealed(int8_bytes, changed(tensor, change)), "a.int8.onnx", blind), "weights")
    assert f"1 of {numpy_helper.to_array(_tensor(int8_bytes, tensor)).size:,} numbers in {tensor}" in check.detail


def _tensor(contents, name):
    return next(each for each in onnx.load_from_string(contents).graph.initializer if each.name == name)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (changed("relu_1:zero", lambda zero: zero + 1), "The zero point of relu_1"),
        (times("relu_1:scale", STEP), "The scale of relu_1"),
        (times("relu_1:scale", 0.97), "The scale of relu_1"),
    ],
    ids=["zero point", "wider", "narrower"],
)
def test_a_range_that_is_not_the_calibrated_one_fails_by_the_calibration_alone(
    judge, int8_bytes, lenient, damage, words
):
    assert words in only(judge(resealed(int8_bytes, damage), "a.int8.onnx", lenient), "calibration").detail


def test_a_calibration_on_other_images_fails_by_the_calibration_alone(judge, reference, digits, lenient):
    images = sample(digits, reference.checkpoint.spec, images=100, seed=1)
    other = dataclasses.replace(images, calibration=dataclasses.replace(images.calibration, seed=0))
    contents = get("onnx").export(reference.network, precision=INT8, sample=other)
    assert "digest" in only(judge(contents, "a.int8.onnx", lenient), "calibration").detail


def test_a_file_that_does_not_say_how_it_was_calibrated_fails_by_the_calibration_alone(judge, int8_bytes, lenient):
    silent = resealed(int8_bytes, respell(lambda spec: dataclasses.replace(spec, calibration="by hand")))
    assert "does not say" in only(judge(silent, "a.int8.onnx", lenient), "calibration").detail


@pytest.mark.slow
def test_a_range_that_cuts_off_numbers_fails_by_the_saturation(judge, int8_bytes, lenient):
    report = judge(resealed(int8_bytes, times("relu_1:scale", 1 / 8)), "a.int8.onnx", lenient)
    assert {"saturation", "calibration"} <= set(failed(report))
    assert "of relu_1 are beyond" in check_of(report, "saturation").detail


def test_an_axis_of_scales_that_is_not_the_channels_fails_by_the_weights(judge, checkpoint, reference, digits, blind):
    def damage(model):
        """Turn the scales of a square weight to its inputs."""
        node = next(each for each in model.graph.node if each.input[0] == "conv2.weight")
        del node.attribute[:]
        node.attribute.append(onnx.helper.make_attribute("axis", 1))
        tensor = next(each for each in model.graph.initializer if each.name == "conv2.weight:scale")
        values = numpy_helper.to_array(tensor)[:6]
        tensor.CopyFrom(numpy_helper.from_array(values.copy(), tensor.name))

    images = sample(digits, checkpoint.spec, images=100)
    contents = get("onnx").export(reference.network, precision=INT8, sample=images)
    assert "weights" in failed(judge(resealed(contents, damage), "a.int8.onnx", blind))


def test_int8_weights_that_pass_for_float16_fail_by_the_weights_alone(judge, float16_bytes, blind):
    def damage(model):
        for tensor in model.graph.initializer:
            values = numpy_helper.to_array(tensor).astype(np.float32)
            if tensor.name == "fc1.weight":
                step = np.abs(values).max(axis=1, keepdims=True) / 127
                values = np.round(values / step) * step
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), tensor.name))

    assert "fc1.weight differ" in only(judge(resealed(float16_bytes, damage), "a.fp16.onnx", blind), "weights").detail


def test_another_operator_or_attribute_fails_by_the_graph_alone(judge, int8_bytes, blind):
    """A ReLU that the self-test and most images do not need: the second of two in a row would be one."""

    def damage(model):
        node = next(each for each in model.graph.node if each.op_type == "MaxPool")
        node.attribute.append(onnx.helper.make_attribute("dilations", [1, 1]))
        relu = next(each for each in model.graph.node if each.op_type == "Relu")
        relu.op_type = "LeakyRelu"
        relu.attribute.append(onnx.helper.make_attribute("alpha", 1e-6))

    report = judge(resealed(int8_bytes, damage), "a.int8.onnx", blind)
    assert {"graph", "numbers"} <= set(failed(report))


def test_arithmetic_that_is_not_the_graphs_fails_layer_by_layer_and_end_to_end(opened, int8_bytes, lenient):
    """Stand in for an engine that uses a wrong scale for one channel, which the file does not show."""
    right = opened(int8_bytes, "a.int8.onnx")
    wrong = opened(resealed(int8_bytes, times("conv2.weight:scale", STEP, 3)), "b.int8.onnx")
    layers = dataclasses.replace(right.reduced, integers=wrong.reduced.integers)
    report = prove(dataclasses.replace(right, reduced=layers), lenient)
    assert failed(report) == ["layers"]
    assert "conv2d_1" in check_of(report, "layers").detail
    report = prove(dataclasses.replace(right, backend=wrong.backend), lenient)
    assert {"random inputs", "real inputs"} <= set(failed(report))
    assert not {"weights", "graph", "layers", "calibration"} & set(failed(report))


@pytest.mark.slow
def test_labels_that_are_lost_fail_by_the_accuracy_alone(opened, checkpoint, digits):
    """The classes of these images, all nearly one, are nearly equal; the truth is what the network says in float32."""
    random = np.random.default_rng(0)
    noise = random.integers(0, 248, (28, 28), np.uint8) + random.integers(0, 8, (200, 28, 28), np.uint8)
    noise[:, 0] = noise[:, -1] = noise[:, :, 0] = noise[:, :, -1] = 0  # as in a frame of MNIST
    test = data.dataset.Split(noise, np.zeros(len(noise), np.int64))
    inputs = torch.from_numpy(normalise(test.framed(checkpoint.spec).images, checkpoint.spec))
    with torch.no_grad():
        usual = checkpoint.module()(inputs).mean(0)
        even = with_weights("lenet5", {**checkpoint.state_dict, "fc3.bias": checkpoint.state_dict["fc3.bias"] - usual})
        truth = even.module()(inputs).argmax(1).numpy()
    told = dataclasses.replace(digits, test=data.dataset.Split(noise, truth))
    contents = get("onnx").export(Network(even), precision=INT8, sample=sample(digits, even.spec, images=100))
    right = opened(contents, "a.int8.onnx")
    check = only(prove(right, Reference(even, told, max_drop=0)), "accuracy")
    assert "--max-drop" in check.detail
    report = prove(right, Reference(even, told, max_drop=100))
    report.raise_if_failed()
    flips = check_of(report, "labels").figures["flips"]
    assert check_of(report, "accuracy").measured == pytest.approx(100 * len(flips) / len(noise))


@pytest.mark.slow
def test_a_default_limit_on_the_accuracy_belongs_to_each_precision(
    judge, int8_bytes, float16_bytes, checkpoint, digits
):
    reference = Reference(checkpoint, first(digits, 64))
    assert check_of(judge(int8_bytes, "a.int8.onnx", reference), "accuracy").limit == 0.1
    assert check_of(judge(float16_bytes, "a.fp16.onnx", reference), "accuracy").limit == 0.02


def test_without_images_the_report_says_what_was_not_seen(judge, int8_bytes, blind):
    report = judge(int8_bytes, "a.int8.onnx", blind)
    report.raise_if_failed()
    unseen = {check.name for check in report.checks if check.status == "not_run"}
    assert {"calibration", "saturation", "accuracy", "labels"} <= unseen
    assert (
        "no real images seen; its ranges were not calibrated again, so wrong ones are not excluded" in report.conclusion
    )


def test_without_images_int8_gets_no_certificate(judge, int8_bytes, float16_bytes, blind, lenient, tmp_path):
    for contents, name, reference, is_certified in (
        (int8_bytes, "a.int8.onnx", blind, False),
        (int8_bytes, "b.int8.onnx", lenient, True),
        (float16_bytes, "c.fp16.onnx", blind, True),
    ):
        note = lenetx.certify(tmp_path / name, judge(contents, name, reference))
        assert certificate_path(tmp_path / name).exists() is is_certified
        assert note is None if is_certified else "--data" in note


def test_a_precision_that_is_not_the_graphs_is_no_artifact(opened, int8_bytes, float16_bytes):
    from lenetx.errors import ArtifactError

    for contents, precision in ((int8_bytes, FLOAT16), (float16_bytes, INT8)):
        told = resealed(contents, respell(lambda spec, to=precision: dataclasses.replace(spec, precision=to)))
        with pytest.raises(ArtifactError, match="quantize"):
            opened(told, "a.onnx")


def test_float32_that_passes_for_float16_fails_by_the_weights(judge, onnx_bytes, blind):
    told = resealed(onnx_bytes, respell(lambda spec: dataclasses.replace(spec, precision=FLOAT16)))
    assert "weights" in failed(judge(told, "a.fp16.onnx", blind))
