"""Compute a network's float64 logits, its eager float32 logits, and the allowed error per logit."""

import contextlib
import queue
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from lenetx_runtime.cpus import available_cpus

from ..execution.copies import copy_sharing_tensors
from ..execution.host import standard_settings
from ..execution.user_code import user_code
from ..graph.tape import record, without_dead_steps
from .adjoint import inapplicable_reason, limits
from .affine import terms_of
from .affine_layers import weight_of
from .calibrated import self_calibrated
from .float32_variance import call_with_float32_variance
from .last_sums import LastSums
from .operators import is_affine
from .units import UNIT_ROUNDOFF

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from ..execution.float64 import Float64Network
    from ..graph.tape import Step

    Pair = tuple[nn.Module, Float64Network]

__all__ = ["GROUP_SIZE", "Measured", "Method", "Plan", "measure", "plan"]

Method = Literal["adjoint", "self-calibrated"]

_BATCH = 40
"""Inputs of LeNet's size per batch; larger batches were slower when measured: their gradients exceed the cache."""
_NUMBERS = 2**16
GROUP_SIZE, _FEWEST, _GROUPS = 128, 2, 8
"""Inputs per synthetic group, the minimum for an expensive network, and the number of groups."""
_TRIED = 3
"""Batch size of the run that lists a network's operators; an operator that mixes images changes the first axis."""
_ADJOINT_PER_GROUP, _FORWARD_PER_GROUP, _MOST_WORK = 10**10, 3 * 10**10, 10**12
"""Affordable float64 products: for a group's gradients, for a group's forward passes alone, and in total.

Two cores compute about 3e9 per second.
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to find the limits.

    Attributes:
        method: ``adjoint`` or ``self-calibrated``.
        reason: why the adjoint bound is not used; empty if it is.
        group_size: affordable number of inputs per synthetic group.
        inapplicable: the adjoint bound does not apply to the network, whatever the cost.
    """

    method: Method
    reason: str
    group_size: int
    inapplicable: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """Logits and limits for N inputs.

    Attributes:
        exact: float64[N, K] logits of the module in float64.
        eager: float32[N, K] logits of the module in float32.
        limits: float64[N, K], the largest |logit − exact| that passes.
    """

    exact: "NDArray[np.float64]"
    eager: "NDArray[np.float32]"
    limits: "NDArray[np.float64]"


def plan(network: "nn.Module", shape: tuple[int, int, int], images: int) -> Plan:
    """Choose the method for the limits.

    Args:
        network: in eval mode, in float32.
        shape: (channels, height, width) of its input.
        images: number of real images that will be measured.
    """
    import torch

    with standard_settings():
        own = {id(tensor): name for name, tensor in [*network.named_parameters(), *network.named_buffers()]}
        tape = without_dead_steps(record(network, torch.zeros(_TRIED, *shape), own))
    reason = inapplicable_reason(tape)
    if any(is_affine(step) and weight_of(step) is None for step in tape.steps):
        reason = "it computes weights before it uses them"
    work = sum(_products(step) for step in tape.steps if is_affine(step)) // _TRIED
    few = _affordable(_FORWARD_PER_GROUP, work)
    if reason is not None:
        return Plan("self-calibrated", reason, few, inapplicable=True)
    per_image = work * tape.values[tape.output].shape[1]
    group_size = _affordable(_ADJOINT_PER_GROUP, per_image)
    total = per_image * (images + _GROUPS * group_size)
    if total > _MOST_WORK:
        reason = f"the adjoint bound would take {total:.1e} products, and {_MOST_WORK:.0e} are affordable"
        return Plan("self-calibrated", reason, few)
    return Plan("adjoint", "", group_size)


