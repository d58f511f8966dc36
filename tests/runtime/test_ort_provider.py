"""Execution providers by name, each strictly, and the graph optimisations."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from lenetx_runtime import ArtifactError, DeviceUnavailable, InputError
from lenetx_runtime.ort import OrtBackend, execution_providers

BATCH = np.random.default_rng(11).normal(size=(3, 1, 32, 32)).astype(np.float32)
CPU, REMOTE = "CPUExecutionProvider", "AzureExecutionProvider"
ABSENT = ["TensorrtExecutionProvider", "cpu", "CPU", "", "CPUExecutionProvider "]

with_remote = pytest.mark.skipif(REMOTE not in onnxruntime.get_available_providers(), reason="this one is not built in")


def test_the_providers_are_those_of_the_engine():
    assert execution_providers() == tuple(onnxruntime.get_available_providers())
    assert CPU in execution_providers()


def test_the_cpu_by_its_providers_name_is_the_cpu(sealed, spec):
    named, default = OrtBackend(sealed, spec, providers=[CPU]), OrtBackend(sealed, spec)
    assert (named.device, named.provider) == (default.device, default.provider) == ("cpu", CPU)
    np.testing.assert_array_equal(named.run(BATCH), default.run(BATCH))


@with_remote
def test_a_provider_that_would_leave_the_model_to_the_cpu_is_refused(sealed, spec):
    """A session that is asked for less strictly opens, says that it has the provider, and runs all on the CPU."""
    lax = onnxruntime.InferenceSession(sealed, providers=[REMOTE])
    assert lax.get_providers()[0] == REMOTE
    with pytest.raises(DeviceUnavailable, match=f"{REMOTE} was requested and cannot run the model: .*CPU") as caught:
        OrtBackend(sealed, spec, providers=[REMOTE])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("provider", [name for name in ABSENT if name not in onnxruntime.get_available_providers()])
def test_a_provider_that_is_not_there_is_refused_with_those_that_are(sealed, spec, provider):
    with pytest.raises(DeviceUnavailable, match=f"{provider} was requested, but .* has no {provider}. It has .*{CPU}"):
        OrtBackend(sealed, spec, providers=[provider])


@pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="built with CUDA")
def test_cuda_by_its_providers_name_says_what_to_install(sealed, spec):
    with pytest.raises(DeviceUnavailable, match=r"pip install \"onnxruntime-gpu\[cuda,cudnn\]\""):
        OrtBackend(sealed, spec, providers=["CUDAExecutionProvider"])


@pytest.mark.parametrize("device", ["cuda", "cuda:1"])
def test_a_device_and_a_provider_are_one_too_many(sealed, spec, device):
    with pytest.raises(InputError, match=f"the device {device} or providers, not both"):
        OrtBackend(sealed, spec, device=device, providers=[CPU])


def test_a_model_that_the_cpu_cannot_open_is_the_models_fault(spec):
    with pytest.raises(ArtifactError, match="onnxruntime cannot open the model"):
        OrtBackend(b"no model", spec, providers=[CPU])


@pytest.fixture
def operators(tmp_path, monkeypatch):
    """The function that runs a backend once and names the operators that its engine ran."""
    make = onnxruntime.SessionOptions

    def profiled():
        options = make()
        options.enable_profiling, options.profile_file_prefix = True, str(tmp_path / "profile")
        return options

    monkeypatch.setattr(onnxruntime, "SessionOptions", profiled)

    def run(backend):
        backend.run(BATCH)
        events = json.loads(Path(backend._session.end_profiling()).read_text())
        return [event["args"]["op_name"] for event in events if event["name"].endswith("_kernel_time")]

    return run


def test_the_graph_runs_as_it_stands_if_it_is_not_to_be_optimised(sealed, spec, operators):
    """The profile of onnxruntime lists the operators that ran; optimisation fuses Relu into Conv."""
    assert operators(OrtBackend(sealed, spec, optimised=False)) == ["Conv", "Relu", "Flatten", "Gemm"]
    assert "Relu" not in operators(OrtBackend(sealed, spec, optimised=True))
    assert "Relu" not in operators(OrtBackend(sealed, spec))


def test_optimised_or_not_the_answer_is_the_same_but_for_rounding(sealed, spec):
    plain = OrtBackend(sealed, spec, optimised=False).run(BATCH)
    np.testing.assert_allclose(OrtBackend(sealed, spec).run(BATCH), plain, rtol=1e-4, atol=1e-5)
