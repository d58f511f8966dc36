"""An ONNX file of another program becomes one of ours: proven first, its graph unchanged, all or nothing."""

import dataclasses
import json

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from torch import nn

import lenetx
from lenetx.errors import InputError, OutputError, ProofFailed, UnknownName
from lenetx_runtime import ArtifactError, Classifier
from lenetx_runtime.preprocess import normalise
from lenetx_runtime.spec import METADATA_KEY

from .conftest import (
    before_the_output,
    behind_the_input,
    constant,
    copied,
    export,
    node,
    set_weight,
    status,
    trained_norms,
    weight,
)
from .test_faults import lowest_bit, scaled
from .test_honest import Around

PUBLISHED = {"theirs.onnx", "theirs.onnx.verified.json", "manifest.json"}


class Net(nn.Module):
    """Small, so that a proof takes a second."""

    input_shape = (1, 32, 32)

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.dense = nn.Conv2d(1, 3, 5, 3), nn.BatchNorm2d(3), nn.Linear(300, 10)

    def forward(self, x):
        return self.dense(torch.relu(self.norm(self.conv(x))).flatten(1))


@pytest.fixture(scope="module")
def module():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return trained_norms(Net())


@pytest.fixture(scope="module")
def checkpoint(module):
    return lenetx.Checkpoint.of(module, framing="mnist", mean=0.1559, std=0.2976)


@pytest.fixture(scope="module")
def plain(module, tmp_path_factory):
    """What the older exporter writes if nothing is folded."""
    path = tmp_path_factory.mktemp("plain") / "plain.onnx"
    return export(module, path, dynamo=False, do_constant_folding=False)


@pytest.fixture
def adopt(checkpoint, tmp_path):
    """The function that writes a model, adopts it and returns the report and the published path."""

    def run(model=None, against=None, **options):
        if model is not None:
            (tmp_path / "theirs.onnx").write_bytes(model.SerializeToString())
        report = lenetx.adopt(
            tmp_path / "theirs.onnx", against=against or checkpoint, folder=tmp_path / "out", **options
        )
        return report, tmp_path / "out" / "theirs.onnx"

    return run


def frames(count=5):
    return np.random.default_rng(0).integers(0, 256, (count, 28, 28), np.uint8)


def parts(model):
    """Return the nodes and the tensors of a model as bytes."""
    return [
        [each.SerializeToString(deterministic=True) for each in field]
        for field in (model.graph.node, model.graph.initializer)
    ]


def without_spec(path):
    model = onnx.load(path)
    kept = [entry for entry in model.metadata_props if entry.key != METADATA_KEY]
    assert len(kept) == len(model.metadata_props) - 1
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    return model


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


def test_unproven_says_so_everywhere(plain, tmp_path, checkpoint, contents):
    from lenetx.publishing.inspection import inspect

    theirs, out = tmp_path / "theirs.onnx", tmp_path / "out"
    theirs.write_bytes(plain.SerializeToString())
    labels = list("abcdefghij")
    report = lenetx.adopt(theirs, unproven=True, labels=labels, framing="mnist", mean=0.1559, std=0.2976, folder=out)
    assert not report.passed
    assert (report.artifact["origin"], report.reference) == ("unproven", {})
    assert set(contents(out)) == {"theirs.onnx", "manifest.json"}
    entry = json.loads((out / "manifest.json").read_text())["artifacts"]["theirs.onnx"]
    assert entry["origin"] == "unproven"
    assert "NOT proven" in entry["conclusion"]
    path = out / "theirs.onnx"
    assert parts(onnx.load(path)) == parts(plain)
    with Classifier(path) as classifier:
        assert classifier.spec.labels == tuple(labels)
        assert (classifier.spec.origin, classifier.spec.selftest) == ("unproven", None)
        assert len(classifier.predict_batch(list(frames()))) == 5
    with pytest.raises(ArtifactError, match=r"adopted unproven, without weights to compare it with\. 'lenetx adopt"):
        Classifier(path, require_verified=True)
    assert inspect(path).facts["proof"].startswith("unproven: ")
    # Its weights turn up: it is judged as any file, but its seal still says that nobody did.
    own = dataclasses.replace(checkpoint, spec=dataclasses.replace(checkpoint.spec, labels=tuple(labels)))
    verified = lenetx.verify(path, against=own)
    assert verified.passed
    assert "gets no certificate" in lenetx.certify(path, verified)
    proven = lenetx.adopt(path, against=own, folder=tmp_path / "proven")
    assert proven.passed
    with Classifier(tmp_path / "proven" / "theirs.onnx", require_verified=True) as classifier:
        assert classifier.spec.origin == "adopted"


def test_the_weights_of_an_unproven_file_are_told_by_their_digest(plain, tmp_path):
    digests = []
    for change in (lambda _: None, lowest_bit):
        model = copied(plain)
        change(model)
        (tmp_path / "theirs.onnx").write_bytes(model.SerializeToString())
        lenetx.adopt(tmp_path / "theirs.onnx", unproven=True, folder=tmp_path / "out")
        digests.append(Classifier(tmp_path / "out" / "theirs.onnx").spec.weights_sha256)
    assert len(set(digests)) == 2


