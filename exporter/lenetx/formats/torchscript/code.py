"""Read and write the code in a TorchScript archive: one class whose ``forward`` is straight-line calls of ``torch``.

    statement   NAME = torch.operator(value, …, NAME=value) | NAME, …, = torch.operator(…)
    value       NAME | CONSTANTS.cN | number | True | False | None | "text" | [value, …]

Each name is assigned once, before it is read; constants are numbered by first use; the output depends on each
statement. ``read`` accepts exactly what ``write`` writes, so that code has only one meaning.
"""

import keyword
import re
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from lenetx_runtime import ArtifactError

from ..leaves import leaves

__all__ = [
    "RESERVED",
    "Constant",
    "Name",
    "Program",
    "Statement",
    "names_of",
    "numbers",
    "read",
    "renamed",
    "write",
]

RESERVED = frozenset({"self", "torch", "ops", "CONSTANTS", "inf", "nan", "infj", "nanj", "Tensor", "annotate", "_"})
"""Names that are reserved in TorchScript, in addition to Python's keywords."""

_FRAME = """class {0}(Module):
  __parameters__ = []
  __buffers__ = []
  def forward(self: {1}.{0},
    {2}: Tensor) -> Tensor:
{3}    return {4}
"""
_NAME = r"[A-Za-z_]\w*"
_CODE = re.compile(
    re.escape(_FRAME)
    .replace(r"\{0\}", rf"({_NAME})", 1)
    .replace(r"\{0\}", r"\1")
    .replace(r"\{1\}", rf"(__torch__(?:\.{_NAME})*)")
    .replace(r"\{2\}", f"({_NAME})")
    .replace(r"\{3\}", r"((?:    [^ \n][^\n]*\n)*?)")
    .replace(r"\{4\}", f"({_NAME})"),
    re.ASCII,
)
_STATEMENT = re.compile(rf"    ({_NAME}(?:, {_NAME})*)(,?) = torch\.({_NAME})\((.*)\)", re.ASCII)
_ARGUMENT = re.compile(rf'(?:({_NAME})=)?(\[[^]]*\]|"[^"]*"|[^,\["]+)(?:, |$)', re.ASCII)
_CONSTANT = re.compile(r"CONSTANTS\.c(\d{1,6})", re.ASCII)
_NUMBER = re.compile(r"-?(?:\d{1,19}(?:\.\d*)?(?:e[+-]\d{1,3})?|inf)|nan", re.ASCII)
_WORDS = {"True": True, "False": False, "None": None}


class Name(NamedTuple):
    """The name of a value."""

    text: str


class Constant(NamedTuple):
    """A constant tensor of the archive, by number."""

    place: int


@dataclass(frozen=True, slots=True)
class Statement:
    """One call of an operator.

    Attributes:
        results: the names of its results.
        operator: the name of the operator in ``torch``.
        arguments: positional arguments: names, constants, numbers, booleans, strings, ``None``, and tuples of them for
            lists.
        keywords: keyword-only arguments, as pairs of name and value.
        unpacked: whether it returns several values, or a list of known length.
    """

    results: tuple[str, ...]
    operator: str
    arguments: tuple[Any, ...]
    keywords: tuple[tuple[str, Any], ...] = ()
    unpacked: bool = False

    @property
    def values(self) -> tuple[Any, ...]:
        """The values of all arguments, positional and keyword-only."""
        return (*self.arguments, *(value for _, value in self.keywords))


@dataclass(frozen=True, slots=True)
class Program:
    """A network's code.

    Attributes:
        path: the class path, such as ``__torch__.lenetx.models.lenet5.LeNet5``.
        image: the name of the input.
        statements: the calls, in order.
        output: the name of the logits.
    """

    path: str
    image: str
    statements: tuple[Statement, ...]
    output: str


def numbers(program: Program) -> frozenset[float]:
    """Return the floats in the code."""
    return frozenset(each for call in program.statements for each in leaves(call.values) if isinstance(each, float))


def write(program: Program) -> str:
    """Return a program as TorchScript code."""
    path, _, name = program.path.rpartition(".")
    lines = "".join(_line(statement) for statement in program.statements)
    return _FRAME.format(name, path, program.image, lines, program.output)


