"""``python -m lenetx_runtime selftest`` as real processes, on real exports."""

import dataclasses
import json
import os
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper

import lenetx_runtime
from lenetx_runtime import ArtifactError, Classifier, SelfTest
from lenetx_runtime.onnx_file import read_spec, seal
from lenetx_runtime.preprocess import normalise
from lenetx_runtime.run_selftest import run_selftest_everywhere

CPU, REMOTE = "CPUExecutionProvider", "AzureExecutionProvider"


def edited(data, edit=lambda _: None, **fields):
    """Return an ONNX file with another spec and graph, sealed anew."""
    model = onnx.load_from_string(data)
    (entry,) = model.metadata_props
    entry.value = dataclasses.replace(read_spec(data), content_sha256="0" * 64, **fields).to_json()
    edit(model)
    return seal(model.SerializeToString(deterministic=True))


@pytest.fixture(scope="module")
def model(published, checkpoint):
    """The bytes of a real export that carries eight images with the logits of eager PyTorch in float64."""
    import torch

    spec = checkpoint.spec
    frames = np.random.default_rng(8).integers(0, 256, (8, *spec.frame_size), np.uint8)
    inputs = torch.from_numpy(normalise(frames, spec)).double()
    with torch.inference_mode():
        logits = checkpoint.module().double()(inputs).numpy()
    selftest = SelfTest.of(frames, logits, np.full(logits.shape, 1e-5 * np.abs(logits).max()))
    return edited((published / "lenet5.onnx").read_bytes(), selftest=selftest)


@pytest.fixture
def here(tmp_path, model):
    (tmp_path / "m.onnx").write_bytes(model)
    return tmp_path


@pytest.fixture
def selftest(python):
    """The function that runs ``python -m lenetx_runtime selftest ARGUMENTS``."""
    return lambda *arguments, **options: python("-m", "lenetx_runtime", "selftest", *arguments, **options)


@pytest.fixture
def refused(selftest):
    """The function that runs one which must end with that exit code and one sentence; gives the sentence."""

    def run(code, *arguments, **options):
        done = selftest(*arguments, **options)
        assert done.returncode == code, done.stderr
        assert done.stdout == ""
        (sentence,) = done.stderr.splitlines()
        assert sentence.startswith("lenetx_runtime: ")
        return sentence.removeprefix("lenetx_runtime: ")

    return run


def test_every_provider_of_the_device_is_one_line(selftest, here):
    done = selftest(here / "m.onnx")
    assert (done.returncode, done.stderr) == (0, "")
    lines = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert list(lines) == onnxruntime.get_available_providers()
    assert "passed on cpu: 8 images, " in lines[CPU]
    if REMOTE in lines:
        assert lines[REMOTE].split(maxsplit=2)[1:] == ["n/a", "It runs models on remote servers only, never this one."]


def test_one_device_can_be_named(selftest, here):
    done = selftest("m.onnx", "--device", "cpu")
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = done.stdout.splitlines()
    assert line.startswith(f"{CPU}     passed on cpu: 8 images, ")
    assert here.exists()


@pytest.mark.parametrize("device", [[], ["--device", "cpu"]])
def test_json_is_one_document(selftest, here, device):
    done = selftest("m.onnx", "--json", *device)
    document = json.loads(done.stdout)
    assert (document["model"], document["passed"]) == ("m.onnx", True)
    found = {each.pop("provider"): each for each in document["providers"]}
    assert list(found) == ([CPU] if device else onnxruntime.get_available_providers())
    assert found[CPU]["status"] == "passed"
    assert found[CPU]["device"] == "cpu"
    assert found[CPU]["images"] == 8
    assert 0 < found[CPU]["worst"] < 1
    assert found[CPU]["seconds"] > 0
    if REMOTE in found:
        assert (found[REMOTE]["status"], found[REMOTE]["worst"]) == ("not_applicable", None)
    assert here.exists()


def bias_off_by(amount):
    def edit(model):
        (tensor,) = (each for each in model.graph.initializer if each.name == "conv1.bias")
        bias = numpy_helper.to_array(tensor) + np.float32(amount)
        tensor.CopyFrom(numpy_helper.from_array(bias, tensor.name))

    return edit


