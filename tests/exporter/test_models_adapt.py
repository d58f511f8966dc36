"""A custom network gets the one form that lenetx runs, with a note, or is told why it cannot have it."""

import copy
import dataclasses
import re

import pytest
import torch

import lenetx
from lenetx import models
from lenetx.errors import InputError

SHAPE, CLASSES = (1, 8, 8), 4
SOURCE = """
import torch
from torch import nn

class Net(nn.Module):
    input_shape = (1, 8, 8)

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 3, 3), nn.Conv2d(3, 4, 6)
        self.more()

    def more(self):
        pass

    def logits(self, x):
        return self.fc(torch.relu(self.conv(x))).flatten(1)

    def forward(self, x):
        return self.after(self.logits(x), x)

    def after(self, z, x):
        return z

# those that get it

class Whole(Net):
    def after(self, z, x):
        return {"logits": z}

class Decoded(Net):
    def more(self):
        self.decode = nn.Linear(4, 64)
    def after(self, z, x):
        return self.decode(z).view(x.shape), z

class Probabilities(Net):
    def after(self, z, x):
        return z, z.softmax(1)

class Named(Net):
    def after(self, z, x):
        return {"hidden": 2 * z, "logits": z, "mean": x.mean((2, 3))}

class Logarithms(Net):
    def after(self, z, x):
        return {"p": z.softmax(1), "log": z.log_softmax(1), "z": z, "label": z.argmax(1)}

class Listed(Net):
    def after(self, z, x):
        return [None, z[:, :, None]]

class Places(Net):
    def after(self, z, x):
        return z[:, :, None, None]

class Row(Net):
    def after(self, z, x):
        return z[:, None]

class Squeezed(Net):
    def logits(self, x):
        return self.fc(torch.relu(self.conv(x))).squeeze()
    def after(self, z, x):
        return z.squeeze()

class Narrow(Net):
    def more(self):
        self.half()

class Wide(Net):
    def more(self): self.double()

class Last(Net):
    input_shape = (8, 8, 1)
    def logits(self, x):
        assert x.shape[1:] == (8, 8, 1)
        return super().logits(x.permute(0, 3, 1, 2))

class Lazy(Last):
    def more(self):
        self.fc = nn.LazyConv2d(4, 6)

class Flat(Net):
    def logits(self, x):
        return super().logits(x.view(x.size(0), 1, 8, 8))
    def forward(self, x):
        return self.logits(x @ torch.eye(64))

# those that do not

class Two(Net):
    def after(self, z, x):
        return z, 2 * z

class Three(Net):
    def after(self, z, x):
        return {"one": z, "two": z + 1, "three": z.softmax(1)}

class Features(Net):
    def after(self, z, x):
        return x.flatten(1), x

class Labels(Net):
    def after(self, z, x):
        return z.argmax(1), [z]

class Nothing(Net):
    def after(self, z, x):
        return None

class Empty(Net):
    def after(self, z, x):
        return ()

class Other(Net):
    def after(self, z, x):
        return z[:, :3, None, None]

class Casts(Wide):
    def logits(self, x):
        return super().logits(x.double() + torch.zeros(1, dtype=torch.float64)).to(torch.float32)

class Halved(Narrow):
    def logits(self, x):
        return super().logits(x.half()).float()

class Insists(Casts):
    def logits(self, x):
        assert x.double().dtype == torch.float64
        return super().logits(x)
"""
NOTES = {
    "Net": (),
    "Whole": ("gives a dict of outputs: 'logits' is taken, which alone is float32[N, 4].",),
    "Decoded": ("gives a tuple of outputs: [1] is taken, which alone is float32[N, 4].",),
    "Probabilities": ("gives a tuple of outputs: [0] is taken, of which the others are probabilities.",),
    "Named": ("gives a dict of outputs: 'logits' is taken, by its name.",),
    "Logarithms": ("gives a dict of outputs: 'z' is taken, of which the others are probabilities.",),
    "Listed": (
        "gives a list of outputs: [1] is taken, which alone is float32[N, 4, 1].",
        "gives float32[N, 4, 1], whose axes of size 1 are removed.",
    ),
    "Places": ("gives float32[N, 4, 1, 1], whose axes of size 1 are removed.",),
    "Row": ("gives float32[N, 1, 4], whose axes of size 1 are removed.",),
    "Squeezed": ("gives float32[4] for one image, as .squeeze() takes the batch axis away too: it is kept.",),
    "Narrow": ("has weights of float16: it computes in float32 here, as artifacts do.",),
    "Wide": ("has weights of float64: it computes in float32 here, as artifacts do.",),
    "Casts": ("has weights of float64 and casts to it: it computes in float32 here, as artifacts do.",),
    "Halved": ("has weights of float16 and casts to it: it computes in float32 here, as artifacts do.",),
    "Last": ("takes its channels last: here it takes them first, as float32[N, 1, 8, 8].",),
    "Flat": ("takes float32[N, 64]: inputs of [1, 8, 8] are flattened to it.",),
    "Lazy": ("takes its channels last: here it takes them first, as float32[N, 1, 8, 8].",),
}
REFUSED = {
    "Two": "gives a tuple of outputs, of which [0] and [1] could be its logits: choose one with --output INDEX|NAME.",
    "Three": "gives a dict of outputs, of which 'one', 'two' and 'three' could be its logits: choose one",
    "Features": "gives a tuple of float32[2, 64] and float32[2, 1, 8, 8] for a batch of 2, none of which is "
    "float32[2, 4]: a logit for each of the 4 classes.",
    "Labels": "gives a tuple of int64[2] and list for a batch of 2, none of which is float32[2, 4]",
    "Nothing": "gives NoneType in eval mode, not a tensor of logits",
    "Empty": "gives tuple in eval mode, not a tensor of logits",
    "Other": "gives float32[2, 3] for a batch of 2, not float32[2, 4]: a logit for each of the 4 classes.",
    "Insists": "has weights of float64, such as conv.weight, and in float32, in which artifacts compute, it raised A",
}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("form") / "net.py"
    path.write_text(SOURCE, encoding="ascii")
    return path


