"""Native libraries: from export to prediction, and files whose machine code must not be believed or loaded."""

import ctypes
from pathlib import Path

import numpy as np
import pytest
import torch

import lenetx
from lenetx import formats
from lenetx.benchmark.engines import prepare
from lenetx.benchmark.plan import of_artifact
from lenetx.errors import ArtifactError, EngineMissing, InputError
from lenetx.formats import native
from lenetx.formats.native.build import FLAGS
from lenetx.formats.network import Network
from lenetx.publishing.inspection import inspect
from lenetx.publishing.publish import publish
from lenetx_runtime import Classifier
from lenetx_runtime.native_file import read_record

from .native_files import NAME, forged, parts

pytestmark = pytest.mark.usefixtures("machine_code")


INPUTS = np.random.default_rng(6).normal(size=(9, 1, 32, 32)).astype(np.float32)


PICTURE = np.zeros((28, 28), np.uint8)


PICTURE[4:24, 12:16] = 255


@pytest.fixture
def data(exported):
    return exported(NAME)


@pytest.fixture
def path(tmp_path, data):
    path = tmp_path / "lenet5.so"
    path.write_bytes(data)
    return path


def test_sealing_alone_changes_nothing(data):
    assert forged(data) == data


def test_from_export_to_prediction(reference, tmp_path, data, monkeypatch):
    monkeypatch.setattr("lenetx.formats.native.export", lambda *_, **__: data)
    (report,) = publish(reference, tmp_path, "lenet5", [NAME])
    assert report.passed
    path = tmp_path / "lenet5.so"
    assert {each.name for each in tmp_path.iterdir()} >= {"lenet5.so", "lenet5.so.verified.json", "manifest.json"}
    with Classifier(path, allow_native=True, require_verified=True) as classifier:
        label = classifier.predict(PICTURE).label
        logits = classifier.logits(INPUTS)
        assert classifier.self_test().passed
    given = lenetx.classifier(path, allow_native=True)
    assert given.predict(PICTURE).label == label
    np.testing.assert_array_equal(given.logits(INPUTS), logits)
    with pytest.raises(InputError, match=r"lenet5\.so' is machine code"):
        lenetx.classifier(path)


def test_the_machine_code_is_said_to_be_compiled_again(path):
    opened = formats.open_artifact(path)
    (check,) = (each for each in opened.structure if each.name == "machine code")
    assert check.status == "passed"
    assert check.subject.count(".") >= 2  # versions of the compiler and of the linker
    np.testing.assert_array_equal(opened.backend.run(INPUTS), Classifier(path, allow_native=True).logits(INPUTS))


@pytest.mark.slow
def test_a_module_of_a_user(tmp_path):
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.body = torch.nn.Sequential(
                torch.nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
                torch.nn.BatchNorm2d(8),
                torch.nn.LeakyReLU(0.2),
                torch.nn.AdaptiveAvgPool2d(1),
                torch.nn.Flatten(),
                torch.nn.Linear(8, 3),
                torch.nn.LogSoftmax(1),
            )

        def forward(self, image):
            return self.body(image)

    torch.manual_seed(5)
    module = Net().eval()
    (report,) = lenetx.export(
        module,
        [NAME],
        input_shape=(3, 20, 24),
        labels=["a", "b", "c"],
        framing="stretch",
        mean=0.5,
        std=0.5,
        folder=tmp_path,
        name="net",
    )
    assert report.passed
    inputs = np.random.default_rng(1).normal(size=(5, 3, 20, 24)).astype(np.float32)
    with torch.inference_mode():
        expected = module(torch.from_numpy(inputs)).numpy()
    found = Classifier(tmp_path / "net.so", allow_native=True).logits(inputs)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert lenetx.verify(tmp_path / "net.so", against=module).passed


def test_functions_of_libm_are_found(exported, tmp_path):
    (tmp_path / "old.so").write_bytes(exported(NAME, "lenet5-1998"))
    assert Classifier(tmp_path / "old.so", allow_native=True).self_test().passed


def test_the_weights_are_read_without_a_compiler(path, checkpoint, monkeypatch):
    monkeypatch.setenv("PATH", "")
    description = inspect(path)
    assert description.kind == NAME
    assert {each.name for each in description.parameters} == set(checkpoint.state_dict)
    _, weights = formats.describe_artifact(path)
    for name, tensor in checkpoint.state_dict.items():
        np.testing.assert_array_equal(weights[name], tensor.numpy())


