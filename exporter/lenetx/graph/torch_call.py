"""One call of an operator of PyTorch as its schema describes it, with expressions for its tensors."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .expression import Expression, Strange, number

if TYPE_CHECKING:
    from .tape import Step

__all__ = ["Call"]

_REQUIRED = object()


class Call:
    """The arguments by name; each is taken once, and what is left at the end must be as it is by default.

    Args:
        step: of a tape.
        leaves: its leaves, with expressions for the tensors.
        count: of images in the batch.
    """

    def __init__(self, step: "Step", leaves: Sequence[Any], count: int) -> None:
        from torch.utils._pytree import tree_unflatten

        args, kwargs = tree_unflatten(list(leaves), step.spec)
        self._schema = step.call._schema.arguments  # type: ignore[attr-defined]  # of an OpOverload
        self._left = {each.name: args[place] for place, each in enumerate(self._schema[: len(args)])} | kwargs
        self._defaults = {each.name: each.default_value for each in self._schema if each.has_default_value()}
        self.count, self.sizes = count, list(getattr(step.results[0], "shape", ()))
        """Of images in the batch; and of all axes of the first output."""
        self._step = step

    def keeps_numbers(self) -> bool:
        """Return whether the output is the first argument's memory, read in the same order."""
        given, found = self._step.leaves[0], self._step.results[0]
        wide = [place for place, size in enumerate(found.shape) if size > 1]
        return (
            found.shape == given.shape
            and found.storage_offset() == given.storage_offset()
            and all(found.stride(place) == given.stride(place) for place in wide)
        )

    def has(self, name: str) -> bool:
        """Return whether this overload of the operator has an argument."""
        return any(each.name == name for each in self._schema)

    def take(self, name: str) -> Any:
        """Return an argument as it is."""
        if name in self._left:
            return self._left.pop(name)
        if name in self._defaults:
            return self._defaults[name]
        raise Strange(f"no {name}")

    def drop(self, *names: str) -> None:
        """Pass over arguments that mean nothing to the result."""
        for name in names:
            self._left.pop(name, None)

    def value(self, name: str = "self") -> Expression:
        """Return a tensor, or a number as one."""
        found = self.optional(name)
        if found is None:
            raise Strange(f"no {name}")
        return found

    def optional(self, name: str) -> Expression | None:
        """Return a tensor, a number as one, or ``None``."""
        found = self.take(name)
        if isinstance(found, bool) or not isinstance(found, Expression | int | float | None):
            raise Strange(f"its {name} is no tensor")
        return number(found) if isinstance(found, int | float) else found

    def values(self, name: str) -> list[Expression]:
        """Return a list of tensors."""
        found = self.take(name)
        if not isinstance(found, list | tuple) or not all(isinstance(each, Expression) for each in found):
            raise Strange(f"its {name} are no tensors")
        return list(found)

    def scalar(self, name: str) -> float:
        """Return a number."""
        found = self.optional_scalar(name)
        if found is None:
            raise Strange(f"no {name}")
        return found

    def optional_scalar(self, name: str) -> float | None:
        """Return a number or ``None``."""
        found = self.optional(name)
        if found is not None and found.operator != "number":
            raise Strange(f"its {name} is no number")
        return None if found is None else float(found.attributes["value"])

    def whole(self, name: str) -> int:
        """Return a whole number."""
        found = self.take(name)
        if type(found) is not int:
            raise Strange(f"its {name} is no whole number")
        return found

    def wholes(self, name: str, count: int | None = None) -> list[int]:
        """Return whole numbers, one for all if there is only one and ``count`` are wanted."""
        found = self.take(name)
        each = list(found) if isinstance(found, list | tuple) else [found]
        if not all(type(size) is int for size in each):
            raise Strange(f"its {name} are no whole numbers")
        return each * count if count and len(each) == 1 else each

    def flag(self, name: str) -> bool:
        """Return what is true or false."""
        return bool(self.take(name))

    def finish(self) -> None:
        """See that nothing is left.

        Raises:
            Strange: an argument was not looked at.
        """
        for name, value in self._left.items():
            usual = self._defaults.get(name, _REQUIRED)
            if isinstance(value, Expression) or type(value) is not type(usual) or value != usual:
                raise Strange(f"its {name} is {'a tensor' if isinstance(value, Expression) else value}")
