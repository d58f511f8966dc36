"""A model says how its pictures are framed and in how many channels, and the classifier follows it."""

import dataclasses

import numpy as np
import PIL.Image
import pytest

from lenetx_runtime import Classifier, InputError
from lenetx_runtime.preprocess import decode, frame, frame_batch, normalise

PICTURES = [
    np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    for seed, shape in enumerate([(18, 25, 3), (40, 9, 3), (50, 70), (1, 1, 3), (30, 30, 4)])
]


@pytest.fixture(params=["stretch", "letterbox"])
def spec(request, spec_for):
    return spec_for(request.param, 3, 20, 29, 1)


@pytest.fixture
def classifier(build_model, spec):
    fields = dataclasses.asdict(spec)
    return Classifier(build_model(shape=spec.input_shape, **fields))


def test_the_answer_is_that_of_the_documented_input(spec, classifier):
    frames = np.stack([frame(decode(picture, 3), spec) for picture in PICTURES])
    assert frames.shape == (5, 18, 27, 3)
    rows = classifier.logits(normalise(frames, spec))
    answers = classifier.predict_batch(PICTURES)
    assert [answer.index for answer in answers] == rows.argmax(axis=1).tolist()
    for picture, answer in zip(PICTURES, answers, strict=True):
        assert dict(classifier.predict(picture).probabilities) == pytest.approx(dict(answer.probabilities), rel=1e-5)


def test_one_picture_gives_one_answer_however_it_comes(tmp_path, classifier):
    image = PIL.Image.fromarray(PICTURES[0])
    path = tmp_path / "picture.png"
    image.save(path)
    assert len(set(classifier.predict_batch([path, str(path), path.read_bytes(), image, PICTURES[0]]))) == 1


def test_the_colours_are_not_taken_for_one_another(classifier):
    straight, swapped = classifier.predict_batch([PICTURES[0], PICTURES[0][:, :, ::-1]])
    assert dict(straight.probabilities) != pytest.approx(dict(swapped.probabilities), rel=1e-3)


def test_grey_pictures_and_blank_ones_are_taken(classifier):
    grey = PICTURES[2]
    assert classifier.predict(grey) == classifier.predict(np.repeat(grey[:, :, None], 3, axis=2))
    assert classifier.predict(np.zeros((5, 5), np.uint8)).label in classifier.spec.labels


def test_what_is_no_picture_is_still_refused_by_its_position(classifier):
    with pytest.raises(InputError, match="Image 1: "):
        classifier.predict_batch([PICTURES[0], np.zeros((3, 3, 2), np.uint8)])


@pytest.fixture
def unknown(build_model, spec_for):
    fields = {"mean": (0.0,) * 3, "std": (1.0,) * 3, "scale": 1 / 255, "framing": "unknown", "polarity": "as_is"}
    spec = dataclasses.replace(spec_for("stretch", 3, 20, 29), **fields)
    return Classifier(build_model(shape=spec.input_shape, **dataclasses.asdict(spec)))


def test_a_model_that_does_not_say_how_refuses_pictures_and_says_what_to_do(unknown):
    """Even one of the input's own size: nobody knows its mean and deviation."""
    ready = np.zeros((20, 29, 3), np.uint8)
    for answer in (lambda: unknown.predict(ready), lambda: unknown.predict_batch([ready])):
        with pytest.raises(InputError) as caught:
            answer()
        assert str(caught.value).startswith("The model does not record how a picture becomes its input: ")
        assert "--framing" in str(caught.value)


def test_such_a_model_takes_ready_inputs(unknown):
    assert unknown.logits(np.zeros((2, 3, 20, 29), np.float32)).shape == (2, len(unknown.spec.labels))


@pytest.mark.parametrize("prepare", [frame, lambda image, spec: frame_batch(image[None], spec)], ids=["one", "batch"])
def test_no_frame_is_made_for_such_a_model(unknown, prepare):
    with pytest.raises(InputError, match="does not record how"):
        prepare(np.zeros((20, 29, 3), np.uint8), unknown.spec)


def test_frame_is_what_the_network_sees(spec, classifier):
    for picture in PICTURES:
        framed = classifier.frame(picture)
        assert (framed.shape, framed.dtype) == ((18, 27, 3), np.uint8)
        np.testing.assert_array_equal(framed, frame(decode(picture, 3), spec))
    with pytest.raises(InputError, match="H×W"):
        classifier.frame(np.zeros((3, 3, 2), np.uint8))


def test_to_write_on_a_frame_leaves_the_image_alone(model_path, seven):
    with Classifier(model_path) as classifier:
        given = seven.copy()
        classifier.frame(given)[:] = 0
        np.testing.assert_array_equal(given, seven)
        np.testing.assert_array_equal(classifier.frame(given), seven)