def test_without_a_compiler_nothing_is_made_or_opened(path, checkpoint, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(EngineMissing, match="There is no C compiler here: install gcc or clang") as caught:
        formats.export(NAME, Network(checkpoint))
    assert caught.value.exit_code == 3
    with pytest.raises(EngineMissing, match="Here is no such compiler: install that one"):
        formats.open_artifact(path)


def test_a_library_that_was_compiled_here_and_cannot_be_loaded_is_no_bad_file(path, monkeypatch):
    """As where the folder for temporary files is mounted noexec."""

    def refuse(_):
        raise OSError("failed to map segment from shared object")

    monkeypatch.setattr(ctypes, "CDLL", refuse)
    with pytest.raises(EngineMissing, match=r"failed to map segment .* set TMPDIR to another"):
        formats.open_artifact(path)


def test_another_version_of_the_compiler_is_named(tmp_path, data):
    (tmp_path / "other.so").write_bytes(forged(data, version="gcc 1.2.3"))
    here = parts(data)[2]["version"]
    with pytest.raises(EngineMissing) as caught:
        formats.open_artifact(tmp_path / "other.so")
    assert "compiling it again, with gcc 1.2.3 with " in str(caught.value)
    assert f"Here is {here}" in str(caught.value)


def test_it_needs_no_file_and_shows_one_function(data):
    code = parts(data)[0]
    for word in (str(Path.cwd()), "/tmp", "/usr", ".c\0", "GCC: ", "network_", "lenet5"):
        assert word.encode() not in code
    assert code.count(b"lenetx_run") == 1


def test_the_environment_changes_no_byte(data, checkpoint, monkeypatch, tmp_path):
    (tmp_path / "stdint.h").write_text("#error not this one\n")
    for variable in ("LD_RUN_PATH", "CPATH", "LIBRARY_PATH", "C_INCLUDE_PATH"):
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert formats.export(NAME, Network(checkpoint)) == data


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_every_compiler_makes_a_library_that_opens(tmp_path, checkpoint, monkeypatch, compiler):
    import shutil

    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is not installed")
    monkeypatch.setattr(native, "first_compiler", lambda: compiler)
    made = formats.export(NAME, Network(checkpoint))
    assert read_record(made)["compiler"] == compiler
    (tmp_path / "net.so").write_bytes(made)
    monkeypatch.undo()
    assert formats.open_artifact(tmp_path / "net.so").backend.run(INPUTS).shape == (9, 10)


@pytest.mark.slow
def test_the_level_of_processors_is_chosen_and_recorded(tmp_path, checkpoint, data, monkeypatch):
    from lenetx_runtime.native import cpu_levels

    lowest, highest = cpu_levels()[0], cpu_levels()[-1]
    assert read_record(data)["march"] == highest
    made = formats.export(NAME, Network(checkpoint), options={"march": lowest})
    assert read_record(made)["march"] == lowest
    assert read_record(made)["flags"] == [*FLAGS, f"-march={lowest}"]
    (tmp_path / "low.so").write_bytes(made)
    assert formats.open_artifact(tmp_path / "low.so").artifact.format == NAME
    monkeypatch.setattr("lenetx.formats.native.build.cpu_levels", lambda: ("x86-64", "x86-64-v2"))
    with pytest.raises(InputError, match=r"x86-64-v3 could not be proven here: this processor is x86-64-v2\."):
        formats.export(NAME, Network(checkpoint), options={"march": "x86-64-v3"})
    monkeypatch.setattr("lenetx.formats.native.build.cpu_levels", lambda: ())
    with pytest.raises(EngineMissing, match="Native libraries are made on Linux, for x86_64 and aarch64"):
        formats.export(NAME, Network(checkpoint))


def test_options_are_checked(tmp_path, checkpoint):
    with pytest.raises(InputError, match=r"There is no processor level 'native'\. There are: x86-64, "):
        lenetx.export(checkpoint, [NAME], march="native", folder=tmp_path)
    with pytest.raises(InputError, match="The option march applies only to native"):
        lenetx.export(checkpoint, ["onnx"], march="x86-64", folder=tmp_path)
    with pytest.raises(InputError, match="no fixed batch size"):
        formats.export(NAME, Network(checkpoint), batch=4)


def test_the_benchmark_times_the_file_that_was_compiled_again(path, other_checkpoint):
    (asked,) = of_artifact(path, "", [1])
    assert asked.words == "native, 1 thread"
    logits = prepare(asked)()(INPUTS)
    np.testing.assert_array_equal(logits, Classifier(path, allow_native=True).logits(INPUTS))
    path.write_bytes(formats.export(NAME, Network(other_checkpoint)))
    with pytest.raises(ArtifactError, match="was replaced meanwhile"):
        prepare(asked)()
