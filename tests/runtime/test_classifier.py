import contextlib
import dataclasses
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import PIL.Image
import pytest
from onnx.reference import ReferenceEvaluator

from lenetx_runtime import ArtifactError, Classifier, InputError, LenetxError
from lenetx_runtime.preprocess import frame, normalise

INPUTS = np.random.default_rng(2).normal(size=(9, 1, 32, 32)).astype(np.float32)


@pytest.fixture(scope="module")
def classifier(sealed):
    return Classifier(sealed)


def test_the_answer_is_that_of_the_graph_on_the_documented_input(sealed, spec, classifier, pictures):
    inputs = normalise(np.stack([frame(picture, spec) for picture in pictures]), spec)
    [logits] = ReferenceEvaluator(onnx.load_from_string(sealed)).run(None, {"image": inputs})
    powers = np.exp(logits.astype(np.float64))
    expected = powers / powers.sum(axis=1, keepdims=True)
    for prediction, row in zip(classifier.predict_batch(pictures), expected, strict=True):
        assert prediction.label == spec.labels[row.argmax()]
        assert prediction.index == row.argmax()
        ranked = sorted(zip(spec.labels, row, strict=True), key=lambda pair: -pair[1])
        assert [label for label, _ in prediction.probabilities] == [label for label, _ in ranked]
        np.testing.assert_allclose([value for _, value in prediction.probabilities], [v for _, v in ranked], rtol=1e-3)


def test_the_pictures_of_these_tests_get_different_answers(classifier, pictures):
    assert len({prediction.label for prediction in classifier.predict_batch(pictures)}) > 1


@pytest.mark.parametrize("opened", ["path", "str", "bytes"])
def test_a_model_is_opened_from_a_path_or_its_bytes(model_path, classifier, seven, opened):
    model = {"path": model_path, "str": str(model_path), "bytes": model_path.read_bytes()}[opened]
    with Classifier(model) as again:
        assert again.device == "cpu"
        assert again.spec.labels[7] == "seven"
        assert again.predict(seven) == classifier.predict(seven)


def test_one_picture_gives_one_answer_however_it_comes(tmp_path, classifier, seven):
    image = PIL.Image.fromarray(np.kron(seven, np.ones((4, 4), np.uint8)))
    path = tmp_path / "seven.png"
    image.save(path)
    given = [path, str(path), path.read_bytes(), image, np.asarray(image)]
    assert len(set(classifier.predict_batch(given))) == 1


def test_one_by_one_and_together_agree(classifier, pictures):
    together = classifier.predict_batch(pictures)
    for picture, answer in zip(pictures, together, strict=True):
        alone = classifier.predict(picture)
        assert alone.label == answer.label
        assert dict(alone.probabilities) == pytest.approx(dict(answer.probabilities), rel=1e-5)


def test_any_iterable_of_images_of_mixed_sizes_is_taken_in_order(classifier, pictures):
    assert classifier.predict_batch(iter(pictures)) == classifier.predict_batch(tuple(pictures))
    backwards = classifier.predict_batch(pictures[::-1])
    assert [answer.label for answer in backwards[::-1]] == [
        answer.label for answer in classifier.predict_batch(pictures)
    ]


def test_no_images_give_no_answers(classifier):
    assert classifier.predict_batch([]) == []
    assert classifier.logits(INPUTS[:0]).shape == (0, 10)


@pytest.mark.parametrize("batch", ["dynamic", 4])
def test_no_images_are_never_asked_of_an_engine_which_might_abort(spec, batch):
    class Engine:
        device = "cpu"

        def run(self, images):
            raise AssertionError(f"an engine was asked for {len(images)} images")

    alone = Classifier.from_backend(dataclasses.replace(spec, batch=batch), Engine())
    assert alone.predict_batch([]) == [*alone.stream([])] == []
    assert alone.logits(INPUTS[:0]).shape == (0, 10)


@pytest.mark.parametrize("count", [1, 4, 5, 9])
def test_a_model_with_a_fixed_batch_takes_any_number_of_images(build_model, classifier, pictures, count):
    fixed = Classifier(build_model(batch=4))
    np.testing.assert_allclose(fixed.logits(INPUTS[:count]), classifier.logits(INPUTS[:count]), rtol=1e-5, atol=1e-6)
    labels = [answer.label for answer in fixed.predict_batch(pictures[:count])]
    assert labels == [classifier.predict(picture).label for picture in pictures[:count]]