def infinite(model):
    name = node(model, "Gemm", -1).input[2]
    set_weight(model, name, weight(model, name) * np.float32(np.inf))


def no_size(model):
    for axis in model.graph.input[0].type.tensor_type.shape.dim:
        axis.dim_param = "any"


def in_another_file(model):
    tensor = model.graph.initializer[0]
    onnx.external_data_helper.set_external_data(tensor, "nowhere.bin")
    tensor.ClearField("raw_data")


def outside(model):
    in_another_file(model)
    next(each for each in model.graph.initializer[0].external_data if each.key == "location").value = "../secret.bin"


def two_inputs(model):
    model.graph.input.append(helper.make_tensor_value_info("mask", 7, ["N", 5]))


def whole_numbers(model):
    model.graph.input[0].type.tensor_type.elem_type = 7


def half(model):
    for tensor in model.graph.initializer:
        if tensor.data_type == 1:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name))


def with_a_branch(model):
    empty = helper.make_graph([], "branch", [], [])
    model.graph.node.insert(0, helper.make_node("If", ["x"], ["y"], then_branch=empty, else_branch=empty))


def with_a_function(model):
    function = helper.make_function("own", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])], [])
    function.opset_import.extend(model.opset_import)
    model.functions.append(function)


def windows(model):
    node(model, "Conv").attribute.append(helper.make_attribute("pads", [10**6] * 4))


def doubled(model):
    model.graph.initializer.append(model.graph.initializer[0])


def of_another_domain(model):
    node(model, "Relu").domain = "com.example"


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (infinite, InputError, "not finite"),
        (no_size, InputError, "--input-size and --channels"),
        (in_another_file, ArtifactError, "which is not beside it"),
        (outside, ArtifactError, "outside of its folder"),
        (two_inputs, InputError, "has 2 inputs"),
        (whole_numbers, InputError, "not float32"),
        (half, InputError, "computes in float16"),
        (with_a_branch, InputError, "a graph of its own"),
        (with_a_function, ArtifactError, "a function, a nested graph or a sparse tensor"),
        (windows, ArtifactError, "far beyond the pictures"),
        (doubled, ArtifactError, "Two of its tensors have one name"),
        (of_another_domain, ArtifactError, "none that lenetx runs"),
    ],
)
def test_what_cannot_be_sealed_is_told_and_nothing_is_written(plain, tmp_path, change, kind, words):
    model = copied(plain)
    change(model)
    (tmp_path / "theirs.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(kind, match=words):
        lenetx.adopt(tmp_path / "theirs.onnx", unproven=True, folder=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_stated_layout_decides(plain, adopt, tmp_path):
    with pytest.raises(InputError, match="not the network's in the layout nhwc"):
        adopt(copied(plain), layout="nhwc")
    with pytest.raises(UnknownName, match="nchw"):
        lenetx.adopt(tmp_path / "theirs.onnx", unproven=True, layout="nwch")
    assert not (tmp_path / "out").exists()


def test_a_stated_size_closes_open_axes(plain, tmp_path):
    model = copied(plain)
    no_size(model)
    (tmp_path / "theirs.onnx").write_bytes(model.SerializeToString())
    lenetx.adopt(tmp_path / "theirs.onnx", unproven=True, input_shape=(1, 32, 32), folder=tmp_path / "out")
    assert Classifier(tmp_path / "out" / "theirs.onnx").spec.input_shape == (1, 32, 32)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "with --against; --unproven seals it without any"),
        ({"unproven": True, "against": "w.pth"}, "omit one"),
        ({"unproven": True, "data_name": "digits"}, "--data is for the proof"),
        ({"against": "w.pth", "labels": ["a", "b"]}, "`labels` is for a module in memory"),
        ({"unproven": True, "name": "a/b"}, "not a file name"),
        ({"unproven": True, "weights_options": lenetx.WeightsOptions(architecture="lenet5")}, "reads no weights"),
    ],
)
def test_arguments_that_do_not_go_together(plain, tmp_path, options, words):
    (tmp_path / "theirs.onnx").write_bytes(plain.SerializeToString())
    with pytest.raises(InputError, match=words):
        lenetx.adopt(tmp_path / "theirs.onnx", folder=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_their_file_is_never_overwritten(plain, checkpoint, tmp_path):
    path = tmp_path / "theirs.onnx"
    path.write_bytes(plain.SerializeToString())
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "theirs.onnx").symlink_to(path)
    for folder in (tmp_path, tmp_path / "out"):
        with pytest.raises(InputError, match="is the file itself, which is never overwritten: name another folder"):
            lenetx.adopt(path, against=checkpoint, folder=folder)
    assert path.read_bytes() == plain.SerializeToString()


def test_what_lenetx_wrote_needs_no_adoption(plain, adopt, checkpoint, tmp_path):
    _, path = adopt(copied(plain))
    with pytest.raises(InputError, match="has a lenetx spec already"):
        lenetx.adopt(path, against=checkpoint, folder=tmp_path / "again")
