"""Custom functions: what they raise or give instead of logits in words, and what nobody can ask of them."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from lenetx import Reference, Report, data
from lenetx.proof import as_artifact, prove

from .conftest import Floats, Function, check_of, failed, first

Judge = Callable[..., Report]
NOTHING_TO_ASK = {"file", "spec", "preprocessing", "self-test", "weights", "numbers", "graph", "layers", "engines"}


def raising(error: Exception) -> Function:
    def run(_: Floats) -> Floats:
        raise error

    return run


def test_what_says_nothing_of_a_function_never_passes(few: Reference, honest: Function) -> None:
    report = prove(as_artifact(honest, few.checkpoint.spec), few)
    assert report.passed
    unasked = {check.name for check in report.checks if check.status == "not_applicable"}
    assert unasked == NOTHING_TO_ASK | {"training operators", "refusals", "diagnosis"}
    assert all(check.detail for check in report.checks if check.status == "not_applicable")
    assert "agree" not in check_of(report, "diagnosis").detail


def test_it_has_no_digest_and_no_size_and_the_name_that_it_is_given(few: Reference, honest: Function) -> None:
    report = prove(as_artifact(honest, few.checkpoint.spec, "kiosk"), few)
    assert report.artifact == {"name": "kiosk", "format": "function", "precision": "float32"}
    assert report.conclusion.startswith("kiosk computes ")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyError("conv1"), "It could not run: KeyError: 'conv1'"),
        (AssertionError(), "It could not run: AssertionError"),
        (ValueError("two\nlines"), "It could not run: ValueError: two lines"),
    ],
)
def test_what_it_raises_is_named(few: Reference, error: Exception, words: str) -> None:
    report = prove(as_artifact(raising(error), few.checkpoint.spec), few)
    assert {check.detail for check in report.failures} == {words}
    assert [line.strip() for line in str(report).splitlines()].count(words) == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "It gave NoneType instead of an array of logits, float32[N, K]."),
        ("no logits", "It gave str instead of an array of logits, float32[N, K]."),
        ({"logits": 1}, "It gave dict instead of an array of logits, float32[N, K]."),
    ],
)
def test_what_it_gives_instead_of_numbers_is_named(few: Reference, answer: object, words: str) -> None:
    report = prove(as_artifact(lambda _: answer, few.checkpoint.spec), few)
    assert {check.detail for check in report.failures} == {words}


def test_rows_of_several_lengths_are_no_array(few: Reference) -> None:
    report = prove(as_artifact(lambda _: [[1.0], [1.0, 2.0]], few.checkpoint.spec), few)
    assert "It gave list, of which numpy makes no array: ValueError: " in check_of(report, "random inputs").detail


def test_nothing_for_no_image_is_a_wrong_answer(few: Reference, honest: Function) -> None:
    report = prove(as_artifact(lambda x: honest(x) if len(x) else None, few.checkpoint.spec), few)
    assert failed(report) == ["batch sizes"]
    assert check_of(report, "batch sizes").detail.startswith("Of a batch of 0: It gave NoneType")


@pytest.mark.parametrize("images", [1, 64])
def test_few_real_images_are_filled_up_so_that_order_means_something(
    checkpoint, digits: data.Dataset, honest: Function, images: int
) -> None:
    """It gives every row of a batch the answer of the row that stands opposite."""
    few = Reference(checkpoint, first(digits, images))

    def run(x: Floats) -> Floats:
        return honest(x[::-1]) if len(x) == 257 else honest(x)

    report = prove(as_artifact(run, checkpoint.spec), few)
    assert {"batch sizes", "row order"} == set(failed(report))
    real = f"{images} distinct real input{'s' * (images != 1)}"
    assert check_of(report, "row order").subject == (
        f"257 rows from {real} and 128 random ones, backwards and in a random order"
    )
    assert check_of(report, "batch sizes").subject.endswith(f" from {real} and 128 random ones")


def test_equal_images_count_once(checkpoint, digits: data.Dataset, honest: Function) -> None:
    import dataclasses

    same = dataclasses.replace(digits, test=digits.test.take(np.zeros(300, np.int64)))
    report = prove(as_artifact(honest, checkpoint.spec), Reference(checkpoint, same))
    assert "1 distinct real input and 128 random ones" in check_of(report, "row order").subject


def test_wrong_from_the_first_time_on_is_no_dropout(few: Reference, honest: Function) -> None:
    report = prove(as_artifact(lambda x: honest(x) * 2, few.checkpoint.spec), few)
    detail = check_of(report, "repeats").detail
    assert detail == "It is wrong from the first time on, and the same each time: see end to end."


def test_a_buffer_that_is_filled_again_with_each_call_is_no_fault(few: Reference, honest: Function) -> None:
    buffer = np.empty((4096, 10), np.float32)

    def again(x: Floats) -> Floats:
        buffer[: len(x)] = honest(x)
        return buffer[: len(x)]

    assert prove(as_artifact(again, few.checkpoint.spec), few).passed


@pytest.mark.parametrize(
    "form",
    [
        lambda logits: torch.from_numpy(logits.copy()).requires_grad_(),
        lambda logits: logits.astype(">f4"),
        lambda logits: logits.astype(">f8"),
        np.asfortranarray,
        lambda logits: np.lib.stride_tricks.as_strided(logits, writeable=False),
        lambda logits: logits.tolist(),
    ],
    ids=["tensor with a gradient", "other byte order", "float64", "columns", "read-only", "lists"],
)
def test_right_logits_are_taken_in_any_form(checkpoint, form: Function) -> None:
    logits = np.random.default_rng(0).standard_normal((9, 10), np.float32)
    found = as_artifact(lambda _: form(logits), checkpoint.spec).backend.run(np.zeros((9, 1, 32, 32), np.float32))
    assert found.dtype == np.float32
    assert not np.shares_memory(found, logits)
    np.testing.assert_array_equal(found, logits)
