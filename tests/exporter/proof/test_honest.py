"""What must not fail: every network, format and engine that is right, and sums in any order."""

import copy
import dataclasses
from collections.abc import Callable

import numpy as np
import onnx
import pytest
import torch
from onnx.reference import ReferenceEvaluator
from torch import nn

from lenetx import Reference, Report, data, models
from lenetx.bounds.measure import measure
from lenetx.execution.float64 import Float64Network
from lenetx.formats import DEFAULT, FORMATS, get, suffix
from lenetx.formats.network import Network
from lenetx.models.architecture import Architecture
from lenetx.proof import inputs
from lenetx.proof.compare import shares
from lenetx.proof.reference import Probe
from lenetx.weights.checkpoint import Checkpoint
from lenetx.weights.plain_tensors import weights_sha256

from .conftest import Function, failed, first, make_checkpoint, session_of, with_weights
from .programs import eager, in_order, term_by_term, with_layers

Judge = Callable[..., Report]
LEVELS = ("ORT_DISABLE_ALL", "ORT_ENABLE_BASIC", "ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL")


@pytest.mark.slow
@pytest.mark.parametrize("architecture", models.names())
@pytest.mark.parametrize(
    ("name", "batch"),
    [
        (name, batch)
        for name in FORMATS
        for batch in ("dynamic", 1, 3)
        if name not in ("c", "native") or batch == "dynamic"
    ],
)
def test_every_network_and_format_passes(
    judge: Judge, digits: data.Dataset, architecture: str, name: str, batch: int | str
) -> None:
    checkpoint = make_checkpoint(architecture, seed=3)
    contents = get(name).export(Network(checkpoint), batch=batch)
    report = judge(contents, f"net{suffix(name)}", Reference(checkpoint, digits))
    assert failed(report) == []
    assert {check.status for check in report.checks} <= {"passed", "not_applicable"}


@pytest.mark.parametrize("name", DEFAULT)
def test_every_question_is_asked(judge: Judge, onnx_bytes: bytes, torchscript_bytes: bytes, name: str) -> None:
    report = judge({"onnx": onnx_bytes, "torchscript": torchscript_bytes}[name], f"lenet5.{name}")
    assert failed(report) == []
    asked = {check.name for check in report.checks if check.status == "passed"}
    wanted = {
        "file",
        "local paths",
        "spec",
        "preprocessing",
        "weights",
        "numbers",
        "graph",
        "layers",
        "training operators",
    }
    wanted |= {"random inputs", "real inputs", "batch sizes", "row order", "repeats", "refusals", "lowest margins"}
    wanted |= {"zeros", "constant images", "one hot pixel", "saturated images", "denormal inputs", "large inputs"}
    wanted |= {"labels", "accuracy", "margin certificate"}
    wanted |= {"versions", "operators", "constants", "axes"} if name == "onnx" else set()
    assert wanted <= asked
    assert [check for check in report.checks if check.group == "engines" and check.status == "passed"]


@pytest.mark.parametrize("name", DEFAULT)
def test_a_fixed_batch_runs_in_every_way(judge: Judge, checkpoint: Checkpoint, name: str) -> None:
    """One of more images than libtorch is warmed up with."""
    assert failed(judge(get(name).export(Network(checkpoint), batch=3), f"lenet5.{name}")) == []


@pytest.mark.parametrize("level", LEVELS)
def test_onnxruntime_at_each_level(judge_function: Judge, onnx_bytes: bytes, level: str) -> None:
    assert failed(judge_function(session_of(onnx_bytes, level))) == []


def test_eager_channels_last(judge_function: Judge, checkpoint: Checkpoint) -> None:
    assert failed(judge_function(eager(checkpoint.module().to(memory_format=torch.channels_last)))) == []


def largest_share(run: Function, reference: Reference, rows: int = 24) -> float:
    """Of a limit, over some inputs of each group: for programs that are too slow for a whole proof."""
    probes = [*map(reference.synthetic, inputs.GROUPS), reference.real]
    parts = [probe.take(np.arange(min(rows, len(probe))), probe.subject) for probe in probes if probe is not None]
    return max(float(shares(part, run(part.inputs)).max()) for part in parts)


