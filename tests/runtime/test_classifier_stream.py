"""A stream of images: lazy, in order, with what is before an error given first."""

import io
import itertools
import tarfile

import numpy as np
import PIL.Image
import pytest

import lenetx_runtime.classifier as classifier_module
from lenetx_runtime import Classifier, InputError, LenetxError

BLANK = np.full((40, 40), 200, np.uint8)


@pytest.fixture(autouse=True, params=["images read by the caller", "images read by all threads"])
def way(request, monkeypatch):
    monkeypatch.setattr(classifier_module, "_LONG", 0.0 if "all" in request.param else 1e9)


@pytest.fixture(scope="module", params=[1, 2])
def classifier(sealed, request):
    with Classifier(sealed, threads=request.param) as opened:
        yield opened


@pytest.mark.parametrize("batch_size", [1, 2, 7, 64, 1000])
@pytest.mark.parametrize("count", [0, 1, 7, 150])
def test_it_gives_what_each_image_gives_in_their_order(classifier, pictures, batch_size, count):
    images = list(itertools.islice(itertools.cycle(pictures), count))
    found = list(classifier.stream(iter(images), batch_size=batch_size))
    assert [one.label for one in found] == [one.label for one in classifier.predict_batch(images)]


def test_an_array_of_images_is_a_stream_too(classifier, seven):
    images = np.stack([seven, np.roll(seven, 2, 0), seven.T])
    assert list(classifier.stream(images)) == classifier.predict_batch(images) == classifier.predict_batch(list(images))


def test_a_stream_without_an_end_gives_its_first_results(classifier, seven):
    taken = itertools.count()
    endless = itertools.chain([seven], (seven for _ in iter(lambda: next(taken), -1)))
    found = classifier.stream(endless, batch_size=4)
    assert len(list(itertools.islice(found, 10))) == 10
    found.close()
    assert next(taken) < 60


def test_one_by_one_each_result_comes_before_the_next_image_is_taken(classifier, seven):
    events = []

    def camera():
        for number in range(3):
            events.append(f"image {number}")
            yield seven

    for number, _ in enumerate(classifier.stream(camera(), batch_size=1)):
        events.append(f"result {number}")
    assert events == ["image 0", "result 0", "image 1", "result 1", "image 2", "result 2"]


@pytest.mark.parametrize("batch_size", [1, 4, 64])
@pytest.mark.parametrize("bad", [0, 3, 9])
def test_what_is_before_an_image_that_cannot_be_used_is_given_first(classifier, seven, batch_size, bad):
    images = [seven] * 12
    images[bad] = BLANK
    found = classifier.stream(images, batch_size=batch_size)
    assert len(list(itertools.islice(found, bad))) == bad
    with pytest.raises(InputError, match=f"Image {bad}: .*blank"):
        next(found)


def test_so_it_is_before_an_error_of_the_images_themselves(classifier, seven):
    def camera():
        yield from [seven] * 5
        raise OSError("unplugged")

    found = classifier.stream(camera(), batch_size=4)
    assert len(list(itertools.islice(found, 5))) == 5
    with pytest.raises(OSError, match="unplugged"):
        next(found)


@pytest.mark.parametrize("method", ["stream", "predict_batch"])
@pytest.mark.parametrize("images", ["a.png", b"PNG", 7, None])
def test_what_is_not_several_images_is_refused_at_once(classifier, method, images):
    with pytest.raises(InputError, match=f"{method} takes several images, not"):
        getattr(classifier, method)(images)


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_of_none_is_refused(classifier, seven, size):
    with pytest.raises(InputError, match=f"batch_size is {size}"):
        classifier.stream([seven], batch_size=size)


def test_a_stream_ends_with_a_sentence_when_its_classifier_is_closed(sealed, seven):
    with Classifier(sealed) as classifier:
        found = classifier.stream(itertools.repeat(seven), batch_size=1)
        next(found)
    with pytest.raises(LenetxError, match="closed"):
        next(found)
    with pytest.raises(LenetxError, match="closed"):
        classifier.stream([seven])


@pytest.mark.timeout(60)
@pytest.mark.parametrize("batch_size", [64, 65, 100, 200])
def test_batches_larger_than_what_a_thread_takes_wait_for_no_one(classifier, seven, batch_size):
    """Threads that share what they were given among the same threads would wait for themselves."""
    assert len(list(classifier.stream([seven] * 800, batch_size=batch_size))) == 800


@pytest.mark.timeout(60)
def test_so_it_is_for_a_model_of_a_fixed_batch(build_model, seven):
    with Classifier(build_model(batch=8), threads=2) as fixed:
        assert len(list(fixed.stream([seven] * 400))) == 400
        assert len(fixed.predict_batch([seven] * 50)) == 50


def test_closing_while_others_predict_ends_in_our_words(sealed, seven):
    for _ in range(20):
        classifier = Classifier(sealed, threads=2)
        found = classifier.stream([seven] * 2000)
        next(found)
        classifier.close()
        with pytest.raises(LenetxError, match="closed"):
            list(found)


def test_members_of_one_archive_are_read_one_after_another(classifier, tmp_path, seven):
    """They share one position in one file."""
    with tarfile.open(tmp_path / "many.tar", "w") as archive:
        for number in range(200):
            buffer = io.BytesIO()
            PIL.Image.fromarray(np.roll(seven, number % 3, axis=1)).save(buffer, "PNG")
            member = tarfile.TarInfo(f"{number}.png")
            member.size = buffer.tell()
            buffer.seek(0)
            archive.addfile(member, buffer)
    with tarfile.open(tmp_path / "many.tar") as archive:
        found = classifier.predict_batch([archive.extractfile(member) for member in archive])
    expected = classifier.predict_batch([np.roll(seven, number % 3, axis=1) for number in range(200)])
    assert [one.label for one in found] == [one.label for one in expected]


def test_a_single_colour_picture_is_not_taken_for_rows_of_pictures(classifier):
    with pytest.raises(InputError, match="not one of shape"):
        classifier.predict_batch(np.zeros((40, 30, 3), np.uint8))
