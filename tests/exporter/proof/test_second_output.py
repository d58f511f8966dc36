"""The softmax of the logits as a second output: honest ones pass, and each fault is found by its check."""

import dataclasses

import numpy as np
import pytest
from onnx import helper, numpy_helper

from lenetx import InputError
from lenetx.formats import get
from lenetx.formats.network import Network
from lenetx.proof.second_output import _compare, _extreme, limits
from lenetx_runtime import Classifier

from .conftest import check_of, failed, resealed

CHECKS = ("softmax node", "probabilities", "extreme logits")


@pytest.fixture(scope="module")
def two_outputs(reference):
    return get("onnx").export(reference.network, probabilities=True)


def test_an_honest_file_passes_and_has_the_same_logits(judge, two_outputs, onnx_bytes, few):
    report = judge(two_outputs, "lenet5.onnx")
    report.raise_if_failed()
    assert {check_of(report, name).status for name in CHECKS} == {"passed"}
    assert check_of(report, "weights").status == check_of(report, "graph").status == "passed"
    ours, theirs = Classifier(two_outputs), Classifier(onnx_bytes)
    assert ours.predict_batch(few.frames) == theirs.predict_batch(few.frames)


def test_files_without_it_have_no_such_check(judge_once, onnx_bytes):
    assert not {check.name for check in judge_once(onnx_bytes, "lenet5.onnx").checks} & {*CHECKS, "raw nodes"}


def test_a_softmax_over_the_batch_is_found_by_all_three(judge_once, two_outputs):
    def damage(model):
        model.graph.node[-1].attribute.append(helper.make_attribute("axis", 0))

    report = judge_once(resealed(two_outputs, damage), "lenet5.onnx")
    assert failed(report) == [*CHECKS]
    assert "axis = 0" in check_of(report, "softmax node").detail


def test_another_function_than_softmax(judge_once, two_outputs):
    def damage(model):
        model.graph.node[-1].op_type = "Sigmoid"

    assert failed(judge_once(resealed(two_outputs, damage), "lenet5.onnx")) == [*CHECKS]


def test_a_naive_softmax_that_overflows_is_found(judge_once, two_outputs):
    def damage(model):
        del model.graph.node[-1]
        axes = numpy_helper.from_array(np.array([1]), "constant:axes")
        model.graph.initializer.append(axes)
        model.graph.node.extend(
            [
                helper.make_node("Exp", ["logits"], ["powers"]),
                helper.make_node("ReduceSum", ["powers", "constant:axes"], ["sum"]),
                helper.make_node("Div", ["powers", "sum"], ["probabilities"]),
            ]
        )

    assert {"softmax node", "extreme logits"} <= set(failed(judge_once(resealed(two_outputs, damage), "lenet5.onnx")))


def test_a_temperature_before_the_softmax(judge_once, two_outputs):
    def damage(model):
        model.graph.node[-1].input[0] = "cooler"
        factor = numpy_helper.from_array(np.float32(1.001), "constant:factor")
        model.graph.initializer.append(factor)
        model.graph.node.insert(
            len(model.graph.node) - 1, helper.make_node("Mul", ["logits", "constant:factor"], ["cooler"])
        )

    report = judge_once(resealed(two_outputs, damage), "lenet5.onnx")
    assert {"softmax node", "probabilities"} <= set(failed(report))


def test_a_fixed_batch_with_frames(judge, reference):
    judge(
        get("onnx").export(reference.network, batch=3, raw_input=True, probabilities=True), "a.raw.onnx"
    ).raise_if_failed()


def test_the_limit_holds_for_honest_float32_and_not_for_float16():
    logits = np.concatenate([_extreme(10), np.random.default_rng(0).normal(0, 5, (500, 10)).astype(np.float32)])
    gaps = logits - logits.max(axis=1, keepdims=True)
    powers = np.exp(gaps)
    honest = powers / powers.sum(axis=1, keepdims=True)
    assert _compare("probabilities", "", logits, honest).status == "passed"
    assert _compare("probabilities", "", logits, honest.astype(np.float16).astype(np.float32)).status == "failed"
    assert _compare("probabilities", "", logits, honest[:, ::-1].copy()).status == "failed"
    assert _compare("probabilities", "", logits, honest.astype(np.float64)).status == "failed"
    right, allowed = limits(logits)
    assert np.allclose(right.sum(axis=1), 1)
    assert (allowed < 1e-4).all() or (allowed[np.isfinite(gaps).all(axis=1)] >= 0).all()


@pytest.mark.parametrize("output", ["probabilities", "log_probabilities"])
def test_a_network_that_returns_probabilities_is_refused(reference, output):
    spec = dataclasses.replace(reference.checkpoint.spec, output=output)
    network = Network(dataclasses.replace(reference.checkpoint, spec=spec))
    with pytest.raises(InputError, match=f"The network returns {output.replace('_', ' ')}: a softmax"):
        get("onnx").export(network, probabilities=True)
    with pytest.raises(InputError, match="available in float32 only; the precision is float16"):
        get("onnx").export(reference.network, probabilities=True, precision="float16")
