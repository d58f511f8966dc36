"""The real thing: `make test-gpu` on a machine with CUDA and onnxruntime-gpu. Elsewhere every test is skipped."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from lenetx_runtime import Classifier, CudaOptions, SelfTestResult
from lenetx_runtime.ort_session import CUDA, execution_providers

MODEL = Path(__file__).parents[2] / "artifacts" / "reference" / "lenet5.onnx"

pytestmark = pytest.mark.skipif(CUDA not in execution_providers(), reason="This onnxruntime has no CUDA.")


@pytest.fixture(scope="module")
def frames():
    images = np.zeros((1500, 28, 28), np.uint8)
    images[:, 4:24, 4:24] = np.random.default_rng(0).integers(0, 256, (1500, 20, 20))
    return images


@pytest.fixture(scope="module")
def on_cpu(frames):
    return Classifier(MODEL, device="cpu").predict_batch(frames)


def probabilities(predictions):
    return np.array([[value for _, value in sorted(one.probabilities)] for one in predictions])


OPTIONS = [CudaOptions(), CudaOptions(graphs=True)]


@pytest.mark.parametrize("cuda", OPTIONS, ids=str)
def test_the_self_test_passes_on_cuda(cuda):
    with Classifier(MODEL, device="cuda", cuda=cuda) as classifier:
        result = classifier.self_test()
    assert isinstance(result, SelfTestResult)
    assert result.passed
    assert result.device == "cuda:0"


@pytest.mark.parametrize("cuda", OPTIONS, ids=str)
@pytest.mark.parametrize("size", [1, 2, 7, 64, 1000, 1500])
def test_cuda_gives_the_answers_of_the_cpu_but_for_rounding(frames, on_cpu, cuda, size):
    with Classifier(MODEL, device="cuda", cuda=cuda) as classifier:
        for _ in range(5):
            found = classifier.predict_batch(frames[:size])
            np.testing.assert_allclose(probabilities(found), probabilities(on_cpu[:size]), atol=1e-5)


def test_tf32_is_off_unless_it_is_asked_for(frames, on_cpu):
    def error(cuda):
        with Classifier(MODEL, device="cuda", cuda=cuda) as classifier:
            return np.abs(probabilities(classifier.predict_batch(frames)) - probabilities(on_cpu)).max()

    assert error(CudaOptions()) < 1e-5 < error(CudaOptions(tf32=True))


def test_a_graph_is_captured_and_replayed(frames):
    with Classifier(MODEL, device="cuda", cuda=CudaOptions(graphs=True)) as classifier:
        first = [classifier.predict(frames[0]) for _ in range(10)]
        assert classifier._inference.backend._on_cuda._graphs.keys() == {1}
        assert len(set(first)) == 1
        assert [classifier.predict(frame).label for frame in frames[:50]] == [
            one.label for one in classifier.predict_batch(frames[:50])
        ]


@pytest.mark.parametrize("cuda", OPTIONS, ids=str)
def test_threads_share_it(frames, cuda):
    with Classifier(MODEL, device="cuda", cuda=cuda) as classifier, ThreadPoolExecutor(8) as pool:
        alone = [classifier.predict(frame) for frame in frames[:40]]
        found = list(pool.map(classifier.predict, itertools.chain.from_iterable([frames[:40]] * 8)))
    np.testing.assert_allclose(probabilities(found), probabilities(alone * 8), atol=1e-6)


def test_auto_takes_it():
    assert Classifier(MODEL).device == "cuda:0"


def test_it_can_be_named_as_a_provider(frames, on_cpu):
    with Classifier(MODEL, providers=[CUDA]) as classifier:
        assert classifier.device == "cuda:0"
        found = classifier.predict_batch(frames[:9])
    np.testing.assert_allclose(probabilities(found), probabilities(on_cpu[:9]), atol=1e-5)
