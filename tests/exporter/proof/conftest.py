"""One untrained network, exported once, and the tools to break what computes it."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray

from lenetx import Reference, Report, data, models
from lenetx.formats import get, open_artifact
from lenetx.formats.artifact import OpenedArtifact
from lenetx.formats.network import Network
from lenetx.proof import as_artifact, prove
from lenetx.report import Check
from lenetx.weights.checkpoint import Checkpoint
from lenetx.weights.plain_tensors import weights_sha256
from lenetx_runtime import ModelSpec
from lenetx_runtime.onnx_file import seal
from lenetx_runtime.spec import METADATA_KEY

Floats = NDArray[np.float32]
Function = Callable[[Floats], Floats]
"""From float32[N, C, H, W] to float32[N, K] logits, or to what is added to each row of them, float32[N]."""
ORDINARY = {"random inputs", "real inputs", "batch sizes", "row order", "saturated images", "lowest margins", "repeats"}
"""Checks that a fault which shows on most images fails, whatever it is."""
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


def first(dataset: data.Dataset, count: int) -> data.Dataset:
    """The same with the first test images only: that many are soon proven."""
    return dataclasses.replace(dataset, test=dataset.test.take(np.arange(count)))


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
def few(checkpoint: Checkpoint, digits: data.Dataset) -> Reference:
    """The same on fewer images: files are run in many more ways than functions."""
    return Reference(checkpoint, first(digits, 64))


@pytest.fixture(scope="session")
def onnx_bytes(checkpoint: Checkpoint) -> bytes:
    return get("onnx").export(Network(checkpoint), batch="dynamic")


@pytest.fixture(scope="session")
def torchscript_bytes(checkpoint: Checkpoint) -> bytes:
    return get("torchscript").export(Network(checkpoint), batch="dynamic")


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[bytes, str], OpenedArtifact]:
    """Write bytes to a file and reopen it."""

    def run(contents: bytes, name: str) -> OpenedArtifact:
        path = tmp_path / name
        path.write_bytes(contents)
        return open_artifact(path)

    return run


@pytest.fixture
def judge(opened: Callable[[bytes, str], OpenedArtifact], few: Reference) -> Callable[..., Report]:
    """Write bytes to a file, reopen it and prove it."""
    return lambda contents, name, against=few: prove(opened(contents, name), against)


@pytest.fixture
def judge_once(opened: Callable[[bytes, str], OpenedArtifact], few: Reference) -> Callable[..., Report]:
    """The same, but run in one way: soon done, for faults that every run shows."""
    return lambda contents, name, against=few: prove(dataclasses.replace(opened(contents, name), runs=()), against)


@pytest.fixture
def judge_damaged(judge: Callable[..., Report], onnx_bytes: bytes) -> Callable[..., Report]:
    """Change an ONNX model, seal it as lenetx would, and prove it."""

    def run(damage: Damage, contents: bytes = onnx_bytes, **arguments: Reference) -> Report:
        return judge(resealed(contents, damage), "lenet5.onnx", **arguments)

    return run


@pytest.fixture(scope="session")
def honest(onnx_bytes: bytes) -> Function:
    """The network's logits by onnxruntime itself."""
    return session_of(onnx_bytes)


@pytest.fixture
def judge_function(reference: Reference) -> Callable[..., Report]:
    """Prove a function from inputs to logits."""
    return lambda run, against=reference: prove(as_artifact(run, against.checkpoint.spec), against)


@pytest.fixture
def judge_off_by(judge_function: Callable[..., Report], honest: Function) -> Callable[[Function], Report]:
    """Prove onnxruntime's logits with something added to those of each row."""
    return lambda fault: judge_function(lambda x: honest(x) + np.float32(fault(x))[:, None])


def session_of(contents: bytes, level: str = "ORT_ENABLE_ALL") -> Function:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(contents, options, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(["logits"], {"image": inputs})[0]


def resealed(contents: bytes, damage: Damage) -> bytes:
    model = onnx.load_from_string(contents)
    damage(model)
    entry = next(entry for entry in model.metadata_props if entry.key == METADATA_KEY)
    spec = ModelSpec.from_json(entry.value)
    entry.value = dataclasses.replace(spec, content_sha256="0" * 64).to_json()
    return seal(model.SerializeToString(deterministic=True))


def respell(change: Callable[[ModelSpec], ModelSpec]) -> Damage:
    """Change what the model says of itself."""

    def damage(model: onnx.ModelProto) -> None:
        entry = next(entry for entry in model.metadata_props if entry.key == METADATA_KEY)
        entry.value = change(ModelSpec.from_json(entry.value)).to_json()

    return damage


def failed(report: Report) -> list[str]:
    """Name the checks that failed; a diagnosis only says of them whose fault it is."""
    return [check.name for check in report.failures if check.group != "diagnosis"]


def only(report: Report, name: str) -> Check:
    """Assert that one check alone stands between a fault and a passed report, and give it."""
    assert failed(report) == [name]
    others = [check for check in report.checks if check.group != "diagnosis" and check.name != name]
    assert dataclasses.replace(report, checks=tuple(others)).passed
    return check_of(report, name)


def check_of(report: Report, name: str) -> Check:
    return next(check for check in report.checks if check.name == name)
