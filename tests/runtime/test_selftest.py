"""The self-test that a model carries: how it is written and read, and what it takes to pass it."""

import base64
import dataclasses
import json
import random
import time

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import numpy_helper

from lenetx_runtime import ArtifactError, Classifier, LenetxError, ModelSpec, SelfTest
from lenetx_runtime.preprocess import normalise
from lenetx_runtime.selftest import check_logits

QUICK = settings(deadline=None, derandomize=True, max_examples=100)
numbers = st.floats(allow_nan=False, allow_infinity=False)


@pytest.fixture(scope="module")
def selftested_model(build_model, selftest):
    """The tiny model with its self-test, sealed."""
    return build_model(selftest=selftest)


def row_of(value, labels=10):
    return tuple([value] * labels)


@QUICK
@given(
    st.integers(1, 64).flatmap(
        lambda count: st.tuples(*[st.lists(st.tuples(*[numbers] * 10), min_size=count, max_size=count)] * 2)
    )
)
def test_what_is_written_is_read_back_equal(spec, rows):
    logits, limits = (tuple(some) for some in rows)
    limits = tuple(tuple(map(abs, row)) for row in limits)
    images = bytes(range(256)) * 4 * len(logits)
    carrying = dataclasses.replace(spec, selftest=SelfTest(images[: 28 * 28 * len(logits)], logits, limits))
    read = ModelSpec.from_json(carrying.to_json())
    assert read == carrying
    assert hash(read) == hash(carrying)
    assert read.to_json() == carrying.to_json()


@pytest.mark.parametrize(("framing", "channels", "padding"), [("mnist", 1, 2), ("stretch", 1, 0), ("letterbox", 3, 1)])
def test_frames_come_back_as_they_were_put_in(spec_for, framing, channels, padding):
    side = 28 + 2 * padding
    spec = spec_for(framing, channels, side, side, padding)
    frames = np.random.default_rng(0).integers(0, 256, (3, 28, 28, 3)[: 3 + (channels == 3)], np.uint8)
    logits = np.arange(30.0).reshape(3, 10)
    carrying = dataclasses.replace(spec, selftest=SelfTest.of(frames, logits, logits / 1000))
    selftest = ModelSpec.from_json(carrying.to_json()).selftest
    np.testing.assert_array_equal(selftest.frames(spec), frames)
    np.testing.assert_array_equal(selftest.logits, logits)
    np.testing.assert_array_equal(selftest.limits, logits / 1000)


def test_a_model_without_one_has_no_such_field(spec):
    assert "selftest" not in json.loads(spec.to_json())
    assert ModelSpec.from_json(spec.to_json()).selftest is None


def test_its_repr_tells_two_apart_and_fills_no_page(selftest):
    other = dataclasses.replace(selftest, images=bytes(len(selftest.images)))
    assert repr(selftest).startswith("<SelfTest of 4 images, ")
    assert repr(selftest) != repr(other)
    assert len(repr(selftest)) < 50


def test_no_image_becomes_a_text_that_looks_like_a_path(selftest):
    every = bytes(random.Random(0).randbytes(28 * 28 * 4))
    assert "/" in base64.b64encode(every).decode()
    assert "/" not in json.dumps(dataclasses.replace(selftest, images=every).to_plain())


def change(**fields):
    return lambda plain: plain | fields


