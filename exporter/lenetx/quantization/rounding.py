"""Compute a reduced model's logits in float64, and how far from them an engine may be.

**int8.** Between two quantizations, numbers are floats: an engine's error there is at most what running error analysis
gives (Wilkinson 1963), with the probabilistic bound of ``bounds.affine.likely_error`` for sums. A quantization rounds
all of that away, unless a number is so close to a tie between two integers that the error may take it to the other
side. Of every such number, the logits are computed once more with the other integer, and twice the sum of the changes
is added to the errors of the last layer: twice, because a change may itself move later numbers over a tie.

**float16.** Numbers are stored in float16 and summed in float32, and the limit is that of ``bounds.adjoint``.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..bounds.adjoint import inapplicable_reason, limits
from ..bounds.affine import likely_error
from ..bounds.measure import Measured
from ..bounds.operators import is_affine, known, operator_of
from ..bounds.units import UNIT_ROUNDOFF
from ..errors import InputError
from ..graph.expression import plain
from ..graph.tape import Step, Tape, record
from .program import QUANTIZE, Program
from .reduce import FLOAT16_LARGEST

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

__all__ = ["Quantized", "measure", "quantized", "require_known"]

_BATCH, _NUMBERS = 40, 2**16
_TOGETHER = 64
"""Numbers near a tie whose logits are computed in one batch."""
_MOST = 32
"""Numbers near a tie of one image that are tried one by one; of more, so many evenly spread ones stand for all."""
_SCALING = 8 * UNIT_ROUNDOFF
"""Relative error of a division by a scale, or of the product with a quotient of scales that fused operators use."""
_SECOND = 2.0


class Quantized(NamedTuple):
    """The comparison of one quantization with an engine's integers.

    Attributes:
        name: of the tensor.
        units: numbers compared.
        wrong: numbers that differ although they are not near a tie.
        most: the largest difference among those, in steps.
        beyond: share of the numbers that int8 cuts off, except negative ones that only Relu reads.
    """

    name: str
    units: int
    wrong: int
    most: float
    beyond: float


class _Ties(NamedTuple):
    """Numbers of one quantization that an engine may round to another integer.

    Attributes:
        rows, positions: int64[F], the image and the position within it.
        deltas: float64[F], what the other integer adds.
    """

    rows: "Tensor"
    positions: "Tensor"
    deltas: "Tensor"


def require_known(program: Program, shape: tuple[int, int, int]) -> None:
    """Check that the program runs, that it keeps images apart, and that the rounding of every operator is known.

    Args:
        program: of a reduced model.
        shape: (channels, height, width) of its input.

    Raises:
        InputError: it does not, or of one it is not; the message names it.
    """
    import torch

    images = torch.zeros(3, *shape, dtype=torch.float64)
    try:
        with torch.no_grad():
            reason = _inapplicable_reason(program, record(program, images))
    except InputError:
        raise
    except Exception as error:  # torch raises several classes for axes and sizes that it reads otherwise than ONNX
        reason = f"its graph does not run in float64: {plain(str(error).partition(chr(10))[0]).rstrip('.')}"
    if reason is not None:
        raise InputError(f"Its arithmetic cannot be proven in reduced precision: {reason}. Export it in float32.")


def _inapplicable_reason(program: Program, tape: Tape) -> str | None:
    if not program.is_int8:
        return inapplicable_reason(tape)
    strange = sorted({step.operator for step in tape.steps if step.operator != QUANTIZE and not known(step.operator)})
    if strange:
        return f"the bound does not know {', '.join(strange)}"
    rows = [len(step.results[0]) for step in tape.steps if step.operator == QUANTIZE]
    if len(rows) != len(program.quantized):
        return "weights are computed and quantized anew for each batch, as those of dense layers of more than 2 axes"
    if any(count != len(tape.values[0]) for count in rows):
        return "an operator mixes the images of a batch"
    return tape.incomplete_reason


def measure(program: Program, inputs: "NDArray[np.float32]") -> Measured:
    """Compute float64[N, K] logits and limits for float32[N, C, H, W] inputs.

    ``eager`` holds the same logits in float32, or infinity where a number is beyond the range of float16.
    """
    import torch

    exact, near, overflows = [], [], []
    with torch.no_grad():
        for part in _parts(inputs):
            tape = record(program, part)
            logits = tape.values[tape.output]
            exact.append(logits)
            near.append(_int8_limits(program, part, tape) if program.is_int8 else limits(tape))
            overflows.append(_overflows(program, tape))
    found = torch.cat(exact).numpy()
    eager = found.astype(np.float32)
    eager[torch.cat(overflows).numpy()] = np.inf
    return Measured(found, eager, torch.cat(near).numpy())


def quantized(
    program: Program, inputs: "NDArray[np.float32]", integers: "Mapping[str, NDArray[np.int8]]"
) -> tuple[Quantized, ...]:
    """Compare an engine's int8 numbers with float64, each tensor computed from the engine's own numbers before it.

    Args:
        program: of an int8 model.
        inputs: float32[N, C, H, W].
        integers: int8[N, …] by the name of the quantized tensor, for all of them.
    """
    import torch

    found: dict[str, list[Quantized]] = {}
    start = 0
    with torch.no_grad():
        for part in _parts(inputs):
            rows = slice(start, start + len(part))
            own = {name: torch.from_numpy(each[rows]).double() for name, each in integers.items()}
            tape = record(program, part, override=_forced(program, own))
            errors = _errors(tape)
            steps = [step for step in tape.steps if step.operator == QUANTIZE]
            for name, step in zip(program.quantized, steps, strict=True):
                found.setdefault(name, []).append(
                    _compared(name, step, errors, own[name], is_rectified=name in program.rectified)
                )
            start += len(part)
    return tuple(
        Quantized(
            name,
            sum(each.units for each in parts),
            sum(each.wrong for each in parts),
            max(each.most for each in parts),
            sum(each.beyond * each.units for each in parts) / sum(each.units for each in parts),
        )
        for name, parts in found.items()
    )


def _forced(program: Program, integers: "Mapping[str, Tensor]") -> "Callable[[Step], Tensor | None]":
    """Return what lets a program go on with an engine's integers instead of its own."""
    names = iter(program.quantized)

    def override(step: Step) -> "Tensor | None":
        if step.operator != QUANTIZE:
            return None
        _, scale, zero, *_ = step.leaves
        found: Tensor = (integers[next(names)] - zero) * scale
        return found

    return override


