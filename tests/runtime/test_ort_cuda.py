"""How strictly CUDA is asked for, with a made-up onnxruntime.

This is no evidence that CUDA works: nothing here runs on a GPU or opens a real session. It shows only what the
runtime asks onnxruntime for, and that it believes no session that ended up elsewhere.
"""

import pytest

from lenetx_runtime import DeviceUnavailable
from lenetx_runtime.ort_session import open_session

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
SETTINGS = {"device_id": "0", "use_tf32": "0", "cudnn_conv_algo_search": "DEFAULT"}


class Options:
    def __init__(self):
        self.entries = {}

    def add_session_config_entry(self, key, value):
        self.entries[key] = value


class Session:
    def __init__(self, providers, options):
        self.providers = providers
        self.options = options
        self.fallback = True

    def disable_fallback(self):
        self.fallback = False

    def get_providers(self):
        return self.providers

    def get_provider_options(self):
        return {CUDA: self.options}


def open_cuda(ort, index=0):
    return open_session(ort, b"model", Options(), [(CUDA, SETTINGS | {"device_id": str(index)})])


class MadeUpOnnxruntime:
    """Offers ``available`` providers; a session says that it got ``chosen``, or fails with ``failure``."""

    def __init__(self, available=(CUDA, CPU), chosen=(CUDA, CPU), failure=None, taken=None):
        self.available, self.chosen, self.failure = list(available), list(chosen), failure
        self.taken = taken or {}
        self.asked = []

    def get_available_providers(self):
        return self.available

    def InferenceSession(self, model, options, providers, enable_fallback):  # noqa: N802  # onnxruntime's name
        self.asked.append((model, dict(options.entries), providers))
        assert enable_fallback == 0
        if self.failure is not None:
            raise self.failure
        return Session(self.chosen, dict(providers[0][1]) | self.taken)


def test_a_session_on_cuda_is_given_back_with_its_fallback_disabled():
    session = open_cuda(MadeUpOnnxruntime())
    assert session.fallback is False


@pytest.mark.parametrize("index", [0, 3])
def test_cuda_alone_is_asked_for_with_direct_float32_convolutions(index):
    ort = MadeUpOnnxruntime()
    open_cuda(ort, index)
    wanted = SETTINGS | {"device_id": str(index)}
    assert ort.asked == [(b"model", {"session.disable_cpu_ep_fallback": "1"}, [(CUDA, wanted)])]


def test_an_onnxruntime_without_cuda_is_never_asked_for_a_session():
    ort = MadeUpOnnxruntime(available=[CPU])
    with pytest.raises(DeviceUnavailable, match=r"pip install \"onnxruntime-gpu\[cuda,cudnn\]\""):
        open_cuda(ort)
    assert ort.asked == []


@pytest.mark.parametrize("chosen", [[CPU], [CPU, CUDA], ["AzureExecutionProvider", CPU]])
def test_a_session_that_silently_chose_something_else_is_an_error_that_names_it(chosen):
    with pytest.raises(DeviceUnavailable, match=f"onnxruntime chose {chosen[0]}"):
        open_cuda(MadeUpOnnxruntime(chosen=chosen))


def test_a_session_that_cannot_be_opened_is_an_error_of_one_line():
    failure = RuntimeError("[ONNXRuntimeError] : 1 : FAIL :\n  some nodes were assigned\n  to the CPU")
    with pytest.raises(DeviceUnavailable, match="FAIL : some nodes were assigned to the CPU"):
        open_cuda(MadeUpOnnxruntime(failure=failure))


def test_the_cuda_libraries_of_pip_are_loaded_before_the_session_is_opened():
    order = []

    class WithPreload(MadeUpOnnxruntime):
        def preload_dlls(self):
            order.append("libraries")

        def InferenceSession(self, *arguments, **options):  # noqa: N802  # onnxruntime's name
            order.append("session")
            return super().InferenceSession(*arguments, **options)

    open_cuda(WithPreload())
    assert order == ["libraries", "session"]


@pytest.mark.parametrize("taken", [{"device_id": "1"}, {"use_tf32": "1"}])
def test_a_session_with_other_options_than_asked_for_is_an_error(taken):
    with pytest.raises(DeviceUnavailable, match=f"onnxruntime took {taken}"):
        open_cuda(MadeUpOnnxruntime(taken=taken))
