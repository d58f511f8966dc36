"""Checkpoints of modules in memory: copies that compute the same, and originals that nothing reaches."""

import copy
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import torch
from torch import nn

import lenetx
from lenetx import Checkpoint, InputError

SHAPE = (1, 12, 12)
QUIET = {"on_notice": lambda _: None}


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.fc = nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Linear(300, 4)
        self.register_buffer("shift", torch.tensor([0.5]), persistent=False)
        self.act = lambda x: self.norm(x).relu()

    def forward(self, x):
        return self.fc(self.act(self.conv(x)).flatten(1)) + self.shift


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 3, 3), nn.Linear(300, 4)

    def forward(self, x):
        return self.fc(self.conv(x).relu().flatten(1))


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def images(count=5):
    return torch.rand(count, *SHAPE, generator=torch.Generator().manual_seed(3))


def trained(module):
    """Take a step of training, which leaves gradients, running statistics and tensors computed by hooks."""
    module.train()
    module(images(8)).square().mean().backward()
    with torch.no_grad():
        for each in module.parameters():
            each.sub_(each.grad, alpha=0.1)
    return module


def same(checkpoint, module):
    with torch.no_grad():
        return torch.equal(checkpoint.module()(images()), module.eval()(images()))


def state(module):
    """Return all that a use of a module could change."""
    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    return {
        "bits": {name: (each.detach().clone(), each._version) for name, each in tensors.items()},
        "ids": {name: id(each) for name, each in tensors.items()},
        "grads": {name: None if each.grad is None else each.grad.clone() for name, each in tensors.items()},
        "requires_grad": {name: each.requires_grad for name, each in tensors.items()},
        "modes": [part.training for part in module.modules()],
        "hooks": [
            {key: dict(value) for key, value in vars(part).items() if "hooks" in key} for part in module.modules()
        ],
        "attributes": [set(vars(part)) for part in module.modules()],
        "random": torch.get_rng_state(),
    }


def assert_same(found, before):
    for key, value in before.items():
        assert repr(found[key]) == repr(value), key
    for name, (tensor, _) in before["bits"].items():
        assert torch.equal(found["bits"][name][0], tensor)
    assert torch.equal(found["random"], before["random"])


def test_nothing_reaches_the_module(tmp_path):
    module = trained(Small())
    module.conv.weight.requires_grad_(False)
    module.norm.eval()
    module.register_forward_hook(lambda _, __, found: found)
    before = state(module)
    checkpoint = Checkpoint.of(module, input_shape=SHAPE, **QUIET)
    (report,) = lenetx.export(checkpoint, ["onnx"], folder=tmp_path)
    assert report.passed
    assert_same(state(module), before)
    assert same(checkpoint, copy.deepcopy(module))


def test_later_changes_of_the_module_do_not_reach_the_checkpoint():
    module = Plain().eval()
    checkpoint = Checkpoint.of(module, input_shape=SHAPE)
    expected = copy.deepcopy(module)
    with torch.no_grad():
        module.fc.weight.mul_(2)
    module.train()
    assert same(checkpoint, expected)
    assert not checkpoint.module().training


def test_functions_of_a_module_use_the_copys_parts():
    """``copy.deepcopy`` leaves them as they are: they would run the original's parts, in its mode."""
    module = trained(Small())
    kept = Checkpoint.of(module, input_shape=SHAPE, **QUIET)
    with torch.no_grad():
        module.norm.weight.zero_()
    assert not same(kept, module)


def test_a_module_in_training_mode_is_told(recwarn):
    Checkpoint.of(Plain(), input_shape=SHAPE)
    (warning,) = recwarn
    assert "in training mode; it is taken in eval mode" in str(warning.message)
    assert warning.filename == __file__
    notices = []
    Checkpoint.of(Plain(), input_shape=SHAPE, on_notice=notices.append)
    assert len(notices) == 1
    assert len(recwarn) == 1
    Checkpoint.of(Plain().eval(), input_shape=SHAPE)
    assert len(recwarn) == 1


def weight_normed():
    """The hook of old: it keeps the weight that it computed, which ``copy.deepcopy`` refuses to copy."""
    with pytest.warns(FutureWarning, match="weight_norm"):
        return nn.Sequential(nn.utils.weight_norm(nn.Conv2d(1, 3, 3)), nn.ReLU(), nn.Flatten(), nn.Linear(300, 4))


def spectral():
    layer = nn.utils.parametrizations.spectral_norm(nn.Linear(300, 4))
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), layer)


def parametrized():
    return nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(1, 3, 3)), nn.Flatten(), nn.Linear(300, 4))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.head = nn.Linear(144, 144), nn.Linear(144, 4)
        self.two = nn.Linear(144, 144)
        self.two.weight = self.one.weight

    def forward(self, x):
        return self.head(self.two(self.one(x.flatten(1)).relu()))


@pytest.mark.parametrize("make", [weight_normed, parametrized, spectral, Tied])
def test_weights_that_are_computed_or_shared(make, tmp_path):
    module = trained(make())
    checkpoint = Checkpoint.of(module, input_shape=SHAPE, **QUIET)
    for report in lenetx.export(checkpoint, ["onnx", "torchscript"], folder=tmp_path):
        assert report.passed, str(report)
    assert same(checkpoint, module)


def test_half_precision_computes_in_float32(recwarn):
    module = Plain().half().eval()
    checkpoint = Checkpoint.of(module, input_shape=SHAPE)
    assert "has weights of float16: it computes in float32 here" in str(recwarn.pop().message)
    assert same(checkpoint, copy.deepcopy(module).float())
    assert module.fc.weight.dtype == torch.float16


