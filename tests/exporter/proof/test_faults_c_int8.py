"""Break int8 C files one way at a time: the check that is meant for it finds it."""

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from lenetx import Reference
from lenetx.formats import get
from lenetx.formats.c.compile import compilers
from lenetx.formats.c.int8 import layers, program, qdq
from lenetx.formats.c.reading import read
from lenetx.formats.c.source import written
from lenetx.quantization.calibration import sample
from lenetx_runtime.spec import INT8

from .conftest import check_of, failed, first, only

NAME, STEP = "a.int8.c", 1 + 2.0**-7
pytestmark = pytest.mark.skipif(not compilers(), reason="there is no C compiler")


@pytest.fixture(scope="module")
def contents(reference, digits):
    return get("c").export(
        reference.network, precision=INT8, sample=sample(digits, reference.checkpoint.spec, images=100)
    )


@pytest.fixture(scope="module")
def source(contents):
    return read(contents.decode())


@pytest.fixture(scope="module")
def lenient(checkpoint, digits):
    """A reference that accepts any loss of accuracy: what a fault does to labels is not the question."""
    return Reference(checkpoint, first(digits, 64), max_drop=100)


def rewritten(source, changes):
    """Change tensors of the graph and write the file of that graph, which opens."""
    model = onnx.ModelProto()
    model.CopyFrom(source.model)
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for name, change in changes.items():
        values = numpy_helper.to_array(tensors[name]).copy()
        tensors[name].CopyFrom(numpy_helper.from_array(np.asarray(change(values), values.dtype), name))
    return written(model, source.spec, source.stem).text.encode()


def times(factor, channel=...):
    def change(values):
        values[channel] = values[channel] * np.float32(factor)
        return values

    return change


@pytest.mark.slow
def test_an_honest_file_passes_every_check(judge, contents, lenient):
    report = judge(contents, NAME, lenient)
    report.raise_if_failed()
    assert report.artifact["precision"] == INT8
    assert "the network in int8" in report.conclusion
    assert not [check.name for check in report.checks if check.status == "not_run" and check.subject != "a.h"]
    assert "numbers of 11 tensors are those of float64" in check_of(report, "layers").detail


@pytest.mark.slow
def test_the_scale_of_a_channel_that_is_off_by_less_than_a_step_fails_by_the_weights_alone(
    judge_once, source, checkpoint
):
    blind = Reference(checkpoint, None, "There are none.", max_drop=100)
    damaged = rewritten(source, {f"conv2.{name}:scale": times(STEP, 3) for name in ("weight", "bias")})
    assert "conv2.weight in channel 3" in only(judge_once(damaged, NAME, blind), "weights").detail


@pytest.mark.slow
def test_a_zero_point_off_by_one_fails_by_the_calibration_alone(judge_once, source, lenient):
    damaged = rewritten(source, {"relu_1:zero": lambda zero: zero + 1})
    assert "The zero point of relu_1" in only(judge_once(damaged, NAME, lenient), "calibration").detail


@pytest.mark.slow
def test_a_multiplier_that_is_wrong_in_every_file_fails_by_the_layers(judge_once, source, lenient, monkeypatch):
    """As an error in the program that writes and reads these files: it writes the same bytes again."""
    right = qdq.fixed

    def wrong(ratio):
        factor, shift = right(ratio)
        return factor - 2**20, shift

    monkeypatch.setattr(qdq, "fixed", wrong)
    report = judge_once(rewritten(source, {}), NAME, lenient)
    assert "layers" in failed(report)
    assert "The first that is wrong is conv2d" in check_of(report, "layers").detail


@pytest.mark.slow
def test_a_bias_without_the_zero_point_fails_by_the_layers(judge, source, lenient, monkeypatch):
    """The simulation subtracts the zero point from each number, so that it does not share this error."""
    right = layers.Affine

    def wrong(**given):
        return right(**given | {"folded": given["bias"].astype(np.int32)})

    monkeypatch.setattr(layers, "Affine", wrong)
    report = judge(rewritten(source, {}), NAME, lenient)
    assert "differs from the simulation of its integers" in check_of(report, "layers").detail


@pytest.mark.slow
def test_rounding_that_is_not_the_simulations_fails_by_the_layers(judge, source, lenient, monkeypatch):
    """Values that are cut off instead of rounded."""
    cut = program.ROUNDED.replace(" + ((uint64_t)1 << (shift - 1))", "")
    assert cut != program.ROUNDED
    monkeypatch.setattr(program, "ROUNDED", cut)
    report = judge(rewritten(source, {}), NAME, lenient)
    assert "differs from the simulation of its integers" in check_of(report, "layers").detail
