"""Custom networks in training: each learns, or is told in one sentence why it cannot, and never by a traceback."""

import dataclasses

import pytest

import lenetx
from lenetx import TrainConfig, data
from lenetx.errors import CheckpointError, InputError
from lenetx.training.start import start

SOURCE = """
import torch
from torch import nn

class Net(nn.Module):
    input_shape = (1, 8, 8)

    def __init__(self):
        super().__init__()
        self.body, self.fc = nn.Linear(64, 16), nn.Linear(16, 10)

    def forward(self, x):
        return self.after(self.fc(torch.relu(self.body(x.flatten(1)))))

    def after(self, z):
        return z

class Auxiliary(Net):
    def after(self, z):
        return (z, z) if self.training else z

class Raises(Net):
    def after(self, z):
        if self.training:
            raise ValueError("only in training")
        return z

class Leaves(Net):
    def after(self, z):
        if self.training:
            raise SystemExit(3)
        return z

class Half(Net):
    def after(self, z):
        return z[:, :5] if self.training else z

class Detached(Net):
    def after(self, z):
        return z.detach()

class Frozen(Net):
    def __init__(self):
        super().__init__()
        self.requires_grad_(False)

class Empty(nn.Module):
    input_shape = (1, 8, 8)
    def forward(self, x):
        return x.flatten(1)[:, :10]

class Backwards(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        ctx.calls = z.shape[0]
        return z * 1.0
    @staticmethod
    def backward(ctx, gradient):
        if ctx.calls > 2:
            raise OSError("no way back")
        return gradient

class NoWayBack(Net):
    def after(self, z):
        return Backwards.apply(z)

class Large(Net):
    def after(self, z):
        if len(z) > 100:
            raise MemoryError("too many")
        return z

class InPlace(Net):
    def forward(self, x):
        print("so many:", len(x))
        x -= 0.5
        return super().forward(x)

class Dropping(Net):
    def after(self, z):
        return nn.functional.dropout(z, 0.1)

class Mixing(Net):
    def after(self, z):
        return z - z.mean()

class Unregistered(Dropping):
    def __init__(self):
        super().__init__()
        self.others = [nn.Linear(10, 10)]

    def after(self, z):
        return super().after(self.others[0](z))

class Several(Net):
    def after(self, z):
        return {"logits": z[:, :, None], "shares": z.softmax(1)}

def parallel():
    return nn.DataParallel(Net())

def compiled():
    return torch.compile(Net())
"""


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    """The function that trains a network of the file above for an epoch."""
    path = tmp_path_factory.mktemp("custom") / "net.py"
    path.write_text(SOURCE, encoding="ascii")
    return lambda name, **options: lenetx.train(
        TrainConfig(architecture=f"{path}:{name}", epochs=1, input_size=(8, 8), framing="stretch"), **options
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Auxiliary", "gives tuple in training mode, not a tensor of logits: give the logits alone"),
        ("Raises", "raised ValueError in line 25 of net.py in training mode: only in training."),
        ("Leaves", "raised SystemExit in line 31 of net.py in training mode: 3."),
        ("Half", "gives logits of shape [2, 5] for 2 images in training mode instead of [2, 10]."),
        ("Detached", "gives logits without gradients in training mode: look for torch.no_grad()"),
        ("Frozen", "has no parameter to train."),
        ("Empty", "has no parameter to train."),
        ("NoWayBack", "raised OSError in line 60 of net.py in training: no way back."),
        ("Unregistered", "computes with random numbers that are none of its weights"),
        ("Large", "raised MemoryError in line 70 of net.py in training: too many."),
    ],
)
def test_what_cannot_be_trained_is_one_sentence(train, name, words):
    with pytest.raises(InputError) as caught:
        train(name)
    assert str(caught.value).startswith(f"net.py:{name} {words}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "words", "fixed"),
    [
        ("Dropping", "it draws random numbers in line", ("0.1)", "0.1, self.training)")),
        ("Mixing", "it computes something of the whole batch", ("z.mean()", "z.mean(1, True)")),
    ],
)
@pytest.mark.slow
def test_what_can_be_trained_but_not_exported_is_told_first_and_its_weights_are_of_use(
    train, tmp_path, name, words, fixed
):
    """The code that is mended is another version, but has the same weights."""
    notes = []
    checkpoint = train(name, on_notice=notes.append)
    (note,) = (each for each in notes if "not exported" in each)
    assert note.startswith(f"net.py:{name} gives ")
    assert words in note
    assert note.endswith("As it is, it can be trained, but not exported.")
    assert checkpoint.metrics["test_images"] == 360
    assert checkpoint.spec.selftest is None
    with pytest.raises(InputError, match=words):
        lenetx.export(checkpoint, ["onnx"], folder=tmp_path)
    path = tmp_path / "net.py"
    path.write_text(SOURCE.replace(*fixed), encoding="ascii")
    lenetx.save(checkpoint, tmp_path / "net.pt")
    with pytest.raises(CheckpointError, match=r"\(digest of its source: .*\), not of .*: add --accept-code if the"):
        lenetx.load(tmp_path / "net.pt", architecture=f"{path}:{name}")
    lenetx.convert(tmp_path / "net.pt", tmp_path / "weights.pth")
    found = lenetx.load_weights(tmp_path / "weights.pth", architecture=f"{path}:{name}")
    options = lenetx.WeightsOptions(f"{path}:{name}", accept_code=True)
    assert lenetx.export(tmp_path / "net.pt", ["onnx"], folder=tmp_path, weights_options=options)[0].passed
    assert found.spec.weights_sha256 == checkpoint.spec.weights_sha256
    assert lenetx.export(found, ["onnx"], folder=tmp_path)[0].passed


def test_the_output_that_is_taken_is_the_one_that_learns(train):
    notes = []
    assert train("Several", on_notice=notes.append).spec.weights_sha256 == train("Net").spec.weights_sha256
    assert notes[0].startswith("net.py:Several gives a dict of outputs: 'logits' is taken")


@pytest.mark.parametrize("name", ["InPlace", "parallel", "compiled"])
def test_what_can_be_trained_is_and_prints_nothing_to_stdout(train, capsys, name):
    checkpoint = train(name)
    assert checkpoint.state_dict.keys() == {"body.weight", "body.bias", "fc.weight", "fc.bias"}
    assert checkpoint.metrics["test_images"] == 360
    assert capsys.readouterr().out == ""


def test_a_batch_norm_is_not_trained_on_one_image_at_a_time():
    with pytest.raises(InputError, match=r"^lenet5-bn cannot learn from one image at a time, as no batch norm can"):
        lenetx.train(TrainConfig(architecture="lenet5-bn", batch_size=1, epochs=1))


def test_a_batch_norm_is_not_trained_on_one_image_at_a_time_by_several_processes():
    config, dataset = TrainConfig(architecture="lenet5-bn", batch_size=5), data.load("digits")
    with pytest.raises(InputError, match=r"^lenet5-bn cannot learn .* --batch-size of at least 6\.$"):
        start(config, dataset, processes=3)
    assert start(dataclasses.replace(config, batch_size=6), dataset, processes=3).spec.architecture == "lenet5-bn"
