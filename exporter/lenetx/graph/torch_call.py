"""Read the arguments of one PyTorch operator call by its schema, with expressions for tensors."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .expression import Expression, Unsupported, number

if TYPE_CHECKING:
    from .tape import Step

__all__ = ["Call"]

_REQUIRED = object()


class Call:
    """The arguments of a call by name; call ``finish`` after reading them.

    Args:
        step: from a tape.
        leaves: the step's leaves, with expressions for tensors.
        count: number of images in the batch.
    """

    def __init__(self, step: "Step", leaves: Sequence[Any], count: int) -> None:
        from torch.utils._pytree import tree_unflatten

        args, kwargs = tree_unflatten(list(leaves), step.spec)
        self._schema = step.call._schema.arguments  # type: ignore[attr-defined]  # of an OpOverload
        self._left = {each.name: args[place] for place, each in enumerate(self._schema[: len(args)])} | kwargs
        self._defaults = {each.name: each.default_value for each in self._schema if each.has_default_value()}
        self.count, self.sizes = count, list(getattr(step.results[0], "shape", ()))
        """Number of images in the batch, and sizes of all axes of the first output."""
        self._step = step

    def keeps_numbers(self) -> bool:
        """Return whether the output has the first argument's memory in the same order."""
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
        """Return an argument unchanged, or its default.

        Raises:
            Unsupported: the argument is absent and has no default.
        """
        if name in self._left:
            return self._left.pop(name)
        if name in self._defaults:
            return self._defaults[name]
        raise Unsupported(f"no {name}")

    def drop(self, *names: str) -> None:
        """Ignore arguments that do not affect the result."""
        for name in names:
            self._left.pop(name, None)

    def value(self, name: str = "self") -> Expression:
        """Return a tensor argument; a number becomes an expression."""
        found = self.optional(name)
        if found is None:
            raise Unsupported(f"no {name}")
        return found

    def optional(self, name: str) -> Expression | None:
        """Return a tensor argument or ``None``; a number becomes an expression."""
        found = self.take(name)
        if isinstance(found, bool) or not isinstance(found, Expression | int | float | None):
            raise Unsupported(f"its {name} is no tensor")
        return number(found) if isinstance(found, int | float) else found

    def values(self, name: str) -> list[Expression]:
        """Return an argument that is a list of tensors."""
        found = self.take(name)
        if not isinstance(found, list | tuple) or not all(isinstance(each, Expression) for each in found):
            raise Unsupported(f"its {name} are no tensors")
        return list(found)

    def scalar(self, name: str) -> float:
        """Return a numeric argument."""
        found = self.optional_scalar(name)
        if found is None:
            raise Unsupported(f"no {name}")
        return found

    def optional_scalar(self, name: str) -> float | None:
        """Return a numeric argument or ``None``."""
        found = self.optional(name)
        if found is not None and found.operator != "number":
            raise Unsupported(f"its {name} is no number")
        return None if found is None else float(found.attributes["value"])

    def whole(self, name: str) -> int:
        """Return an integer argument."""
        found = self.take(name)
        if type(found) is not int:
            raise Unsupported(f"its {name} is no whole number")
        return found

    def wholes(self, name: str, count: int | None = None) -> list[int]:
        """Return an argument of one or more integers; a single one is repeated ``count`` times."""
        found = self.take(name)
        each = list(found) if isinstance(found, list | tuple) else [found]
        if not all(type(size) is int for size in each):
            raise Unsupported(f"its {name} are not whole numbers")
        return each * count if count and len(each) == 1 else each

    def flag(self, name: str) -> bool:
        """Return a boolean argument."""
        return bool(self.take(name))

    def finish(self) -> None:
        """Check that every argument was read or has its default value.

        Raises:
            Unsupported: an argument was not read and differs from its default.
        """
        for name, value in self._left.items():
            usual = self._defaults.get(name, _REQUIRED)
            if isinstance(value, Expression) or type(value) is not type(usual) or value != usual:
                raise Unsupported(f"its {name} is {'a tensor' if isinstance(value, Expression) else value}")
