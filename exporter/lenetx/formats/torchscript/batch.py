"""Merge two traces of a network, on different images and batch sizes, into one program for any batch size.

A size that differs as the batch sizes do becomes ``-1`` in a reshape, and ``torch.size(image, 0)`` elsewhere. Any other
difference means that the code branches on its input, which straight-line code cannot express.
"""

import hashlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lenetx_runtime import InputError

from ..leaves import leaves
from .code import RESERVED, Constant, Name, Program, Statement
from .trace import Traced, Weight

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["COUNTS", "bits_of", "program_of_traces"]

_REST = ("view", "reshape", "_unsafe_view")
"""Operators in which one size may be -1."""
_SIZED = ("affine_grid_generator", "expand", "repeat", "new_zeros", "new_ones", "new_full")
COUNTS = (2, 3)
"""Batch sizes of the two traces; a batch axis of size 1 would look like any other axis of size 1 (pytorch#151582)."""
_COUNT = Name("0")
"""The batch size."""
_DIFFERS = (
    "The network behaves differently for other images or another number of them: its code branches on them, goes "
    "through the images one by one, or computes with their number. TorchScript files here hold no branch."
)


def program_of_traces(path: str, first: Traced, second: Traced) -> "tuple[Program, list[Tensor]]":
    """Return the merged program and its constants, by number.

    Args:
        path: the class path, as TorchScript spells it.
        first: the trace with the first batch size.
        second: the trace with the second batch size, or the same trace if the batch size is fixed.

    Raises:
        InputError: the traces differ in more than the batch size.
    """
    ours, theirs = _live(first), _live(second)
    if len(ours) != len(theirs):
        raise InputError(_DIFFERS)
    merged = _Merged({second.image.text: first.image.text})
    for one, other in zip(ours, theirs, strict=True):
        merged.add(one, other)
    if merged.names[second.output.text] != first.output.text:
        raise InputError(_DIFFERS)
    return _finished(path, first.image, merged.all(first.image), first.output)


def _live(traced: Traced) -> list[Statement]:
    """Return the statements that the output depends on."""
    wanted, kept = {traced.output.text}, []
    for statement in reversed(traced.statements):
        if wanted & set(statement.results):
            kept.append(statement)
            wanted |= {each.text for each in leaves(statement.values) if isinstance(each, Name)}
    return kept[::-1]


