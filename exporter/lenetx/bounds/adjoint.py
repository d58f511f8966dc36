"""Bound how far float32 rounding can move each logit, to first order, from the adjoint of the network.

With g = ∂logitₖ/∂z for every number z that is rounded, and r = |g| · noise(z),

    |Δlogitₖ| ≤ λu·√( Σ_channels (Σ_positions r)² ),    λ = √(2 ln(2/δ))

fails with probability at most δ per logit, if rounding errors have mean zero and are independent between channels
(Hoeffding 1963 for sums of bounded independent numbers; Higham & Mary 2019, A New Approach to Probabilistic Rounding
Error Analysis, for rounding itself). Within a channel all positions share their weights, and on a constant image their
errors are equal, so there they are added up.
"""

import math
from collections import Counter
from typing import TYPE_CHECKING

from ..graph.tape import Step, Tape
from .operators import Carrying, is_affine, known, operator_of
from .units import UNIT_ROUNDOFF

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["CHANCE", "LAMBDA", "inapplicable_reason", "limits"]

CHANCE = 1e-12
"""δ: the probability of a false alarm per logit, if the assumptions hold."""
LAMBDA = math.sqrt(2 * math.log(2 / CHANCE))
_MOST_NUMBERS = 2**25
"""Maximum number of elements in one gradient tensor, to limit memory."""


def inapplicable_reason(tape: Tape) -> str | None:
    """Return why the bound does not apply to a recorded network, or ``None`` if it does."""
    if tape.incomplete_reason:
        return tape.incomplete_reason
    strange = sorted({step.operator for step in tape.steps if not known(step.operator) or not _is_usual(step)})
    if strange:
        return f"the bound does not know {', '.join(strange)}"
    batch = tape.values[0].shape[:1]
    if any(tape.values[value].shape[:1] != batch for value in _read(tape)):
        return "an operator mixes the images of a batch"
    return None


def limits(tape: Tape) -> "Tensor":
    """Return the largest |Δlogit| that rounding can explain, as float64[N, K].

    Args:
        tape: the float64 network, recorded on N inputs; ``inapplicable_reason`` must return ``None`` for it.
    """
    import torch

    with torch.no_grad():
        return LAMBDA * UNIT_ROUNDOFF * _sums_of_squares(tape).sqrt().t()


def _sums_of_squares(tape: Tape) -> "Tensor":
    import torch

    output = tape.values[tape.output]
    errors, noises = _forward(tape)
    count = output.shape[1]
    widest = max(value.numel() for value in tape.values)
    at_once = max(1, min(count, _MOST_NUMBERS // widest))
    parts = []
    for start in range(0, count, at_once):
        seeds = torch.eye(count, dtype=output.dtype)[start : start + at_once]
        gradient = seeds.unsqueeze(1).expand(-1, len(output), -1)
        parts.append(_backward(tape, gradient, errors, noises))
    return torch.cat(parts)


def _forward(tape: Tape) -> "tuple[dict[int, Tensor], dict[int, Tensor]]":
    """Return each value's error bound, which restarts at every affine layer, and the noise of each value that has any.

    If only one operator reads a value, its noise moves to that operator's output, which pooling makes smaller.
    """
    errors: dict[int, Tensor] = {}
    noises: dict[int, Tensor] = {}
    reads = Counter([tape.output, *(value for step in tape.steps for value in step.sources.values())])
    for step in tape.steps:
        operator, output, source = operator_of(step.operator), step.outputs[0], step.sources.get(0)
        assert output is not None
        given = _errors_of(step, errors)
        errors[output] = operator.worst(step, {} if is_affine(step) else given)
        noise = operator.noise(step)
        if noise is None and isinstance(operator, Carrying) and source in noises and reads[source] == 1:
            noise = operator.carry(step, noises[source], given)
            if noise is not None:
                del noises[source]
        if noise is not None:
            noises[output] = noise
    return errors, noises


def _backward(tape: Tape, gradient: "Tensor", errors: "dict[int, Tensor]", noises: "dict[int, Tensor]") -> "Tensor":
    """Return Σ_channels (Σ_positions |g|·noise)² as [K, N]."""
    import torch

    gradients = {tape.output: gradient}
    total = gradient.new_zeros(gradient.shape[:2])
    first = min(noises, default=0)
    for step in reversed(tape.steps):
        output = step.outputs[0]
        assert output is not None
        given = gradients.pop(output, None)
        if given is None:
            continue
        if output in noises:
            last = output == first and given.is_contiguous()  # not read again, and the largest: saves a copy
            sizes = given.abs_() if last else given.abs()
            shares = torch.einsum("kncp,ncp->knc", _by_channel(sizes, 2), _by_channel(noises[output], 1))
            total += shares.square().sum(2)
        if output == first:
            break
        operator = operator_of(step.operator)
        found = operator.pull_back(step, given, _errors_of(step, errors))
        for position, each in found.items():
            value = step.sources[position]
            gradients[value] = gradients[value] + each if value in gradients else each
    return total


def _by_channel(values: "Tensor", before: int) -> "Tensor":
    """Reshape to [(K,) N, C, P], with one axis for all positions of a channel."""
    return values.unsqueeze(-1) if values.ndim == before + 1 else values.flatten(before + 1)


def _errors_of(step: Step, errors: "dict[int, Tensor]") -> "dict[int, Tensor]":
    return {place: errors[value] for place, value in step.sources.items() if value in errors}


def _is_usual(step: Step) -> bool:
    """Return whether the bound covers a known operator with the arguments of this call."""
    if step.operator.endswith("convolution") and step.argument("transposed"):
        return False
    if step.operator == "addmm":
        return set(step.sources) == {1} and step.argument("alpha") == step.argument("beta") == 1
    if is_affine(step):
        return set(step.sources) == {0}
    if step.operator == "native_batch_norm":
        return not step.argument("training") and set(step.sources) == {0}
    if step.operator == "dropout":
        return not step.argument("train")
    return _is_plain(step)


def _is_plain(step: Step) -> bool:
    """Return whether an elementwise operator is called without arguments that change what it computes."""
    arguments = {each.name for each in step.call._schema.arguments}  # type: ignore[attr-defined]  # of an OpOverload
    if "rounding_mode" in arguments and step.argument("rounding_mode") is not None:
        return False
    if step.operator in ("add", "sub") and step.argument("alpha") != 1:
        return False
    return step.operator != "clamp" or not any(hasattr(step.argument(name), "shape") for name in ("min", "max"))


def _read(tape: Tape) -> set[int]:
    """Return the values that the logits can depend on; the statistics that a batch norm returns are never read."""
    return {tape.output, *(value for step in tape.steps for value in step.sources.values())}
