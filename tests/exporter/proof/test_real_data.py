"""Labels, accuracy and the margin certificate, against what can be counted by hand."""

import dataclasses
import math

import numpy as np
import pytest

from lenetx import Reference
from lenetx.proof import as_artifact, prove
from lenetx.proof.real_data import certain, mcnemar
from lenetx.proof.reference import Probe

from .conftest import Function, check_of


def probe(exact: np.ndarray, limits: np.ndarray) -> Probe:
    inputs = np.zeros((len(exact), 1, 1, 1), np.float32)
    answers = exact, exact.astype(np.float32), limits
    return Probe("real inputs", "images", inputs, *answers, np.arange(len(exact)), "test image")


def certain_one_by_one(exact: np.ndarray, limits: np.ndarray) -> bool:
    """No logit within its limit can reach the top one, even where that is as low as its limit allows."""
    top = int(exact.argmax())
    return all(exact[top] - limits[top] > exact[j] + limits[j] for j in range(len(exact)) if j != top)


def test_the_certificate_is_what_a_loop_over_all_pairs_finds() -> None:
    random = np.random.default_rng(1)
    exact = random.standard_normal((500, 6))
    limits = random.exponential(0.15, (500, 6))
    found = certain(probe(exact, limits))
    assert found.tolist() == [certain_one_by_one(*each) for each in zip(exact, limits, strict=True)]
    assert 100 < found.sum() < 400


def test_a_margin_of_exactly_both_limits_is_not_certain() -> None:
    exact, limits = np.array([[1.0, 0.5], [1.0, 0.4375]]), np.full((2, 2), 0.25)
    assert certain(probe(exact, limits)).tolist() == [False, True]


def test_the_share_is_that_of_the_test_images(few: Reference, honest: Function, monkeypatch) -> None:
    real = few.real
    margins = np.sort(real.exact, axis=1)[:, -1] - np.sort(real.exact, axis=1)[:, -2]
    wide = np.full(real.limits.shape, float(np.median(margins)) / 2)
    monkeypatch.setitem(few._probes, "real inputs", dataclasses.replace(real, limits=wide))
    check = check_of(prove(as_artifact(honest, few.checkpoint.spec), few), "margin certificate")
    count = int((margins > np.median(margins)).sum())
    assert check.status == "passed"
    assert check.measured == count / 64
    assert check.detail.startswith(f"No rounding can change the label of {count} of 64 test images (")
    assert check.figures == {"kind": "margins", "certified": count, "images": 64}


def test_mcnemar_by_counting_all_outcomes() -> None:
    """Of n coins, how often is the split at least as uneven?"""
    for first in range(7):
        for second in range(7):
            count = first + second
            uneven = abs(first - second)
            outcomes = sum(abs(2 * bin(each).count("1") - count) >= uneven for each in range(2**count))
            assert mcnemar(first, second) == pytest.approx(outcomes / 2**count)


def test_mcnemar_of_very_many_flips() -> None:
    assert mcnemar(0, 1001) == 2.0**-1000
    assert mcnemar(0, 5000) == 0
    assert mcnemar(1000, 1000) == 1
    assert 0 < mcnemar(400, 600) < 1e-9


def test_flips_are_listed_with_margin_and_both_labels(few: Reference, honest: Function) -> None:
    """One row's logits come the other way round."""
    row = 5

    def run(x: np.ndarray) -> np.ndarray:
        logits = honest(x)
        wrong = (x == few.real.inputs[row]).all(axis=(1, 2, 3))
        return np.where(wrong[:, None], logits[:, ::-1], logits)

    check = check_of(prove(as_artifact(run, few.checkpoint.spec), few), "labels")
    exact = few.real.exact[row]
    top, other = int(exact.argmax()), 9 - int(exact.argmax())
    assert check.figures is not None
    (flip,) = check.figures["flips"]
    assert flip == {
        "image": row,
        "reference": str(top),
        "artifact": str(other),
        "margin": pytest.approx(exact[top] - exact[other]),
        "explained": False,
    }
    assert not math.isinf(flip["margin"])


def test_without_real_images_each_check_says_so(checkpoint, honest: Function) -> None:
    reference = Reference(checkpoint, None, "MNIST is not here.")
    report = prove(as_artifact(honest, checkpoint.spec), reference)
    assert report.passed
    unseen = {check.name: check.detail for check in report.checks if check.status == "not_run"}
    names = ("real inputs", "lowest margins", "labels", "accuracy", "margin certificate")
    assert unseen == dict.fromkeys(names, "MNIST is not here.")
    assert "no real images seen" in report.conclusion
