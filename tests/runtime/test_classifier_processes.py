"""One Classifier in many threads and processes: pickled, forked, shared."""

import concurrent.futures
import multiprocessing
import os
import pickle
import shutil
import threading

import numpy as np
import pytest

from lenetx_runtime import ArtifactError, Classifier, InputError, LenetxError


@pytest.fixture(scope="module")
def images():
    frames = np.zeros((200, 28, 28), np.uint8)
    frames[:, 4:24, 4:24] = np.random.default_rng(0).integers(0, 256, (200, 20, 20))
    return frames


def answers(classifier, images):
    return [one.probabilities for one in classifier.predict_batch(images)]


def test_sixteen_threads_get_the_same_results_as_one(sealed, images):
    classifier = Classifier(sealed)
    together, alone = answers(classifier, images), [classifier.predict(image).probabilities for image in images]
    ready = threading.Barrier(16)

    def work(number):
        ready.wait()
        if number % 2:
            return answers(classifier, images)
        return [classifier.predict(image).probabilities for image in images]

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        found = list(pool.map(work, range(16)))
    assert all(each == (together if number % 2 else alone) for number, each in enumerate(found))


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_number_of_threads_changes_no_bit(sealed, images, threads):
    assert answers(Classifier(sealed, threads=threads), images) == answers(Classifier(sealed), images)


@pytest.mark.parametrize("opened", ["path", "bytes"])
def test_it_can_be_pickled(model_path, sealed, images, opened):
    classifier = Classifier(model_path if opened == "path" else sealed, threads=1, device="cpu")
    again = pickle.loads(pickle.dumps(classifier))
    assert answers(again, images) == answers(classifier, images)
    assert again.device == "cpu"


def test_by_its_path_it_is_small_and_found_from_another_folder(model_path, tmp_path, monkeypatch, seven):
    monkeypatch.chdir(model_path.parent)
    pickled = pickle.dumps(Classifier(model_path.name))
    assert len(pickled) < 2000
    monkeypatch.chdir(tmp_path)
    assert pickle.loads(pickled).predict(seven).label


def test_what_was_changed_meanwhile_is_not_opened_in_its_place(model_path, tmp_path, build_model):
    path = tmp_path / "net.onnx"
    shutil.copy(model_path, path)
    pickled = pickle.dumps(Classifier(path))
    path.write_bytes(build_model(labels=tuple("abcdefghij")))
    with pytest.raises(ArtifactError, match="changed meanwhile"):
        pickle.loads(pickled)
    path.unlink()
    with pytest.raises(InputError, match="There is no model"):
        pickle.loads(pickled)


def test_what_is_closed_or_of_another_engine_is_not_pickled(sealed, spec):
    classifier = Classifier(sealed)
    other = Classifier.from_backend(spec, classifier._inference.backend)
    with pytest.raises(LenetxError, match="engine of your own"):
        pickle.dumps(other)
    classifier.close()
    with pytest.raises(LenetxError, match="closed"):
        pickle.dumps(classifier)


def test_spawned_workers_get_it_and_give_predictions_back(model_path, images):
    classifier = Classifier(model_path, threads=1)
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(2, context) as pool:
        found = [pool.submit(classifier.predict_batch, images[start : start + 100]) for start in (0, 100)]
        first, second = (future.result(timeout=250) for future in found)
    assert first + second == classifier.predict_batch(images)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="This system has no fork.")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("threads", [1, 2])
def test_it_goes_on_in_a_process_that_is_forked(sealed, images, threads):
    classifier = Classifier(sealed, device="cpu", threads=threads)
    expected = answers(classifier, images)  # its threads run by now

    def child():
        os._exit(0 if answers(classifier, images) == expected and classifier.predict(images[0]) else 1)

    process = multiprocessing.get_context("fork").Process(target=child)
    process.start()
    process.join(250)
    alive = process.is_alive()
    process.kill()
    assert not alive
    assert process.exitcode == 0
    assert answers(classifier, images) == expected