@pytest.mark.parametrize(
    "view", [lambda array: array[::-1], lambda array: array[::3], np.asfortranarray, lambda array: array.swapaxes(2, 3)]
)
def test_the_memory_layout_of_the_inputs_does_not_matter(classifier, view):
    np.testing.assert_array_equal(classifier.logits(view(INPUTS)), classifier.logits(view(INPUTS).copy(order="C")))


@pytest.mark.parametrize(
    "inputs",
    [
        INPUTS.astype(np.float64),
        INPUTS.astype(np.float16),
        INPUTS.astype(np.uint8),
        INPUTS.astype(">f4"),
        INPUTS[0],
        INPUTS[0, 0],
        INPUTS[None],
        INPUTS[:, :, :28, :28],
        INPUTS[:, [0, 0, 0]],
        INPUTS[:, 0],
        np.float32(1).reshape(1)[0:0],
        np.zeros((), np.float32),
    ],
    ids=lambda inputs: f"{inputs.dtype}{inputs.shape}",
)
def test_inputs_of_another_dtype_or_shape_are_refused_with_both(classifier, inputs):
    with pytest.raises(InputError, match=r"float32\[N, 1, 32, 32\]") as caught:
        classifier.logits(inputs)
    assert f"{inputs.dtype}[{', '.join(map(str, inputs.shape))}]" in str(caught.value)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_inputs_that_are_not_finite_are_refused(classifier, wrong):
    inputs = INPUTS.copy()
    inputs[8, 0, 31, 31] = wrong
    with pytest.raises(InputError, match="NaN or infinity"):
        classifier.logits(inputs)


def test_inputs_that_are_no_array_are_refused_by_type(classifier):
    with pytest.raises(InputError, match="not list"):
        classifier.logits(INPUTS.tolist())


@pytest.mark.parametrize("position", [0, 1, 2])
def test_the_one_bad_image_of_a_batch_is_named_by_its_position(classifier, seven, position):
    images = [seven, seven, seven]
    images[position] = np.full((40, 40), 200, np.uint8)
    with pytest.raises(InputError, match=f"Image {position}: .*blank"):
        classifier.predict_batch(images)


def test_the_error_of_a_single_image_speaks_of_no_position(classifier, tmp_path):
    with pytest.raises(InputError, match=r"^There is no image"):
        classifier.predict(tmp_path / "absent.png")


def test_threads_share_a_classifier(classifier, pictures):
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(classifier.predict, pictures * 8))
    assert answers == [classifier.predict(picture) for picture in pictures] * 8


USES = {
    "predict": lambda classifier, image: classifier.predict(image),
    "predict_batch": lambda classifier, image: classifier.predict_batch([image]),
    "predict_batch of nothing": lambda classifier, _: classifier.predict_batch([]),
    "logits": lambda classifier, _: classifier.logits(INPUTS),
    "device": lambda classifier, _: classifier.device,
}


@pytest.mark.parametrize("use", USES)
def test_a_closed_classifier_says_so(sealed, seven, use):
    classifier = Classifier(sealed)
    classifier.close()
    classifier.close()
    with pytest.raises(LenetxError, match="closed"):
        USES[use](classifier, seven)


def test_a_closed_classifier_holds_on_to_no_bytes(build_model):
    model = build_model()
    held = sys.getrefcount(model)
    classifier = Classifier(model)
    assert sys.getrefcount(model) > held
    classifier.close()
    assert sys.getrefcount(model) == held


def test_a_with_block_closes_the_classifier_even_after_an_error(sealed, seven):
    classifier = Classifier(sealed)

    def fail_while_open():
        with classifier as opened:
            assert opened.predict(seven).label in opened.spec.labels
            raise KeyError

    with pytest.raises(KeyError):
        fail_while_open()
    with pytest.raises(LenetxError, match="closed"):
        classifier.predict(seven)