HOSTILE = {
    "null": (lambda _: None, "not an object of images, limits, logits"),
    "a list": (lambda plain: [plain], "not an object"),
    "a field too few": (lambda plain: {"images": plain["images"], "logits": plain["logits"]}, "not an object"),
    "a field too many": (change(more=1), "not an object"),
    "no base64": (change(images="?" * 16), "not URL-safe base64"),
    "base64 with spaces": (lambda plain: plain | {"images": f" {plain['images']}"}, "not URL-safe base64"),
    "base64 with slashes": (change(images=base64.b64encode(b"\xff" * (28 * 28 * 4)).decode()), "not URL-safe base64"),
    "letters beyond ASCII": (change(images="é" * 16), "not URL-safe base64"),
    "bits after the end": (
        lambda plain: plain | {"images": base64.b64encode(bytes(28 * 28 * 4)).decode()[:-2] + "B="},
        "not URL-safe base64",
    ),
    "images as a number": (change(images=5), "not URL-safe base64"),
    "images as a list": (change(images=[0] * 3136), "not URL-safe base64"),
    "a byte too few": (change(images=base64.b64encode(bytes(28 * 28 * 4 - 1)).decode()), "frames of this size"),
    "an image too many": (change(images=base64.b64encode(bytes(28 * 28 * 5)).decode()), "frames of this size"),
    "padded images": (change(images=base64.b64encode(bytes(32 * 32 * 4)).decode()), "frames of this size"),
    "logits of other labels": (change(logits=[[0] * 9] * 4, limits=[[0] * 9] * 4), "logits of these labels"),
    "no images": (change(images="", logits=[], limits=[]), "0 images, not 1 to 64"),
    "too many images": (change(logits=[[0] * 10] * 65, limits=[[0] * 10] * 65), "65 images, not 1 to 64"),
    "fewer limits": (change(limits=[[1] * 10] * 3), "not of one shape"),
    "shorter limits": (change(limits=[[1] * 9] * 4), "not of one shape"),
    "a ragged row": (change(logits=[[0] * 10] * 3 + [[0] * 11]), "not of one shape"),
    "logits as a text": (change(logits="0123"), "its logits are not rows"),
    "logits as numbers": (change(logits=[1, 2, 3, 4]), "its logits are not rows"),
    "limits as a number": (change(limits=1e-4), "its limits are not rows"),
    "a NaN": (change(logits=[[float("nan")] * 10] * 4), "its logits are not all finite"),
    "an infinite limit": (change(limits=[[float("inf")] * 10] * 4), "its limits are not all finite"),
    "a number too large": (change(limits=[[10**400] * 10] * 4), "its limits are not all finite"),
    "a truth": (change(logits=[[True] * 10] * 4), "its logits are not all finite"),
    "a text in a row": (change(logits=[["0"] * 10] * 4), "its logits are not all finite"),
    "a negative limit": (change(limits=[[0] * 9 + [-1e-9]] * 4), "a limit is negative"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_one_that_makes_no_sense_is_refused_with_the_reason(spec, selftest, name):
    edit, reason = HOSTILE[name]
    plain = json.loads(spec.to_json())
    with pytest.raises(ArtifactError, match=reason) as caught:
        ModelSpec.from_json(json.dumps(plain | {"selftest": edit(selftest.to_plain())}))
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("value", [5, {"images": ""}, "selftest"])
def test_a_spec_made_in_code_takes_nothing_else(spec, value):
    with pytest.raises(ArtifactError, match="not a SelfTest"):
        dataclasses.replace(spec, selftest=value)


def test_one_made_in_code_takes_no_text_for_images(selftest):
    with pytest.raises(ArtifactError, match="its images are not bytes"):
        dataclasses.replace(selftest, images="0" * len(selftest.images))


def test_an_honest_model_passes(selftested_model, selftest):
    start = time.perf_counter()
    result = Classifier(selftested_model).self_test()
    elapsed = time.perf_counter() - start
    assert result.passed
    assert result.images == 4
    assert 0 < result.worst < 1
    assert result.device == "cpu"
    assert 0 < result.seconds <= elapsed
    worst = (
        np.abs(Classifier(selftested_model).logits(_inputs(selftested_model)) - np.array(selftest.logits)).max() / 1e-4
    )
    assert result.worst == pytest.approx(worst)


def _inputs(model):
    spec = Classifier(model).spec
    return normalise(spec.selftest.frames(spec), spec)


@pytest.mark.parametrize("batch", [1, 3, 4, 7])
def test_a_model_of_a_fixed_batch_passes_too(build_model, selftest, batch):
    assert Classifier(build_model(selftest=selftest, batch=batch)).self_test().passed


def scaled(name, factor):
    """Return an edit of the model that multiplies one weight tensor."""

    def edit(model):
        (tensor,) = (each for each in model.graph.initializer if each.name == name)
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(factor), name))

    return edit