@pytest.mark.parametrize("name", NOTES)
def test_a_network_gets_the_form_with_a_note_and_keeps_its_tensors(path, name):
    network, notes = models.resolve(f"{path}:{name}"), []
    module = network.build(SHAPE, CLASSES, notes.append)
    assert notes == [f"net.py:{name} {words}" for words in NOTES[name]]
    plain = models.resolve(f"{path}:Net").build(SHAPE, CLASSES)
    plain.load_state_dict({each: tensor for each, tensor in module.state_dict().items() if "decode" not in each})
    images = torch.rand(3, *SHAPE)
    for part in (images, images[:1]):
        for each in (module, copy.deepcopy(module)):
            assert torch.equal(each(part), plain(part))
    assert {tensor.dtype for tensor in module.state_dict().values()} == {torch.float32}
    assert network.outputs(SHAPE, CLASSES) == CLASSES


@pytest.mark.parametrize("name", REFUSED)
def test_a_network_that_cannot_have_it_is_told_why(path, name):
    with pytest.raises(InputError, match=f"^net.py:{name} {re.escape(REFUSED[name])}"):
        models.resolve(f"{path}:{name}").build(SHAPE, CLASSES)


@pytest.mark.parametrize(("name", "words"), [("Probabilities", r"of 1 channel \(--ch"), ("Two", r"--output .* 3×8×8")])
def test_several_outputs_are_told_with_a_size_that_does_not_fit(path, name, words):
    with pytest.raises(InputError, match=words):
        models.resolve(f"{path}:{name}").build((3, 8, 8), CLASSES)


@pytest.mark.parametrize("name", ["Decoded", "Squeezed", "Last", "Flat"])
def test_a_network_in_this_form_is_exported_and_proven_from_its_weights(path, tmp_path, name):
    """Against PyTorch with nothing of lenetx in between."""
    torch.manual_seed(0)
    weights = models.resolve(f"{path}:{name}").build(SHAPE, CLASSES).state_dict()
    torch.save(weights, tmp_path / "w.pth")
    notes = []
    checkpoint = lenetx.load_weights(tmp_path / "w.pth", architecture=f"{path}:{name}", on_notice=notes.append)
    assert [note for note in notes if note.startswith(f"net.py:{name} ")]
    for report in lenetx.export(checkpoint, ["onnx", "torchscript"], folder=tmp_path, stem="w"):
        assert report.passed
    plain = models.resolve(f"{path}:Net").build(SHAPE, CLASSES).eval()
    plain.load_state_dict({each: tensor for each, tensor in weights.items() if "decode" not in each})
    images = torch.rand(3, *SHAPE)
    for part in (images, images[:1]):
        expected = plain(part).detach().numpy()
        for kind in ("onnx", "torchscript"):
            found = lenetx.classifier(tmp_path / f"w.{kind}").logits(part.numpy())
            assert abs(found - expected).max() < 1e-5


