"""One comparison: the limit, its edges, and what is not a number."""

import base64

import numpy as np
import pytest

from lenetx.proof.compare import compare, errors_of, shares
from lenetx.proof.reference import Probe
from lenetx.report import Check

LIMIT = 1e-5


def probe(exact: np.ndarray, limits: np.ndarray | None = None) -> Probe:
    count = len(exact)
    limits = np.full(exact.shape, LIMIT) if limits is None else limits
    inputs = np.zeros((count, 1, 32, 32), np.float32)
    return Probe("images", f"{count} images", inputs, exact, exact.astype(np.float32), limits, np.arange(count) + 10)


def judged(exact: np.ndarray, logits: np.ndarray, **options: bool) -> Check:
    return compare("random inputs", "end to end", probe(exact), logits, **options)


@pytest.fixture
def exact() -> np.ndarray:
    return np.arange(12, dtype=np.float64).reshape(3, 4) / 16


def test_equal_logits_pass_with_nothing_measured(exact: np.ndarray) -> None:
    check = judged(exact, exact.astype(np.float32))
    assert (check.status, check.measured, check.limit) == ("passed", 0.0, LIMIT)


@pytest.mark.parametrize(("difference", "status"), [(0.9e-5, "passed"), (1.1e-5, "failed"), (-1.1e-5, "failed")])
def test_the_limit_divides(exact: np.ndarray, difference: float, status: str) -> None:
    logits = exact.astype(np.float32)
    logits[0, 0] += np.float32(difference)
    assert judged(exact, logits).status == status


def test_the_worst_logit_is_named(exact: np.ndarray) -> None:
    logits = exact.astype(np.float32)
    logits[1, 2] += 0.5
    logits[2, 0] += 0.25
    check = judged(exact, logits)
    assert check.measured == 0.5
    assert check.detail.startswith("2 of 12 logits are beyond their limits, of 2 of 3 inputs. Input 11, logit 2: 0.875")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_fails(exact: np.ndarray, value: float) -> None:
    logits = exact.astype(np.float32)
    logits[2, 1] = value
    check = judged(exact, logits)
    assert (check.status, check.measured) == ("failed", np.inf)
    assert "1 logit is NaN or infinite where eager is finite, first of input 12. " in check.detail


def test_nan_does_not_excuse_nan(exact: np.ndarray) -> None:
    exact[1, 1] = np.nan
    check = judged(exact, exact.astype(np.float32))
    assert check.status == "failed"
    assert "Eager PyTorch itself" in check.detail


@pytest.mark.parametrize("wrong", [np.zeros((3, 5), np.float32), np.zeros((2, 4), np.float32), np.zeros((3, 4))])
def test_another_shape_or_dtype_fails(exact: np.ndarray, wrong: np.ndarray) -> None:
    check = judged(exact, wrong)
    assert check.status == "failed"
    assert "instead of float32[3, 4]" in check.detail


def test_each_logit_has_a_limit_of_its_own(exact: np.ndarray) -> None:
    limits = np.full(exact.shape, 1.0)
    limits[2, 3] = 1e-4
    logits = exact.astype(np.float32)
    logits[0, 0] += 0.5
    assert compare("x", "end to end", probe(exact, limits), logits).status == "passed"
    logits[2, 3] += np.float32(1e-3)
    check = compare("x", "end to end", probe(exact, limits), logits)
    assert (check.status, check.limit) == ("failed", 1e-4)


def test_no_error_is_right_where_none_is_allowed(exact: np.ndarray) -> None:
    none = probe(exact, np.zeros_like(exact))
    logits = exact.astype(np.float32)
    assert shares(none, logits).max() == 0
    logits[0, 1] = np.nextafter(logits[0, 1], np.float32(9))
    assert shares(none, logits)[0, 1] == np.inf


def test_why_there_are_no_logits_is_said(exact: np.ndarray) -> None:
    check = compare("x", "end to end", probe(exact), "It could not run: no memory")
    assert (check.status, check.detail) == ("failed", "It could not run: no memory")


def test_rows_that_eager_cannot_compute_are_left_out_of_extreme_inputs(exact: np.ndarray) -> None:
    right = exact.astype(np.float32)
    exact[1] = np.inf
    assert judged(exact, right).status == "failed"
    check = judged(exact, right, extreme=True)
    assert (check.status, check.subject) == ("passed", "2 of 3 images, where eager is finite")
    right[2, 0] = 5
    assert judged(exact, right, extreme=True).status == "failed"
    exact[:] = np.nan
    assert judged(exact, right, extreme=True).status == "not_run"


def test_the_worst_images_and_the_histogram_are_figures(exact: np.ndarray) -> None:
    logits = exact.astype(np.float32)
    logits[1, 2] += np.float32(5e-6)
    frames = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
    figures = errors_of(probe(exact), logits, frames, ("a", "b", "c", "d"))
    assert sum(figures["histogram"]["counts"]) == 12
    worst = figures["worst"][0]
    assert (worst["image"], worst["logit"], worst["label"]) == (11, 2, "d")
    assert worst["share"] == pytest.approx(0.5, rel=1e-2)
    assert base64.b64decode(worst["picture"]["levels"]) == bytes([4, 5, 6, 7])
