"""An ONNX file of another program becomes one of ours: proven first, its graph unchanged, all or nothing."""

import dataclasses

import numpy as np
import onnx
import pytest
import torch
from onnx import helper
from torch import nn

import lenetx
from lenetx.errors import OutputError, ProofFailed
from lenetx_runtime import ArtifactError, Classifier
from lenetx_runtime.preprocess import normalise
from lenetx_runtime.spec import METADATA_KEY

from ..conftest import (
    before_the_output,
    behind_the_input,
    constant,
    copied,
    export,
    node,
    status,
)
from ..test_faults import lowest_bit, scaled
from ..test_honest import Around
from .conftest import frames, parts, without_spec

PUBLISHED = {"theirs.onnx", "theirs.onnx.verified.json", "manifest.json"}


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"dynamo": True, "external_data": False}, id="newer exporter"),
        pytest.param({"dynamo": True, "external_data": False, "optimize": False}, id="newer exporter, not optimised"),
        pytest.param({"dynamo": False}, id="older exporter"),
        pytest.param({"dynamo": False, "opset_version": 7}, id="older exporter, opset 7"),
        pytest.param({"dynamo": False, "keep_initializers_as_inputs": True}, id="older exporter, tensors as inputs"),
        pytest.param({"dynamo": False, "fixed": True}, id="older exporter, a batch of 1"),
    ],
)
def test_files_of_torch_run_in_the_runtime_and_nothing_but_the_spec_is_added(module, adopt, tmp_path, options):
    export(module, tmp_path / "theirs.onnx", **options)
    theirs = (tmp_path / "theirs.onnx").read_bytes()
    report, path = adopt()
    assert report.passed
    assert (tmp_path / "theirs.onnx").read_bytes() == theirs
    assert {each.name for each in path.parent.iterdir()} == PUBLISHED
    ours = without_spec(path).SerializeToString(deterministic=True)
    assert ours == onnx.load_from_string(theirs).SerializeToString(deterministic=True)
    with Classifier(path, require_verified=True) as classifier:
        assert classifier.spec.origin == "adopted"
        assert classifier.spec.batch == (1 if options.get("fixed") else "dynamic")
        assert classifier.self_test().passed
        found, right = answers(classifier, module)
        assert found == right


def answers(classifier, module):
    """Return the labels that the classifier gives and those of the module itself, of the same inputs."""
    inputs = normalise(np.stack([classifier.frame(each) for each in frames()]), classifier.spec)
    right = module(torch.from_numpy(inputs)).argmax(1).tolist()
    return [each.index for each in classifier.predict_batch(list(frames()))], right


def test_weights_beside_the_file_are_taken_in(module, adopt, tmp_path):
    export(module, tmp_path / "theirs.onnx", dynamo=True)
    assert (tmp_path / "theirs.onnx.data").exists()
    notes = []
    _, path = adopt(on_notice=notes.append)
    assert any("paths of the machine that built it" in note and "kept" in note for note in notes)  # its stack traces
    theirs = onnx.load(tmp_path / "theirs.onnx")
    for tensor in theirs.graph.initializer:
        tensor.ClearField("data_location")
    assert parts(onnx.load(path, load_external_data=False)) == parts(theirs)
    (tmp_path / "theirs.onnx.data").unlink()
    Classifier(path, require_verified=True).close()


@pytest.mark.parametrize(
    ("shape", "before", "after", "layout"),
    [
        pytest.param((32, 32, 1), lambda x: x.permute(0, 3, 1, 2), lambda z: z, "nhwc", id="channels last"),
        pytest.param((1024,), lambda x: x.reshape(-1, 1, 32, 32), lambda z: z, "flat", id="flat"),
        pytest.param((32, 32), lambda x: x.unsqueeze(1), lambda z: z, "nhw", id="without channels"),
        pytest.param((1, 32, 32), lambda x: x, lambda z: z[:, :, None, None], "nchw", id="spare axes"),
    ],
)
def test_other_layouts_run_in_the_runtime(module, checkpoint, adopt, tmp_path, shape, before, after, layout):
    export(Around(module, before, after).eval(), tmp_path / "theirs.onnx", shape, dynamo=False)
    report, path = adopt()
    assert report.passed
    with Classifier(path, require_verified=True) as classifier:
        assert classifier.spec.layout == layout
        assert classifier.self_test().passed
        found, right = answers(classifier, module)
        assert found == right
    assert lenetx.verify(path, against=checkpoint).passed


class Softmax(nn.Module):
    input_shape = (1, 12, 12)

    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(144, 3)

    def forward(self, x):
        return self.dense(x.flatten(1)).softmax(1)


def test_a_softmax_inside_both_is_recorded(adopt, tmp_path):
    torch.manual_seed(0)
    module = Softmax().eval()
    export(module, tmp_path / "theirs.onnx", (1, 12, 12), dynamo=False)
    report, path = adopt(against=module, framing="stretch", mean=0.5, std=0.5, labels=["a", "b", "c"])
    assert report.passed
    with Classifier(path, require_verified=True) as classifier:
        assert (classifier.spec.output, classifier.spec.labels) == ("probabilities", ("a", "b", "c"))
        image = np.arange(144, dtype=np.uint8).reshape(12, 12)
        right = module(torch.from_numpy((image / np.float32(255) - 0.5) / 0.5)[None, None].float())[0]
        found = dict(classifier.predict(image).probabilities)
        assert [found[name] for name in "abc"] == pytest.approx(right.tolist(), abs=1e-6)


