"""Exporting and verifying modules in memory; the artifacts compared with them by nothing of lenetx."""

import copy
import subprocess
import sys
import warnings

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import helper, numpy_helper
from torch import nn

import lenetx
from lenetx import Checkpoint, InputError
from lenetx.proof.callables import program_of

SHAPE = (1, 12, 12)
LABELS = ["one", "two", "three", "four"]
STATED = {"labels": LABELS, "framing": "stretch", "mean": 0.5, "std": 0.25}


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.utils.parametrizations.weight_norm(nn.Conv2d(1, 3, 3)), nn.BatchNorm2d(3)
        self.fc, self.act = nn.Linear(300, 4), lambda x: self.norm(x).relu()
        self.register_buffer("shift", torch.tensor([0.5]), persistent=False)

    def forward(self, x):
        return {"logits": self.fc(self.act(self.conv(x)).flatten(1)) + self.shift, "features": x.flatten(1)}


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 3, 3), nn.Linear(300, 4)

    def forward(self, x):
        return self.fc(self.conv(x).relu().flatten(1))


def images(count=64):
    return torch.randn(count, *SHAPE, generator=torch.Generator().manual_seed(5))


@pytest.fixture(scope="module")
def module():
    torch.manual_seed(0)
    return Plain().eval()


@pytest.fixture(scope="module")
def exported(module, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    lenetx.export(module, ["onnx"], input_shape=SHAPE, **STATED, folder=folder, name="plain")
    return folder / "plain.onnx"


@pytest.fixture(scope="module")
def foreign(module, tmp_path_factory):
    path = tmp_path_factory.mktemp("foreign") / "theirs.onnx"
    onnx_export(module, path, dynamic_axes={"x": {0: "n"}})
    return path


def onnx_export(module, path, *given, **options):
    """Write an ONNX file as anyone would, with torch's older exporter."""
    given = given or (torch.zeros(1, *SHAPE),)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module.eval(), given, path, dynamo=False, input_names=["x", "y"][: len(given)], **options)


def test_artifact_and_module_agree_without_lenetx(tmp_path):
    """The independent truth: only onnxruntime, libtorch and the module's own forward."""
    torch.manual_seed(0)
    module = Net()
    module.train()(images())["logits"].square().mean().backward()
    with torch.no_grad():
        for each in module.parameters():
            each.sub_(each.grad)
    lenetx.export(module, ["onnx", "torchscript"], input_shape=SHAPE, folder=tmp_path, on_notice=lambda _: None)
    module.eval()
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    loaded = torch.jit.load(tmp_path / "net.torchscript")
    for given in (images(1), images(7), images()):
        with torch.no_grad():
            wanted = module(given)["logits"].numpy()
        (found,) = session.run(None, {session.get_inputs()[0].name: given.numpy()})
        for each in (found, loaded(given).numpy()):
            np.testing.assert_allclose(each, wanted, rtol=1e-4, atol=1e-5)
            np.testing.assert_array_equal(each.argmax(1), wanted.argmax(1))


def test_the_one_liner_for_tests(module, exported, foreign):
    lenetx.verify(exported, against=module).raise_if_failed()
    lenetx.verify(foreign, against=module).raise_if_failed()
    with torch.no_grad():
        module.fc.bias[1] += 0.5
    try:
        for path in (exported, foreign):
            with pytest.raises(lenetx.ProofFailed, match="is NOT proven"):
                lenetx.verify(path, against=module).raise_if_failed()
    finally:
        with torch.no_grad():
            module.fc.bias[1] -= 0.5


def test_an_artifacts_own_preprocessing_and_labels_are_taken(module, exported):
    report = lenetx.verify(exported, against=module)
    assert "those of the artifact are taken" in report.reference["module"]
    assert "module" in lenetx.verify(exported, against=Checkpoint.of(module, input_shape=SHAPE, **STATED)).reference
    other = Checkpoint.of(module, input_shape=SHAPE, **STATED | {"mean": 0.4})
    report = lenetx.verify(exported, against=other)
    assert [check.name for check in report.failures][:2] == ["spec", "preprocessing"]


def test_a_class_without_a_file_is_no_other_network(module, tmp_path):
    """As one of a notebook, whose artifact is verified in a test with the same class from a file."""

    class Inner(Plain):
        pass

    inner = Inner().eval()
    inner.load_state_dict(module.state_dict())
    lenetx.export(inner, ["onnx"], input_shape=SHAPE, folder=tmp_path)
    assert lenetx.verify(tmp_path / "inner.onnx", against=Checkpoint.of(module, input_shape=SHAPE)).passed


