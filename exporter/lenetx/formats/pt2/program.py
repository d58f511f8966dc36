"""Represent what a ``.pt2`` archive computes: straight-line calls of ``torch.ops.aten`` without side effects.

Each name is assigned once, before it is read, and the output depends on each call and each tensor.
"""

import builtins
import keyword
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from ...graph.expression import plain
from ..leaves import leaves

__all__ = [
    "CHOICES",
    "Call",
    "Choice",
    "Count",
    "Held",
    "Meta",
    "Name",
    "Program",
    "contiguous",
    "numbers",
    "numbers_at_once",
    "require_straight",
]

Kind = Literal["parameter", "buffer", "constant"]
CHOICES = {
    "scalar_type": {
        "torch.uint8": 1,
        "torch.int8": 2,
        "torch.int16": 3,
        "torch.int32": 4,
        "torch.int64": 5,
        "torch.float32": 7,
        "torch.float64": 8,
        "torch.bool": 12,
    },
    "memory_format": {"torch.contiguous_format": 1, "torch.channels_last": 2, "torch.preserve_format": 4},
}
"""The numbers of ``torch.export`` for dtypes and memory formats."""
_NAME = re.compile(r"[A-Za-z_]\w{0,499}", re.ASCII)
_RESERVED = frozenset({"self", "torch", "device", "inf", "nan", "NoneType", "fx_pytree", "pytree", *dir(builtins)})
"""Names that mean something else in the Python code that torch writes of a program."""


class Name(NamedTuple):
    """The name of a value."""

    text: str


class Count(NamedTuple):
    """A multiple of the number of images."""

    factor: int


class Choice(NamedTuple):
    """A dtype or another setting that ``torch.export`` numbers.

    Attributes:
        kind: its name in the file, such as ``scalar_type``.
        number: its number.
    """

    kind: str
    number: int


@dataclass(frozen=True, slots=True)
class Meta:
    """The type and layout of a tensor.

    Attributes:
        dtype: its number in ``torch.export``.
        sizes: the sizes of its axes.
        strides: as many.
    """

    dtype: int
    sizes: tuple[int | Count, ...]
    strides: tuple[int | Count, ...]


@dataclass(frozen=True, slots=True)
class Held:
    """A tensor in the file.

    Attributes:
        value: the name under which calls read it.
        path: its name in the network, such as ``conv1.weight``.
        kind: what it is there.
        meta: its type; it is contiguous.
    """

    value: str
    path: str
    kind: Kind
    meta: Meta


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an operator.

    Attributes:
        name: its own name, which is that of the result if there is one.
        operator: name and overload in ``torch.ops.aten``, such as ``relu.default``.
        arguments: positional arguments by name: names of values, numbers, booleans, strings, ``None``, multiples of the
            number of images, choices, and tuples of them for lists.
        keywords: keyword arguments.
        results: the names of its results, with their types.
        is_list: whether it returns a list instead of one tensor or several.
    """

    name: str
    operator: str
    arguments: tuple[tuple[str, Any], ...]
    keywords: tuple[tuple[str, Any], ...]
    results: tuple[tuple[str, Meta], ...]
    is_list: bool = False

    @property
    def values(self) -> tuple[Any, ...]:
        """The values of all arguments."""
        return tuple(value for _, value in (*self.arguments, *self.keywords))


@dataclass(frozen=True, slots=True)
class Program:
    """What an archive computes.

    Attributes:
        image: the name of the input.
        input: its type.
        held: the tensors.
        calls: the calls, in order.
        output: the name of the logits.
    """

    image: str
    input: Meta
    held: tuple[Held, ...]
    calls: tuple[Call, ...]
    output: str

    @property
    def metas(self) -> Mapping[str, Meta]:
        """The type of each value, by name."""
        return {
            **{each.value: each.meta for each in self.held},
            self.image: self.input,
            **{name: meta for call in self.calls for name, meta in call.results},
        }

    @property
    def reads_count(self) -> bool:
        """Whether a call reads the number of images."""
        return any(isinstance(each, Count) for call in self.calls for each in leaves(call.values))


def numbers(program: Program) -> frozenset[float]:
    """Return the floats among the arguments."""
    return frozenset(each for call in program.calls for each in leaves(call.values) if isinstance(each, float))


def numbers_at_once(program: Program) -> int:
    """Return the most elements that values have together at any time, for one image if the batch is dynamic.

    Tensors in the file are not counted.
    """
    sizes = {name: _elements(meta) for name, meta in program.metas.items()} | {each.value: 0 for each in program.held}
    reads = [{each.text for each in leaves(call.values) if isinstance(each, Name)} for call in program.calls]
    last = {name: place for place, some in enumerate(reads) for name in some} | {program.output: len(reads)}
    now = most = sizes[program.image]
    for place, call in enumerate(program.calls):
        made = {name for name, _ in call.results}
        now += sum(sizes[name] for name in made)
        most = max(most, now)
        now -= sum(sizes[name] for name in made | reads[place] if last.get(name, place) == place)
    return most


def _elements(meta: Meta) -> int:
    return math.prod(size.factor if isinstance(size, Count) else size for size in meta.sizes)


def contiguous(sizes: Sequence[int | Count]) -> tuple[int | Count, ...]:
    """Return the strides of a contiguous tensor.

    Raises:
        ValueError: two axes depend on the number of images.
    """
    strides: list[int | Count] = []
    factor, counted = 1, False
    for size in reversed(sizes):
        strides.append(Count(factor) if counted else factor)
        if isinstance(size, Count):
            if counted:
                raise ValueError("two axes depend on the number of images")
            counted = True
        factor *= max(1, size.factor if isinstance(size, Count) else size)
    return tuple(strides[::-1])


def require_straight(program: Program) -> None:
    """Raise ValueError unless names are assigned once, before use, and the output depends on everything."""
    known: set[str] = set()
    for name in (program.image, *(each.value for each in program.held)):
        _require_new(name, known)
    if len({each.path for each in program.held}) < len(program.held):
        raise ValueError("two of its tensors have the same name")
    for call in program.calls:
        for value in leaves(call.values):
            if isinstance(value, Name) and value.text not in known:
                raise ValueError(f"nothing gives {plain(value.text)} a value")
        for name in {call.name: 0, **dict(call.results)}:
            _require_new(name, known)
        known -= {call.name} - {name for name, _ in call.results}
    _require_used(program)


def _require_used(program: Program) -> None:
    wanted = {program.output}
    for call in reversed(program.calls):
        if not wanted & {name for name, _ in call.results}:
            raise ValueError(f"{call.name} does not reach the output")
        wanted |= {value.text for value in leaves(call.values) if isinstance(value, Name)}
    idle = [each.path for each in program.held if each.value not in wanted]
    if idle or program.output not in program.metas:
        raise ValueError(f"{(idle or ['a value'])[0]} does not reach the output")


def _require_new(name: str, known: set[str]) -> None:
    if not _NAME.fullmatch(name) or keyword.iskeyword(name) or name in _RESERVED:
        raise ValueError(f"no value may be named {plain(name)}")
    if name in known:
        raise ValueError(f"{name} gets a second value")
    known.add(name)
