"""Compute a reduced model's logits in float64, and how far from them an engine may be.

**int8.** Between two quantizations, numbers are floats: an engine's error there is at most what running error analysis
gives (Wilkinson 1963), with the probabilistic bound of ``bounds.affine.likely_error`` for sums. A quantization rounds
all of that away, unless a number is so close to a tie between two integers that the error may take it to the other
side. Of every such number, and of all of a quantization or of an image together, the logits are computed once more with
the other integer, and twice the sum of the changes is added to the errors of the last layer: twice, because a change
may itself move later numbers over a tie.

**float16.** Numbers are stored in float16 and summed in float32, and the limit is that of ``bounds.adjoint``.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from ..bounds.adjoint import inapplicable_reason, limits
from ..bounds.affine import likely_error
from ..bounds.measure import Measured
from ..bounds.operators import is_affine, known, operator_of
from ..errors import InputError
from ..graph.expression import plain
from ..graph.tape import Step, Tape, record
from .program import QUANTIZE, Program
from .reduce import FLOAT16_LARGEST
from .ties import changes, near, ties_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

__all__ = ["Quantized", "measure", "quantized", "require_known"]

_BATCH, _NUMBERS = 40, 2**16
_SECOND = 2.0


class Quantized(NamedTuple):
    """The comparison of one quantization with an engine's integers.

    Attributes:
        name: of the tensor.
        units: numbers compared.
        wrong: numbers that differ although they are not near a tie.
        most: the largest difference among those, in steps.
        beyond: share of the numbers that int8 cuts off, and that a Relu or Clip after it does not cut off anyway.
    """

    name: str
    units: int
    wrong: int
    most: float
    beyond: float


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

    exact, allowed, overflows = [], [], []
    with torch.no_grad():
        for part in _parts(inputs):
            tape = record(program, part)
            logits = tape.values[tape.output]
            exact.append(logits)
            allowed.append(_int8_limits(program, part, tape) if program.is_int8 else limits(tape))
            overflows.append(_overflows(program, tape))
    found = torch.cat(exact).numpy()
    eager = found.astype(np.float32)
    eager[torch.cat(overflows).numpy()] = np.inf
    return Measured(found, eager, torch.cat(allowed).numpy())


def quantized(
    program: Program, inputs: "NDArray[np.float32]", integers: "Mapping[str, NDArray[np.int8]]"
) -> tuple[Quantized, ...]:
    """Compare an engine's int8 numbers with float64; each tensor is computed from the engine's numbers of those before.

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
                found.setdefault(name, []).append(_compared(name, step, errors, own[name], program.activation(name)))
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
            if value.shape[:1] == beyond.shape:  # a batch norm also returns statistics
                beyond |= ~(value.reshape(len(value), -1).abs().amax(1) < FLOAT16_LARGEST)
    return beyond


def _int8_limits(program: Program, part: "Tensor", tape: Tape) -> "Tensor":
    errors = _errors(tape)
    steps = [step for step in tape.steps if step.operator == QUANTIZE]
    ties = [ties_of(step, _given(step, errors).get(0)) for step in steps]
    return errors[tape.output] + _SECOND * changes(program, part, tape.values[tape.output], ties)


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


def _compared(
    name: str,
    step: Step,
    errors: "Mapping[int, Tensor]",
    integers: "Tensor",
    activation: "Callable[[Tensor], Tensor]",
) -> Quantized:
    import torch

    inputs, scale, zero, least, most = step.leaves
    is_near, other = near(step, _given(step, errors).get(0))
    right = (torch.round(inputs / scale) + zero).clamp(least, most)
    difference = integers - right
    wrong = (difference != 0) & ~(is_near & (difference == other))
    scaled = activation(inputs) / scale + zero
    beyond = (scaled < least - 0.5) | (scaled > most + 0.5)
    worst = float(difference[wrong].abs().max()) if wrong.any() else 0.0
    return Quantized(name, integers.numel(), int(wrong.sum()), worst, float(beyond.double().mean()))
