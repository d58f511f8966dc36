"""Compare the float32 result of each affine layer with float64, on the layer's actual inputs.

The network runs in float64, but the result of every affine layer is replaced by the float32 result under test. So each
layer reads what the layers before it actually returned, and an error shows only in the layer that makes it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..graph.tape import Step, Tape, record, without_dead_steps
from .operators import is_affine, operator_of

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["OUTPUT", "Layer", "check_layers", "weight_of"]

OUTPUT = "output"
"""Name for the part of the network after the last affine layer."""


@dataclass(frozen=True, slots=True)
class Layer:
    """The comparison of one layer on some inputs.

    Attributes:
        name: the name of its weight without the last part, such as ``conv1``.
        units: number of values compared.
        share: the largest error ÷ its bound; infinite if a value is not finite.
        broken: number of values that exceed their bounds.
    """

    name: str
    units: int
    share: float
    broken: int


def weight_of(step: Step) -> str | None:
    """Return the name of the weight of an affine step, or ``None`` for any other step."""
    if not is_affine(step):
        return None
    named = {place: name.split(":")[0] for place, name in step.names.items()}
    weight = 2 if step.operator == "addmm" else 1
    return named.get(weight)


def check_layers(
    run: "Callable[[Tensor], Tensor]",
    inputs: "Tensor",
    names: Mapping[int, str],
    given: "Mapping[str, Sequence[Tensor]]",
    logits: "Tensor",
) -> "tuple[Layer, ...] | str":
    """Compare the results of each affine layer with float64.

    Args:
        run: the network in float64, with folded batch norms.
        inputs: float64[N, C, H, W].
        names: names of the network's tensors, by ``id``.
        given: the layers' results under test as float64, by the name of the weight, one for each call; repeated calls
            on the same inputs may have been merged.
        logits: the network's output under test, float64[N, K].

    Returns:
        The layers in the order of their calls, or why they cannot be compared.
    """
    left = {name: list(results) for name, results in given.items()}
    done: list[tuple[Step, Tensor]] = []

    def override(step: Step) -> "Tensor | None":
        name = weight_of(step)
        results = left.get(name, []) if name else []
        before = next((result for earlier, result in done if name and _is_repeated(step, earlier)), None)
        if results and results[0].shape == step.results[0].shape and _may_be(before, results[0]):
            before = results.pop(0)
            done.append((step, before))
        return before

    tape = without_dead_steps(record(run, inputs, names, override))
    missing = [name for name in map(weight_of, tape.steps) if name is not None and name not in given]
    if missing or any(left.values()):
        unmatched = ", ".join(sorted({*missing, *(name for name, results in left.items() if results)}))
        return f"its layers are not those of the network: {unmatched}"
    return _check(tape, logits)


def _is_repeated(step: Step, earlier: Step) -> bool:
    """Return whether two affine steps are the same call on equal arguments."""
    import torch

    if step.operator != earlier.operator or len(step.leaves) != len(earlier.leaves):
        return False
    return all(
        torch.equal(one, other) if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor) else one == other
        for one, other in zip(step.leaves, earlier.leaves, strict=True)
    )


def _may_be(before: "Tensor | None", result: "Tensor") -> bool:
    """Return whether a result may belong to a call; a repeated call must return the same result as before."""
    import torch

    return before is None or torch.equal(before, result)


def _check(tape: Tape, logits: "Tensor") -> "tuple[Layer, ...]":
    import torch

    errors: dict[int, Tensor] = {}
    layers: list[Layer] = []
    with torch.no_grad():
        for step in tape.steps:
            output = step.outputs[0]
            assert output is not None
            known = {place: errors[value] for place, value in step.sources.items() if value in errors}
            worst = operator_of(step.operator).worst(step, known)
            name = weight_of(step)
            if name is None:
                errors[output] = worst
            else:
                layers.append(_compare(name.rpartition(".")[0] or name, step.results[0], step.rerun()[0], worst))
            step.computed.clear()
        last = tape.values[tape.output]
        if logits.shape != last.shape:
            return (*layers, Layer(OUTPUT, logits.numel(), float("inf"), logits.numel()))
        layers.append(_compare(OUTPUT, logits, last, errors.get(tape.output, torch.zeros_like(last))))
    return tuple(layers)


def _compare(name: str, found: "Tensor", right: "Tensor", bound: "Tensor") -> Layer:
    import torch

    error = (found - right).abs()
    share = torch.where(error == 0, 0.0, error / bound)  # a bound of 0 allows an error of 0
    broken = int((~(share <= 1)).sum())  # NaN counts as broken
    worst = float("inf") if bool(share.isnan().any()) else float(share.max()) if share.numel() else 0.0
    return Layer(name, found.numel(), worst, broken)