@pytest.mark.parametrize("device", [[], ["--device", "cpu"]])
@pytest.mark.parametrize("amount", [1e-3, np.nan])
def test_a_model_that_computes_something_else_ends_with_1(selftest, here, model, amount, device):
    (here / "m.onnx").write_bytes(edited(model, bias_off_by(amount)))
    done = selftest("m.onnx", *device)
    assert (done.returncode, done.stderr) == (1, "")
    (line,) = (line for line in done.stdout.splitlines() if line.startswith(CPU))
    assert "FAILED on cpu: 8 images, " in line
    again = selftest("m.onnx", "--json", *device)
    assert again.returncode == 1
    document = json.loads(again.stdout, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert document["passed"] is False
    found = {each["provider"]: each for each in document["providers"]}
    assert found[CPU]["worst"] == "inf" if np.isnan(amount) else found[CPU]["worst"] > 1


@pytest.mark.skipif(REMOTE not in onnxruntime.get_available_providers(), reason="every provider here can run models")
def test_a_provider_that_is_there_and_cannot_run_the_model_has_failed(model, monkeypatch):
    """The remote one, taken for one of the device: onnxruntime would run all of it on the CPU instead."""
    monkeypatch.setattr("lenetx_runtime.run_selftest.REMOTE", {})
    outcomes = {each.provider: each for each in run_selftest_everywhere(model, read_spec(model))}
    assert outcomes[REMOTE].status == "failed"
    assert f"{REMOTE} was requested and cannot run the model" in outcomes[REMOTE].detail
    assert outcomes[CPU].status == "passed"


def test_a_model_that_the_engine_cannot_open_has_failed_on_each_provider_and_is_an_error_of_one_device(
    selftest, refused, here, model
):
    def rename(graph):
        graph.graph.node[0].op_type = "NoSuchOperator"

    (here / "m.onnx").write_bytes(edited(model, rename))
    done = selftest("m.onnx")
    assert (done.returncode, done.stderr) == (1, "")
    assert "FAILED onnxruntime cannot open the model" in done.stdout
    assert "The model 'm.onnx' cannot be used. onnxruntime cannot open" in refused(4, "m.onnx", "--device", "cpu")


def test_without_a_self_test_it_says_what_to_do(refused, here, published):
    (here / "old.onnx").write_bytes(edited((published / "lenet5.onnx").read_bytes(), selftest=None))
    for device in ([], ["--device", "cpu"]):
        assert "has no self-test: 'lenetx export' adds one" in refused(4, "old.onnx", *device)


def test_a_damaged_model_is_named(refused, here, model):
    (here / "m.onnx").write_bytes(model[:9000] + bytes([model[9000] ^ 1]) + model[9001:])
    assert refused(4, "m.onnx").startswith("The model 'm.onnx' cannot be used. It is damaged or was changed after ")
    with pytest.raises(ArtifactError):
        Classifier(here / "m.onnx")


def test_bad_arguments_end_with_2_and_a_missing_device_with_3(refused, here):
    assert refused(2, "absent.onnx") == "There is no model 'absent.onnx'."
    assert "is a directory" in refused(2, here)
    assert refused(2, "m.onnx", "--device", "gpu") == "There is no device 'gpu': give cpu, cuda or cuda:N."
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        assert "this onnxruntime has no CUDA" in refused(3, "m.onnx", "--device", "cuda")


@pytest.mark.parametrize(
    "arguments", [[], ["selftest"], ["selftest", "a", "b"], ["dance"], ["selftest", "a", "--fast"]]
)
def test_a_wrong_command_line_ends_with_2_and_its_usage(python, arguments):
    done = python("-m", "lenetx_runtime", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: python -m lenetx_runtime")


def engine(folder, code):
    """Put a package in the place of onnxruntime that does something else when it is imported; gives the variables."""
    package = folder / "instead" / "onnxruntime"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(code)
    return {"PYTHONPATH": os.pathsep.join([str(package.parent), os.environ.get("PYTHONPATH", "")])}


def test_an_interrupt_ends_with_130(refused, here):
    handled = "signal.signal(signal.SIGINT, signal.default_int_handler)"  # a shell's background job ignores it
    code = f"import os, signal, time\n{handled}\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(60)"
    assert refused(130, "m.onnx", **engine(here, code)) == "Interrupted."


def test_a_broken_engine_ends_with_3(refused, here):
    code = "raise ImportError('libcudart.so.12: cannot open shared object file')"
    assert "libcudart.so.12" in refused(3, "m.onnx", **engine(here, code))


def test_a_fault_of_ours_is_shown_whole_and_is_no_failed_test(selftest, here):
    code = "InferenceSession = None\ndef get_available_providers():\n    raise RuntimeError('a fault')"
    done = selftest("m.onnx", **engine(here, code))
    assert done.returncode == 70
    assert "Traceback" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_an_output_that_cannot_be_written_is_a_sentence(python, here):
    command = "import sys, subprocess; sys.exit(subprocess.run(sys.argv[1:], stdout=open('/dev/full', 'w')).returncode)"
    done = python("-c", command, sys.executable, "-m", "lenetx_runtime", "selftest", here / "m.onnx")
    assert done.returncode == 2
    assert done.stderr == "lenetx_runtime: The output could not be written: No space left on device.\n"


def test_whoever_has_read_enough_may_go(python, here):
    """The reading end of the pipe is closed before anything is written."""
    command = "import os, sys, subprocess as s; r, w = os.pipe(); os.close(r); sys.exit(s.call(sys.argv[1:], stdout=w))"
    done = python("-c", command, sys.executable, "-m", "lenetx_runtime", "selftest", here / "m.onnx")
    assert (done.returncode, done.stderr) == (141, "")


def test_the_version_is_that_of_the_package(python):
    done = python("-m", "lenetx_runtime", "--version")
    assert (done.returncode, done.stdout) == (0, f"lenetx_runtime {lenetx_runtime.__version__}\n")


def test_it_runs_where_neither_torch_nor_onnx_can_be_imported(python, here):
    block = "import sys; sys.modules.update(dict.fromkeys(('torch', 'onnx', 'lenetx', 'rich', 'typer')));"
    run = "from lenetx_runtime.__main__ import main; sys.exit(main(['selftest', 'm.onnx']))"
    done = python("-c", block + run)
    assert (done.returncode, done.stderr) == (0, "")
    assert here.exists()