@pytest.mark.parametrize(
    ("name", "output", "kind", "taken"),
    [
        ("Two", "1", "tuple", "[1]"),
        ("Two", "-2", "tuple", "[-2]"),
        ("Three", "two", "dict", "'two'"),
        ("Probabilities", "1", "tuple", "[1]"),
        ("Listed", "1", "list", "[1]"),
    ],
)
def test_the_user_says_which_output(path, name, output, kind, taken):
    network, notes = dataclasses.replace(models.resolve(f"{path}:{name}"), output=output), []
    module = network.build(SHAPE, CLASSES, notes.append)
    place = {"[-2]": "[0]"}.get(taken, taken)
    assert notes[0] == f"net.py:{name} gives a {kind} of outputs: {place} is taken, as stated."
    plain = models.resolve(f"{path}:Net").build(SHAPE, CLASSES)
    plain.load_state_dict(module.state_dict())
    images = torch.rand(3, *SHAPE)
    logits = plain(images)
    wanted = {"1": 2 * logits, "-2": logits, "two": logits + 1}.get(output, logits)
    if name == "Probabilities":
        wanted = logits.softmax(1)
    if name == "Listed":
        wanted = logits
    assert torch.equal(module(images), wanted)


@pytest.mark.parametrize(
    ("name", "output", "words"),
    [
        (
            "Two",
            "2",
            r"gives a tuple of \[0\]: float32\[2, 4\] and \[1\]: float32\[2, 4\], none of which is --output 2",
        ),
        ("Three", "four", "gives a dict of 'one': float32.* none of which is --output four"),
        ("Net", "0", r"gives float32\[2, 4\], one output: --output chooses among several; got '0'"),
        ("Labels", "0", r"gives int64\[2\] for a batch of 2, not float32"),
        ("Decoded", "0", r"gives float32\[2, 1, 8, 8\] for a batch of 2, not float32\[2, 4\]"),
    ],
)
def test_an_output_that_cannot_be_taken(path, name, output, words):
    network = dataclasses.replace(models.resolve(f"{path}:{name}"), output=output)
    with pytest.raises(InputError, match=f"^net.py:{name} {words}"):
        network.build(SHAPE, CLASSES)


def test_the_stated_output_is_recorded(path, tmp_path):
    """In the artifact and in the checkpoint, so that every later command takes the same one."""
    torch.manual_seed(0)
    weights = models.resolve(f"{path}:Net").build(SHAPE, CLASSES).state_dict()
    torch.save(weights, tmp_path / "w.pth")
    stated = lenetx.Statement(network_output="1", input_size=SHAPE[1:], channels=1)
    options = lenetx.WeightsOptions(f"{path}:Two", stated=stated)
    lenetx.export(tmp_path / "w.pth", ["onnx"], weights_options=options)
    assert lenetx.classifier(tmp_path / "w.onnx").spec.network_output == "1"
    lenetx.save(lenetx.load_weights(tmp_path / "w.pth", weights_options=options), tmp_path / "c.pt")
    plain = lenetx.WeightsOptions(f"{path}:Two")
    for weights in ("w.pth", "c.pt"):
        assert lenetx.verify(tmp_path / "w.onnx", against=tmp_path / weights, weights_options=plain).passed
    other = dataclasses.replace(options, stated=lenetx.Statement(network_output="0"))
    for weights in ("w.pth", "c.pt"):
        with pytest.raises(InputError, match="records network output 1, and --output 0 contradicts it"):
            lenetx.verify(tmp_path / "w.onnx", against=tmp_path / weights, weights_options=other)
