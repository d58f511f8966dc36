"""What is fuzzed: each takes bytes, and lets no exception out but one that is not ours."""

import io
import json

import numpy as np

from lenetx_runtime import Classifier, InputError, LenetxError, ModelSpec, native_file, onnx_file, ort_file
from lenetx_runtime.certificate import _is_certificate
from lenetx_runtime.ort_file import read_any_spec
from lenetx_runtime.preprocess import decode
from lenetx_runtime.selftest import SelfTest

DIGEST = b'"content_sha256":"'
PICTURE = np.zeros((28, 28), np.uint8)
PICTURE[6:22, 9:18] = 200


def image(data):
    """Decode bytes, as they are and from a file object, in grey and in colour."""
    results = []
    for channels, given in ((1, data), (3, io.BytesIO(data))):
        try:
            levels = decode(given, channels)
        except InputError:
            continue
        assert levels.dtype == np.uint8
        assert levels.ndim == (2 if channels == 1 else 3)
        results.append(levels.shape[:2])
    assert len(results) in (0, 2)
    assert len(set(results)) <= 1
    return bool(results)


def resealed(data):
    """Return the bytes with a right digest, so that whatever else is wrong with them comes to light."""
    place = data.find(DIGEST)
    if place < 0:
        return data
    start = place + len(DIGEST)
    try:
        kind = native_file if native_file.is_native(data) else ort_file if ort_file.is_ort(data) else onnx_file
        return kind.seal(data[:start] + b"0" * 64 + data[start + 64 :])
    except (ValueError, LenetxError):
        return data


def model(data):
    """Open bytes as a model and label a picture, as they are and sealed anew."""
    labelled = False
    for given in (data, resealed(data)):
        try:
            read_any_spec(given)
            with Classifier(given, threads=1) as classifier:
                prediction = classifier.predict(PICTURE)
                if classifier.spec.selftest is not None:
                    classifier.self_test()
        except LenetxError:
            continue
        assert prediction.label in classifier.spec.labels
        labelled = True
    return labelled


def native(data):
    """Read a library, as it is and sealed anew. It is never loaded: nothing that it says would make that safe."""
    found = False
    for given in (data, resealed(data)):
        try:
            read_any_spec(given)
            Classifier(given)
        except InputError:
            found = True
        except LenetxError:
            continue
    return found


def spec(data):
    """Read a spec, and write what was read."""
    try:
        read = ModelSpec.from_json(data.decode("utf-8", "surrogatepass"))
    except (LenetxError, UnicodeDecodeError):
        return False
    assert ModelSpec.from_json(read.to_json()) == read
    read.to_json().encode()
    str(read).encode()
    return True


def selftest(data):
    """Read a self-test from any JSON."""
    try:
        plain = json.loads(data)
    except (ValueError, RecursionError):
        return False
    try:
        SelfTest.from_plain(plain)
    except LenetxError:
        return False
    return True


def certificate(data):
    """Judge any JSON as a certificate."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return False
    return _is_certificate(document)


TARGETS = {
    "image": image,
    "model": model,
    "ort": model,
    "native": native,
    "spec": spec,
    "selftest": selftest,
    "certificate": certificate,
}