def test_another_engine_can_take_the_place_of_onnxruntime(spec, seven):
    class Always:
        device = "abacus"

        def __init__(self, label):
            self.index, self.seen = spec.labels.index(label), []

        def run(self, batch):
            self.seen.append(batch)
            return np.tile(np.where(np.arange(10) == self.index, np.float32(9), np.float32(0)), (len(batch), 1))

    backend = Always("four")
    classifier = Classifier.from_backend(spec, backend)
    assert classifier.device == "abacus"
    assert classifier.predict(seven).label == "four"
    np.testing.assert_array_equal(backend.seen[0], normalise(seven[None], spec))


def test_an_engine_may_give_what_lies_in_the_batch_itself(spec):
    """The memory of a batch is used for the next one."""

    class View:
        device = "abacus"

        def run(self, batch):
            return batch.reshape(len(batch), -1)[:, 330:340]

    frames = np.random.default_rng(5).integers(0, 256, (200, 28, 28), np.uint8)
    frames[:, :2] = frames[:, -2:] = frames[:, :, :1] = 0
    classifier = Classifier.from_backend(spec, View())
    assert classifier.predict_batch(frames) == [classifier.predict(one) for one in frames]


@pytest.mark.parametrize("shape", [(9,), (11,), (), (10, 1)])
def test_an_engine_that_gives_another_number_of_logits_is_refused(spec, seven, shape):
    class Wrong:
        device = "abacus"

        def run(self, batch):
            return np.zeros((len(batch), *shape), np.float32)

    with pytest.raises(ArtifactError, match=r"The model returns \[1.*\] for 1 inputs and 10 labels"):
        Classifier.from_backend(spec, Wrong()).predict(seven)


def test_the_one_bad_file_of_a_batch_is_named(classifier, seven, tmp_path):
    PIL.Image.fromarray(np.full((40, 40), 200, np.uint8)).save(tmp_path / "blank.png")
    with pytest.raises(InputError, match=r"^'.*blank\.png': The image is blank"):
        classifier.predict_batch([seven, tmp_path / "blank.png"])
    with pytest.raises(InputError, match=r"^There is no image '.*absent\.png'\.$"):
        classifier.predict_batch([seven, tmp_path / "absent.png"])


@pytest.mark.parametrize("large", [1e20, 3e38])
def test_large_inputs_are_finite_inputs_also_where_the_host_makes_events_errors(classifier, large):
    inputs = np.full((1, 1, 32, 32), large, np.float32)
    with np.errstate(all="raise"):
        assert classifier.logits(inputs / np.float32(1e10)).shape == (1, 10)
    with contextlib.suppress(ArtifactError):  # its logits may overflow
        classifier.logits(inputs)
    inputs[0, 0, 0, :2] = np.inf, -np.inf
    with np.errstate(all="raise"), pytest.raises(InputError, match="NaN or infinity"):
        classifier.logits(inputs)


@pytest.mark.parametrize("host", [{"all": "raise"}, {"all": "call"}])
def test_a_host_that_makes_events_errors_gets_the_same_answers(build_model, selftest, seven, tmp_path, host):
    PIL.Image.fromarray(seven).resize((200, 300)).convert("RGB").save(tmp_path / "seven.png")
    images = [tmp_path / "seven.png", seven, np.full((40, 30, 4), 1e-310) + np.eye(40, 30)[:, :, None]]
    model = build_model(selftest=selftest, mean=(1e-40,), std=(1.0,))

    def answers():
        with Classifier(model) as classifier:
            return classifier.predict_batch(images), [*map(classifier.predict, images)], classifier.self_test().worst

    expected = answers()
    with np.errstate(**host):
        assert answers() == expected


class Own(np.ndarray):
    """An array of a custom kind."""


def test_masked_arrays_are_refused_and_other_kinds_taken(classifier, seven):
    with pytest.raises(InputError, match="masked array"):
        classifier.logits(np.ma.masked_array(INPUTS))
    with pytest.raises(InputError, match="masked array"):
        classifier.predict(np.ma.masked_array(seven))
    assert classifier.predict(seven.view(Own)) == classifier.predict(seven)


def test_a_single_number_is_no_input(build_model):
    with pytest.raises(InputError, match="Inputs are float32"):
        Classifier(build_model(batch=4)).logits(np.zeros((), np.float32))
