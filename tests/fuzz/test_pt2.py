"""Any change of the documents in a ``.pt2`` archive, repacked as lenetx would, opens or is refused with a sentence."""

import json
import random

import numpy as np
import pytest
import torch
from torch import nn

from lenetx.data import archive
from lenetx.formats import get, open_artifact
from lenetx.formats.network import Network
from lenetx.weights.checkpoint import Checkpoint
from lenetx_runtime import LenetxError

pytestmark = pytest.mark.slow

VALUES = (None, True, False, -1, 0, 1, 2, 3, 7, 2**31, 2**63, 0.5, 1e39, "", "relu", "x y", "Symbol('s1')", [], {}, [1])
NUMBERS = (-(2**63), -1, 0, 1, 2, 3, 7, 1000, 2**20, 2**31 - 1, 2**31, 2**32, 2**40, 2**63 - 1)
OPERATORS = (
    "relu.default",
    "tanh.default",
    "add.Tensor",
    "amax.default",
    "chunk.default",
    "cat.default",
    "sort.default",
)
OPERATORS += (
    "linear.default",
    "conv2d.default",
    "as_strided.default",
    "set_.default",
    "_foobar.default",
    "eye.default",
)
DOCUMENTS = (
    "models/model.json",
    "data/weights/model_weights_config.json",
    "data/constants/model_constants_config.json",
)


@pytest.fixture(scope="module")
def records():
    """The records of a small network that reads the number of images, a constant and several results."""

    class Small(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm, self.fc = nn.Conv2d(1, 2, 3), nn.LayerNorm(2), nn.Linear(2, 3)
            self.register_buffer("offset", torch.arange(2.0))

        def forward(self, x):
            x, y = self.conv(x).relu().amax((2, 3)).chunk(2, 1)
            x = torch.cat([y, x.expand(x.shape[0], 1)], 1) + self.offset + torch.tensor([1.0, 2.0])
            return self.fc(self.norm(x.view(x.size(0), -1)))

    checkpoint = Checkpoint.of(Small().eval(), input_shape=(1, 8, 8), labels=list("abc"))
    return archive.unpack(get("pt2").export(Network(checkpoint)))


@pytest.fixture
def taken(tmp_path):
    """The function that opens records and runs them; it gives whether they were taken."""

    def attempt(records):
        path = tmp_path / "net.pt2"
        path.write_bytes(archive.pack(records))
        message = ""
        try:
            open_artifact(path).backend.run(np.zeros((3, 1, 8, 8), np.float32))
        except LenetxError as error:
            message = str(error)
        assert "\n" not in message
        return not message

    return attempt


def changed(document, chooser):
    """Return a document with one to three values changed for others, of it or not, added or left out."""
    document = json.loads(json.dumps(document))
    for _ in range(chooser.randint(1, 3)):
        places = list(containers(document))
        if not places:
            break
        inner = chooser.choice(places)
        key = chooser.choice(sorted(inner) if isinstance(inner, dict) else range(len(inner)))
        other = chooser.choice(places)
        values = list(other.values()) if isinstance(other, dict) else other
        kind = chooser.random()
        if kind < 0.1:
            del inner[key]
        elif kind < 0.2 and isinstance(inner, list):
            inner.insert(key, json.loads(json.dumps(chooser.choice(values))))
        else:
            inner[key] = json.loads(json.dumps(chooser.choice([*VALUES, *values])))
    return document


def called_otherwise(document, chooser):
    """Return a document with another operator, or an argument of the same kind with another value: torch reads it."""
    document = json.loads(json.dumps(document))
    node = chooser.choice(document["graph_module"]["graph"]["nodes"])
    if chooser.random() < 0.2:
        node["target"] = f"torch.ops.aten.{chooser.choice(OPERATORS)}"
        return document
    argument = chooser.choice(node["inputs"])["arg"]
    ((kind, value),) = argument.items()
    if isinstance(value, list):
        argument[kind] = [chooser.choice(NUMBERS) if type(each) is int else each for each in value]
    elif kind == "as_tensor":
        argument[kind] = {"name": chooser.choice(sorted(document["graph_module"]["graph"]["tensor_values"]))}
    elif kind in ("as_int", "as_float"):
        argument[kind] = chooser.choice(NUMBERS if kind == "as_int" else (0.0, -1.0, 1e-45, 1e39, "NaN", "Infinity"))
    return document


def containers(value):
    if isinstance(value, dict | list) and value:
        yield value
        for each in value.values() if isinstance(value, dict) else value:
            yield from containers(each)


def changes(records, count):
    chooser = random.Random(count)
    for _ in range(count):
        name, change = chooser.choice([(DOCUMENTS[0], called_otherwise), *((each, changed) for each in DOCUMENTS)])
        document = change(json.loads(records[name]), chooser)
        yield records | {name: json.dumps(document, separators=(",", ":")).encode()}


def test_the_file_itself_is_taken(records, taken):
    assert taken(records)


def test_any_change_of_its_documents(records, taken):
    found = [taken(each) for each in changes(records, 3000)]
    assert not all(found)
    assert any(found)