def read(code: str) -> Program:
    """Parse TorchScript code.

    Raises:
        ArtifactError: ``write`` would not write this text, or it is not straight-line code from input to output.
    """
    frame = _CODE.fullmatch(code)
    try:
        if frame is None:
            raise ValueError("it is not a class with one method")
        statements = tuple(_statement(line) for line in frame[4].split("\n")[:-1])
        program = Program(f"{frame[2]}.{frame[1]}", frame[3], statements, frame[5])
        if write(program) != code:
            raise ValueError("it is written differently")
        _require_straight(program)
    except ValueError as error:
        raise ArtifactError(f"Its code is not that of a network that lenetx wrote: {error}.") from None
    return program


def names_of(program: Program) -> list[str]:
    """Return the names of the input and of all results, in order."""
    return [program.image, *(result for statement in program.statements for result in statement.results)]


def renamed(program: Program, path: str = "__torch__.Network", by: Sequence[str] | None = None) -> Program:
    """Return the program with other names: ``v0``, ``v1``, …, or those in ``by``, which must be as many."""
    before = names_of(program)
    names = dict(zip(before, by or (f"v{place}" for place in range(len(before))), strict=by is not None))

    def rename(value: Any) -> Any:
        if isinstance(value, Name):
            return Name(names[value.text])
        return tuple(map(rename, value)) if type(value) is tuple else value

    statements = tuple(
        replace(
            each,
            results=tuple(names[result] for result in each.results),
            arguments=rename(each.arguments),
            keywords=tuple((name, rename(value)) for name, value in each.keywords),
        )
        for each in program.statements
    )
    return Program(path, names[program.image], statements, names[program.output])


def _require_straight(program: Program) -> None:
    """Raise ValueError unless names are assigned once, before use, and the output depends on each statement."""
    known, constants = {program.image}, 0
    for statement in program.statements:
        for value in leaves(statement.values):
            if isinstance(value, Name) and value.text not in known:
                raise ValueError(f"nothing gives {value.text} a value")
            if isinstance(value, Constant):
                if value.place > constants:
                    raise ValueError("its constants are not numbered by their first use")
                constants = max(constants, value.place + 1)
        _require_new(statement.results, known)
        known.update(statement.results)
    if not _is_free(program.image) or program.output not in known:
        raise ValueError("its input or output has no value")
    wanted = {program.output}
    for statement in reversed(program.statements):
        if not wanted & set(statement.results):
            raise ValueError(f"{statement.results[0]} does not reach the output")
        wanted |= {value.text for value in leaves(statement.values) if isinstance(value, Name)}


def _require_new(results: Sequence[str], known: Container[str]) -> None:
    for name in results:
        if name in known or not _is_free(name) or results.count(name) > 1:
            raise ValueError(f"{name} gets a second value")


def _is_free(name: str) -> bool:
    return name not in RESERVED and not keyword.iskeyword(name)


def _line(statement: Statement) -> str:
    results = ", ".join(statement.results) + ("," if statement.unpacked else "")
    arguments = [*map(_text, statement.arguments), *(f"{name}={_text(value)}" for name, value in statement.keywords)]
    return f"    {results} = torch.{statement.operator}({', '.join(arguments)})\n"


def _text(value: Any) -> str:
    if isinstance(value, Name):
        return value.text
    if isinstance(value, Constant):
        return f"CONSTANTS.c{value.place}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, float):
        digits = f"{value:.17g}"
        return digits if re.search("[.en]", digits) else f"{digits}."
    return f'"{value}"' if isinstance(value, str) else str(value)


def _statement(line: str) -> Statement:
    parts = _STATEMENT.fullmatch(line)
    if parts is None:
        raise ValueError("it has more than calls of torch")
    arguments: list[Any] = []
    keywords: list[tuple[str, Any]] = []
    text, place = parts[4], 0
    while place < len(text):
        argument = _ARGUMENT.match(text, place)
        if argument is None:
            raise ValueError("it has more than names, numbers and lists of them as arguments")
        if argument[1]:
            keywords.append((argument[1], _value(argument[2])))
        else:
            arguments.append(_value(argument[2]))
        place = argument.end()
    results, unpacked = tuple(parts[1].split(", ")), bool(parts[2])
    if len(results) > 1 and not unpacked:
        raise ValueError("it is written differently")
    return Statement(results, parts[3], tuple(arguments), tuple(keywords), unpacked)


def _value(text: str) -> Any:
    if text.startswith("["):
        return tuple(_value(each) for each in text[1:-1].split(", ") if text != "[]")
    if text.startswith('"'):
        return text[1:-1]
    if text in _WORDS:
        return _WORDS[text]
    if constant := _CONSTANT.fullmatch(text):
        return Constant(int(constant[1]))
    if _NUMBER.fullmatch(text):
        return float(text) if re.search("[.en]", text) else int(text)
    return Name(text)
