"""The self-calibrated limit: what it is a multiple of, and when there is nothing to take a multiple of."""

import numpy as np
import pytest

from lenetx.bounds.calibrated import MULTIPLE, self_calibrated
from lenetx.errors import LenetxError

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


def test_eager_errs_much_where_its_input_lets_no_program_do_better():
    """As where the code divides by the spread of an image of one grey level."""
    eager = (EXACT + 2.0**-8).astype(np.float32)
    assert self_calibrated(EXACT, eager, moved=lambda: 2.0**-9) == MULTIPLE * 2.0**-8
    with pytest.raises(LenetxError, match="Eager PyTorch is not computing in float32"):
        self_calibrated(EXACT, eager, moved=lambda: 2.0**-20)


def test_extreme_inputs_on_which_eager_overflows_are_left_out():
    eager = EXACT.astype(np.float32)
    eager[1, 1] = np.inf
    eager[0, 0] += 0.5
    assert self_calibrated(EXACT, eager, extreme=True) == MULTIPLE * 0.5
    assert self_calibrated(EXACT, np.full((2, 2), np.nan, np.float32), extreme=True) == 0
