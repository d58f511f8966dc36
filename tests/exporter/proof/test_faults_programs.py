"""Faults of what runs, seen by the numbers that it gives and by nothing else."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch

from lenetx import ArtifactError, Reference, Report, data
from lenetx.formats import get
from lenetx.formats.network import Network
from lenetx.weights.checkpoint import Checkpoint
from lenetx_runtime.preprocess import normalise

from .conftest import ORDINARY, Floats, Function, check_of, failed, first, make_checkpoint
from .programs import ROUNDED, computed_in, eager, with_layers, with_other

Judge = Callable[..., Report]


@pytest.mark.parametrize("precision", ROUNDED)
def test_weights_of_less_precision(judge_function: Judge, checkpoint: Checkpoint, precision: str) -> None:
    weights = {name: ROUNDED[precision](tensor) for name, tensor in checkpoint.state_dict.items()}
    report = judge_function(with_other(checkpoint, weights))
    assert set(failed(report)) >= ORDINARY


@pytest.mark.parametrize("precision", ROUNDED)
def test_arithmetic_of_less_precision(judge_function: Judge, checkpoint: Checkpoint, precision: str) -> None:
    report = judge_function(with_layers(checkpoint, computed_in(precision)))
    assert set(failed(report)) >= ORDINARY


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_a_whole_network_of_less_precision(
    judge_function: Judge, checkpoint: Checkpoint, precision: torch.dtype
) -> None:
    module = checkpoint.module().to(precision)

    def run(x: Floats) -> Floats:
        with torch.no_grad():
            return module(torch.from_numpy(x).to(precision)).float().numpy()

    assert set(failed(judge_function(run))) >= ORDINARY


def test_a_batch_axis_that_is_frozen_at_1(judge_function: Judge, honest: Function) -> None:
    """Every row gets the first one's answer."""
    report = judge_function(lambda x: np.repeat(honest(x[:1]), len(x), axis=0))
    assert {"random inputs", "real inputs", "batch sizes", "row order"} <= set(failed(report))
    assert check_of(report, "batch sizes").detail.startswith("Test image 1 in a batch of 2, ")


def test_a_batch_axis_that_takes_one_row_only(judge_function: Judge, honest: Function) -> None:
    def run(x: Floats) -> Floats:
        if len(x) != 1:
            raise ValueError(f"expected 1 row, got {len(x)}")
        return honest(x)

    report = judge_function(run)
    detail = check_of(report, "batch sizes").detail
    wanted = "though it must take float32[N, 1, 32, 32] of any N ≥ 0: ValueError: expected 1 row, got 2"
    assert detail == f"It takes a batch of 1 and not every larger one, {wanted}"
    assert {"random inputs", "real inputs", "batch sizes", "row order"} <= set(failed(report))


def test_rows_beyond_the_sixty_fourth(judge_function: Judge, honest: Function) -> None:
    report = judge_function(lambda x: honest(np.concatenate([x[:64], np.zeros_like(x[64:])])))
    assert {"random inputs", "real inputs", "batch sizes", "row order"} <= set(failed(report))
    assert " in a batch of 257, " in check_of(report, "batch sizes").detail


def test_a_result_that_depends_on_the_neighbour(judge_function: Judge, honest: Function) -> None:
    """A ten-thousandth of it, so that no label flips."""
    report = judge_function(lambda x: honest(x) + np.float32(1e-4) * np.roll(honest(x), 1, axis=0))
    assert {"random inputs", "real inputs", "batch sizes", "row order"} <= set(failed(report))
    assert " by itself, " in check_of(report, "batch sizes").detail  # where it is its own neighbour


def test_softmax_left_in(judge_function: Judge, honest: Function) -> None:
    report = judge_function(lambda x: probabilities(honest(x)))
    assert set(failed(report)) >= ORDINARY
    assert "labels" not in failed(report)


def test_log_softmax_for_logits(judge_function: Judge, honest: Function) -> None:
    report = judge_function(lambda x: np.log(probabilities(honest(x)) + np.float32(1e-30)))
    assert set(failed(report)) >= ORDINARY