def test_sessions(module, foreign, tmp_path):
    session = onnxruntime.InferenceSession(foreign)
    report = lenetx.verify(session, against=module)
    assert report.passed
    assert report.artifact["name"] == "InferenceSession"
    assert "not seen: weights, graph" in report.conclusion
    onnx_export(module, tmp_path / "fixed.onnx", torch.zeros(3, *SHAPE))
    fixed = onnxruntime.InferenceSession(tmp_path / "fixed.onnx")
    assert lenetx.verify(fixed, against=module, name="fixed").passed


def test_a_session_that_fails_on_no_images_writes_nothing(capfd):
    nodes = [
        helper.make_node("Slice", ["x", "0", "1"], ["first"]),
        helper.make_node("Reshape", ["first", "one"], ["y"]),
    ]
    tensors = [numpy_helper.from_array(np.array(each), name) for name, each in {"0": [0], "1": [1], "one": [4]}.items()]
    values = [helper.make_tensor_value_info(name, 1, axes) for name, axes in {"x": ["n", 1, 2, 2], "y": [4]}.items()]
    model = helper.make_model(helper.make_graph(nodes, "g", values[:1], values[1:], tensors), ir_version=8)
    model.opset_import[0].version = 18
    program = program_of(onnxruntime.InferenceSession(model.SerializeToString()), None)
    assert program.run(np.ones((2, 1, 2, 2), np.float32)).tolist() == [1, 1, 1, 1]
    with pytest.raises(Exception, match="Reshape"):  # onnxruntime has no base error
        program.run(np.ones((0, 1, 2, 2), np.float32))
    assert capfd.readouterr().err == ""


class Last(nn.Module):
    """Takes its channels last, as Keras writes them."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x.permute(0, 3, 1, 2))


def test_a_session_with_its_channels_last(module, tmp_path):
    onnx_export(Last(module), tmp_path / "last.onnx", torch.zeros(2, 12, 12, 1))
    assert lenetx.verify(onnxruntime.InferenceSession(tmp_path / "last.onnx"), against=module).passed


def test_a_session_of_two_inputs(module, tmp_path):
    class Two(nn.Module):
        def forward(self, x, y):
            return x + y

    onnx_export(Two(), tmp_path / "two.onnx", torch.zeros(1, 3), torch.zeros(1, 3))
    with pytest.raises(
        InputError, match=r"not one float32 input and one output, but x: tensor\(float\), y: .*a function"
    ):
        lenetx.verify(onnxruntime.InferenceSession(tmp_path / "two.onnx"), against=module, input_shape=SHAPE)


def test_modules_as_programs(module):
    training = nn.Sequential(copy.deepcopy(module), nn.Dropout()).train()
    report = lenetx.verify(training, against=module, input_shape=SHAPE)
    assert report.passed
    assert report.artifact["name"] == "Sequential"
    assert all(part.training for part in training.modules())


def test_logits_of_another_program(module):
    with torch.no_grad():
        logits = module(images()).numpy()
    assert lenetx.verify_logits(logits, images().numpy(), against=module).passed
    assert not lenetx.verify_logits(logits + 0.1, images().numpy(), against=module).passed


def test_what_does_not_fit(module, exported, tmp_path):
    with pytest.raises(InputError, match="says that its input is 1×12×12, and `input_shape` contradicts it"):
        lenetx.verify(exported, against=module, input_shape=(1, 14, 14))
    with pytest.raises(InputError, match=r"The input shape of .*Plain is unknown"):
        lenetx.verify(module, against=module)
    with pytest.raises(InputError, match="`input_shape` is for a module in memory"):
        lenetx.verify(exported, against=Checkpoint.of(module, input_shape=SHAPE), input_shape=SHAPE)
    with pytest.raises(InputError, match="`labels` is for a module in memory"):
        lenetx.export(Checkpoint.of(module, input_shape=SHAPE), ["onnx"], labels=LABELS, folder=tmp_path)
    with pytest.raises(InputError, match="logit for each of the 4 classes"):
        lenetx.verify(exported, against=nn.Sequential(nn.Flatten(), nn.Linear(144, 5)).eval())
    for wrong, kind in ((Plain, "the class Plain: call it"), (None, "NoneType")):
        with pytest.raises(InputError, match=f"A torch.nn.Module is needed; got {kind}"):
            lenetx.verify(exported, against=wrong)
        with pytest.raises(InputError, match=f"A torch.nn.Module is needed; got {kind}"):
            lenetx.export(wrong, ["onnx"], folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_module_in_training_mode_is_told_by_export(tmp_path):
    with pytest.warns(UserWarning, match="Plain is in training mode") as told:
        lenetx.export(Plain(), ["onnx"], input_shape=SHAPE, folder=tmp_path, stem="net")
    assert [each.filename for each in told] == [__file__]
    assert (tmp_path / "net.onnx").exists()


def test_sessions_are_recognised_without_onnxruntime():
    code = "import sys, lenetx.proof.callables as c; c.program_of(print, None); print('onnxruntime' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
