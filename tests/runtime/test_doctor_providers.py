"""What the doctor finds of execution providers: a real session on each, and stand-ins for other machines."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from lenetx_runtime.doctor import provider_problem, providers
from lenetx_runtime.doctor.engine import PROBE

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


@pytest.fixture
def stand_in(package):
    """The function that makes a stand-in: the real onnxruntime, in which code has changed something."""
    code = """
import sys
here, name = __file__.rpartition("/onnxruntime/")[0], __name__
itself = sys.modules.pop(name)
sys.path.remove(here)
import onnxruntime as real
sys.path.insert(0, here)
sys.modules[name] = itself
globals().update({key: value for key, value in vars(real).items() if not key.startswith("__")})
__version__ = real.__version__
"""
    return lambda change: package("onnxruntime", code + change)


def test_the_probe_is_the_model_that_its_comments_say():
    weights = np.array([1, 2, 3, 4], np.float32).tobytes()
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 3, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 2, 2])],
        [helper.make_tensor("w", TensorProto.FLOAT, [1, 1, 2, 2], weights, raw=True)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    assert onnx.load_from_string(PROBE) == model
    onnx.checker.check_model(PROBE, full_check=True)


def test_a_provider_that_computes_something_else_does_not_work(doctor, stand_in):
    change = """
class InferenceSession(real.InferenceSession):
    def run(self, *arguments):
        return [each + 1 for each in super().run(*arguments)]
"""
    status, found = doctor(stand_in(change))
    assert (status, found["can_predict"]) == (3, False)
    assert "The CPU runs no model: It computed [38.0, 48.0, 68.0, 78.0] where [37.0, " in found["problems"][0]


def test_a_provider_that_is_there_and_cannot_run_has_failed(doctor, stand_in):
    """A stand-in that says it has CUDA: the real one behind it would run on the CPU."""
    status, found = doctor(stand_in(f"get_available_providers = lambda: ['{CUDA}', '{CPU}']"))
    assert (status, found["can_predict"]) == (0, True)
    cuda = {each["name"]: each for each in found["providers"]}[CUDA]
    assert cuda["status"] == "failed"
    assert len(found["problems"]) == 1
    assert found["problems"][0].startswith("CUDA cannot be used. ")


def test_a_provider_that_the_engine_dropped_since_it_could_not_load_it_has_failed(doctor, stand_in):
    """Engines with CUDA as a plug-in leave it out of their list; a file in its place stands for the library."""
    folder = stand_in("")
    (folder / "onnxruntime" / "capi").mkdir()
    for name in ("libonnxruntime_providers_cuda.so", "onnxruntime_providers_cuda.dll"):
        (folder / "onnxruntime" / "capi" / name).write_bytes(b"")
    status, found = doctor(folder)
    assert (status, found["can_predict"]) == (0, True)
    assert {each["name"]: each["status"] for each in found["providers"]}[CUDA] == "failed"
    assert found["problems"][0].startswith("CUDA cannot be used. ")


def test_a_provider_that_crashes_takes_nothing_with_it(doctor, stand_in):
    change = f"""
import os, signal
get_available_providers = lambda: ["TensorrtExecutionProvider", "{CPU}"]
class InferenceSession(real.InferenceSession):
    def __init__(self, *arguments, providers, **options):
        if providers[0][0] != "{CPU}":
            os.kill(os.getpid(), signal.SIGABRT)
        super().__init__(*arguments, providers=providers, **options)
"""
    status, found = doctor(stand_in(change))
    assert (status, found["can_predict"], found["problems"]) == (0, True, [])
    detail = {each["name"]: each["detail"] for each in found["providers"]}
    assert detail["TensorrtExecutionProvider"] == "Trying it failed: it ended the process (SIGABRT)."
    assert detail[CPU] == ""


def test_what_is_missing_is_shown_by_name_and_makes_the_advice():
    """Values as they are found with onnxruntime-gpu 1.31.1 on a machine without a GPU."""
    missing = ("libcublas.so.13", "libcudnn.so.9", "libcuda.so.1")
    outcomes = {
        CPU: {"status": "works"},
        CUDA: {"status": "failed", "detail": "obscure words", "missing": list(missing)},
        "TensorrtExecutionProvider": {"status": "failed", "detail": "other words", "missing": ["libnvinfer.so.10"]},
    }
    found = tuple(providers(outcomes))
    assert [each.reason for each in found] == [
        "",
        "Cannot be loaded: libcublas.so.13, libcudnn.so.9, libcuda.so.1.",
        "Cannot be loaded: libnvinfer.so.10.",
    ]
    cpu, cuda, tensorrt = (provider_problem(each, {}) for each in found)
    assert cpu is tensorrt is None
    assert cuda.startswith('CUDA cannot be used. libcublas.so.13, libcudnn.so.9 cannot be loaded: run pip install "')
    assert "libcuda.so.1 of NVIDIA's driver is not there" in cuda