@dataclass
class _Merged:
    """The merged statements of two traces.

    Attributes:
        names: maps names in the second trace to names in the first.
        statements: the statements merged so far.
        counts: whether one of them reads the batch size.
        spread: the number of names given to constants that are repeated for each image.
    """

    names: dict[str, str]
    statements: list[Statement] = field(default_factory=list)
    counts: bool = False
    spread: int = 0

    def all(self, image: Name) -> list[Statement]:
        size = Statement((_COUNT.text,), "size", (image, 0))
        return [size, *self.statements] if self.counts else self.statements

    def add(self, one: Statement, other: Statement) -> None:
        shape = [(each.operator, len(each.values), len(each.results), each.unpacked) for each in (one, other)]
        if shape[0] != shape[1]:
            raise InputError(_DIFFERS)
        arguments = tuple(self._value(one.operator, *pair) for pair in zip(one.arguments, other.arguments, strict=True))
        pairs = zip(one.keywords, other.keywords, strict=True)
        keywords = tuple((ours[0], self._value(one.operator, ours[1], theirs[1])) for ours, theirs in pairs)
        self.statements.append(replace(one, arguments=arguments, keywords=keywords))
        self.names |= dict(zip(other.results, one.results, strict=True))

    def _value(self, operator: str, one: Any, other: Any) -> Any:
        import torch

        if type(one) is tuple and type(other) is tuple and len(one) == len(other):
            if all(type(each) is int for each in (*one, *other)):
                return self._sizes(operator, one, other)
            return tuple(self._value(operator, *pair) for pair in zip(one, other, strict=True))
        if isinstance(one, Name) and isinstance(other, Name) and self.names.get(other.text) == one.text:
            return one
        if isinstance(one, Weight) and isinstance(other, Weight) and one.is_same(other):
            return one
        if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
            return one if bits_of(one) == bits_of(other) else self._repeated(one, other)
        if type(one) is type(other) and (one == other or one != one):  # NaN
            return one
        raise InputError(_DIFFERS)

    def _sizes(self, operator: str, one: tuple[int, ...], other: tuple[int, ...]) -> tuple[Any, ...]:
        differing = [place for place, pair in enumerate(zip(one, other, strict=True)) if pair[0] != pair[1]]
        if not differing:
            return one
        if len(differing) > 1 or operator not in (*_REST, *_SIZED):
            raise InputError(_DIFFERS)
        place = differing[0]
        if operator in _SIZED and (one[place], other[place]) != COUNTS:
            raise InputError(_DIFFERS)
        self.counts |= operator in _SIZED
        return (*one[:place], -1 if operator in _REST else _COUNT, *one[place + 1 :])

    def _repeated(self, one: "Tensor", other: "Tensor") -> Name:
        """Return a constant that has the same values for each image, expanded to the batch size."""
        import torch

        axes = [axis for axis, pair in enumerate(zip(one.shape, other.shape, strict=False)) if pair[0] != pair[1]]
        if one.ndim != other.ndim or len(axes) != 1 or (one.shape[axes[0]], other.shape[axes[0]]) != COUNTS:
            raise InputError(_DIFFERS)
        single = one.narrow(axes[0], 0, 1)
        if not all(torch.equal(single.expand_as(each), each) for each in (one, other)):
            raise InputError(_DIFFERS)
        sizes = (*one.shape[: axes[0]], _COUNT, *one.shape[axes[0] + 1 :])
        self.counts, self.spread = True, self.spread + 2
        wide, whole = (f"0.{self.spread + each}" for each in range(2))
        self.statements.append(Statement((wide,), "expand", (single.contiguous(), sizes)))
        self.statements.append(Statement((whole,), "contiguous", (Name(wide),)))
        return Name(whole)


def bits_of(tensor: "Tensor") -> tuple[object, ...]:
    """Return a key that is equal for tensors with the same type, shape and bits, NaN included."""
    import torch

    contents = tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy()
    return tensor.dtype, tensor.shape, hashlib.sha256(contents.data).digest()


def _finished(path: str, image: Name, statements: Sequence[Statement], output: Name) -> "tuple[Program, list[Tensor]]":
    """Return the program with the names of the network's own code and numbered constants, and these constants."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    constants: list[Tensor] = []
    places: dict[object, int] = {}

    def name(text: str) -> str:
        if text not in names:
            base = text.split(".", 1)[0]
            base = "_" if base.isdigit() else base
            candidates = (f"{base}{each}" for each in itertools.count())
            free = (each for each in itertools.chain([base], candidates) if each not in taken | RESERVED)
            names[text] = next(free)
            taken.add(names[text])
        return names[text]

    def value(each: Any) -> Any:
        import torch

        if isinstance(each, Name):
            return Name(names[each.text])
        if isinstance(each, Weight | torch.Tensor):
            tensor = each.tensor if isinstance(each, Weight) else each
            bits = bits_of(tensor)
            if bits not in places:
                places[bits] = len(constants)
                constants.append(tensor.contiguous())
            return Constant(places[bits])
        return tuple(map(value, each)) if type(each) is tuple else each

    name(image.text)
    done = [
        replace(
            each,
            arguments=value(each.arguments),
            keywords=tuple((word, value(part)) for word, part in each.keywords),
            results=tuple(map(name, each.results)),
        )
        for each in statements
    ]
    return Program(path, names[image.text], tuple(done), names[output.text]), constants