def test_onnx_by_its_definition(onnx_bytes: bytes, few: Reference) -> None:
    evaluator = ReferenceEvaluator(onnx.load_from_string(onnx_bytes))
    assert 0 < largest_share(lambda x: evaluator.run(None, {"image": x})[0], few) < 0.1


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("order", [in_order, term_by_term])
def test_sums_in_a_random_order(checkpoint: Checkpoint, few: Reference, order: Callable, seed: int) -> None:
    assert 0 < largest_share(with_layers(checkpoint, order(seed)), few) < 0.2


def test_batch_norm_has_the_adjoint_bound_too(digits: data.Dataset) -> None:
    """Eager, batch norms as they are, and folded as every format has them."""
    checkpoint = make_checkpoint("lenet5-bn")
    reference = Reference(checkpoint, first(digits, 16))
    assert reference.plan.method == "adjoint"
    for module in (checkpoint.module(), reference.network.module):
        assert 0 < largest_share(eager(module), reference) < 0.2


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("architecture", models.names())
def test_sums_in_twenty_orders(digits: data.Dataset, architecture: str, seed: int) -> None:
    checkpoint = make_checkpoint(architecture, seed=seed % 5)
    reference = Reference(checkpoint, first(digits, 32))
    module = with_layers(checkpoint, term_by_term(seed))
    assert 0 < largest_share(module, reference) < 0.3


def of_zeros(checkpoint: Checkpoint, *suffixes: str) -> Checkpoint:
    weights = {
        name: torch.zeros_like(tensor) if name.endswith(suffixes) else tensor
        for name, tensor in checkpoint.state_dict.items()
    }
    return with_weights(checkpoint.spec.architecture, weights)


@pytest.mark.parametrize("name", DEFAULT)
@pytest.mark.parametrize("suffixes", [("bias",), ("weight", "bias")], ids=["no bias", "nothing but zeros"])
def test_a_network_of_zeros(judge: Judge, digits: data.Dataset, name: str, suffixes: tuple[str, ...]) -> None:
    """torch leaves a bias of zeros out, and without weights no error is allowed: both were the end of honest files."""
    checkpoint = of_zeros(make_checkpoint(), *suffixes)
    contents = get(name).export(Network(checkpoint), batch="dynamic")
    report = judge(contents, f"lenet5.{name}", Reference(checkpoint, first(digits, 16)))
    assert failed(report) == []


class Bare(nn.Sequential):
    def __init__(self, classes: int) -> None:
        convolution, dense = nn.Conv2d(1, 4, 5, stride=2, bias=False), nn.Linear(576, classes, bias=False)
        super().__init__(convolution, nn.ReLU(), nn.Flatten(), dense)


@pytest.mark.parametrize("name", DEFAULT)
def test_layers_that_have_no_bias_at_all(judge: Judge, digits: data.Dataset, name: str) -> None:
    architecture = Architecture("mine.py:Bare", Bare)
    torch.manual_seed(0)
    weights = architecture.build((1, 28, 28), 10).state_dict()
    spec = dataclasses.replace(
        make_checkpoint("lenet5-3x3").spec, architecture=architecture.name, weights_sha256=weights_sha256(weights)
    )
    checkpoint = Checkpoint(spec, weights, {}, {"data": "digits"}, (), architecture)
    contents = get(name).export(Network(checkpoint), batch="dynamic")
    assert failed(judge(contents, f"bare.{name}", Reference(checkpoint, first(digits, 16)))) == []


def test_a_global_average_of_plain_images() -> None:
    """The errors of all positions of a channel are the same there: as independent ones they would be far beyond."""
    torch.manual_seed(0)
    float32 = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 10, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    ).eval()
    float64 = Float64Network(copy.deepcopy(float32))
    plain = np.broadcast_to(np.linspace(-2, 2, 4, dtype=np.float32)[:, None, None, None], (4, 3, 224, 224)).copy()
    found = measure(float32, float64, plain, "adjoint")
    probe = Probe("plain", "4 plain images", plain, found.exact, found.eager, found.limits, np.arange(4))
    for run in (eager(float32), eager(float32.to(memory_format=torch.channels_last))):
        used = shares(probe, run(plain)).max()
        assert used < 0.25


def test_the_autocast_of_the_caller_changes_nothing(judge: Judge, onnx_bytes: bytes, checkpoint, digits) -> None:
    calm = judge(onnx_bytes, "calm.onnx")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        report = judge(onnx_bytes, "caller.onnx", against=Reference(checkpoint, first(digits, 64)))
    assert report.failures == calm.failures == ()
    assert [check.limit for check in report.checks] == [check.limit for check in calm.checks]
