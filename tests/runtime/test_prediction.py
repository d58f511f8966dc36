import copy
import math
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lenetx_runtime import InputError, Prediction
from lenetx_runtime.prediction import softmax

QUICK = settings(deadline=None, derandomize=True, max_examples=150)
LABELS = ("ant", "bee", "cat", "dog")

RISING = Prediction([0.1, 0.2, 0.3, 0.4], LABELS)

logit_rows = st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=12)


@QUICK
@given(logit_rows)
def test_softmax_gives_probabilities_for_any_finite_logits(logits):
    values = softmax(logits)
    assert len(values) == len(logits)
    assert all(0 <= value <= 1 for value in values)
    assert math.fsum(values) == pytest.approx(1, rel=1e-12)


@QUICK
@given(logit_rows)
def test_softmax_never_reverses_an_order(logits):
    values = softmax(logits)
    order = sorted(range(len(logits)), key=logits.__getitem__)
    assert [values[index] for index in order] == sorted(values)


def test_softmax_agrees_with_its_definition():
    total = math.exp(1) + math.exp(-2) + math.exp(0.5)
    expected = [math.exp(1) / total, math.exp(-2) / total, math.exp(0.5) / total]
    assert softmax([1, -2, 0.5]) == pytest.approx(expected, rel=1e-15)


@QUICK
@given(st.lists(st.sampled_from([-3.0, 0.0, 0.25, 0.5, 80.0]), min_size=4, max_size=4))
def test_a_prediction_ranks_every_class_and_leads_with_the_best(logits):
    prediction = Prediction(logits, LABELS)
    assert prediction.index == logits.index(max(logits))
    assert prediction.label == LABELS[prediction.index]
    assert prediction.probabilities[0] == (prediction.label, prediction.probability)
    assert dict(prediction.probabilities) == dict(zip(LABELS, softmax(logits), strict=True))
    values = [value for _, value in prediction.probabilities]
    assert values == sorted(values, reverse=True)


def test_an_index_that_is_known_already_changes_nothing():
    known = Prediction([0.1, 0.4, 0.1, 0.4], LABELS, 1)
    assert known == Prediction([0.1, 0.4, 0.1, 0.4], LABELS)
    assert (known.index, known.label, known.probability) == (1, "bee", known.probabilities[0][1])


def test_equal_probabilities_keep_the_order_of_the_labels():
    prediction = Prediction([0.1, 0.4, 0.1, 0.4], LABELS)
    assert [label for label, _ in prediction.probabilities] == ["bee", "dog", "ant", "cat"]
    assert prediction.label == "bee"


@pytest.mark.parametrize(
    ("output", "values", "expected"),
    [
        ("log_probabilities", [math.log(0.1), math.log(0.7), math.log(0.2), 1e-7], [0.1, 0.7, 0.2, 1.0]),
        ("probabilities", [0.25, 0.75, -1e-9, 1.0000001], [0.25, 0.75, 0.0, 1.0]),
        ("logits", [0.0, 0.0, 0.0, 0.0], [0.25] * 4),
    ],
)
def test_what_a_network_returns_becomes_probabilities_by_what_it_is(output, values, expected):
    prediction = Prediction(values, LABELS, output=output)
    assert [dict(prediction.probabilities)[label] for label in LABELS] == pytest.approx(expected)
    assert prediction.label == LABELS[values.index(max(values))]
    assert pickle.loads(pickle.dumps(prediction)) == prediction
    assert (prediction == Prediction(values, LABELS)) == (output == "logits")


@pytest.mark.parametrize(
    ("k", "expected"), [(1, ["dog"]), (3, ["dog", "cat", "bee"]), (9, ["dog", "cat", "bee", "ant"])]
)
def test_top_gives_the_best_k(k, expected):
    assert [label for label, _ in RISING.top(k)] == expected


@pytest.mark.parametrize("k", [0, -1, 2.5, "3", None])
def test_a_top_of_nothing_is_refused(k):
    with pytest.raises(InputError, match=f"k is {k!r}"):
        RISING.top(k)


@pytest.mark.parametrize("name", ["label", "index", "probability", "probabilities", "anything"])
def test_a_prediction_cannot_be_changed(name):
    with pytest.raises(AttributeError):
        setattr(RISING, name, "bee")


def test_a_prediction_holds_plain_python_values():
    assert type(RISING.index) is int
    assert type(RISING.probability) is float
    assert repr(RISING) == f"Prediction(index=3, label='dog', probability={RISING.probability:.6g})"


def test_equal_predictions_are_one_in_a_set_and_different_ones_are_not():
    same, other = Prediction([0.1, 0.2, 0.3, 0.4], LABELS), Prediction([0.1, 0.2, 0.3, 0.5], LABELS)
    assert same.probability  # what is computed already makes no difference
    assert len({RISING, same}) == 1
    assert other != RISING
    assert Prediction([0.1, 0.2, 0.3, 0.4], LABELS[::-1]) != RISING
    assert RISING != "dog"


@pytest.mark.parametrize("travel", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_prediction_travels(travel):
    assert travel(RISING) == RISING
