"""Arrange integer steps as a C program: memory, a function for each step, and the one that calls them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..layout import Buffer, planned
from ..text import Code, Names, commentable
from .code import Writer
from .fuse import fused
from .lower import Integers, lowered
from .steps import Affine, Step
from .words import ROUNDED, described

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto

    from ..steps import Packing

__all__ = ["IntegerProgram", "integer_program"]


@dataclass(frozen=True, slots=True)
class IntegerProgram:
    """An int8 graph as C.

    Attributes:
        integers: its steps before they were joined.
        functions: their functions, and ``NAME_run(float *out, void *scratch)``.
        arrays: the constants that they read, by identifier.
        floats: size of the scratch memory, in floats.
        input_at: where in it the int8 input lies, in bytes.
    """

    integers: Integers
    functions: list[str]
    arrays: "dict[str, Packing | NDArray[Any]]"
    floats: int
    input_at: int


def integer_program(model: "ModelProto", prefix: str) -> IntegerProgram:
    """Return the program of a QDQ graph whose input has a fixed shape.

    Args:
        model: from ``lenetx.quantization.reduce``.
        prefix: of all identifiers.

    Raises:
        InputError: an operator, or a use of one, has no integer formula; it names the node.
    """
    integers = lowered(model)
    steps, same = fused(integers.steps)
    names = Names(prefix)
    writer = Writer(names, prefix)
    places, size = _placed(steps, integers, same)
    functions, calls = Code(), Code()
    functions(*ROUNDED.replace("P_", f"{prefix}_").splitlines(), "")
    for step in steps:
        name = names.of(_called(step), "function")
        where = {each: f"memory{f' + {place}' * bool(place)}" for each, place in places.items()} | {
            integers.output: "out"
        }
        reads, made = [where[same.get(each, each)] for each in step.reads], where[step.writes]
        calls(f"{name}({', '.join([*reads, made])});")
        _function(functions, step, name, writer, "float" if step.writes == integers.output else "int8_t")
    _run(functions, prefix, calls.lines)
    return IntegerProgram(integers, functions.lines, writer.arrays, -(-size // 4), places[integers.given])


def _called(step: Step) -> str:
    return (step.weight.rpartition(".")[0] or step.weight) if isinstance(step, Affine) else f"get {step.writes}"


def _function(functions: Code, step: Step, name: str, writer: Writer, kind: str) -> None:
    sources = ["in"] if len(step.reads) == 1 else [f"in{place}" for place in range(len(step.reads))]
    parameters = [*(f"const int8_t *{source}" for source in sources), f"{kind} *out"]
    functions(f"/* {commentable(step.label)}: {described(step)} */")
    functions(f"static void {name}({', '.join(parameters)})")
    with functions.block(""):
        writer.body(step, functions)
    functions("")


def _run(functions: Code, prefix: str, calls: list[str]) -> None:
    functions(f"/* The network: {len(calls)} calls, in scratch memory that they share. */")
    functions(f"static void {prefix}_run(float *out, void *scratch)")
    with functions.block(""):
        functions("int8_t *const memory = (int8_t *)scratch;", *calls)


def _placed(steps: list[Step], integers: Integers, same: dict[str, str]) -> tuple[dict[str, int], int]:
    """Return where each tensor lies, in bytes, and the size of all; tensors in use at the same time never overlap."""
    last = {same.get(name, name): place for place, step in enumerate(steps) for name in step.reads}
    first = {integers.given: -1} | {step.writes: place for place, step in enumerate(steps)}
    first.pop(integers.output)
    shapes = integers.shapes
    buffers = planned(
        [Buffer(name, int(np.prod(shapes[name])), made, last.get(name, made)) for name, made in first.items()]
    )
    return {each.name: each.offset for each in buffers}, max(each.offset + each.size for each in buffers)
