"""The limit itself: what it is a multiple of, and when there is nothing to take a multiple of."""

import dataclasses

import numpy as np
import pytest
import torch
from lenetx.verification.limits import MULTIPLE, self_calibrated

import lenetx
from lenetx.checkpoint import weights_sha256
from lenetx.errors import LenetxError
from lenetx.verification import Reference

EXACT = np.array([[1.0, -4.0], [2.0, 0.5]])


def test_it_is_a_multiple_of_the_error_of_eager():
    eager = EXACT.astype(np.float32)
    eager[1, 0] += 2.0**-20
    assert self_calibrated(EXACT, eager) == MULTIPLE * 2.0**-20


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6])
def test_it_is_never_below_one_rounding_of_the_largest_logit(scale):
    """Eager may hit the right answer by luck, as on logits that float32 holds exactly."""
    exact = (EXACT * scale).astype(np.float32).astype(np.float64)
    assert self_calibrated(exact, exact.astype(np.float32)) == MULTIPLE * 2.0**-24 * np.abs(exact).max()


def test_logits_of_nothing_but_zeros_allow_no_error():
    assert self_calibrated(np.zeros((2, 2)), np.zeros((2, 2), np.float32)) == 0


@pytest.mark.parametrize("error", [2.0**-11, 2.0**-8, 1.0])
def test_eager_that_errs_far_more_than_float32_is_no_measure(error):
    with pytest.raises(LenetxError, match="Eager PyTorch is not computing in float32"):
        self_calibrated(EXACT, (EXACT + error).astype(np.float32))


def test_the_autocast_of_the_caller_changes_nothing(judge, onnx_bytes, checkpoint, digits):
    calm = judge(onnx_bytes, "calm.onnx")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        report = judge(onnx_bytes, "caller.onnx", against=Reference(checkpoint, digits))
    assert report.failures == calm.failures == ()
    assert [check.limit for check in report.checks] == [check.limit for check in calm.checks]


@pytest.mark.parametrize("name", ["lenet5", "lenet5-3x3", "lenet5-1998"])
def test_a_network_of_nothing_but_zeros_is_exported_and_proven(checkpoints, tmp_path, name):
    """torch leaves a bias of zeros out, and the limit is zero: both have been the end of honest files."""
    trained = checkpoints[name]
    weights = {key: torch.zeros_like(tensor) for key, tensor in trained.state_dict.items()}
    spec = dataclasses.replace(trained.spec, weights_sha256=weights_sha256(weights))
    checkpoint = dataclasses.replace(trained, state_dict=weights, spec=spec)
    reports = lenetx.export(checkpoint, folder=tmp_path)
    assert [report.passed for report in reports] == [True, True]
