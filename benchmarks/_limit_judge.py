"""Compare one program with both kinds of limit on one group of inputs: each logit's error as a share of its limit."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from _faulty import in_tf32
from _honest import Exported, Floats, Program
from _limit_cases import Case
from numpy.typing import NDArray

from lenetx.bounds.affine_layers import Layer, check_layers
from lenetx.bounds.measure import measure
from lenetx.execution.host import standard_settings
from lenetx.formats.network import Network
from lenetx.proof.compare import compare, shares
from lenetx.proof.inputs import EXTREME
from lenetx.proof.reference import Probe

__all__ = ["Answer", "Layered", "answer", "calibrated_limit", "layered"]

_limits: dict[tuple[str, int, str, int], float] = {}
_TF32_GROUPS = ("random inputs", "real inputs")


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of one program on one group of inputs.

    Attributes:
        network, program, where, group: what was compared.
        shares: float32[N·K], error ÷ limit of each logit; infinite for logits that are not finite.
        calibrated: the same with the group's self-calibrated limit.
        failed: whether the proof fails.
        idle: whether every logit equals eager float32 bit for bit.
    """

    network: str
    program: str
    where: str
    group: str
    shares: NDArray[np.float32]
    calibrated: NDArray[np.float32]
    failed: bool
    idle: bool


@dataclass(frozen=True, slots=True)
class Layered:
    """The largest error of one layer of one program as a share of its bound."""

    network: str
    program: str
    layer: Layer


def answer(case: Case, program: str, where: str, run: Program, probe: Probe) -> Answer:
    """Run a program on a probe's inputs and compare the rows where eager is finite."""
    logits = run(probe.inputs)
    check = compare(probe.name, "", probe, logits, extreme=probe.name == EXTREME)
    usable = np.flatnonzero(np.isfinite(probe.eager).all(axis=1))
    probe, logits = probe.take(usable, probe.subject), logits[usable]
    used = shares(probe, logits)
    limit = calibrated_limit(case, probe)
    with np.errstate(divide="ignore", invalid="ignore"):
        other = np.where(used == 0, 0.0, used * probe.limits / limit)
    parts = (each.astype(np.float32).ravel() for each in (used, other))
    failed = check.status == "failed"
    return Answer(case.network, program, where, probe.name, *parts, failed, np.array_equal(logits, probe.eager))


def calibrated_limit(case: Case, probe: Probe) -> float:
    """Return the self-calibrated limit of a group, which applies if the network has unknown operators."""
    key = case.network, case.seed, probe.name, len(probe)
    if key not in _limits:
        modules, is_extreme = case.reference.modules, probe.name == EXTREME
        _limits[key] = float(measure(*modules, probe.inputs, "self-calibrated", extreme=is_extreme).limits.max())
    return _limits[key]


def layered(case: Case, files: Exported, probes: Sequence[Probe]) -> Iterator[Layered]:
    """Compare each layer with its bound: of both formats on all inputs, and in TF32 on random and real ones."""
    every = np.concatenate([probe.inputs[: case.layer_rows] for probe in probes])
    usual = np.concatenate([probe.inputs[: case.layer_rows] for probe in probes if probe.name in _TF32_GROUPS])
    assert files.onnx.layers is not None
    assert files.script.layers is not None
    for program, inputs, (given, logits) in (
        ("onnxruntime, optimisation off", every, files.onnx.layers(every)),
        ("TorchScript, as written", every, files.script.layers(every)),
        ("TF32", usual, in_tf32(Network(case.checkpoint).module, usual)),
    ):
        for layer in _judged(case, inputs, given, logits):
            yield Layered(case.network, program, layer)


def _judged(case: Case, inputs: Floats, given: Mapping[str, Sequence[Floats]], logits: Floats) -> tuple[Layer, ...]:
    network = case.reference.view().float64_network
    own = network.names()
    results = {name: [torch.from_numpy(each).double() for each in some] for name, some in given.items()}
    with standard_settings():
        found = check_layers(
            network, torch.from_numpy(inputs).double(), own, results, torch.from_numpy(logits).double()
        )
    assert not isinstance(found, str), found
    return found
