"""No artifact tells where it was built: paths are found wherever they hide in a file."""

import onnx
import pytest

from lenetx.formats.local_paths import local_paths
from lenetx.formats.onnx.structure import structure
from lenetx.formats.torchscript import open as open_torchscript
from lenetx_runtime import ModelSpec


@pytest.mark.parametrize(
    "text",
    [
        b"/home/somebody/project/net.py",
        b'File "/Users/somebody/net.py", line 3',
        b"C:\\Users\\somebody\\net.py",
        b"D:\\a\\b.py",
        b"torch from /opt/env/lib/python3/site-packages/torch",
        b"lib/site-packages/torch/nn",
        b"('/tmp/build-1/x',)",
        b"file=/var/lib/x/y",
    ],
)
def test_a_path_is_found(text):
    check = local_paths([b"nothing here", text])
    assert check.status == "failed"
    assert "paths of the machine that built it" in check.detail


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"__torch__/lenetx/models/lenet5.py",
        b"x = torch.div(a, b) / c",
        b"https://example.org/models/lenet5",
        b"a/b",
        b"pkg.torch.onnx.name_scopes",
        b'{"scale":0.00392,"mean":[0.1307]}',
    ],
)
def test_other_texts_are_no_paths(text):
    assert local_paths([text]).status == "passed"


@pytest.fixture(scope="module")
def model(published):
    return onnx.load(published / "lenet5.onnx")


def judge(model):
    """Return the status of the check for local paths."""
    spec = ModelSpec.from_json(model.metadata_props[0].value)
    (check,) = (check for check in structure(model, spec) if check.name == "local paths")
    return check.status


PLACES = {
    "the model's doc": lambda model, path: setattr(model, "doc_string", path),
    "a node's doc": lambda model, path: setattr(model.graph.node[3], "doc_string", path),
    "a node's name": lambda model, path: setattr(model.graph.node[3], "name", path),
    "a node's metadata": lambda model, path: model.graph.node[3].metadata_props.add(key="pkg.stack_trace", value=path),
    "the model's metadata": lambda model, path: model.metadata_props.add(key="note", value=path),
    "an attribute": lambda model, path: model.graph.node[0].attribute.append(onnx.helper.make_attribute("x", path)),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_path_of_any_length_is_found_anywhere_in_an_onnx_file(model, place):
    """In the file, the byte before a text is its length, which may look like a letter."""
    assert judge(model) == "passed"
    missed = []
    for length in range(12, 130):
        changed = onnx.ModelProto()
        changed.CopyFrom(model)
        PLACES[place](changed, "/home/some".ljust(length - 3, "x") + "/y")
        if judge(changed) != "failed":
            missed.append(length)
    assert missed == []


def test_a_path_in_a_record_of_a_torchscript_file_is_found(published, tmp_path):
    """In its spec, for the other records are what lenetx writes."""
    from lenetx.data import archive

    records = archive.unpack((published / "lenet5.torchscript").read_bytes())
    path = tmp_path / "lenet5.torchscript"
    spec = records["extra/lenetx.json"].replace(b'"producer":"lenetx', b'"producer":"/home/somebody/net.py')
    path.write_bytes(archive.pack(records | {"extra/lenetx.json": spec}))
    (check,) = (check for check in open_torchscript(path).structure if check.name == "local paths")
    assert check.status == "failed"