def measure(
    float32: "nn.Module",
    float64: "Float64Network",
    inputs: "NDArray[np.float32]",
    method: Method,
    *,
    extreme: bool = False,
) -> Measured:
    """Run a network in both precisions and find the limits.

    Args:
        float32: the network in eval mode.
        float64: the same network, computing in float64.
        inputs: float32[N, C, H, W].
        method: as chosen by ``plan``.
        extreme: on these inputs, eager float32 itself may overflow or lose most of its digits.

    Raises:
        InputError: the network's code raised an error.
        LenetxError: eager's error is too large to calibrate a limit.
    """
    import torch

    from ..execution.carrier import Watch

    pairs = _pairs(float32, float64)
    free: queue.SimpleQueue[Pair] = queue.SimpleQueue()
    for pair in pairs:
        free.put(pair)

    def one(part: "Tensor") -> "tuple[Tensor, Tensor, Tensor, Tensor | None]":
        pair = free.get()
        try:
            return answers(*pair, part)
        finally:
            free.put(pair)

    def answers(
        single: "nn.Module", double: "Float64Network", part: "Tensor"
    ) -> "tuple[Tensor, Tensor, Tensor, Tensor | None]":
        sums = LastSums()
        call = call_with_float32_variance if extreme else sums.call if method != "adjoint" else None
        with torch.no_grad():
            with user_code(double.title), contextlib.nullcontext() if call is None else Watch(call):
                eager = single(part.clone()).float()  # the network's code may change its input
            if method != "adjoint":
                return double(part.double()), eager, sums.logits(eager), None
            tape = without_dead_steps(record(double, part.double()))
            return tape.values[tape.output], eager, eager, None if tape.incomplete_reason else limits(tape)

    with standard_settings(), _one_thread_each(len(pairs)) as workers:
        parts = list(workers.map(one, torch.from_numpy(inputs).split(_batch(inputs))))  # type: ignore[no-untyped-call]
    exact, eager, other = (torch.cat(each).numpy() for each in list(zip(*parts, strict=True))[:3])
    bounds = [bound for *_, bound in parts if bound is not None]
    if len(bounds) == len(parts):
        return Measured(exact, eager, torch.cat(bounds).numpy())
    limit = self_calibrated(exact, eager, other, moved=lambda: _moved(float64, inputs, exact), extreme=extreme)
    return Measured(exact, eager, np.full_like(exact, limit))


def _moved(double: "Float64Network", inputs: "NDArray[np.float32]", exact: "NDArray[np.float64]") -> float:
    """Return how far the float64 logits move if each number of the inputs is off by one rounding, up or down."""
    import torch

    signs = np.random.default_rng(0).choice((-UNIT_ROUNDOFF, UNIT_ROUNDOFF), inputs.shape)
    with standard_settings(), torch.no_grad():
        parts = torch.from_numpy(inputs * (1 + signs)).split(_batch(inputs))  # type: ignore[no-untyped-call]
        return float(np.abs(torch.cat([double(part) for part in parts]).numpy() - exact).max())


def _pairs(float32: "nn.Module", float64: "Float64Network") -> "list[Pair]":
    """Return copies of the networks for each worker, sharing tensors but not the state that modules keep of a batch.

    Networks that cannot be copied get one worker.
    """
    try:
        return [(copy_sharing_tensors(float32), float64.copied()) for _ in range(available_cpus())]
    except Exception:  # a custom module that holds a lock or an open file may raise anything
        return [(float32, float64)]


@contextlib.contextmanager
def _one_thread_each(count: int) -> "Iterator[ThreadPoolExecutor]":
    """Yield a pool of workers with one torch thread each.

    Threads that share a small operator wait for each other; on a busy machine, that takes most of the time.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(count) as workers:
            yield workers
    finally:
        torch.set_num_threads(before)


def _affordable(work: int, per_image: int) -> int:
    return max(_FEWEST, min(GROUP_SIZE, work // max(1, per_image)))


def _products(step: "Step") -> int:
    return terms_of(step) * int(step.results[0].numel())


def _batch(inputs: "NDArray[np.float32]") -> int:
    return max(1, min(_BATCH, _NUMBERS // max(1, inputs[0].size if len(inputs) else 1)))
