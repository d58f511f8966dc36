"""Record what a network does with one batch: the operators in order, each with the values that it reads and returns.

It records below autograd, so a layer, a function and an operator in the network's code look the same, in TorchScript
and in eager PyTorch.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .steps import Step, Tape, unread, without_dead_steps

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Step", "Tape", "record", "unread", "without_dead_steps"]

_TURNS = ("t", "transpose", "permute")
_SAME_NUMBERS = (*_TURNS, "view", "_unsafe_view", "squeeze", "unsqueeze", "detach", "alias", "expand", "repeat")
"""Operators that only reorder, reshape or copy numbers."""


def record(
    run: "Callable[[Tensor], Tensor]",
    inputs: "Tensor",
    names: "Mapping[int, str] | None" = None,
    override: "Callable[[Step], Tensor | None]" = lambda _: None,
) -> Tape:
    """Run a network once without gradients and record every step.

    Args:
        run: the network, in eval mode, eager or TorchScript.
        inputs: [N, C, H, W] in the network's precision.
        names: names of the network's parameters and buffers, by ``id``.
        override: called with each step; if it returns a tensor, the network continues with that as the step's result.
    """
    import torch

    recorder = _Recorder(inputs, names or {}, override)
    with torch.no_grad(), _watch()(recorder):
        output = run(inputs)
    return recorder.tape(output)


@functools.cache
def _watch() -> Any:
    """Return the dispatch mode that passes every operator call to a recorder.

    All recordings share one class: a class per recording would keep its tensors alive until garbage collection.
    """
    from torch.utils._python_dispatch import TorchDispatchMode

    class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __init__(self, recorder: _Recorder) -> None:
            super().__init__()  # type: ignore[no-untyped-call]
            self._recorder = recorder

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return self._recorder.call(func, args, kwargs or {})

    return Watch


class _Recorder:
    """Number the values in the order of their computation, and record the steps between them."""

    def __init__(self, inputs: "Tensor", names: Mapping[int, str], override: "Callable[[Step], Tensor | None]") -> None:
        self._steps: list[Step] = []
        self._values: list[Tensor] = [inputs]
        self._of: dict[int, int] = {id(inputs): 0}
        self._kept: list[Any] = []
        """Keeps every numbered tensor alive, so that no ``id`` is reused."""
        self._beside: set[int] = set()
        """``id`` of each integer or boolean tensor that depends on the input."""
        self._written: set[int] = set()
        """Addresses of constants that a value that depends on the input was written into."""
        self._names, self._override = dict(names), override
        self._incomplete_reason: str | None = None

    def tape(self, output: Any) -> Tape:
        place = self._of.get(id(output))
        if place is None:
            reason = self._incomplete_reason or "its output does not depend on its input"
            return Tape(tuple(self._steps), tuple(self._values), 0, reason)
        return Tape(tuple(self._steps), tuple(self._values), place, self._incomplete_reason)

    def call(self, func: Any, args: Any, kwargs: Any) -> Any:
        import torch
        from torch.utils._pytree import tree_flatten

        leaves, spec = tree_flatten((args, kwargs))
        sources = {place: self._of[id(leaf)] for place, leaf in enumerate(leaves) if id(leaf) in self._of}
        sources = {place: value for place, value in sources.items() if isinstance(leaves[place], torch.Tensor)}
        self._watch_constants(func, leaves)
        changed = [place for place in sources if _is_changed(func, place)]
        for place in changed:
            leaves[place] = self._kept_as_it_is(leaves[place])
        result = func(*args, **kwargs)
        name = func._schema.name.removeprefix("aten::")
        self._kept.append(result)
        is_beside = any(id(leaf) in self._beside for leaf in leaves)
        if (sources or is_beside) and isinstance(result, bool | int | float):
            self._incomplete_reason = f"it reads single numbers of a value ({name})"
        if not sources:
            if is_beside:
                self._follow(name, result)
            else:
                self._name_derived(name, func, leaves, result)
            return result
        if changed:
            name, func = self._out_of_place(name, func, result)
        given = tuple(result) if isinstance(result, list | tuple) else (result,)
        names = {place: self._names[id(leaf)] for place, leaf in enumerate(leaves) if id(leaf) in self._names}
        step = Step(name, func, tuple(leaves), spec, sources, given, (), names)
        other = self._override(step)
        if other is not None:
            result, given = other, (other,)
        outputs = tuple(self._number(each) for each in given)
        self._steps.append(replace(step, results=given, outputs=outputs))
        return result

    def _watch_constants(self, func: Any, leaves: Sequence[Any]) -> None:
        """Detect a value that is written into part of a constant and read from there."""
        import torch

        tensors = {place: leaf for place, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)}
        others = {place: leaf for place, leaf in tensors.items() if id(leaf) not in self._of}
        if self._written and any(_address(leaf) in self._written for leaf in others.values()):
            self._incomplete_reason = "it changes a part of a constant in place"
        if len(others) < len(tensors) or any(id(leaf) in self._beside for leaf in others.values()):
            self._written |= {_address(leaf) for place, leaf in others.items() if _is_changed(func, place)}

    def _kept_as_it_is(self, tensor: "Tensor") -> "Tensor":
        """Replace a tensor that is about to be changed by a copy, in everything recorded so far; return the copy."""
        copy = tensor.clone()

        def kept(items: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(copy if item is tensor else item for item in items)

        self._values = list(kept(tuple(self._values)))
        self._steps = [replace(step, leaves=kept(step.leaves), results=kept(step.results)) for step in self._steps]
        return copy

    def _number(self, result: Any) -> int | None:
        import torch

        if not isinstance(result, torch.Tensor):
            return None
        if not result.is_floating_point():
            self._beside.add(id(result))
            return None
        self._values.append(result)
        self._of[id(result)] = len(self._values) - 1
        return len(self._values) - 1

    def _follow(self, name: str, result: Any) -> None:
        """Track integers and booleans that depend on the input, and record a problem if they become floats again."""
        import torch

        for each in result if isinstance(result, list | tuple) else [result]:
            if isinstance(each, torch.Tensor):
                self._beside.add(id(each))
                if each.is_floating_point():
                    self._incomplete_reason = f"it computes with whole numbers or truth values ({name})"

    def _name_derived(self, name: str, func: Any, leaves: Sequence[Any], result: Any) -> None:
        """Record a transposed, reshaped or copied weight under the name of the weight."""
        named = [self._names[id(leaf)] for leaf in leaves if id(leaf) in self._names]
        if len(named) == 1 and name in _SAME_NUMBERS and func._overloadname != "dtype":
            (given,) = (leaf for leaf in leaves if id(leaf) in self._names)
            order = _order(name, leaves, given.ndim) if name in _TURNS else []
            how = "/".join(",".join(map(str, each)) for each in (given.shape, order))
            self._names[id(result)] = f"{named[0]}:{name}/{how}"

    def _out_of_place(self, name: str, func: Any, result: Any) -> tuple[str, Any]:
        import torch

        storage = result.untyped_storage().data_ptr()
        shared = [each for each in self._values if each is not result and each.untyped_storage().data_ptr() == storage]
        plain = getattr(torch.ops.aten, name.removesuffix("_"), None)
        overload = getattr(plain, func._overloadname, None)
        if shared or overload is None:
            self._incomplete_reason = f"it changes a part of a value in place ({name})"
            return name, func
        return name.removesuffix("_"), overload


def _order(name: str, leaves: Sequence[Any], rank: int) -> list[int]:
    """Return the order of axes that a transposing operator produces."""
    if name == "permute":
        return [axis % rank for axis in leaves[1:]]
    order = list(range(rank))
    first, second = (0, rank - 1) if name == "t" else (axis % rank for axis in leaves[1:])
    order[first], order[second] = order[second], order[first]
    return order


def _address(tensor: "Tensor") -> int:
    import torch

    return tensor.untyped_storage().data_ptr() if tensor.layout == torch.strided else 0


def _is_changed(func: Any, place: int) -> bool:
    alias = func._schema.arguments[place].alias_info if place < len(func._schema.arguments) else None
    return alias is not None and alias.is_write
