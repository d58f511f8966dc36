"""ORT files that were sealed anew after a change: the runtime refuses what the engine would trust.

Without these checks, onnxruntime 1.22 ended the process on most of them.
"""

import copy
import re

import pytest

from lenetx import formats
from lenetx.errors import ArtifactError
from lenetx.formats.ort.contents import read, write
from lenetx_runtime import Classifier
from lenetx_runtime.ort_file import read_spec, seal

DIGEST = re.compile(rb'(?<="content_sha256":")[0-9a-f]{64}')


def sealed(contents):
    """Write contents, and seal them as lenetx would."""
    return seal(DIGEST.sub(b"0" * 64, write(contents)))


@pytest.fixture
def contents(exported):
    return read(exported("ort"))


@pytest.fixture
def graph(contents):
    return contents["model"]["graph"]


def test_sealing_alone_changes_nothing(exported, contents):
    assert sealed(contents) == exported("ort")


def node(change):
    return lambda graph: change(graph["nodes"][0])


def leave_out(graph):
    del graph["nodes"][2]["index"]


STRANGE = {
    "an edge to no node": (lambda graph: graph["edges"][1]["inputs"].__setitem__(0, 2**31 - 1), "its edges"),
    "an edge of another place": (lambda graph: graph["edges"][1]["inputs"].__setitem__(1, 7), "its edges"),
    "no edges": (lambda graph: graph["edges"].clear(), "its edges"),
    "more nodes than there are": (lambda graph: graph.update(max_node_index=2**31), "its edges"),
    "two nodes of one number": (leave_out, "the numbers of node 2"),
    "a node of another kind": (node(lambda each: each.update(type=1)), "the numbers of node 0"),
    "other counts": (node(lambda each: each.update(counts=[1, 1])), "the numbers of node 0"),
    "a count below zero": (node(lambda each: each.update(counts=[-1, 4])), "the numbers of node 0"),
    "an input that is not named": (node(lambda each: each.update(implicit=[b"image"])), "the numbers of node 0"),
    "an output without a type": (
        lambda graph: graph.update(outputs=[b"nowhere"]),
        "a value without a name, or its input",
    ),
    "a value without a name": (lambda graph: graph["values"][3].pop("name"), "a value without a name"),
}


@pytest.mark.parametrize("kind", STRANGE)
def test_a_graph_that_onnxruntime_never_writes(contents, graph, kind):
    change, words = STRANGE[kind]
    change(graph)
    with pytest.raises(ArtifactError, match=f"Its graph is not one that onnxruntime writes: {words}"):
        read_spec(sealed(contents))


UNSAFE = {
    "an operator of another domain": (node(lambda each: each.update(domain=b"custom")), "'Conv' in it is not one"),
    "an operator that ends the process": (node(lambda each: each.update(operator=b"STFT")), "'STFT' in it is not one"),
    "a nested graph": (
        node(lambda each: each["attributes"][0].update(type=5)),
        "a nested graph or a sparse",
    ),
    "a name in another encoding": (
        lambda graph: graph["values"][0]["type"]["tensor"]["shape"]["axes"][0]["size"].update(name=b"\xff"),
        "",
    ),
    "a wide window": (node(lambda each: each["attributes"][2].update(ints=[5000, 5])), "kernel_shape is 5000"),
    "steps of zero": (lambda graph: graph["nodes"][1]["attributes"][4].update(ints=[0, 2]), "strides is 0"),
}


@pytest.mark.parametrize("kind", UNSAFE)
def test_what_an_onnx_file_may_not_hold_either(contents, graph, kind):
    change, words = UNSAFE[kind]
    change(graph)
    if kind == "a name in another encoding":
        graph["outputs"] = [graph["values"][0]["name"]]
        words = "A name in it is not readable text"
    with pytest.raises(ArtifactError, match=words):
        read_spec(sealed(contents))


def test_a_second_spec_is_refused(contents):
    entries = contents["model"]["metadata"]
    entries.append(copy.deepcopy(entries[0]))
    with pytest.raises(ArtifactError, match="more than one lenetx spec"):
        read_spec(write(contents))


def test_a_field_of_a_later_version_is_refused_by_the_proof(tmp_path, contents, monkeypatch):
    from lenetx.formats.ort import contents as module

    path = tmp_path / "lenet5.ort"
    with monkeypatch.context() as patch:
        patch.setitem(module._FIELDS, "model", [*module._FIELDS["model"], ("later", "q")])
        contents["model"]["later"] = 7
        path.write_bytes(sealed(contents))
    with pytest.raises(ArtifactError, match="lenetx writes the same contents differently"):
        formats.open_artifact(path)


def test_an_activation_that_lenetx_never_fuses_is_refused_by_the_proof(tmp_path, contents, graph):
    path = tmp_path / "lenet5.ort"
    next(each for each in graph["nodes"][7]["attributes"] if each["name"] == b"activation").update(s=b"Elu")
    path.write_bytes(sealed(contents))
    with pytest.raises(ArtifactError, match="FusedGemm has an activation that lenetx never fuses"):
        formats.open_artifact(path)


def test_what_lenetx_never_writes_is_refused_by_the_proof(tmp_path, exported, contents, monkeypatch):
    """The runtime need not read it all; the proof does."""
    from lenetx.formats.ort import contents as module

    path = tmp_path / "lenet5.ort"
    data = exported("ort")
    path.write_bytes(seal(DIGEST.sub(b"0" * 64, data + bytes(8))))
    with pytest.raises(ArtifactError, match="lenetx writes the same contents differently"):
        formats.open_artifact(path)
    with monkeypatch.context() as patch:
        patch.setitem(module._FIELDS, "value", [("name", "text"), ("note", "text"), ("type", "type")])
        contents["model"]["graph"]["values"][0]["note"] = b"trained on a Tuesday"
        path.write_bytes(sealed(contents))
    assert Classifier(path).spec.architecture == "lenet5"
    with pytest.raises(ArtifactError, match="more in a table value than lenetx ever writes"):
        formats.open_artifact(path)
