"""onnxruntime on the CPU, the names of devices, and what happens where there is no engine."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx.reference import ReferenceEvaluator

from lenetx_runtime import ArtifactError, DeviceUnavailable, EngineMissing, InputError
from lenetx_runtime.ort import OrtBackend

BATCH = np.random.default_rng(11).normal(size=(3, 1, 32, 32)).astype(np.float32)


def test_the_cpu_computes_what_the_onnx_reference_computes(sealed, spec):
    backend = OrtBackend(sealed, spec)
    assert backend.device == "cpu"
    logits = backend.run(BATCH)
    assert logits.dtype == np.float32
    [reference] = ReferenceEvaluator(onnx.load_from_string(sealed)).run(None, {"image": BATCH})
    np.testing.assert_allclose(logits, reference, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("threads", [None, 1, 2])
def test_the_number_of_threads_does_not_change_the_answer(sealed, spec, threads):
    answer = OrtBackend(sealed, spec, threads=threads).run(BATCH)
    np.testing.assert_allclose(answer, OrtBackend(sealed, spec).run(BATCH), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("threads", [0, -1, 1025, 10**9])
def test_a_thread_count_that_makes_no_sense_is_refused_with_the_count(sealed, spec, threads):
    with pytest.raises(InputError, match=f"threads is {threads};"):
        OrtBackend(sealed, spec, threads=threads)


BAD_NAMES = [
    "",
    "gpu",
    "CPU",
    "cpu ",
    "cpu:0",
    "cpu\n",
    "cuda:",
    "cuda:-1",
    "cuda:x",
    "cuda:1000",
    "cuda0",
    "xcuda",
    "cuda:01",
    "cuda:１",
]


@pytest.mark.parametrize("device", BAD_NAMES)
def test_a_name_that_is_no_device_is_refused_with_the_names_that_are(sealed, spec, device):
    with pytest.raises(InputError, match="give cpu, cuda or cuda:N"):
        OrtBackend(sealed, spec, device=device)


@pytest.mark.skipif(
    "CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="this onnxruntime was built with CUDA"
)
@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:7"])
def test_cuda_without_cuda_is_an_error_that_says_what_to_install(sealed, spec, device):
    with pytest.raises(DeviceUnavailable, match=r"pip install \"onnxruntime-gpu\[cuda,cudnn\]\""):
        OrtBackend(sealed, spec, device=device)


@pytest.mark.parametrize("model", [b"", b"no model", b"\x08\x0a"])
def test_bytes_that_onnxruntime_cannot_open_are_refused_in_one_line(spec, model):
    with pytest.raises(ArtifactError, match="onnxruntime cannot open the model") as caught:
        OrtBackend(model, spec)
    assert "\n" not in str(caught.value)


def python(code, *arguments):
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=250)


OPEN = """
import sys
from lenetx_runtime import Classifier, EngineMissing
try:
    Classifier(sys.argv[1])
except EngineMissing as error:
    print(error, error.exit_code)
"""


def test_without_onnxruntime_the_error_says_what_to_install(model_path):
    """A process in which the module is blocked: it stands for an environment where it was never installed."""
    result = python(f"import sys; sys.modules['onnxruntime'] = None\n{OPEN}", str(model_path))
    assert result.stderr == ""
    assert "pip install onnxruntime" in result.stdout
    assert result.stdout.endswith(f" {EngineMissing.exit_code}\n")


def with_another_engine(folder, source, code, *arguments):
    """Run code where a real package of that name, made of this source, comes first on the path."""
    package = folder / "other" / "onnxruntime"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(source)
    return python(f"import sys; sys.path.insert(0, sys.argv.pop())\n{code}", *arguments, str(package.parent))


def test_a_broken_onnxruntime_is_not_called_missing(model_path, tmp_path):
    """It fails as one with a missing shared library does."""
    source = "raise ImportError('libcudart.so.12: cannot open shared object file')"
    result = with_another_engine(tmp_path, source, OPEN, str(model_path))
    assert result.stderr == ""
    assert "installed but cannot be imported: libcudart.so.12" in result.stdout


def test_an_interrupt_while_its_compiled_module_is_made_ready_is_an_interrupt(model_path, tmp_path):
    """As pybind11 gives it on."""
    source = "raise ImportError('initialization failed') from KeyboardInterrupt()"
    result = with_another_engine(tmp_path, source, OPEN, str(model_path))
    assert result.stdout == ""
    assert result.stderr.endswith("KeyboardInterrupt\n")


ASK = """
from lenetx_runtime.ort_session import import_engine
assert "numpy" not in sys.modules
import_engine()
print("asked")
"""


def test_numpy_is_there_before_onnxruntime_asks_for_it(tmp_path):
    """Its compiled module would make another error of an interrupt meanwhile."""
    result = with_another_engine(tmp_path, "import sys; assert 'numpy' in sys.modules; InferenceSession = None", ASK)
    assert (result.stdout, result.stderr) == ("asked\n", "")


PRINT_SETTING = """
import os
from lenetx_runtime import ort_session
class Spy:
    def find_spec(self, name, *_):
        if name == "onnxruntime":
            print("during", os.environ.get("ORT_DISABLE_TELEMETRY"))