FAULTS = {
    "a kernel": {"edit": scaled("kernel", 1 + 1e-3)},
    "a matrix": {"edit": scaled("dense", 1 + 1e-3)},
    "NaN": {"edit": scaled("dense", np.nan)},
    "infinity": {"edit": scaled("dense", np.inf)},
    "the mean": {"mean": (0.1308,)},
    "the std": {"std": (0.3082,)},
    "the scale": {"scale": 1 / 256},
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_wrong_model_fails_whatever_is_wrong_with_it(build_model, selftest, name):
    """Sealed anew, so that no digest speaks."""
    result = Classifier(build_model(selftest=selftest, **FAULTS[name])).self_test()
    assert not result.passed
    assert result.worst > 1


def test_one_wrong_logit_of_one_image_fails(build_model, selftest):
    logits = np.array(selftest.logits)
    logits[3, 9] += 3e-4
    altered = SelfTest(selftest.images, tuple(map(tuple, logits.tolist())), selftest.limits)
    result = Classifier(build_model(selftest=altered)).self_test()
    assert not result.passed
    assert result.worst == pytest.approx(3, rel=0.1)


@pytest.mark.parametrize(
    ("off", "limit", "passed", "worst"),
    [
        (0.0, 0.0, True, 0.0),
        (0.25, 0.5, True, 0.5),
        (0.5, 0.5, True, 1.0),
        (-0.5, 0.5, True, 1.0),
        (1.0, 0.5, False, 2.0),
        (2.0**-20, 0.0, False, np.inf),
        (1.0, 5e-324, False, np.inf),
        (np.nan, 1e300, False, np.inf),
        (np.inf, 1e300, False, np.inf),
        (-np.inf, 0.0, False, np.inf),
    ],
)
def test_a_logit_passes_within_its_limit_and_at_it(off, limit, passed, worst):
    selftest = SelfTest(b"", (row_of(1.0),), (row_of(limit),))
    logits = np.ones((1, 10), np.float32)
    logits[0, 4] += off
    assert check_logits(selftest, logits) == (passed, worst)


def test_an_engine_that_gives_another_number_of_logits_is_an_error(spec, selftest):
    class Short:
        device = "abacus"

        def run(self, batch):
            return np.zeros((len(batch), 9), np.float32)

    carrying = dataclasses.replace(spec, selftest=selftest)
    with pytest.raises(ArtifactError, match=r"returns \[4, 9\] for 4 inputs and 10 labels"):
        Classifier.from_backend(carrying, Short()).self_test()


def test_a_model_without_one_says_what_to_do(sealed):
    with pytest.raises(ArtifactError, match="has no self-test: 'lenetx export' adds one"):
        Classifier(sealed).self_test()


def test_a_closed_classifier_says_so(selftested_model):
    classifier = Classifier(selftested_model)
    classifier.close()
    with pytest.raises(LenetxError, match="closed"):
        classifier.self_test()


def test_every_bit_of_it_is_under_the_seal(selftested_model):
    start = selftested_model.index(b'"selftest"')
    for position in range(start, start + 3000, 97):
        changed = bytearray(selftested_model)
        changed[position] ^= 1
        with pytest.raises(ArtifactError):
            Classifier(bytes(changed))


def test_the_model_of_these_tests_is_the_one_without_it_but_for_the_spec(selftested_model, sealed):
    assert onnx.load_from_string(selftested_model).graph == onnx.load_from_string(sealed).graph
