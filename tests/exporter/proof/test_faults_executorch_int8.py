"""Break int8 files for ExecuTorch one way at a time: the check that is meant for it finds it."""

import dataclasses

import numpy as np
import pytest
from onnx import numpy_helper

from lenetx import Reference
from lenetx.formats import get
from lenetx.formats.executorch import lower
from lenetx.formats.executorch.contents import read, written
from lenetx.formats.executorch.reduced import carried_of, model_of
from lenetx.formats.network import Network
from lenetx.proof import prove
from lenetx.quantization.calibration import sample
from lenetx_runtime.spec import INT8

from .conftest import check_of, failed, first, make_checkpoint, only

pytest.importorskip("executorch")
pytestmark = pytest.mark.slow

NAME, STEP = "a.int8.pte", 1 + 2.0**-7


@pytest.fixture(scope="module")
def contents(reference, digits):
    images = sample(digits, reference.checkpoint.spec, images=100)
    return get("executorch").export(reference.network, precision=INT8, sample=images)


@pytest.fixture(scope="module")
def lenient(checkpoint, digits):
    """A reference that accepts any loss of accuracy: what a fault does to labels is not the question."""
    return Reference(checkpoint, first(digits, 64), max_drop=100)


@pytest.fixture(scope="module")
def blind(checkpoint):
    """A reference without images, so that nothing can be calibrated again."""
    return Reference(checkpoint, None, "There are none.", max_drop=100)


def rewritten(contents, changes, **fields):
    """Change tensors of the graph, or its spec, and lower that, so that the file opens."""
    tail = read(contents)
    model, spec = model_of(tail), dataclasses.replace(tail.spec, **fields)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for name, change in changes.items():
        values = numpy_helper.to_array(tensors[name]).copy()
        tensors[name].CopyFrom(numpy_helper.from_array(np.asarray(change(values), values.dtype), name))
    return written(carried_of(model), spec, lower.lowered_to_int8(model, spec).program)


def times(factor, channel=...):
    def change(values):
        values[channel] = values[channel] * np.float32(factor)
        return values

    return change


def test_an_honest_file_passes_every_check(judge, contents, lenient):
    report = judge(contents, NAME, lenient)
    report.raise_if_failed()
    assert report.artifact["precision"] == INT8
    assert "the network in int8" in report.conclusion
    assert not [check.name for check in report.checks if check.status == "not_run"]
    assert "numbers of 11 tensors are those of float64" in check_of(report, "layers").detail


@pytest.mark.parametrize("parts", [("weight", "bias"), ("weight",)])
def test_the_scale_of_a_channel_that_is_off_by_less_than_a_step_fails_by_the_weights(
    judge_once, contents, blind, parts
):
    damaged = rewritten(contents, {f"conv2.{part}:scale": times(STEP, 3) for part in parts})
    assert "conv2.weight in channel 3" in only(judge_once(damaged, NAME, blind), "weights").detail


def test_a_zero_point_off_by_one_fails_by_the_calibration_alone(judge_once, contents, lenient):
    damaged = rewritten(contents, {"relu_1:zero": lambda zero: zero + 1})
    assert "The zero point of relu_1" in only(judge_once(damaged, NAME, lenient), "calibration").detail


def test_a_calibration_on_other_images_fails_by_the_calibration_alone(judge_once, contents, lenient):
    recorded = read(contents).spec.calibration.replace("seed 0", "seed 1")
    damaged = rewritten(contents, {}, calibration=recorded)
    assert "digest" in only(judge_once(damaged, NAME, lenient), "calibration").detail


def test_weights_of_another_checkpoint_fail_the_proof(judge_once, digits, lenient):
    other = make_checkpoint(seed=1)
    images = sample(digits, other.spec, images=100)
    report = judge_once(get("executorch").export(Network(other), precision=INT8, sample=images), NAME, lenient)
    assert {"weights", "spec", "calibration"} <= set(failed(report))


def test_a_program_of_another_graph_fails_by_the_layers_and_end_to_end(opened, contents, lenient):
    """Stand in for an engine that uses a wrong scale for one channel, which the file does not show."""
    right = opened(contents, NAME)
    wrong = opened(rewritten(contents, {f"conv2.{part}:scale": times(STEP, 3) for part in ("weight", "bias")}), "b.pte")
    report = prove(dataclasses.replace(right, backend=wrong.backend, runs=()), lenient)
    assert {"random inputs", "real inputs"} <= set(failed(report))
    assert not {"weights", "graph", "calibration"} & set(failed(report))
    layers = dataclasses.replace(right.reduced, integers=wrong.reduced.integers)
    report = prove(dataclasses.replace(right, reduced=layers, runs=()), lenient)
    assert failed(report) == ["layers"]
    assert "The first that is wrong is conv2d_1" in check_of(report, "layers").detail


def test_an_activation_that_xnnpack_joins_across_scales_fails_end_to_end_and_by_the_layers(
    judge_once, contents, lenient, monkeypatch
):
    """A fault of XNNPACK that export and opening share: an activation on integers reads the scale of its result."""
    monkeypatch.setattr(lower, "_INTEGERS", (*lower._INTEGERS, "relu.default"))
    report = judge_once(rewritten(contents, {}), NAME, lenient)
    assert {"random inputs", "real inputs", "layers"} <= set(failed(report))
    assert "shows its integers returns other logits than the file's" in check_of(report, "layers").detail