import sys
sys.meta_path.insert(0, Spy())
ort_session.import_engine()
print("after", os.environ.get("ORT_DISABLE_TELEMETRY"))
"""


@pytest.mark.parametrize(("setting", "during", "after"), [(None, "1", "None"), ("0", "0", "0"), ("1", "1", "1")])
def test_the_engine_is_told_to_send_nothing_unless_its_user_has_decided(setting, during, after):
    environment = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    environment |= {} if setting is None else {"ORT_DISABLE_TELEMETRY": setting}
    done = subprocess.run(
        [sys.executable, "-c", PRINT_SETTING], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["during", during, "after", after]


def test_what_is_left_of_two_engines_after_removing_one_is_told_how_to_mend_it(model_path, tmp_path):
    """pip takes away the files that both wrote, and the folder stays: a package with nothing in it."""
    (tmp_path / "onnxruntime").mkdir()
    code = "import lenetx_runtime, sys; lenetx_runtime.Classifier(sys.argv[1])"
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    (tmp_path / "onnxruntime" / "__init__.py").write_text("")
    done = subprocess.run(
        [sys.executable, "-c", code, model_path], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "EngineMissing: onnxruntime is there but incomplete" in done.stderr
    assert "pip uninstall -y onnxruntime onnxruntime-gpu" in done.stderr


@pytest.mark.parametrize("failure", [RuntimeError("out of\nmemory"), ValueError("a shape"), MemoryError("no room")])
def test_what_the_engine_raises_on_a_run_is_an_error_of_ours_in_one_line(sealed, spec, failure):
    def fail(*_):
        raise failure

    backend = OrtBackend(sealed, spec)
    backend._run = fail
    with pytest.raises(ArtifactError, match=r"onnxruntime cannot run the model on \(3, 1, 32, 32\): \w") as caught:
        backend.run(BATCH)
    assert "\n" not in str(caught.value)


def test_an_onnxruntime_that_is_made_otherwise_inside_is_called_by_its_public_name(sealed, spec, monkeypatch):
    """Without the inner session, what is public runs."""
    expected = OrtBackend(sealed, spec).run(BATCH)
    wrapper = onnxruntime.InferenceSession

    class Sealed:
        def __init__(self, *arguments, **options):
            self.__session = wrapper(*arguments, **options)

        def __getattr__(self, name):
            if name == "_sess":
                raise AttributeError(name)
            return getattr(self.__session, name)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Sealed)
    np.testing.assert_array_equal(OrtBackend(sealed, spec).run(BATCH), expected)


@pytest.mark.parametrize("value", ["0", "1", "nonsense"])
def test_the_environment_does_not_replace_the_settings_of_sessions(build_model, spec, monkeypatch, value):
    def configure(model):
        entry = model.metadata_props.add()
        entry.key, entry.value = "ort_config", '{"session_options": {"intra_op_num_threads": 2, "enable_profiling": 1}}'

    sealed = build_model(configure)
    monkeypatch.setenv("ORT_LOAD_CONFIG_FROM_MODEL", value)
    with ThreadPoolExecutor(4) as threads:
        backends = [*threads.map(lambda count: OrtBackend(sealed, spec, threads=count), [3] * 8)]
    used = [backend._session.get_session_options() for backend in backends]
    asked = {(each.intra_op_num_threads, each.log_severity_level, each.enable_profiling) for each in used}
    assert asked == {(3, 4, False)}
    assert os.environ["ORT_LOAD_CONFIG_FROM_MODEL"] == value
