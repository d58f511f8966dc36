"""Checkpoints of modules in memory: copies that compute the same, and originals that nothing reaches."""

import copy
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


def test_hooks_that_only_listen_are_not_called_by_the_proof():
    module, heard = Plain().eval(), []
    module.fc.register_forward_hook(lambda _, __, found: heard.append(found))
    checkpoint = Checkpoint.of(module, input_shape=SHAPE)
    heard.clear()
    checkpoint.module()(images())
    assert not heard
    assert same(checkpoint, module)
    assert len(heard) == 1
    module.conv.register_forward_hook(lambda _, __, found: 2 * found)
    assert same(Checkpoint.of(module, input_shape=SHAPE), module)


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


def test_half_precision_computes_in_float32(recwarn):
    module = Plain().half().eval()
    checkpoint = Checkpoint.of(module, input_shape=SHAPE)
    assert "has weights of float16: it computes in float32 here" in str(recwarn.pop().message)
    assert same(checkpoint, copy.deepcopy(module).float())
    assert module.fc.weight.dtype == torch.float16


@pytest.mark.parametrize("wrap", [torch.compile, nn.DataParallel, torch.optim.swa_utils.AveragedModel])
def test_wrappers_are_taken_away(wrap):
    module = Plain().eval()
    outer = nn.Sequential(wrap(copy.deepcopy(module)))
    plain = Checkpoint.of(module, input_shape=SHAPE)
    assert Checkpoint.of(wrap(module), input_shape=SHAPE).spec == plain.spec
    inner = Checkpoint.of(outer.eval(), input_shape=SHAPE)
    assert list(inner.state_dict) == [f"0.{name}" for name in plain.state_dict]
    assert same(inner, module)


class LightningModule(nn.Module):
    """Stands in for Lightning's, which also has a forward that only raises an error, and a trainer that may."""

    _jit_is_scripting = False

    @property
    def trainer(self):
        if not self._jit_is_scripting:
            raise RuntimeError("not attached to a trainer")

    def forward(self, *args):
        raise NotImplementedError  # as in Lightning, whose modules may have no forward of their own


class Lit(LightningModule):
    def __init__(self):
        super().__init__()
        self.net, self.loss = Plain(), nn.CrossEntropyLoss()

    def training_step(self, batch, _):
        return self.loss(self.net(batch[0]), batch[1])


class Forwarding(Lit):
    def forward(self, x):
        return self.net(x)


def test_a_lightning_module_is_its_network(tmp_path):
    """One without a forward of its own is the network that it trains; another is what its forward computes."""
    module = Lit().eval()
    checkpoint = Checkpoint.of(module, input_shape=SHAPE)
    assert checkpoint.spec.architecture.startswith(f"{Path(__file__).name}:Plain@")
    assert same(checkpoint, module.net)
    module = Forwarding().eval()
    checkpoint = Checkpoint.of(module, input_shape=SHAPE)
    assert "net.fc.weight" in checkpoint.state_dict
    assert same(checkpoint, module.net)
    assert lenetx.export(module, ["torchscript"], input_shape=SHAPE, folder=tmp_path)[0].passed
    assert not module._jit_is_scripting
    module = Lit().eval()
    module.teacher = Plain()
    with pytest.raises(InputError, match=r"Lit has no forward: pass one of its parts: .net, .teacher"):
        Checkpoint.of(module, input_shape=SHAPE)


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
        (lambda: torch.jit.script(Plain()), "is a TorchScript module, whose Python code .*: give the module that it"),
        (lambda: Plain, "A torch.nn.Module is needed; got the class Plain: call it"),
        (
            lambda: nn.Sequential(nn.Flatten(), nn.Linear(144, 1)),
            "gives one logit for an image; a classifier has at least",
        ),
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
    with pytest.raises(InputError, match="A mean or std needs a framing: state it with framing="):
        Checkpoint.of(module, input_shape=SHAPE, mean=0.5)
    with pytest.raises(InputError, match="one output: output= chooses among several; got '1'"):
        Checkpoint.of(module, input_shape=SHAPE, output=1)
    with pytest.raises(InputError, match=r"but of 1 channel and 12×12\. It raised RuntimeError"):
        Checkpoint.of(module, input_shape=(1, 11, 11))
    with pytest.raises(InputError, match="The mean is 'x'"):
        Checkpoint.of(module, input_shape=SHAPE, framing="stretch", mean="x")


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