def by_hand(model):
    """Name and spell the model as no exporter does: odd names, Constant nodes, axes left open."""
    graph = model.graph
    first = node(model, "Conv").input[1]
    tensor = next(each for each in graph.initializer if each.name == first)
    graph.node.insert(0, helper.make_node("Constant", [], ["/a weight:0"], value=tensor))
    node(model, "Conv").input[1] = "/a weight:0"
    graph.initializer.remove(tensor)
    for axis, name in zip(graph.input[0].type.tensor_type.shape.dim, ("N", "C", "H", "W"), strict=True):
        axis.dim_param = name
    graph.output[0].type.tensor_type.ClearField("shape")


def test_open_axes_are_stated_and_the_rest_is_kept(plain, adopt):
    model = copied(plain)
    by_hand(model)
    report, path = adopt(model)
    assert report.passed
    found = without_spec(path)
    assert parts(found) == parts(model)
    Classifier(path, require_verified=True).close()


@pytest.fixture
def old(tmp_path):
    """What was published before."""
    (tmp_path / "out").mkdir()
    files = {name: f"the old {name}".encode() for name in PUBLISHED}
    for name, data in files.items():
        (tmp_path / "out" / name).write_bytes(data)
    return files


def softmax(model):
    before_the_output(model, helper.make_node("Softmax", ["logits"], ["output"], axis=1))


def inverted(model):
    constant(model, "one", 1.0)
    behind_the_input(model, helper.make_node("Sub", ["one", "x"], ["prepared"]))


@pytest.mark.parametrize("fault", [scaled, lowest_bit, softmax, inverted])
def test_a_fault_is_not_adopted_and_the_old_files_stand(plain, adopt, old, contents, tmp_path, fault):
    model = copied(plain)
    fault(model)
    with pytest.raises(ProofFailed, match=r"NOT proven.*Nothing was published") as caught:
        adopt(model)
    assert not caught.value.reports[0].passed
    assert contents(tmp_path / "out") == old


def test_an_error_while_moving_puts_the_old_files_back(plain, adopt, old, contents, tmp_path, monkeypatch):
    from pathlib import Path

    replace, failed = Path.replace, []

    def fail(self, target):
        if Path(target) == tmp_path / "out" / "manifest.json" and not failed:
            failed.append(target)
            raise OSError(28, "No space left on device")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OutputError, match="No space left"):
        adopt(copied(plain))
    monkeypatch.undo()
    assert contents(tmp_path / "out") == old


def test_verify_judges_it_by_its_own_spec(plain, adopt, module, checkpoint):
    _, path = adopt(copied(plain))
    report = lenetx.verify(path, against=module)
    assert report.passed
    assert report.artifact["origin"] == "adopted"
    assert {status(report, name) for name in ("manifest", "spec", "preprocessing", "self-test")} == {"passed"}
    labels = tuple("abcdefghij")
    other = dataclasses.replace(checkpoint, spec=dataclasses.replace(checkpoint.spec, labels=labels))
    assert status(lenetx.verify(path, against=other), "spec") == "failed"


def resealed(path, change):
    """Change an adopted file as somebody does who can seal it again."""
    from lenetx_runtime.onnx_file import seal
    from lenetx_runtime.spec import ModelSpec

    model = onnx.load(path)
    change(model)
    (entry,) = (each for each in model.metadata_props if each.key == METADATA_KEY)
    entry.value = dataclasses.replace(ModelSpec.from_json(entry.value), content_sha256="0" * 64).to_json()
    path.write_bytes(seal(model.SerializeToString(deterministic=True)))


@pytest.mark.parametrize("fault", [scaled, lowest_bit, inverted])
def test_a_fault_in_an_adopted_file_is_found(plain, adopt, checkpoint, fault):
    _, path = adopt(copied(plain))
    resealed(path, fault)
    assert not lenetx.verify(path, against=checkpoint).passed
    with pytest.raises(ArtifactError, match="of another file"):
        Classifier(path, require_verified=True)


def test_bytes_that_were_not_written_from_a_parsed_model_are_refused(plain, adopt, checkpoint):
    """A field that onnx does not know, or written twice, could mean something else to an engine."""
    from lenetx_runtime.onnx_file import seal

    _, path = adopt(copied(plain))
    spec = Classifier(path).spec
    digest = f'"content_sha256":"{spec.content_sha256}"'.encode()
    data = path.read_bytes().replace(digest, digest.replace(spec.content_sha256.encode(), b"0" * 64))
    path.write_bytes(seal(data + onnx.ModelProto(producer_name="twice").SerializeToString()))
    with pytest.raises(ArtifactError, match="serialises the same model differently"):
        lenetx.verify(path, against=checkpoint)
