import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lenetx_runtime import InputError, Prediction
from lenetx_runtime.prediction import softmax

QUICK = settings(deadline=None, derandomize=True, max_examples=150)
LABELS = ("ant", "bee", "cat", "dog")

logit_rows = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=12),
    elements=st.floats(allow_nan=False, allow_infinity=False, width=32),
)


@QUICK
@given(logit_rows)
def test_softmax_gives_probabilities_for_any_finite_logits(logits):
    rows = softmax(logits)
    assert rows.shape == logits.shape
    assert rows.dtype == np.float64
    assert (rows >= 0).all()
    assert (rows <= 1).all()
    np.testing.assert_allclose(rows.sum(axis=1), 1, rtol=1e-12)


@QUICK
@given(logit_rows)
def test_softmax_never_reverses_an_order(logits):
    for row, given_row in zip(softmax(logits), logits, strict=True):
        assert (np.diff(row[np.argsort(given_row, kind="stable")]) >= 0).all()


def test_softmax_agrees_with_its_definition():
    total = math.exp(1) + math.exp(-2) + math.exp(0.5)
    expected = [math.exp(1) / total, math.exp(-2) / total, math.exp(0.5) / total]
    np.testing.assert_allclose(softmax(np.array([[1, -2, 0.5]], np.float32)), [expected], rtol=1e-15)


def test_softmax_of_no_images_is_empty():
    assert softmax(np.empty((0, 10), np.float32)).shape == (0, 10)


@QUICK
@given(st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]), min_size=4, max_size=4))
def test_a_prediction_ranks_every_class_and_leads_with_the_best(values):
    prediction = Prediction.from_probabilities(np.array(values), LABELS)
    assert prediction.index == int(np.argmax(values))
    assert prediction.label == LABELS[prediction.index]
    assert prediction.probability == max(values)
    assert prediction.probabilities[0] == (prediction.label, prediction.probability)
    assert dict(prediction.probabilities) == dict(zip(LABELS, values, strict=True))
    assert [value for _, value in prediction.probabilities] == sorted(values, reverse=True)


def test_equal_probabilities_keep_the_order_of_the_labels():
    prediction = Prediction.from_probabilities(np.array([0.1, 0.4, 0.1, 0.4]), LABELS)
    assert [label for label, _ in prediction.probabilities] == ["bee", "dog", "ant", "cat"]


@pytest.mark.parametrize(
    ("k", "expected"), [(1, ["dog"]), (3, ["dog", "cat", "bee"]), (9, ["dog", "cat", "bee", "ant"])]
)
def test_top_gives_the_best_k(k, expected):
    prediction = Prediction.from_probabilities(np.array([0.1, 0.2, 0.3, 0.4]), LABELS)
    assert [label for label, _ in prediction.top(k)] == expected


@pytest.mark.parametrize("k", [0, -1])
def test_a_top_of_nothing_is_refused(k):
    prediction = Prediction.from_probabilities(np.array([0.1, 0.2, 0.3, 0.4]), LABELS)
    with pytest.raises(InputError, match=f"There is no top {k}"):
        prediction.top(k)


def test_a_prediction_holds_plain_python_values_and_cannot_be_changed():
    prediction = Prediction.from_probabilities(np.array([0.1, 0.2, 0.3, 0.4]), LABELS)
    assert type(prediction.index) is int
    assert type(prediction.probability) is float
    with pytest.raises(dataclasses.FrozenInstanceError):
        prediction.label = "bee"
