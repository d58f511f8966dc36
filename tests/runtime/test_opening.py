"""What a Classifier is asked for is what is opened: device, providers, threads."""

import pickle

import numpy as np
import PIL.Image
import pytest

from lenetx_runtime import Classifier, DeviceUnavailable, InputError, Limits, opening
from lenetx_runtime.cpus import available_cpus
from lenetx_runtime.ort_session import CPU, CUDA, execution_providers

INPUTS = np.random.default_rng(2).normal(size=(9, 1, 32, 32)).astype(np.float32)
OTHERS = [name for name in execution_providers() if name not in (CPU, CUDA)]


def test_auto_takes_the_cpu_where_there_is_no_cuda(sealed):
    if CUDA in execution_providers():
        pytest.skip("This onnxruntime has CUDA: tests/gpu asks for it.")
    assert Classifier(sealed).device == "cpu"
    assert Classifier(sealed, device="auto").device == "cpu"


@pytest.mark.parametrize("failure", ["opening", "running"])
def test_auto_goes_on_with_the_cpu_where_cuda_is_there_and_does_not_work(sealed, monkeypatch, failure):
    """With a made-up CUDA: no evidence of the real one."""
    import lenetx_runtime.ort as ort

    class Made(ort.OrtBackend):
        def __init__(self, *arguments, device="cpu", **options):
            if device == "cuda" and failure == "opening":
                raise DeviceUnavailable("CUDA was requested and cannot run the model.")
            super().__init__(*arguments, **options)
            if device == "cuda":
                self.device, self._outputs = "cuda:0", ["nothing"]

    monkeypatch.setattr(ort, "OrtBackend", Made)
    monkeypatch.setattr(opening, "execution_providers", lambda: (CUDA, CPU))
    classifier = Classifier(sealed)
    assert classifier.device == "cpu"
    assert classifier.logits(INPUTS).shape == (9, 10)


def test_auto_takes_a_cuda_that_works(sealed, monkeypatch):
    """With a made-up CUDA, which is the CPU: no evidence of the real one."""
    import lenetx_runtime.ort as ort

    class Made(ort.OrtBackend):
        def __init__(self, *arguments, device="cpu", **options):
            super().__init__(*arguments, **options)
            self.device = {"cuda": "cuda:0"}.get(device, device)

    monkeypatch.setattr(ort, "OrtBackend", Made)
    monkeypatch.setattr(opening, "execution_providers", lambda: (CUDA, CPU))
    assert Classifier(sealed).device == "cuda:0"
    assert Classifier(sealed, device="cpu").device == "cpu"


@pytest.mark.parametrize("named", [CPU, (CPU, {"use_arena": "0"})], ids=["name", "name and settings"])
def test_a_provider_can_be_named(sealed, named):
    classifier = Classifier(sealed, providers=[named])
    assert classifier.device == "cpu"
    np.testing.assert_allclose(classifier.logits(INPUTS), Classifier(sealed).logits(INPUTS), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("other", OTHERS or [pytest.param(None, marks=pytest.mark.skip("There is no other."))])
def test_a_provider_that_leaves_the_model_to_the_cpu_is_refused_unless_the_cpu_is_named_too(sealed, other):
    with pytest.raises(DeviceUnavailable, match=other):
        Classifier(sealed, providers=[other])
    both = Classifier(sealed, providers=[other, CPU])
    assert both.device == f"{other} or {CPU}"
    assert both.logits(INPUTS).shape == (9, 10)


@pytest.mark.parametrize("name", ["OpenVINOExecutionProvider", "CoreMLExecutionProvider", "gpu", ""])
def test_a_provider_that_is_not_there_is_refused_by_its_name(sealed, name):
    if name in execution_providers():
        pytest.skip(f"This onnxruntime has {name}.")
    with pytest.raises(DeviceUnavailable, match=f"{name} was requested, but this onnxruntime has no {name}"):
        Classifier(sealed, providers=[name])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"device": "cpu", "providers": [CPU]}, "Give the device cpu or providers, not both"),
        ({"providers": []}, "Name at least one execution provider"),
        ({"threads": 0}, "threads is 0"),
        ({"threads": 1025}, "threads is 1025"),
        ({"threads": "2"}, "threads is '2'"),
        ({"threads": 1.5}, "threads is 1.5"),
        ({"threads": True}, "threads is True"),
        ({"device": None}, "A device is a name, not NoneType"),
        ({"providers": CPU}, "providers is a list of execution providers"),
        ({"providers": [None]}, "An execution provider is a name, or a pair"),
        ({"providers": [(CPU, {}, 3)]}, "An execution provider is a name, or a pair"),
        ({"limits": None}, "limits is of Limits, not NoneType"),
        ({"cuda": True}, "cuda is of CudaOptions, not bool"),
        ({"device": "gpu"}, "There is no device 'gpu': give auto, cpu, cuda or cuda:N"),
    ],
)
def test_what_means_nothing_is_refused(sealed, options, words):
    with pytest.raises(InputError, match=words):
        Classifier(sealed, **options)