def test_swapped_logits(judge_function: Judge, honest: Function) -> None:
    report = judge_function(lambda x: honest(x)[:, [0, 1, 2, 3, 4, 5, 6, 7, 9, 8]])
    assert {*ORDINARY, "labels"} <= set(failed(report))


@pytest.mark.parametrize("change", [{"mean": (0.1307,)}, {"std": (0.3081,)}], ids=str)
def test_another_mean_or_std(judge_function: Judge, honest: Function, checkpoint, change: dict[str, object]) -> None:
    """It gets the right inputs and normalises them to its own mean."""
    spec, other = checkpoint.spec, dataclasses.replace(checkpoint.spec, **change)
    std, mean = spec.std[0] / other.std[0], (spec.mean[0] - other.mean[0]) / other.std[0]
    report = judge_function(lambda x: honest(x * np.float32(std) + np.float32(mean)))
    assert set(failed(report)) >= ORDINARY


def test_right_on_random_inputs_and_wrong_on_real_ones(judge_function: Judge, honest: Function, reference) -> None:
    black = float(normalise(np.zeros((1, 28, 28), np.uint8), reference.checkpoint.spec).min())

    def run(x: Floats) -> Floats:
        pictures = x.min(axis=(1, 2, 3)) >= black
        return honest(x) + np.float32(1e-3) * pictures[:, None]

    report = judge_function(run)
    assert "random inputs" not in failed(report)
    assert {"real inputs", "batch sizes", "row order", "lowest margins", "repeats"} <= set(failed(report))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda logits: logits.astype(np.float16), "The logits are float16[128, 10] instead of float32[128, 10]."),
        (lambda logits: logits[:, :9], "The logits are float32[128, 9] instead of float32[128, 10]."),
        (lambda logits: logits[None], "The logits are float32[1, 128, 10] instead of float32[128, 10]."),
    ],
)
def test_logits_of_another_shape_or_type(judge_function: Judge, honest: Function, wrong: Function, words: str) -> None:
    report = judge_function(lambda x: wrong(honest(x)))
    assert set(failed(report)) >= ORDINARY
    assert check_of(report, "random inputs").detail == words


class Unseeded:
    """A module in training mode, with random numbers of its own, others in each call."""

    def __init__(self, architecture: str) -> None:
        self.checkpoint = make_checkpoint(architecture)
        self._run = eager(self.checkpoint.module().train())
        self._calls = 0

    def __call__(self, x: Floats) -> Floats:
        with torch.random.fork_rng():
            self._calls += 1
            torch.manual_seed(self._calls)
            return self._run(x)


@pytest.mark.parametrize("architecture", ["lenet5-dropout", "lenet5-bn"])
def test_a_module_in_training_mode(judge_function: Judge, digits: data.Dataset, architecture: str) -> None:
    run = Unseeded(architecture)
    report = judge_function(run, Reference(run.checkpoint, first(digits, 64)))
    assert set(failed(report)) >= ORDINARY
    again = {"lenet5-dropout": "gives another answer, which is wrong", "lenet5-bn": "and the same each time"}
    assert again[architecture] in check_of(report, "repeats").detail


@pytest.mark.parametrize("architecture", ["lenet5", "lenet5-3x3"])
def test_another_models_file(judge: Judge, architecture: str) -> None:
    other = get("onnx").export(Network(make_checkpoint(architecture, seed=1)), batch="dynamic")
    report = judge(other, "lenet5.onnx")
    assert {"spec", "weights", "layers", "random inputs", "real inputs"} <= set(failed(report))
    assert "name its own checkpoint with --against" in check_of(report, "spec").detail


@pytest.mark.parametrize("name", ["onnx", "torchscript"])
def test_a_truncated_file(judge: Judge, onnx_bytes: bytes, torchscript_bytes: bytes, name: str) -> None:
    contents = {"onnx": onnx_bytes, "torchscript": torchscript_bytes}[name]
    for length in (0, 1, 100, len(contents) // 2, len(contents) - 1):
        with pytest.raises(ArtifactError, match=f"lenet5.{name}"):
            judge(contents[:length], f"lenet5.{name}")


def probabilities(logits: Floats) -> Floats:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)
