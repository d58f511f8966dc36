"""A checkpoint in eager PyTorch behind the same classifier as the artifacts."""

import numpy as np
import pytest
import torch

import lenetx
from lenetx.data import load
from lenetx.eager import TorchBackend
from lenetx.errors import ArtifactError, DeviceUnavailable, InputError
from lenetx.execution.devices import torch_device
from lenetx.execution.user_code import user_code


@pytest.fixture(scope="module")
def images():
    return load("digits").test.images


@pytest.mark.parametrize("name", ["lenet5.onnx", "lenet5.torchscript"])
def test_artifacts_and_eager_pytorch_predict_the_same(published, images, name):
    eager = lenetx.classifier(published / "lenet5.pt").predict_batch(images)
    found = lenetx.classifier(published / name).predict_batch(images)
    assert [each.label for each in found] == [each.label for each in eager]
    difference = np.abs(np.array([each.probability for each in found]) - [each.probability for each in eager])
    assert difference.max() < 1e-5


def test_the_runtime_alone_predicts_the_same(published, images):
    from lenetx_runtime import Classifier

    runtime = Classifier(published / "lenet5.onnx").predict_batch(images[:50])
    assert runtime == lenetx.classifier(published / "lenet5.onnx").predict_batch(images[:50])


def test_the_classifier_says_where_it_runs(published):
    with lenetx.classifier(published / "lenet5.pt") as classifier:
        assert classifier.device == "cpu"
        assert classifier.spec.labels == tuple("0123456789")


def test_no_gradient_is_kept(checkpoint):
    backend = TorchBackend(checkpoint.module(), "cpu")
    logits = backend.run(np.zeros((2, 1, 32, 32), np.float32))
    assert (logits.dtype, logits.shape) == (np.float32, (2, 10))


@pytest.mark.parametrize("name", ["gpu", "CUDA", "cuda:", "cuda:-1", "cuda:1000", "cpu:0", "", "mps"])
def test_an_unknown_device_is_bad_input(published, name):
    with pytest.raises(InputError, match="There is no device"):
        torch_device(name)
    with pytest.raises(InputError, match="There is no device"):
        lenetx.classifier(published / "lenet5.pt", device=name)


@pytest.mark.parametrize("name", ["cuda", "cuda:0", "cuda:7"])
def test_cuda_is_used_or_refused(published, name):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    for model in ("lenet5.pt", "lenet5.torchscript", "lenet5.onnx"):
        with pytest.raises(DeviceUnavailable, match="was requested"):
            lenetx.classifier(published / model, device=name)


def test_the_cpu_is_always_there():
    assert torch_device("cpu") == torch.device("cpu")


def test_a_module_that_cannot_run_is_an_error_of_one_line(checkpoint):
    backend = TorchBackend(checkpoint.module(), "cpu")
    with pytest.raises(ArtifactError, match=r"torch cannot run the model on \(2, 1, 28, 28\): mat1 and mat2") as caught:
        backend.run(np.zeros((2, 1, 28, 28), np.float32))
    assert "\n" not in str(caught.value)


class Changes(torch.nn.Module):
    """Writes into its input, by a view of it."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, image):
        rows = image.flatten(1)
        rows += 1
        return self.inner(image)


@pytest.mark.parametrize("traced", [False, True])
def test_a_network_that_writes_into_its_input_leaves_the_callers_array_as_it_is(checkpoint, traced):
    module = Changes(checkpoint.module()).eval()
    expected = TorchBackend(checkpoint.module(), "cpu").run(np.ones((2, 1, 32, 32), np.float32))
    if traced:
        module = torch.jit.trace(module, torch.zeros(2, 1, 32, 32))
    images = np.zeros((2, 1, 32, 32), np.float32)
    images.flags.writeable = False
    backend = TorchBackend(module, "cpu")
    for _ in range(2):
        np.testing.assert_array_equal(backend.run(images), expected)
    assert not images.any()


def test_what_a_custom_network_raises_is_one_sentence_about_its_code():
    def fails(_):
        raise KeyError("rotation")

    backend = TorchBackend(fails, "cpu", lambda: user_code("mine.py:Net"))
    with pytest.raises(InputError, match=r"mine.py:Net raised KeyError in line \d+ of test_eager.py: 'rotation'\."):
        backend.run(np.zeros((2, 1, 32, 32), np.float32))
