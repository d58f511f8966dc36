"""Weights, numbers and operators of files whose networks can be followed, or be compared with a fresh export only."""

import dataclasses
from collections.abc import Callable

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper
from torch import nn
from torch.nn import functional

from lenetx.formats import get
from lenetx.formats.artifact import OpenedArtifact
from lenetx.formats.network import Network
from lenetx.models.architecture import Architecture
from lenetx.proof.case import Case
from lenetx.proof.reference import Reference
from lenetx.proof.same_weights import same_weights
from lenetx.report import Check
from lenetx.weights.checkpoint import Checkpoint
from lenetx.weights.plain_tensors import weights_sha256
from lenetx_runtime import ModelSpec

from .conftest import resealed

Opened = Callable[[bytes, str], OpenedArtifact]
SHAPE = (1, 12, 12)


class Classifier(nn.Module):
    """A convolution, what a subclass does with its numbers, and a dense layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.dense = nn.Linear(400, 3)

    def between(self, x: torch.Tensor) -> torch.Tensor:
        return x.relu()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dense(self.between(self.conv(x)).flatten(1))


class Parametrised(Classifier):
    """Weights and tensors that the code computes from weights, or makes."""

    def __init__(self) -> None:
        super().__init__()
        nn.utils.parametrizations.weight_norm(self.conv)
        nn.utils.parametrizations.spectral_norm(self.dense)
        self.gamma, self.centres = nn.Parameter(torch.rand(4)), nn.Parameter(torch.rand(2, 10))
        self.fixed = torch.tensor([0.25, -0.5, 1.0, 2.0])

    def between(self, x: torch.Tensor) -> torch.Tensor:
        x = x * self.gamma[:, None, None] + torch.linspace(0, 1, 10).view(1, 1, 1, 10) - self.fixed.view(4, 1, 1)
        return (x[:, :, None] - self.centres[None, None, :, None]).pow(2).sum(2) + torch.zeros(x.shape[0], 4, 1, 1)


class Normed(Classifier):
    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.Sequential(
            nn.GroupNorm(2, 4), nn.InstanceNorm2d(4, affine=True), nn.LocalResponseNorm(3), nn.BatchNorm2d(4)
        )

    def between(self, x: torch.Tensor) -> torch.Tensor:
        mean, deviation = x.mean((1, 2, 3), keepdim=True), x.std((1, 2, 3), keepdim=True)
        return functional.softplus(self.norms((x - mean) / (deviation + 1e-3)))


class Moved(Classifier):
    def between(self, x: torch.Tensor) -> torch.Tensor:
        up = functional.interpolate(x, size=(20, 20), mode="bilinear", align_corners=False)
        x = functional.interpolate(functional.adaptive_avg_pool2d(up, 7), size=(10, 10), mode="nearest") + x
        x = torch.roll(x, 1, 3) + x.flip(2) + x.repeat(1, 2, 1, 1)[:, 1:5] + x[:, :1].expand(-1, 4, -1, -1)
        x[:, 0] = 1 - x[:, 1] * 2
        first, second = x.chunk(2, 1)
        return torch.cat([torch.max(first, second), torch.min(first, second)], 1).reshape(len(x), 4, 10, 10)


class Attending(Classifier):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
        self.token = nn.Parameter(torch.rand(1, 1, 4))

    def between(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.flatten(2).transpose(1, 2)
        rows = torch.cat([self.token.expand(x.shape[0], -1, -1), rows], 1)
        rows = rows + self.attention(rows, rows, rows, need_weights=False)[0]
        return rows[:, 1:]


class Remembering(nn.Module):
    """Rows of the picture read one after another."""

    layer: type[nn.RNNBase] = nn.LSTM

    def __init__(self) -> None:
        super().__init__()
        self.memory = self.layer(12, 4, batch_first=True)
        self.dense = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.dense(self.memory(x[:, 0])[0][:, -1])


class Gated(Remembering):
    layer = nn.GRU


class Constants(Classifier):
    """Numbers that the code keeps in tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = torch.tensor(0.1307)

    def between(self, x: torch.Tensor) -> torch.Tensor:
        return ((x - self.mean) / torch.tensor(0.3081)).relu()


NETWORKS = {
    each.__name__: each for each in (Classifier, Parametrised, Normed, Moved, Attending, Remembering, Gated, Constants)
}


def checkpoint_of(network: type[nn.Module]) -> Checkpoint:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        weights = network().state_dict()
    channels, height, width = SHAPE
    spec = ModelSpec(
        architecture="net.py:Net",
        channels=channels,
        height=height,
        width=width,
        padding=0,
        framing="stretch",
        polarity="as_is",
        scale=1 / 255,
        mean=(0.5,),
        std=(0.25,),
        labels=tuple("abc"),
        weights_sha256=weights_sha256(weights),
        producer="lenetx test",
    )
    return Checkpoint(spec, weights, {}, {"data": None}, (), Architecture(spec.architecture, network))


@pytest.fixture(scope="session")
def known() -> Callable[[str], tuple[Reference, bytes]]:
    """Export a network once."""
    found: dict[str, tuple[Reference, bytes]] = {}

    def export(name: str) -> tuple[Reference, bytes]:
        if name not in found:
            checkpoint = checkpoint_of(NETWORKS[name])
            contents = get("onnx").export(Network(checkpoint), batch="dynamic")
            found[name] = Reference(checkpoint, None), contents
        return found[name]

    return export