def test_one_thread_computes_one_image_and_as_many_as_there_may_be_a_batch(sealed):
    classifier = Classifier(sealed)
    assert classifier._inference.backend._session.get_session_options().intra_op_num_threads == 1
    assert classifier._workers.count == available_cpus()
    assert Classifier(sealed, threads=3)._workers.count == 3


def test_a_large_model_has_its_threads_in_the_engine(sealed, monkeypatch):
    monkeypatch.setattr(opening, "_LARGE", 1000)
    classifier = Classifier(sealed, threads=2)
    assert classifier._inference.backend._session.get_session_options().intra_op_num_threads == 2
    assert classifier._workers.count == 1


def test_nothing_of_the_host_process_is_changed(sealed, seven):
    import os
    import signal
    from pathlib import Path

    def state():
        return dict(os.environ), signal.getsignal(signal.SIGINT), Path.cwd(), np.geterr(), os.sched_getaffinity(0)

    before = state()
    with Classifier(sealed) as classifier:
        classifier.predict_batch([seven] * 200)
    assert state() == before


@pytest.mark.parametrize("opened", ["path", "bytes"])
def test_a_model_larger_than_its_limit_is_not_opened(model_path, sealed, opened):
    model = model_path if opened == "path" else sealed
    assert Classifier(model, limits=Limits(model_bytes=len(sealed))).device
    with pytest.raises(InputError, match="larger than"):
        Classifier(model, limits=Limits(model_bytes=len(sealed) - 1))


@pytest.mark.parametrize("travel", [lambda one: one, lambda one: pickle.loads(pickle.dumps(one))])
def test_images_larger_than_their_limit_are_refused_also_in_another_process(sealed, seven, travel):
    classifier = travel(Classifier(sealed, limits=Limits(image_pixels=1000)))
    large = np.kron(seven, np.ones((4, 4), np.uint8))
    assert classifier.predict(seven).label
    for refused in (lambda: classifier.predict(large), lambda: classifier.predict_batch([large])):
        with pytest.raises(InputError, match="more than 1,000 pixels"):
            refused()


@pytest.mark.parametrize("model", [None, 7, ["lenet5.onnx"]])
def test_what_is_no_model_is_refused(model):
    with pytest.raises(InputError, match="A model is a path or the bytes of a file"):
        Classifier(model)


def test_bytes_of_other_kinds_are_bytes(sealed, seven, encode):
    for model in (bytearray(sealed), memoryview(sealed)):
        assert Classifier(model).predict(seven).label
    picture = encode(PIL.Image.fromarray(seven), "PNG")
    classifier = Classifier(sealed)
    for given in (bytearray(picture), memoryview(picture)):
        assert classifier.predict(given) == classifier.predict(picture)


def test_a_request_shows_no_bytes_of_a_model(sealed):
    assert len(repr(Classifier(sealed)._request)) < 200


def test_an_empty_path_is_not_the_current_folder():
    with pytest.raises(InputError, match="path is empty"):
        Classifier("")


def test_it_shows_its_model_and_where_it_runs(model_path, sealed):
    with Classifier(model_path) as opened:
        assert repr(opened) == f"<Classifier '{model_path}' on cpu>"
    assert repr(opened) == "<Classifier, closed>"
    assert repr(Classifier(sealed)) == "<Classifier of tiny on cpu>"


def test_a_limit_below_the_size_of_frames_counts_for_them_too(sealed, seven):
    assert Classifier(sealed, limits=Limits(image_pixels=784)).predict(seven)
    classifier = Classifier(sealed, limits=Limits(image_pixels=783))
    for refused in (
        lambda: classifier.predict(seven),
        lambda: classifier.predict_batch([seven] * 3),
        lambda: classifier.predict_batch(np.stack([seven] * 3)),
    ):
        with pytest.raises(InputError, match="more than 783 pixels"):
            refused()


def test_graphs_of_cuda_are_not_switched_on_behind_the_back_of_what_looks_after_them(sealed):
    with pytest.raises(InputError, match="CudaOptions"):
        Classifier(sealed, providers=[(CUDA, {"enable_cuda_graph": "1"})])