def _parts(inputs: "NDArray[np.float32]") -> "tuple[Tensor, ...]":
    import torch

    size = max(1, min(_BATCH, _NUMBERS // max(1, inputs[0].size if len(inputs) else 1)))
    found: tuple[Tensor, ...] = torch.from_numpy(inputs).double().split(size)  # type: ignore[no-untyped-call]
    return found


def _overflows(program: Program, tape: Tape) -> "Tensor":
    """Return bool[N]: where a number is beyond the range of float16, in which the model computes."""
    import torch

    beyond = torch.zeros(len(tape.values[0]), dtype=torch.bool)
    if not program.is_int8:
        for value in tape.values:
            beyond |= ~(value.flatten(1).abs().amax(1) < FLOAT16_LARGEST)
    return beyond


def _int8_limits(program: Program, part: "Tensor", tape: Tape) -> "Tensor":
    errors = _errors(tape)
    steps = [step for step in tape.steps if step.operator == QUANTIZE]
    ties = [_ties(step, _given(step, errors).get(0)) for step in steps]
    return errors[tape.output] + _SECOND * _moved(program, part, tape.values[tape.output], ties)


def _errors(tape: Tape) -> "dict[int, Tensor]":
    """Return the largest error of each value; a value that a quantization returns has none."""
    errors: dict[int, Tensor] = {}
    for step in tape.steps:
        output = step.outputs[0]
        if step.operator == QUANTIZE or output is None:
            continue
        given = _given(step, errors)
        errors[output] = likely_error(step, given) if is_affine(step) else operator_of(step.operator).worst(step, given)
        step.computed.clear()
    return errors


def _given(step: Step, errors: "Mapping[int, Tensor]") -> "dict[int, Tensor]":
    return {place: errors[value] for place, value in step.sources.items() if value in errors}


def _ties(step: Step, error: "Tensor | None") -> _Ties:
    import torch

    near, other = _near(step, error)
    rows, positions = near.flatten(1).nonzero(as_tuple=True)
    return _Ties(rows, positions, torch.as_tensor(other.flatten(1)[rows, positions] * step.leaves[1]))


def _near(step: Step, error: "Tensor | None") -> "tuple[Tensor, Tensor]":
    """Return bool[N, …], where another integer is possible, and float64[N, …], the step to it: -1, 0 or 1."""
    import torch

    inputs, scale, zero, least, most = step.leaves
    scaled = inputs / scale
    reach = _SCALING * scaled.abs() + (0 if error is None else error / scale)
    nearest = torch.round(scaled)
    side = torch.where(scaled >= nearest, 1.0, -1.0)
    other = (nearest + side + zero).clamp(least, most) - (nearest + zero).clamp(least, most)
    return (0.5 - (scaled - nearest).abs() <= reach) & (other != 0), other


def _moved(program: Program, part: "Tensor", logits: "Tensor", ties: "list[_Ties]") -> "Tensor":
    """Return by how much the logits change in all if each number near a tie becomes the other integer."""
    import torch

    total = torch.zeros_like(logits)
    for place, each in enumerate(ties):
        chosen, weight = _chosen(each.rows, len(part))
        for start in range(0, len(chosen), _TOGETHER):
            some = chosen[start : start + _TOGETHER]
            rows = each.rows[some]
            program.nudges = {place: (torch.arange(len(rows)), each.positions[some], each.deltas[some])}
            try:
                changes = (program(part[rows]) - logits[rows]).abs()
            finally:
                program.nudges = {}
            total.index_add_(0, rows, changes * weight[rows].unsqueeze(1))
    return total


def _chosen(rows: "Tensor", images: int) -> "tuple[Tensor, Tensor]":
    """Return which numbers are tried, int64[M], and for how many one of each image stands, float64[N]."""
    import torch

    counts = torch.bincount(rows, minlength=images)
    stride = (counts / _MOST).ceil().clamp(min=1).long()
    first = torch.cumsum(counts, 0) - counts
    place = torch.arange(len(rows)) - first[rows]
    chosen = (place % stride[rows] == 0).nonzero().squeeze(1)
    tried = torch.bincount(rows[chosen], minlength=images).clamp(min=1)
    return chosen, counts / tried


def _compared(
    name: str, step: Step, errors: "Mapping[int, Tensor]", integers: "Tensor", *, is_rectified: bool
) -> Quantized:
    import torch

    inputs, scale, zero, least, most = step.leaves
    near, other = _near(step, _given(step, errors).get(0))
    right = (torch.round(inputs / scale) + zero).clamp(least, most)
    difference = integers - right
    wrong = (difference != 0) & ~(near & (difference == other))
    scaled = inputs / scale + zero
    beyond = (scaled > most + 0.5) if is_rectified else (scaled > most + 0.5) | (scaled < least - 0.5)
    worst = float(difference[wrong].abs().max()) if wrong.any() else 0.0
    return Quantized(name, integers.numel(), int(wrong.sum()), worst, float(beyond.double().mean()))