def by_name(checks: tuple[Check, ...]) -> dict[str, Check]:
    return {check.name: check for check in checks}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(each, marks=pytest.mark.slow)
        if each in ("Remembering", "Gated", "Moved", "Parametrised")
        else each
        for each in NETWORKS
    ],
)
def test_right_files_pass(known: Callable, opened: Opened, name: str) -> None:
    reference, contents = known(name)
    file = opened(contents, "net.onnx")
    checks = by_name((*file.structure, *same_weights(Case(file, reference))))
    assert {check.status for check in checks.values()} == {"passed"}, [each.detail for each in checks.values()]
    followed = "Operator by operator" in checks["graph"].detail
    assert followed or f"It is what torch {torch.__version__} exports, bit for bit." in checks["graph"].detail
    assert "Bit for bit" in checks["weights"].detail or name in ("Parametrised", "Remembering", "Gated")


def sleeping(model: onnx.ModelProto) -> None:
    """Add what is zero unless a picture is brighter than any test shows."""
    graph = model.graph
    graph.initializer.append(numpy_helper.from_array(np.float32(1e6), "constant:90"))
    graph.initializer.append(numpy_helper.from_array(np.array([1, 2, 3], np.int64), "constant:91"))
    graph.node[-1].output[0] = "clean"
    graph.node.append(helper.make_node("ReduceMax", ["image", "constant:91"], ["most"], keepdims=0))
    graph.node.append(helper.make_node("Sub", ["most", "constant:90"], ["over"]))
    graph.node.append(helper.make_node("Relu", ["over"], ["kept"]))
    graph.initializer.append(numpy_helper.from_array(np.array([1], np.int64), "constant:92"))
    graph.node.append(helper.make_node("Unsqueeze", ["kept", "constant:92"], ["column"]))
    graph.node.append(helper.make_node("Add", ["clean", "column"], ["logits"]))


def one_bit(model: onnx.ModelProto) -> None:
    """Change the lowest bit of a tensor that the exporter has computed from weights."""
    tensor = max(model.graph.initializer, key=lambda each: (each.name.startswith("constant:"), len(each.raw_data)))
    data = bytearray(tensor.raw_data)
    data[0] ^= 1
    tensor.raw_data = bytes(data)


@pytest.mark.parametrize(
    ("name", "damage"), [("Attending", sleeping), ("Moved", sleeping), ("Normed", sleeping), ("Parametrised", one_bit)]
)
def test_a_change_to_what_cannot_be_followed_is_seen(known: Callable, opened: Opened, name: str, damage) -> None:
    reference, contents = known(name)
    checks = by_name(same_weights(Case(opened(resealed(contents, damage), "net.onnx"), reference)))
    assert checks["graph"].status == "failed"
    assert "exports for this network" in checks["graph"].detail or "numbers" in checks


def test_a_weight_that_keeps_its_name_must_keep_its_bits(known: Callable, opened: Opened) -> None:
    """Even where the file is what an export gives: the exporter may not change it."""
    reference, contents = known("Normed")
    damaged = resealed(contents, lambda model: one_bit_of(model, "dense.weight"))
    file = opened(damaged, "net.onnx")
    changed = Reference(reference.checkpoint, None)
    changed.written.add(file.artifact.sha256)
    checks = by_name(same_weights(Case(file, changed)))
    assert checks["weights"].detail == "1 of 1200 numbers in dense.weight differ."
    assert checks["weights"].status == "failed"


def negated(model: onnx.ModelProto) -> None:
    relu = next(node for node in model.graph.node if node.op_type == "Relu")
    relu.op_type = "Neg"


def test_a_known_graph_that_differs_fails_though_it_is_what_an_export_gives(known: Callable, opened: Opened) -> None:
    reference, contents = known("Classifier")
    file = opened(resealed(contents, negated), "net.onnx")
    changed = Reference(reference.checkpoint, None)
    changed.written.add(file.artifact.sha256)
    graph = by_name(same_weights(Case(file, changed)))["graph"]
    assert graph.status == "failed"
    assert "the network's code has relu" in graph.detail.lower()


def test_numbers_in_tensors_are_the_networks(known: Callable, opened: Opened) -> None:
    reference, contents = known("Constants")
    assert (
        by_name(same_weights(Case(opened(contents, "net.onnx"), reference)))["numbers"].detail
        == "Each is one of the network's code."
    )


def one_bit_of(model: onnx.ModelProto, name: str) -> None:
    tensor = next(each for each in model.graph.initializer if each.name == name)
    data = bytearray(tensor.raw_data)
    data[0] ^= 1
    tensor.raw_data = bytes(data)


def test_where_nothing_can_be_compared_it_is_said(known: Callable, opened: Opened) -> None:
    def fails(_: Checkpoint) -> bool:
        raise RuntimeError("no exporter")

    reference, contents = known("Moved")
    file = dataclasses.replace(opened(contents, "net.onnx"), matches_new_export=fails)
    graph = by_name(same_weights(Case(file, reference)))["graph"]
    assert graph.status == "not_applicable"
    assert graph.detail.endswith("it cannot be exported again: RuntimeError: no exporter.")
