"""For every check of what is computed, a fault in a program that it alone finds."""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

import lenetx_runtime.inference
from lenetx import Reference, Report, data
from lenetx.formats import get
from lenetx.formats.network import Network
from lenetx.proof import inputs
from lenetx_runtime import Prediction
from lenetx_runtime.preprocess import lookup_table

from .conftest import Floats, Function, check_of, failed, make_checkpoint, only, session_of, with_weights

Judge = Callable[..., Report]
SMALL = 1e-3
"""Far above every limit here but that of large inputs, and the same for all logits, so that no label flips."""

BLACK, WHITE = lookup_table(make_checkpoint().spec)[0, [0, 255]]


def beyond_any_picture(x: Floats) -> Floats:
    """Rows with pixels far below black that are of no unusual size."""
    return (smallest(x) < BLACK - 1) & (size_of(x) < 100)


def nothing_at_all(x: Floats) -> Floats:
    return ~x.any(axis=(1, 2, 3))


def of_one_grey(x: Floats) -> Floats:
    return (smallest(x) == largest(x)) & x.any(axis=(1, 2, 3))


def of_one_pixel(x: Floats) -> Floats:
    return (x != BLACK).sum(axis=(1, 2, 3)) == 1


def of_black_and_white(x: Floats) -> Floats:
    two = ((x == BLACK) | (x == WHITE)).all(axis=(1, 2, 3))
    return two & (smallest(x) < largest(x)) & ~of_one_pixel(x)


def tiny(x: Floats) -> Floats:
    return (size_of(x) > 0) & (size_of(x) < 1e-38)


def huge(x: Floats) -> Floats:
    return size_of(x) > 100


KINDS = {
    "random inputs": beyond_any_picture,
    "zeros": nothing_at_all,
    "constant images": of_one_grey,
    "one hot pixel": of_one_pixel,
    "saturated images": of_black_and_white,
    "denormal inputs": tiny,
    "large inputs": huge,
}


def test_nothing_is_wrong_with_the_function_itself(judge_off_by: Judge) -> None:
    assert failed(judge_off_by(lambda x: np.zeros(len(x)))) == []


@pytest.mark.parametrize("name", KINDS)
def test_wrong_on_one_kind_of_input(judge_off_by: Judge, name: str) -> None:
    amount = 1e30 if name == "large inputs" else SMALL
    check = only(judge_off_by(lambda x: KINDS[name](x) * amount), name)
    assert check.measured > check.limit


@pytest.mark.parametrize("value", [np.nan, -np.inf])
@pytest.mark.parametrize("name", KINDS)
def test_not_finite_on_one_kind_of_input_where_eager_is(judge_off_by: Judge, name: str, value: float) -> None:
    check = only(judge_off_by(lambda x: np.where(KINDS[name](x), value, 0)), name)
    assert "NaN or infinite where eager is finite" in check.detail


def test_every_kind_of_hard_input_has_its_fault() -> None:
    assert KINDS.keys() == {"random inputs", *inputs.HARD}


def test_right_on_all_test_images_but_one(judge_off_by: Judge, reference: Reference) -> None:
    """Wrong where it stands among all the others, and right by itself and in every other size of a batch."""
    picture = reference.real.inputs[300]

    def fault(x: Floats) -> Floats:
        return (x == picture).all(axis=(1, 2, 3)) * (len(x) == 360) * SMALL

    check = only(judge_off_by(fault), "real inputs")
    assert "of 1 of 360 test images. Test image 300, " in check.detail


@pytest.mark.parametrize("size", [2, 3, 7, 8])
def test_wrong_in_batches_of_one_size(judge_off_by: Judge, size: int) -> None:
    check = only(judge_off_by(lambda x: np.full(len(x), SMALL * (len(x) == size))), "batch sizes")
    assert f"in a batch of {size}, " in check.detail


def test_wrong_for_single_images(judge_off_by: Judge) -> None:
    """But for the one input that is all zeros, which comes alone."""
    report = judge_off_by(lambda x: np.full(len(x), SMALL * (len(x) == 1 and x.any())))
    assert "by itself, " in only(report, "batch sizes").detail


def test_a_wrong_answer_to_no_image(judge_function: Judge, honest: Function) -> None:
    report = judge_function(lambda x: honest(x) if len(x) else honest(np.zeros((1, 1, 32, 32), np.float32)))
    assert only(report, "batch sizes").detail == "A batch of 0 gives logits of shape [1, 10] instead of [0, 10]."


