"""Native libraries run like any model."""

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
from lenetx_runtime.native_file import read_spec, sealed
from lenetx_runtime.ort_file import read_any_spec

from .native_networks import INPUTS, LOGITS, NETWORK, record


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
