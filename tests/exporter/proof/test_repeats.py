"""Asked again and again: what no limit can be given for is not right, however often it is the same."""

from types import SimpleNamespace

import numpy as np
import pytest

from lenetx.proof.case import Case
from lenetx.proof.eval_mode import _repeats
from lenetx.proof.reference import Probe

EXACT = np.arange(8, dtype=np.float64).reshape(2, 4)


def repeats(limits, answers):
    probe = Probe("inputs", "2 inputs", np.zeros((2, 1, 8, 8), np.float32), EXACT, EXACT, limits, np.arange(2))
    backend = SimpleNamespace(run=lambda _: next(answers))
    artifact = SimpleNamespace(spec=SimpleNamespace(batch="dynamic"), is_function=False, is_foreign=False)
    return _repeats(Case(SimpleNamespace(backend=backend, artifact=artifact), SimpleNamespace(real=probe)))


def shifted(*errors):
    return iter([(EXACT + error).astype(np.float32) for error in errors])


def test_the_right_answer_three_times_passes():
    assert repeats(np.full((2, 4), 1e-3), shifted(0, 1e-4, -1e-4)).status == "passed"


@pytest.mark.parametrize("limit", [np.nan, np.inf])
@pytest.mark.parametrize("error", [1e-4, np.nan])
def test_a_limit_that_is_no_number_allows_no_error(limit, error):
    assert repeats(np.full((2, 4), limit), shifted(error, error, error)).status == "failed"


def test_an_answer_that_is_wrong_later_is_one_that_changes():
    check = repeats(np.full((2, 4), 1e-3), shifted(0, 0, 0.5))
    assert check.status == "failed"
    assert "Run 3 gives another answer" in check.detail
