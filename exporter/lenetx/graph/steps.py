"""The steps of a recorded forward pass, and what can be asked of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Step", "Tape", "live", "trains", "unread"]


@dataclass(frozen=True, slots=True)
class Step:
    """One call of an operator.

    Attributes:
        operator: its name without an overload, such as ``convolution``; an operator in place has its plain name.
        call: the operator itself, out of place.
        leaves: all arguments, lists taken apart, with the tensors that they were.
        spec: how the leaves become arguments again.
        sources: value by the position of its leaf, for each leaf that is one.
        results: all that it gave.
        outputs: the values that these are; ``None`` for what is no tensor of fractions.
        names: of the tensors among the leaves that are the network's own, by position; where one was turned round or
            reshaped first, ``:``, the operator, ``/``, its input's axes, ``/``, and the new order of these axes.
        computed: what was computed of it once and is needed again.
    """

    operator: str
    call: Callable[..., Any]
    leaves: tuple[Any, ...]
    spec: Any
    sources: Mapping[int, int]
    results: tuple[Any, ...]
    outputs: tuple[int | None, ...]
    names: Mapping[int, str] = field(default_factory=dict)
    computed: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def again(self, replaced: "Mapping[int, Tensor] | None" = None) -> "tuple[Tensor, ...]":
        """Call the operator again, with other tensors at some positions, and give its outputs as a tuple."""
        from torch.utils._pytree import tree_unflatten

        replaced = replaced or {}
        leaves = [replaced.get(place, leaf) for place, leaf in enumerate(self.leaves)]
        args, kwargs = tree_unflatten(leaves, self.spec)
        found = self.call(*args, **kwargs)
        return tuple(found) if isinstance(found, list | tuple) else (found,)

    def argument(self, name: str) -> Any:
        """Return an argument by its name in the operator's schema, or its default."""
        from torch.utils._pytree import tree_unflatten

        args, kwargs = tree_unflatten(list(self.leaves), self.spec)
        schema = self.call._schema.arguments  # type: ignore[attr-defined]  # of an OpOverload
        for place, each in enumerate(schema):
            if each.name == name:
                return args[place] if place < len(args) else kwargs.get(name, each.default_value)
        raise KeyError(name)


@dataclass(frozen=True, slots=True)
class Tape:
    """All steps of one forward pass.

    Attributes:
        steps: in order; only those whose result depends on the input.
        values: every tensor that does, the input first, each with the batch as its first axis.
        output: position of the logits among the values.
        problem: why the steps are not all that the network did, or ``None``.
    """

    steps: tuple[Step, ...]
    values: "tuple[Tensor, ...]"
    output: int
    problem: str | None = None


def unread(tape: Tape) -> list[str]:
    """Return the operators of a tape whose results no later one of it reads.

    Some of torch's operators read numbers without calling another: what these decide stands in no step.
    """
    wanted, found = {tape.output}, []
    for step in reversed(tape.steps):
        if wanted.isdisjoint(step.outputs):
            found.append(step.operator)
        else:
            wanted.update(step.sources.values())
    return found[::-1]


def live(tape: Tape) -> Tape:
    """Return the tape without the steps that do not reach the output, as those of a second output that is not taken.

    What gives whole numbers or truth values stays: a tape does not show where all of these go.
    """
    wanted, leaves, kept = {tape.output}, set[int](), []
    for step in reversed(tape.steps):
        beside = [id(each) for each, place in zip(step.results, step.outputs, strict=True) if place is None]
        seen = leaves.isdisjoint(beside) if step.operator.startswith("max_pool") else not beside
        if seen and wanted.isdisjoint(step.outputs):
            continue
        wanted.update(step.sources.values())
        leaves.update(map(id, step.leaves))
        kept.append(step)
    return tape if tape.problem else replace(tape, steps=tuple(kept[::-1]))


def trains(step: Step) -> bool:
    """Return whether an operator runs as in training: it draws random numbers, or takes statistics of the batch."""
    if step.operator in ("native_dropout", "bernoulli", "bernoulli_", "rand_like", "randn_like"):
        return True
    arguments = step.call._schema.arguments  # type: ignore[attr-defined]  # of an OpOverload
    return any(each.name in ("training", "train", "use_input_stats") and step.argument(each.name) for each in arguments)
