"""Represent the steps of a recorded forward pass, and answer questions about them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Step", "Tape", "unread", "without_dead_steps"]


@dataclass(frozen=True, slots=True)
class Step:
    """One call of an operator.

    Attributes:
        operator: its name without the overload, such as ``convolution``; in-place operators have the out-of-place name.
        call: the operator itself, out of place.
        leaves: all arguments, with lists flattened, and with tensors as they were before the call.
        spec: the pytree structure that turns leaves back into arguments.
        sources: index in ``Tape.values`` by position of the leaf, for each leaf that is such a value.
        results: everything that the call returned.
        outputs: the results' indices in ``Tape.values``; ``None`` for a result that is not a float tensor.
        names: by position, the name of each leaf that is a parameter or buffer of the network; each transpose, reshape
            or copy before the call appends ``:operator/axes/order``, with the axes of its input and their new order.
        computed: a cache for intermediate results that are needed again.
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

    def rerun(self, replaced: "Mapping[int, Tensor] | None" = None) -> "tuple[Tensor, ...]":
        """Call the operator again, with other tensors at some positions, and return its outputs as a tuple."""
        from torch.utils._pytree import tree_unflatten

        replaced = replaced or {}
        leaves = [replaced.get(place, leaf) for place, leaf in enumerate(self.leaves)]
        args, kwargs = tree_unflatten(leaves, self.spec)
        found = self.call(*args, **kwargs)
        return tuple(found) if isinstance(found, list | tuple) else (found,)

    def argument(self, name: str) -> Any:
        """Return an argument, or its default, by its name in the operator's schema.

        Raises:
            KeyError: the operator has no such argument.
        """
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
        values: the input, then every float tensor that depends on it.
        output: index of the logits in ``values``.
        incomplete_reason: why the steps do not show everything that the network did, or ``None``.
    """

    steps: tuple[Step, ...]
    values: "tuple[Tensor, ...]"
    output: int
    incomplete_reason: str | None = None


def unread(tape: Tape) -> list[str]:
    """Return the operators of a tape whose results no later step reads.

    Some operators of torch read numbers without calling another operator; no step shows what depends on them.
    """
    wanted, found = {tape.output}, []
    for step in reversed(tape.steps):
        if wanted.isdisjoint(step.outputs):
            found.append(step.operator)
        else:
            wanted.update(step.sources.values())
    return found[::-1]


def without_dead_steps(tape: Tape) -> Tape:
    """Return the tape without the steps that do not reach the output, such as those of an unused second output.

    Steps that return integers or booleans stay, because a tape does not show every use of these.
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
    return tape if tape.incomplete_reason else replace(tape, steps=tuple(kept[::-1]))