@pytest.mark.parametrize("wrap", [torch.compile, nn.DataParallel])
def test_wrappers_are_taken_away(wrap):
    module = Plain().eval()
    outer = nn.Sequential(wrap(copy.deepcopy(module)))
    plain = Checkpoint.of(module, input_shape=SHAPE)
    assert Checkpoint.of(wrap(module), input_shape=SHAPE).spec == plain.spec
    inner = Checkpoint.of(outer.eval(), input_shape=SHAPE)
    assert list(inner.state_dict) == [f"0.{name}" for name in plain.state_dict]
    assert same(inner, module)


class Locked(Plain):
    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()


class Global(Plain):
    def forward(self, x):
        return used.fc(self.conv(x).relu().flatten(1))


used = Global()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (Locked, "test_in_memory.py:Locked cannot be copied.*cannot pickle '_thread.lock' object. Keep what"),
        (lambda: used, "computes with a module that it reaches by a global name"),
        (lambda: Plain().to("meta"), "has no weights: 'conv.weight' is on the meta device"),
        (lambda: nn.Sequential(nn.Flatten(), nn.LazyLinear(4)), "no weights yet: its lazy layer of '1.weight' needs"),
        (lambda: torch.jit.script(Plain()), "Plain is a TorchScript module, whose Python code cannot be recovered"),
        (lambda: Plain, "A torch.nn.Module is needed; got the class Plain: call it"),
        (lambda: "model.pt", "A torch.nn.Module is needed; got str"),
        (lambda: nn.Sequential(nn.Flatten(), nn.Linear(7, 4)), "mat1 and mat2 shapes cannot be multiplied"),
    ],
)
@pytest.mark.filterwarnings("ignore:Lazy modules", "ignore:`torch.jit.script` is deprecated", "ignore:.*training mode")
def test_what_cannot_be_taken(make, words):
    with pytest.raises(InputError, match=words):
        Checkpoint.of(make(), input_shape=SHAPE)


def test_the_input_shape_is_the_modules_or_must_be_stated():
    with pytest.raises(InputError, match=r"The input shape of .*Plain is unknown: pass it as in input_shape="):
        Checkpoint.of(Plain().eval())
    module = Plain().eval()
    module.input_shape = SHAPE
    assert Checkpoint.of(module).spec.input_shape == SHAPE
    with pytest.raises(InputError, match="The input_shape is 12, not"):
        Checkpoint.of(module, input_shape=12)


def test_what_is_stated():
    module = Plain().eval()
    spec = Checkpoint.of(
        module, input_shape=list(SHAPE), labels=["a", "b", "c", "d"], framing="stretch", mean=0.5, std=(0.25,)
    ).spec
    assert (spec.labels, spec.framing, spec.mean, spec.std) == (("a", "b", "c", "d"), "stretch", (0.5,), (0.25,))
    with pytest.raises(InputError, match="labels are 'abcd'; they must be a list"):
        Checkpoint.of(module, input_shape=SHAPE, labels="abcd")
    with pytest.raises(InputError, match="logit for each of the 3 classes"):
        Checkpoint.of(module, input_shape=SHAPE, labels=["a", "b", "c"])
    with pytest.raises(InputError, match="The mean is 'x'"):
        Checkpoint.of(module, input_shape=SHAPE, framing="stretch", mean="x")


SCRIPT = """
import sys, torch, lenetx
from torch import nn
{source}
torch.manual_seed(0)
module = Net().eval()
checkpoint = lenetx.Checkpoint.of(module, input_shape=(1, 12, 12))
for _ in range(int(sys.argv[2])):
    for report in lenetx.export(checkpoint, folder=sys.argv[1]):
        print(checkpoint.spec.architecture, report.passed, report.artifact["sha256"])
"""
CLASS = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc, self.act = nn.Linear(144, 4), lambda x: x.relu()
    def forward(self, x):
        return self.fc(self.act(x.flatten(1)))
"""


@pytest.mark.parametrize(("source", "name"), [(CLASS, "in-memory:Net"), ("from net import Net", "net.py:Net@")])
def test_the_same_module_gives_the_same_bytes_in_another_process(source, name, tmp_path):
    """Also from another folder, when exported again, and for a class without a source, as in a notebook."""
    found = []
    for times in (1, 2):
        folder = tmp_path / str(times)
        folder.mkdir()
        (folder / "net.py").write_text(f"from torch import nn\n{CLASS}")
        words = [sys.executable, "-", "out", str(times)]
        script = SCRIPT.format(source=source)
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, input=script)
        assert done.returncode == 0, done.stderr
        found += done.stdout.splitlines()
        for path in (folder / "out").iterdir():
            assert str(tmp_path).encode() not in path.read_bytes()
    assert found[0:2] == found[2:4] == found[4:6]
    assert all(line.startswith(name) and " True " in line for line in found)


def test_a_class_that_no_file_can_name():
    def make():
        class Inner(Plain):
            pass

        return Inner().eval()

    assert Checkpoint.of(make(), input_shape=SHAPE).spec.architecture == "in-memory:Inner"
    layers = nn.Sequential(nn.Flatten(), nn.Linear(144, 4)).eval()
    name = Checkpoint.of(layers, input_shape=SHAPE).spec.architecture
    assert name == "torch.nn.modules.container:Sequential"
    own = Checkpoint.of(Plain().eval(), input_shape=SHAPE).spec.architecture
    assert own.startswith(f"{Path(__file__).name}:Plain@")
