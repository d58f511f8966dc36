"""One comparison: the limit, its edges, and what is not a number."""

import numpy as np
import pytest
from lenetx.verification.limits import MULTIPLE, self_calibrated

from lenetx.verification.compare import compare
from lenetx.verification.reference import Probe

LIMIT = 1e-5


def probe(exact: np.ndarray) -> Probe:
    return Probe("three images", np.zeros((3, 1, 32, 32), np.float32), exact, exact.astype(np.float32), LIMIT)


@pytest.fixture
def exact() -> np.ndarray:
    return np.arange(12, dtype=np.float64).reshape(3, 4) / 16


def test_equal_logits_pass_with_nothing_measured(exact: np.ndarray) -> None:
    check = compare("random inputs", probe(exact), exact.astype(np.float32))
    assert (check.status, check.measured, check.limit) == ("passed", 0.0, LIMIT)


@pytest.mark.parametrize(("difference", "status"), [(0.9e-5, "passed"), (1.1e-5, "failed"), (-1.1e-5, "failed")])
def test_the_limit_divides(exact: np.ndarray, difference: float, status: str) -> None:
    logits = exact.astype(np.float32)
    logits[0, 0] += np.float32(difference)
    assert compare("random inputs", probe(exact), logits).status == status


def test_the_worst_logit_is_named(exact: np.ndarray) -> None:
    logits = exact.astype(np.float32)
    logits[1, 2] += 0.5
    logits[2, 0] += 0.25
    check = compare("random inputs", probe(exact), logits)
    assert check.measured == 0.5
    assert check.detail.startswith("Row 1, logit 2: 0.875 instead of 0.375")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_fails(exact: np.ndarray, value: float) -> None:
    logits = exact.astype(np.float32)
    logits[2, 1] = value
    check = compare("random inputs", probe(exact), logits)
    assert (check.status, check.measured) == ("failed", np.inf)
    assert "1 logits are NaN or infinite where eager is finite, the first in row 2" in check.detail


def test_nan_does_not_excuse_nan(exact: np.ndarray) -> None:
    exact[1, 1] = np.nan
    check = compare("random inputs", probe(exact), exact.astype(np.float32))
    assert check.status == "failed"
    assert "Eager PyTorch itself" in check.detail


@pytest.mark.parametrize("wrong", [np.zeros((3, 5), np.float32), np.zeros((2, 4), np.float32), np.zeros((3, 4))])
def test_another_shape_or_dtype_fails(exact: np.ndarray, wrong: np.ndarray) -> None:
    check = compare("random inputs", probe(exact), wrong)
    assert check.status == "failed"
    assert "instead of float32[3, 4]" in check.detail


def test_the_limit_is_a_multiple_of_what_eager_errs(exact: np.ndarray) -> None:
    eager = exact.astype(np.float32)
    eager[0, 3] += np.float32(2.0**-20)
    assert self_calibrated(exact, eager) == MULTIPLE * 2.0**-20


def test_the_limit_is_never_below_one_rounding(exact: np.ndarray) -> None:
    assert self_calibrated(exact, exact.astype(np.float32)) == MULTIPLE * 2.0**-24 * exact.max()
