"""One untrained network, exported once, and the tools to break its artifacts."""

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import NodeProto

from lenetx import Reference, Report, data, models
from lenetx.checkpoint import Checkpoint, weights_sha256
from lenetx.formats import get, open_artifact
from lenetx.verification import prove
from lenetx_runtime import ModelSpec
from lenetx_runtime.onnx_file import seal
from lenetx_runtime.spec import METADATA_KEY

Damage = Callable[[onnx.ModelProto], None]


def make_checkpoint(architecture: str = "lenet5", seed: int = 0) -> Checkpoint:
    """Random weights behind the spec that training on the digits gives."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = models.build(architecture, models.input_shape(architecture), 10)
    return with_weights(architecture, module.state_dict())


def with_weights(architecture: str, weights: dict[str, torch.Tensor]) -> Checkpoint:
    channels, height, width = models.input_shape(architecture)
    spec = ModelSpec(
        architecture=architecture,
        channels=channels,
        height=height,
        width=width,
        padding=(height - 28) // 2,
        scale=1 / 255,
        mean=(0.1559,),
        std=(0.2976,),
        labels=tuple("0123456789"),
        weights_sha256=weights_sha256(weights),
        producer="lenetx test",
    )
    return Checkpoint(spec, weights, {}, {"data": "digits"}, ())


@pytest.fixture(scope="session")
def digits() -> data.Dataset:
    return data.load("digits")


@pytest.fixture(scope="session")
def checkpoint() -> Checkpoint:
    return make_checkpoint()


@pytest.fixture(scope="session")
def reference(checkpoint: Checkpoint, digits: data.Dataset) -> Reference:
    return Reference(checkpoint, digits)


@pytest.fixture(scope="session")
def onnx_bytes(checkpoint: Checkpoint) -> bytes:
    return get("onnx").export(checkpoint, batch="dynamic", opset=None)


@pytest.fixture(scope="session")
def torchscript_bytes(checkpoint: Checkpoint) -> bytes:
    return get("torchscript").export(checkpoint, batch="dynamic", opset=None)


@pytest.fixture
def judge(tmp_path: Path, reference: Reference) -> Callable[..., Report]:
    """Write bytes to a file, reopen it and prove it."""

    def run(contents: bytes, name: str, against: Reference = reference) -> Report:
        path = tmp_path / name
        path.write_bytes(contents)
        return prove(open_artifact(path), against)

    return run


@pytest.fixture
def judge_damaged(judge: Callable[..., Report], onnx_bytes: bytes) -> Callable[..., Report]:
    """Change an ONNX model, seal it as lenetx would, and prove it."""

    def run(damage: Damage, contents: bytes = onnx_bytes, **arguments: Reference) -> Report:
        return judge(resealed(contents, damage), "lenet5.onnx", **arguments)

    return run


def resealed(contents: bytes, damage: Damage) -> bytes:
    model = onnx.load_from_string(contents)
    damage(model)
    entry = next(entry for entry in model.metadata_props if entry.key == METADATA_KEY)
    spec = ModelSpec.from_json(entry.value)
    entry.value = dataclasses.replace(spec, content_sha256="0" * 64).to_json()
    return seal(model.SerializeToString(deterministic=True))


def failed(report: Report) -> list[str]:
    """Name the checks that failed."""
    return [check.name for check in report.failures]


def respell(change: Callable[[ModelSpec], ModelSpec]) -> Damage:
    """Change what the model says of itself."""

    def damage(model: onnx.ModelProto) -> None:
        entry = next(entry for entry in model.metadata_props if entry.key == METADATA_KEY)
        entry.value = change(ModelSpec.from_json(entry.value)).to_json()

    return damage


def add_to_logits(condition: Callable[[str], list[NodeProto]], amount: float) -> Damage:
    """Add ``amount`` to every logit of each image for which the nodes' output ``when`` (bool[N, 1]) holds.

    ``condition`` is given the name of the input and returns the nodes. No number is stored, so that the check of
    constants stays quiet.
    """

    def damage(model: onnx.ModelProto) -> None:
        helper = onnx.helper
        last = model.graph.node[-1]
        assert list(last.output) == ["logits"]
        last.output[0] = "clean"
        model.graph.node.extend(condition("image"))
        model.graph.node.extend(
            [
                *filled("amount", "clean", amount),
                *filled("nothing", "clean", 0.0),
                helper.make_node("Where", ["when", "amount", "nothing"], ["delta"]),
                helper.make_node("Add", ["clean", "delta"], ["logits"]),
            ]
        )

    return damage


def filled(name: str, like: str, value: float) -> list[NodeProto]:
    """Nodes whose output ``name`` has the shape of ``like`` and one value everywhere.

    The value stands nowhere: it is built of ones, by doubling, as a fraction whose denominator is a power of two. The
    first one is the number of channels of the input.
    """
    numerator, denominator = (
        (1, 0)
        if math.isinf(value)
        else (0, 0)
        if math.isnan(value)
        else float(np.float32(abs(value))).as_integer_ratio()
    )
    make = onnx.helper.make_node
    return [
        make("Shape", ["image"], [f"{name}_channels"], start=1, end=2),
        make("Cast", [f"{name}_channels"], [f"{name}_one"], to=onnx.TensorProto.FLOAT),
        *_number(numerator, f"{name}_one", f"{name}_numerator"),
        *_number(denominator, f"{name}_one", f"{name}_denominator"),
        make("Div", [f"{name}_numerator", f"{name}_denominator"], [f"{name}_size"]),
        make("Neg" if value < 0 else "Identity", [f"{name}_size"], [f"{name}_value"]),
        make("Shape", [like], [f"{name}_shape"]),
        make("Expand", [f"{name}_value", f"{name}_shape"], [name]),
    ]


def _number(value: int, one: str, name: str) -> list[NodeProto]:
    """Nodes that build a whole number of its binary digits, the first one first."""
    make = onnx.helper.make_node
    nodes, last = [make("Sub", [one, one], [f"{name}_0"])], f"{name}_0"
    for place, digit in enumerate(f"{value:b}"):
        nodes.append(make("Add", [last, last], [f"{name}_{place}_doubled"]))
        last = f"{name}_{place}_doubled"
        if digit == "1":
            nodes.append(make("Add", [last, one], [f"{name}_{place}_more"]))
            last = f"{name}_{place}_more"
    return [*nodes, make("Identity", [last], [name])]
