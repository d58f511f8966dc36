"""Native libraries: read without being loaded, loaded only if that is allowed, and run like any model."""

import concurrent.futures
import gc
import hashlib
import json
import multiprocessing
import operator
import pickle
from pathlib import Path

import numpy as np
import pytest

from lenetx_runtime import ArtifactError, Classifier, DeviceUnavailable, InputError, SelfTest, native
from lenetx_runtime.__main__ import main
from lenetx_runtime.native_file import LEVELS, is_native, read_record, read_spec, sealed
from lenetx_runtime.ort_file import read_any_spec

NETWORK = """
int lenetx_run(const float *in, float *out, int count, void *scratch)
{
    volatile char *memory = scratch;
    memory[0] = memory[4999] = 1;
    if ((unsigned long)scratch % 64) {
        return 7;
    }
    for (int n = 0; n < count; ++n) {
        for (int k = 0; k < 10; ++k) {
            out[n * 10 + k] = in[n * 1024 + 500 + k] * FACTOR;
        }
    }
    return in[0] == 99.0f ? -6 : 0;
}
"""
INPUTS = np.random.default_rng(5).normal(size=(100, 1, 32, 32)).astype(np.float32)
LOGITS = INPUTS.reshape(100, 1024)[:, 500:510] * np.float32(2)


def record(**fields):
    known = {"machine": native.machine(), "march": LEVELS[native.machine()][0], "scratch": 5000}
    return json.dumps(known | fields)


@pytest.fixture(scope="session")
def code(machine_code):
    return machine_code(NETWORK.replace("FACTOR", "2"))


@pytest.fixture(scope="session")
def library(code, spec):
    return sealed(code, spec.to_json(), record())


@pytest.fixture
def planted(machine_code, planting, spec):
    """A library that leaves a file when it is loaded, and the path of that file."""
    path, text = planting
    return sealed(machine_code(text + NETWORK.replace("FACTOR", "3")), spec.to_json(), record()), path


@pytest.fixture
def path(tmp_path, library):
    path = tmp_path / "tiny.so"
    path.write_bytes(library)
    return path


def test_it_runs_like_any_model(library, path, spec, seven):
    for model in (library, path, str(path)):
        with Classifier(model, allow_native=True) as classifier:
            assert classifier.device == "cpu"
            for count in (0, 1, 2, 33, 100):
                np.testing.assert_array_equal(classifier.logits(INPUTS[:count]), LOGITS[:count])
            prediction = classifier.predict(seven)
            assert prediction.label in spec.labels
            assert classifier.predict_batch([seven] * 70)[69].label == prediction.label
    assert read_any_spec(library) == read_spec(library) == classifier.spec


def test_arrays_of_any_order_and_read_only_ones_are_taken(library):
    classifier = Classifier(library, allow_native=True)
    frozen = INPUTS.copy()
    frozen.flags.writeable = False
    np.testing.assert_array_equal(classifier.logits(frozen[:1]), LOGITS[:1])
    np.testing.assert_array_equal(classifier.logits(np.asfortranarray(INPUTS)), LOGITS)
    np.testing.assert_array_equal(classifier.logits(INPUTS[::-1]), LOGITS[::-1])


def test_what_other_models_reject_is_rejected(library):
    classifier = Classifier(library, allow_native=True)
    for wrong in (np.nan, np.inf):
        inputs = INPUTS[:3].copy()
        inputs[1, 0, 5, 5] = wrong
        with pytest.raises(InputError, match="NaN or infinity"):
            classifier.logits(inputs)
    with pytest.raises(InputError, match="Inputs are float32"):
        classifier.logits(INPUTS[:, :, 1:])
    with pytest.raises(ArtifactError, match="returns NaN or infinity"):
        classifier.logits(np.full((1, 1, 32, 32), 3e38, np.float32))
    inputs[:, 0, 0, 0] = 99
    inputs[1] = 0
    with pytest.raises(ArtifactError, match=r"returned error -6 on \(3, 1, 32, 32\)"):
        classifier.logits(inputs)
    with pytest.raises(ArtifactError, match=r"takes float32\[N, 1, 32, 32\], not \[2, 1, 32, 31\]"):
        native.NativeBackend(library, classifier.spec).run(INPUTS[:2, :, :, 1:])


def test_many_threads_share_it_each_with_its_own_scratch(library):
    classifier = Classifier(library, allow_native=True)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for found in pool.map(lambda _: classifier.logits(INPUTS), range(64)):
            np.testing.assert_array_equal(found, LOGITS)


def test_two_libraries_at_once_and_one_after_the_other(machine_code, library, spec):
    """The system's loader would take one for the other by its name; what is closed is unloaded."""
    other = sealed(machine_code(NETWORK.replace("FACTOR", "-1")), spec.to_json(), record())
    before = loaded()
    first = Classifier(library, allow_native=True)
    for _ in range(3):
        second = Classifier(other, allow_native=True)
        np.testing.assert_array_equal(second.logits(INPUTS), LOGITS / -2)
        np.testing.assert_array_equal(first.logits(INPUTS), LOGITS)
        second.close()
        del second
    first.close()
    del first
    gc.collect()
    assert loaded() <= before


