"""Native libraries that were sealed anew: no machine code is loaded that was not just compiled from what was read."""

import numpy as np
import pytest

import lenetx
from lenetx import formats
from lenetx.benchmark.plan import of_artifact
from lenetx.errors import ArtifactError, InputError
from lenetx.formats import native
from lenetx.formats.network import Network
from lenetx.proof import prove
from lenetx.publishing.inspection import inspect
from lenetx_runtime import Classifier

from .native_files import NAME, forged, parts

pytestmark = pytest.mark.usefixtures("machine_code")


@pytest.fixture
def data(exported):
    return exported(NAME)


@pytest.fixture
def check_refused(tmp_path):
    def check(data, words, error=ArtifactError):
        path = tmp_path / "forged.so"
        path.write_bytes(data)
        with pytest.raises(error, match=words):
            formats.open_artifact(path)
        return path

    return check


def test_machine_code_that_does_more_is_never_loaded(data, machine_code, planting, check_refused, checkpoint):
    marker, text = planting
    evil = machine_code(f"{text}\nint lenetx_run(void) {{ return 0; }}\n")
    honest, _, record = parts(data)
    moved = {name: place + len(evil) for name, place in record["places"].items()}
    path = check_refused(forged(data, code=evil + honest, places=moved), "It was not loaded")
    inspect(path)
    for attempt in (lenetx.classifier, Classifier):
        with pytest.raises(InputError, match="is machine code"):
            attempt(path)
    with pytest.raises(ArtifactError, match="It was not loaded"):
        lenetx.verify(path, against=checkpoint)
    with pytest.raises(ArtifactError, match="It was not loaded"):
        of_artifact(path, "", [1])
    assert not marker.exists()
    Classifier(path, allow_native=True)
    assert marker.exists()


def test_one_changed_instruction(data, check_refused):
    code = bytearray(parts(data)[0])
    code[0x1010] ^= 1
    check_refused(forged(data, code=bytes(code)), "compiles its graph and weights to something else")


def test_other_weights_in_their_place_fail_the_proof(tmp_path, data, reference):
    code, _, record = parts(data)
    place = record["places"]["network_fc1_weight"]
    changed = code[:place] + np.float32(0.25).tobytes() + code[place + 4 :]
    path = tmp_path / "changed.so"
    path.write_bytes(forged(data, code=changed))
    report = prove(formats.open_artifact(path), reference)
    assert not report.passed
    assert "weights" in [check.name for check in report.failures]


def test_a_library_of_other_weights_fails_the_proof(tmp_path, reference, other_checkpoint):
    """Also if its spec claims the right ones."""
    other = formats.export(NAME, Network(other_checkpoint))
    digests = other_checkpoint.spec.weights_sha256, reference.checkpoint.spec.weights_sha256
    path = tmp_path / "swapped.so"
    path.write_bytes(forged(other, spec=parts(other)[1].replace(*digests)))
    report = prove(formats.open_artifact(path), reference)
    assert "weights" in [check.name for check in report.failures]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"places": {}}, "does not say where its weights are"),
        ({"places": [1]}, "record is damaged"),
        ({"graph": None}, "damaged"),
        (
            {"graph": {"nodes": [["Conv", ["image"], ["logits"], {}]], "opset": 18, "tensors": []}},
            "damaged|written by lenetx",
        ),
        ({"compiler": "/bin/sh"}, "Its compiler is none of gcc, clang"),
        ({"compiler": ["gcc"]}, "Its compiler is none of gcc, clang"),
        ({"scratch": 10**6}, "something else"),
        ({"flags": []}, "something else"),
        ({"note": "made on a Tuesday"}, "something else"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_record_that_lenetx_does_not_write(data, check_refused, fields, words):
    check_refused(forged(data, **fields), words)


@pytest.mark.parametrize(
    "change",
    [
        lambda graph: graph["nodes"][2][1].__setitem__(0, "nowhere"),
        lambda graph: graph["nodes"].pop(3),
        lambda graph: graph["nodes"][0][3].update(kernel_shape="5"),
        lambda graph: graph["nodes"][0][3].update(kernel_shape=[7, 7]),
        lambda graph: graph["tensors"][5][2].__setitem__(0, 110),
        lambda graph: graph["tensors"][5].append([1.0]),
        lambda graph: graph.update(opset=2**70),
    ],
)
def test_a_graph_that_is_none_never_reaches_a_compiler(data, check_refused, change, monkeypatch):
    monkeypatch.setattr(native, "compiled", None)
    graph = parts(data)[2]["graph"]
    change(graph)
    check_refused(forged(data, graph=graph), "not written by lenetx|damaged")


@pytest.mark.parametrize("place", [-4, 10**9, 1.5, "0", None, True])
def test_weights_outside_the_file(data, check_refused, place):
    places = parts(data)[2]["places"] | {"network_conv1_weight": place}
    check_refused(forged(data, places=places), "something else" if place is True else "where its weights are")
