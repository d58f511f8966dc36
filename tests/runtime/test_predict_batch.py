"""Many images at once: who reads and computes what, and what becomes of the bad ones among them."""

import contextlib
import gc
import threading
import tracemalloc
import weakref

import numpy as np
import PIL.Image
import pytest

from lenetx_runtime import ArtifactError, Classifier, InputError
from lenetx_runtime.preprocess import Normaliser

BLANK = np.full((40, 40), 200, np.uint8)


@pytest.fixture
def counted(sealed):
    """A Classifier on two threads, and the list of the numbers of images that its engine was given."""
    classifier, calls = Classifier(sealed, threads=2), []
    inner = classifier._inference._run

    def run(batch):
        calls.append(len(batch))
        return inner(batch)

    classifier._inference._run = run
    yield classifier, calls
    classifier.close()


class OneReader:
    """A file that several images are read from; it notices if two threads read at once."""

    def __init__(self, data, times):
        self.left, self.data, self.lock, self.clashes = [data] * times, data, threading.Lock(), 0

    def read(self, _size):
        if not self.lock.acquire(blocking=False):
            self.clashes += 1
            return b""
        try:
            if self.left and self.left[-1] is None:
                self.left.pop()
                return b""
            self.left[-1] = None
            return self.data
        finally:
            self.lock.release()


def test_what_is_read_from_one_file_is_read_by_one_thread_also_behind_frames(sealed, seven, encode):
    data = encode(PIL.Image.fromarray(seven), "PNG")
    for _ in range(3):
        with Classifier(sealed, threads=4) as classifier:
            reader = OneReader(data, 400)
            found = classifier.predict_batch([seven] * 100 + [reader] * 400)
            assert reader.clashes == 0
            assert set(found) == {classifier.predict(seven)}


def test_a_pillow_image_that_is_not_loaded_yet_may_stand_there_often(sealed, seven, tmp_path):
    PIL.Image.fromarray(seven).save(tmp_path / "seven.png")
    with Classifier(sealed, threads=4) as classifier:
        for _ in range(5):
            with PIL.Image.open(tmp_path / "seven.png") as lazy:
                assert len(set(classifier.predict_batch([seven] * 100 + [lazy] * 300))) == 1


@pytest.mark.parametrize("blank", [np.zeros((28, 28), np.uint8), BLANK], ids=["28 by 28", "40 by 40"])
def test_after_a_bad_image_little_more_is_computed(counted, seven, blank):
    classifier, calls = counted
    with pytest.raises(InputError, match=r"Image 0: .*blank"):
        classifier.predict_batch([blank, *[seven] * 4000])
    assert sum(calls) <= 2048  # of 4001: two threads, of which a busy machine may stop one for a while


def test_the_error_is_that_of_the_first_bad_image_whatever_it_is(counted, seven):
    """The engine fails for all images that are not the seven, at once; the blank one before it is seen later."""
    classifier, _ = counted
    inner, (usual,) = classifier._inference._run, {seven.sum()}

    def run(batch):
        if len({one.tobytes() for one in batch}) > 1:
            raise ArtifactError("It fails.")
        return inner(batch)

    classifier._inference._run = run
    other = seven.T.copy()
    assert other.sum() == usual
    images = np.stack([seven] * 900 + [other] + [seven] * 100)
    images[450] = 0
    with pytest.raises(InputError, match=r"Image 450: .*blank"):
        classifier.predict_batch(images)
    images[450] = seven
    with pytest.raises(ArtifactError, match="It fails"):
        classifier.predict_batch(images)


@pytest.mark.parametrize("batch", [1, 10, 48, 60, 100])
def test_a_fixed_batch_is_filled_up_once_at_the_end(build_model, seven, batch):
    with Classifier(build_model(batch=batch), threads=2) as classifier:
        calls, inner = [], classifier._inference._run
        classifier._inference._run = lambda inputs: calls.append(len(inputs)) or inner(inputs)
        for given in ([seven] * 600, (seven for _ in range(600)), np.stack([seven] * 600)):
            calls.clear()
            assert len(classifier.predict_batch(given)) == 600
            assert sum(calls) == -(-600 // batch) * batch


def test_a_failed_call_keeps_neither_its_images_nor_the_classifier(sealed, seven):
    class Images(list):
        pass

    gc.collect()
    gc.disable()
    try:
        classifier, images = Classifier(sealed, threads=2), Images([seven] * 600 + [np.zeros((28, 28), np.uint8)])
        kept = weakref.ref(classifier), weakref.ref(images)
        with contextlib.suppress(InputError):
            classifier.predict_batch(images)
        classifier.close()
        del classifier, images
        assert [each() for each in kept] == [None, None]
    finally:
        gc.enable()


def test_masked_arrays_of_many_images_are_refused(sealed, seven):
    masked = np.ma.masked_array(np.stack([seven] * 3), mask=np.stack([seven] * 3) > 0)
    with Classifier(sealed) as classifier:
        for use in (classifier.predict_batch, lambda images: list(classifier.stream(images))):
            with pytest.raises(InputError, match="masked array"):
                use(masked)


def test_a_large_fixed_batch_needs_little_more_than_its_inputs(spec_for):
    frames = np.zeros((512, 64, 64, 3), np.uint8)
    normaliser = Normaliser(spec_for("stretch", 3, 64, 64))
    tracemalloc.start()
    try:
        (inputs,) = normaliser.parts(frames, 512)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * inputs.nbytes