def loaded():
    """Return the libraries called network.so that this process has in memory; other tests may have left some."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return {line.split()[-1 - line.endswith("(deleted)")] for line in lines if "network.so" in line}


def test_it_is_never_loaded_unasked(planted, tmp_path, capsys):
    data, marker = planted
    path = tmp_path / "planted.so"
    path.write_bytes(data)
    words = "is machine code, which runs as soon as it is loaded: pass allow_native=True in Python, or --allow-native"
    with pytest.raises(InputError, match=f"'{path}' {words}"):
        Classifier(path)
    with pytest.raises(InputError, match=f"The model {words}"):
        Classifier(data, allow_native=False)
    assert main(["inspect", str(path)]) == 0
    assert main(["predict", str(path), "seven.png"]) == 2
    assert words in capsys.readouterr().err
    assert not marker.exists()
    Classifier(path, allow_native=True).close()
    assert marker.exists()


@pytest.mark.parametrize("wrong", ["no", 1, None])
def test_the_permission_is_a_bool(library, wrong):
    with pytest.raises(InputError, match=f"allow_native is of bool, not {type(wrong).__name__}"):
        Classifier(library, allow_native=wrong)


def test_damage_is_noticed_before_it_is_loaded(planted):
    data, marker = planted
    random = np.random.default_rng(7)
    places = [*random.integers(4, len(data), 150), *random.integers(len(data) - 700, len(data), 150)]
    for place in places:
        changed = bytearray(data)
        changed[place] ^= 1 << int(random.integers(8))
        with pytest.raises(ArtifactError):
            Classifier(bytes(changed), allow_native=True)
    for size in (0, 4, 20, 32, 40, len(data) // 2, len(data) - 1):
        with pytest.raises(ArtifactError):
            Classifier(data[:size], allow_native=True)
    with pytest.raises(ArtifactError):
        Classifier(data + b"\0", allow_native=True)
    assert not marker.exists()


def test_a_library_of_another_program_is_told_apart(machine_code, planting, tmp_path):
    marker, text = planting
    path = tmp_path / "theirs.so"
    path.write_bytes(machine_code(text + NETWORK.replace("FACTOR", "1")))
    assert is_native(path.read_bytes())
    with pytest.raises(ArtifactError, match="a shared library without a lenetx spec: it was not made by lenetx"):
        Classifier(path, allow_native=True)
    assert not marker.exists()


STRANGE = {
    "no JSON": ("{", "record is damaged"),
    "not an object": ("[]", "record is damaged"),
    "not ASCII": ("\x7f", "record is damaged"),
    "doubled names": ('{"scratch":5000,"scratch":1,"machine":"x86_64","march":"x86-64"}', "record is damaged"),
    "no scratch": (record(scratch=0), "record is damaged"),
    "much scratch": (record(scratch=2**80), "record is damaged"),
    "another machine": (record(machine="pdp11"), "a processor that this version of lenetx does not know"),
    "another level": (record(march="native"), "a processor that this version of lenetx does not know"),
    "a list of machines": (record(machine=["x86_64"]), "a processor that this version of lenetx does not know"),
    "a level of another kind": (record(march={}), "a processor that this version of lenetx does not know"),
}


@pytest.mark.parametrize("kind", STRANGE)
def test_a_record_that_lenetx_never_writes(code, spec, kind):
    text, words = STRANGE[kind]
    with pytest.raises(ArtifactError, match=words):
        Classifier(sealed(code, spec.to_json(), text), allow_native=True)


@pytest.mark.parametrize("fields", [{"batch": 4}, {"layout": "nhwc"}, {"precision": "float16"}, {"raw_input": True}])
def test_a_contract_that_no_library_has(code, spec_fields, fields):
    from lenetx_runtime import ModelSpec

    spec = ModelSpec(**spec_fields | fields)
    with pytest.raises(ArtifactError, match="not one of a native library"):
        Classifier(sealed(code, spec.to_json(), record()), allow_native=True)


def test_a_record_longer_than_the_file(library):
    with pytest.raises(ArtifactError, match="record is damaged"):
        read_record(library[:-32] + (2**60).to_bytes(8, "little") + library[-24:])


def test_what_the_system_cannot_load_is_a_sentence(code, machine_code, spec):
    with pytest.raises(ArtifactError, match="The system cannot load the library: "):
        Classifier(sealed(code[:100], spec.to_json(), record()), allow_native=True)
    with pytest.raises(ArtifactError, match="without the function lenetx_run"):
        Classifier(sealed(machine_code("int other;"), spec.to_json(), record()), allow_native=True)


def test_a_processor_without_its_instructions_never_loads_it(planting, machine_code, spec, monkeypatch):
    """A missing instruction would end the process."""
    marker, text = planting
    data = machine_code(text + NETWORK.replace("FACTOR", "1"))
    needy = sealed(data, spec.to_json(), record(machine="x86_64", march="x86-64-v3"))
    monkeypatch.setattr(native, "machine", lambda: "x86_64")
    monkeypatch.setattr(native, "_cpu_flags", lambda: frozenset(native._FLAGS[1].split()))
    words = "compiled for x86-64-v3 and would end the process: this processor is x86-64-v2. .* '--march x86-64-v2'"
    with pytest.raises(DeviceUnavailable, match=words):
        Classifier(needy, allow_native=True)
    for other in ("aarch64", "darwin"):
        monkeypatch.setattr(native, "machine", lambda other=other: other)
        with pytest.raises(DeviceUnavailable, match=f"compiled for Linux on x86_64; this is {other}"):
            Classifier(needy, allow_native=True)
    assert not marker.exists()


def test_levels_follow_from_flags(monkeypatch):
    all_flags = " ".join(native._FLAGS).split()
    monkeypatch.setattr(native, "machine", lambda: "x86_64")
    for flags, expected in (
        ([], "x86-64"),
        (all_flags, "x86-64-v4"),
        ([each for each in all_flags if each != "avx512vl"], "x86-64-v3"),
        ([each for each in all_flags if each != "fma"], "x86-64-v2"),
        ([each for each in all_flags if each != "cx16"], "x86-64"),
    ):
        monkeypatch.setattr(native, "_cpu_flags", lambda flags=flags: frozenset(flags))
        assert native.cpu_levels()[-1] == expected
    monkeypatch.setattr(native, "machine", lambda: "aarch64")
    assert native.cpu_levels() == ("armv8-a",)
    monkeypatch.setattr(native, "machine", lambda: "win32")
    assert native.cpu_levels() == ()


def test_only_the_cpu_runs_it(library):
    assert Classifier(library, device="cpu", allow_native=True).device == "cpu"
    with pytest.raises(DeviceUnavailable, match="cuda was requested; native libraries run on the CPU"):
        Classifier(library, device="cuda", allow_native=True)
    with pytest.raises(InputError, match="Execution providers are onnxruntime's"):
        Classifier(library, providers=["CPUExecutionProvider"], allow_native=True)


def test_its_certificate_is_required_like_any_other(library, path, spec):
    with pytest.raises(ArtifactError, match="It is not verified"):
        Classifier(path, allow_native=True, require_verified=True)
    document = {
        "certificate_version": 1,
        "passed": True,
        "conclusion": "tiny.so computes what eager PyTorch computes.",
        "artifact": {"sha256": hashlib.sha256(library).hexdigest()},
        "reference": {"weights_sha256": spec.weights_sha256},
        "environment": {},
        "checks": [{"name": "weights", "subject": "9 numbers", "status": "passed"}],
        "date": "2026-11-27",
    }
    path.with_name("tiny.so.verified.json").write_text(json.dumps(document))
    assert Classifier(path, allow_native=True, require_verified=True).logits(INPUTS[:1]).shape == (1, 10)
    with pytest.raises(InputError, match="is machine code"):
        Classifier(path, require_verified=True)


def test_other_processes_open_it_again(path):
    classifier = Classifier(path, allow_native=True)
    assert pickle.loads(pickle.dumps(classifier)).logits(INPUTS[:3]).tolist() == LOGITS[:3].tolist()
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, context) as pool:
        found = pool.submit(operator.methodcaller("logits", INPUTS[:3]), classifier).result()
    assert found.tolist() == LOGITS[:3].tolist()


def test_the_commands_take_it(code, spec_fields, tmp_path, capsys, seven):
    import PIL.Image

    from lenetx_runtime import ModelSpec
    from lenetx_runtime.preprocess import normalise

    spec = ModelSpec(**spec_fields)
    frames = np.random.default_rng(4).integers(0, 256, (4, *spec.frame_size), np.uint8)
    logits = normalise(frames, spec).reshape(4, 1024)[:, 500:510] * 2.0
    tested = SelfTest.of(frames, logits.astype(np.float64), np.full(logits.shape, 1e-4))
    path = tmp_path / "tiny.so"
    path.write_bytes(sealed(code, ModelSpec(**spec_fields | {"selftest": tested}).to_json(), record()))
    PIL.Image.fromarray(seven).save(tmp_path / "seven.png")
    assert main(["inspect", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "native"
    assert main(["predict", str(path), str(tmp_path / "seven.png"), "--allow-native"]) == 0
    assert "seven.png: " in capsys.readouterr().out
    assert main(["selftest", str(path)]) == 2
    assert "is machine code" in capsys.readouterr().err
    assert main(["selftest", str(path), "--allow-native"]) == 0
    assert capsys.readouterr().out.startswith("native                   passed on cpu: 4 images, ")
    assert main(["selftest", str(path), "--allow-native", "--device", "cuda"]) == 3