def test_a_refusal_of_no_image_is_right(judge_function: Judge, honest: Function) -> None:
    def run(x: Floats) -> Floats:
        if not len(x):
            raise ValueError("there is no image")
        return honest(x)

    report = judge_function(run)
    assert report.passed
    assert check_of(report, "batch sizes").detail == "A batch of 0 is rejected: ValueError: there is no image"


def test_wrong_where_the_brightest_image_comes_first(judge_function: Judge, checkpoint, digits: data.Dataset) -> None:
    """In the test set, as it is here, the brightest one comes last."""
    brightness = digits.test.images.sum(axis=(1, 2))
    order = np.argsort(brightness)
    ordered = dataclasses.replace(digits, test=digits.test.take(order[np.linspace(0, 359, 257).astype(int)]))
    reference = Reference(checkpoint, ordered)
    sums = reference.real.inputs.sum(axis=(1, 2, 3), dtype=np.float64)
    run = session_of(get("onnx").export(Network(checkpoint), batch="dynamic"))
    step = 0.9 * (sums[-1] - sums[0])
    assert step > 0

    def wrong(x: Floats) -> bool:
        pictures = len(x) > 1 and bool((smallest(x) == BLACK).all())
        return pictures and x[0].sum(dtype=np.float64) - x[-1].sum(dtype=np.float64) > step

    report = judge_function(lambda x: run(x) + np.float32(SMALL * wrong(x)), reference)
    assert "backwards" in only(report, "row order").detail


def test_wrong_when_the_hardest_images_come_together(judge_off_by: Judge, reference: Reference) -> None:
    first = reference.hardest.inputs[0]
    assert reference.hardest.indices[0] != 0

    def fault(x: Floats) -> Floats:
        return np.full(len(x), SMALL * (len(x) == 64 and np.array_equal(x[0], first)))

    assert only(judge_off_by(fault), "lowest margins").subject == "64 test images of the smallest margins"


def test_wrong_when_the_same_batch_comes_for_the_fourth_time(judge_off_by: Judge) -> None:
    seen: Counter[bytes] = Counter()

    def fault(x: Floats) -> Floats:
        seen[x.tobytes()] += 1
        return np.full(len(x), SMALL * (seen[x.tobytes()] > 3 and len(x) > 1))

    assert "Run 3 gives another answer" in only(judge_off_by(fault), "repeats").detail


def test_a_runtime_that_takes_what_is_no_number(
    judge: Judge, onnx_bytes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lenetx_runtime.inference, "_are_finite", lambda _: True)
    detail = only(judge(onnx_bytes, "lenet5.onnx"), "refusals").detail
    assert detail.startswith("The runtime does not refuse nan")
    assert "-inf" in detail


def test_a_runtime_that_ranks_one_image_wrongly(judge_off_by: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    made = itertools.count()

    def broken(logits: list[float], labels: tuple[str, ...], index: int | None, output: str) -> Prediction:
        return Prediction(logits[::-1], labels) if next(made) == 300 else Prediction(logits, labels, index, output)

    monkeypatch.setattr(lenetx_runtime.inference, "Prediction", broken)
    check = only(judge_off_by(lambda x: np.zeros(len(x))), "labels")
    assert check.measured == 1
    assert "1 label flips, of which rounding cannot explain 1: test image 300 from " in check.detail


def test_flips_that_rounding_explains_and_that_all_go_to_one_side(judge_function: Judge, digits: data.Dataset) -> None:
    """3 and 9 tie in every image, so that rounding alone decides; there is no 9 among the images."""
    weights = {name: tensor.clone() for name, tensor in make_checkpoint().state_dict.items()}
    for name in ("fc3.weight", "fc3.bias"):
        weights[name][9] = weights[name][3]
    weights["fc3.bias"][3] = weights["fc3.bias"][9] = 50.0
    tied = with_weights("lenet5", weights)
    without_nine = digits.test.take(np.flatnonzero(digits.test.labels != 9))
    reference = Reference(tied, dataclasses.replace(digits, test=without_nine))
    run = session_of(get("onnx").export(Network(tied), batch="dynamic"))
    last = np.eye(10, dtype=np.float32)[9] * np.float32(8e-6)

    report = judge_function(lambda x: run(x) + last, reference)
    check = only(report, "accuracy")
    assert check.measured == 0
    assert "So many flips in one direction are not chance" in check.detail
    labels = check_of(report, "labels")
    assert f"{len(without_nine)} labels flip, and rounding explains each" in labels.detail


def smallest(x: Floats) -> Floats:
    return x.min(axis=(1, 2, 3))


def largest(x: Floats) -> Floats:
    return x.max(axis=(1, 2, 3))


def size_of(x: Floats) -> Floats:
    return np.abs(x).max(axis=(1, 2, 3))
