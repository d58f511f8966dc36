"""A file makes the runtime open nothing but itself, run nothing and load nothing.

What Python opens is told by its audit hooks. What the engine opens is not, so that everything a model could lead to is
a named pipe: whoever opens one waits until the test's time is over.
"""

import io
import json
import os
import pickle
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

SCRIPT = Path(__file__).with_name("audit.py")
BAIT = "bait.bin"


@pytest.fixture
def opened(watched, tmp_path):
    """The function that opens bytes as a ``model`` or an ``image`` beside the bait, and gives what came of it."""

    def run(kind, data):
        os.mkfifo(tmp_path / BAIT)
        (tmp_path / kind).write_bytes(data)
        done = watched(SCRIPT, kind, kind)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert told["seen"] == [["open", kind]]
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted([BAIT, kind])
        return told["outcome"]

    return run


def outside(model):
    tensor = model.graph.initializer[1]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", BAIT


def operator_of_a_library(model):
    node = helper.make_node("Relu", ["maps"], ["active"], domain="custom", library=BAIT, custom_op_library=f"./{BAIT}")
    model.graph.node[1].CopyFrom(node)
    model.opset_import.append(helper.make_opsetid("custom", 1))


def compiled_elsewhere(model):
    """An operator that holds the path of what another engine compiled."""
    node = helper.make_node(
        "EPContext", ["maps"], ["active"], domain="com.microsoft", embed_mode=0, ep_cache_context=BAIT, main_context=1
    )
    model.graph.node[1].CopyFrom(node)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (outside, "keeps weights in another file"),
        (operator_of_a_library, "not one that lenetx runs"),
        (compiled_elsewhere, "not one that lenetx runs"),
    ],
)
def test_a_model_that_leads_elsewhere_is_refused(fuzz, opened, edit, reason):
    corpus = fuzz("corpus")
    model = corpus.network()
    edit(model)
    assert reason in opened("model", fuzz("targets").resealed(model.SerializeToString()))


def names(model):
    model.graph.name = model.producer_name = model.graph.node[0].name = f"./{BAIT}"
    model.graph.initializer[0].name = model.graph.node[0].input[1] = f"file://{BAIT}"
    model.graph.node[0].doc_string = BAIT


def metadata(model):
    settings = {"session_options": {"enable_profiling": 1, "intra_op_num_threads": 1}}
    known = {"ort_config": json.dumps(settings), "custom_op_library": BAIT, "external_data": BAIT, "ep_context": BAIT}
    for key, value in known.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value


def labels(model):
    text = model.metadata_props[0].value
    model.metadata_props[0].value = text.replace('"labels":["a","b","c"]', f'"labels":["{BAIT}","./{BAIT}","/{BAIT}"]')


@pytest.mark.parametrize("edit", [names, metadata, labels])
def test_a_path_in_a_name_is_a_name(fuzz, opened, edit):
    model = fuzz("corpus").network()
    edit(model)
    assert opened("model", fuzz("targets").resealed(model.SerializeToString())) in (
        "a",
        "b",
        "c",
        BAIT,
        f"./{BAIT}",
        f"/{BAIT}",
    )


class Payload:
    def __reduce__(self):
        return os.system, ("touch owned",)


def archive(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in members.items():
            packed.writestr(name, data)
    return file.getvalue()


def array_of_objects():
    file = io.BytesIO()
    np.save(file, np.array([Payload()], object), allow_pickle=True)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["model", "image"])
@pytest.mark.parametrize(
    "make",
    [
        lambda: pickle.dumps(Payload()),
        lambda: pickle.dumps(Payload(), 0),
        lambda: archive(**{"archive/data.pkl": pickle.dumps(Payload()), "archive/version": "3"}),
        lambda: archive(zeros=bytes(2**28)),
        array_of_objects,
        lambda: b"GIF89a" + pickle.dumps(Payload()),
    ],
    ids=["pickle", "pickle in text", "checkpoint", "zip of 256 MiB of zeros", "npy of objects", "pickle behind a head"],
)
def test_what_is_neither_model_nor_image_is_not_unpacked(opened, kind, make):
    assert re.search("It is not|It is an archive|is not a readable|damaged", opened(kind, make()))


@pytest.mark.parametrize("kind", ["model", "image"])
def test_the_real_files_are_opened_alone(fuzz, opened, kind):
    corpus = fuzz("corpus")
    data = corpus.models()["whole.onnx"] if kind == "model" else corpus.images()["notes.png"]
    assert opened(kind, data) in ("a", "b", "c", [23, 17])


@pytest.mark.parametrize(
    "deed",
    ["open('bait.bin.txt', 'w').close()", "os.system('true')", "__import__('pickle').loads(data)"],
)
def test_the_watch_sees_what_it_is_there_for(watched, tmp_path, deed):
    script = tmp_path / "careless.py"
    script.write_text(
        f"import os, pickle, sys\nsys.path.insert(0, {str(SCRIPT.parent)!r})\nimport audit\n"
        "from lenetx_runtime import preprocess\nhonest, seen = preprocess.decode, []\n"
        "data = pickle.dumps(os.getcwd)\n"
        f"def decode(given):\n    seen.append(1)\n    if len(seen) > 1:\n        {deed}\n    return honest(given)\n"
        "preprocess.decode = decode\naudit.main('image', sys.argv[1])\n",
        "utf-8",
    )
    (tmp_path / "image").write_bytes(b"seven")
    done = watched(script, "image")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["seen"] != [["open", "image"]]
