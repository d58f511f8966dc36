"""Arrange the steps of a graph as a program: layouts, memory, a C function for each, and the one that calls them."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .convolution import Convolution
from .dense import Dense
from .fuse import fused, with_borders
from .graph import Graph
from .layout import Buffer, Layout, dense, planned
from .lower import lowered
from .moving import Copy, View
from .steps import Context, Packing, Step
from .text import Code, Names, commentable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnx import ModelProto

__all__ = ["Program", "program"]


@dataclass(frozen=True, slots=True)
class Program:
    """A graph as C.

    Attributes:
        functions: the functions of the steps, and ``NAME_run(const float *in, float *out, float *memory)``.
        arrays: the constants that they read, by identifier.
        floats: size of the scratch memory, in floats.
        input_at: where in it the input of the network may lie, in floats.
        given, made: shapes of the input and the output.
    """

    functions: list[str]
    arrays: "dict[str, Packing | NDArray[np.float32]]"
    floats: int
    input_at: int
    given: tuple[int, ...]
    made: tuple[int, ...]


def program(model: "ModelProto", prefix: str) -> Program:
    """Return the program of a graph whose input has a fixed shape.

    Args:
        model: its weights only fix sizes: the arrays refer to them by name.
        prefix: of all identifiers.

    Raises:
        InputError: an operator, or a use of one, has no C; it names the node.
    """
    graph, given, output = lowered(model), model.graph.input[0].name, model.graph.output[0].name
    names = Names(prefix)
    context = Context(prefix, names, graph.constants)
    context.layouts[given] = dense(graph.shapes[given])
    steps = with_borders(fused(graph.steps, output), context, given)
    steps = _ended(steps, output, graph)
    context.only_flat = _only_flat(steps)
    steps = _placed(steps, context, graph)
    if not context.layouts[output].is_row_major:
        steps[-1].writes = graph.new(output, steps[-1].shape)
        context.layouts[steps[-1].writes] = context.layouts.pop(output)
        steps.append(
            Copy(
                label=steps[-1].label,
                reads=(steps[-1].writes,),
                writes=output,
                shape=steps[-1].shape,
                is_row_major=True,
            )
        )
        context.layouts[output] = steps[-1].place(context)
    return _Writer(steps, context, given, output).program()


def _placed(steps: list[Step], context: Context, graph: Graph) -> list[Step]:
    """Place each result; what a dense layer reads is put into row-major order before, if it is in no known order."""
    found: list[Step] = []
    for step in steps:
        if isinstance(step, Dense):
            given = context.layouts[step.reads[0]]
            if not given.is_row_major and given.order is None:
                name = graph.new(step.reads[0], given.shape)
                found.append(
                    Copy(label=step.label, reads=step.reads, writes=name, shape=given.shape, is_row_major=True)
                )
                context.layouts[name] = found[-1].place(context)
                step.reads = (name,)
        found.append(step)
        context.layouts[step.writes] = step.place(context)
    return found


def _ended(steps: list[Step], output: str, graph: Graph) -> list[Step]:
    """Let the last step write the output: a view would leave it in the memory of what it shows."""
    if steps and isinstance(steps[-1], View):
        last = steps[-1]
        name = graph.new(output, last.shape)
        last.writes = name
        steps.append(Copy(label=last.label, reads=(name,), writes=output, shape=last.shape, is_row_major=True))
    return steps


def _only_flat(steps: list[Step]) -> set[str]:
    """Return the tensors that only dense layers with one plain row read."""
    readers: dict[str, list[Step]] = {}
    for step in steps:
        for name in step.reads:
            readers.setdefault(name, []).append(step)
    return {
        name
        for name, some in readers.items()
        if all(isinstance(each, Dense) and each.rows == 1 and len(each.strides) == 2 for each in some)
    }


class _Writer:
    """Write the functions of placed steps."""

    def __init__(self, steps: list[Step], context: Context, given: str, output: str) -> None:
        self._steps, self._context, self._given, self._output = steps, context, given, output
        self._last = {name: place for place, step in enumerate(steps) for name in step.reads}
        self._root: dict[str, str] = {given: given, output: output}
        self._buffers = {buffer.name: buffer for buffer in planned(self._lifetimes())}

    def program(self) -> Program:
        """Return the program."""
        context, p, calls, functions = self._context, self._context.prefix, Code(), Code()
        for step in self._steps:
            if isinstance(step, View) and not step.needs_copy(context):
                continue
            name = context.names.of(step.called, "function")
            self._function(functions, step, name)
            layout, root = context.layouts[step.writes], self._root[step.writes]
            if layout.size > _count(layout) and root == step.writes:
                calls(f"{p}_clear({self._at(step.writes, base=True)}, {layout.size});")
            calls(f"{name}({', '.join(map(self._at, (*step.reads, step.writes)))});")
        floats, input_at = self._sizes()
        body = Code()
        if any("_clear(" in line for line in calls.lines):
            body(f"static void {p}_clear(float *out, int count)")
            with body.block(""), body.block("for (int i = 0; i < count; ++i)"):
                body("out[i] = 0.0f;")
            body("")
        body(f"/* The network: {len(calls.lines)} calls, in scratch memory that they share. */")
        uses_memory = any("memory" in line for line in calls.lines)
        head = f"static void {p}_run(const float *in, float *out, float *memory)"
        with _function(body, head):
            if not uses_memory:
                body("(void)memory;")
            body(*calls.lines)
        return Program(
            [*functions.lines, *body.lines],
            context.arrays,
            floats,
            input_at,
            context.layouts[self._given].shape,
            context.layouts[self._output].shape,
        )

    def _function(self, code: Code, step: Step, name: str) -> None:
        sources = ["in"] if len(step.reads) == 1 else [f"in{place}" for place in range(len(step.reads))]
        parameters = ", ".join([*(f"const float *{source}" for source in sources), "float *out"])
        code(f"/* {commentable(step.label)}: {commentable(step.describe())} */")
        with _function(code, f"static void {name}({parameters})"):
            step.code(self._context, code)
        code("")

    def _lifetimes(self) -> list[Buffer]:
        """Return the buffers of the scratch; views and steps that work in place share that of what they read."""
        found: dict[str, Buffer] = {}
        for place, step in enumerate(self._steps):
            source = self._shared(step, place, found)
            last = self._last.get(step.writes, place)
            if step.writes == self._output:
                continue
            if source is None:
                self._root[step.writes] = step.writes
                found[step.writes] = Buffer(step.writes, self._context.layouts[step.writes].size, place, last)
                continue
            root = self._root[step.writes] = self._root[source]
            if root in found:
                held = found[root]
                found[root] = Buffer(root, held.size, held.first, max(held.last, last))
        return [*found.values()]

    def _shared(self, step: Step, place: int, found: dict[str, Buffer]) -> str | None:
        """Return the tensor whose memory a step's result lies in."""
        layouts = self._context.layouts
        if isinstance(step, View):
            return None if step.needs_copy(self._context) else step.reads[0]
        source = step.aliases
        if source is None or step.writes == self._output:
            return None
        held = found.get(self._root[source])
        is_free = held is not None and held.last <= place
        return source if is_free and layouts[source] == layouts[step.writes] else None

    def _at(self, name: str, base: bool = False) -> str:
        """Return the C expression for the first element of a tensor, or for the start of its buffer."""
        root, start = self._root[name], 0 if base else self._context.layouts[name].start
        if root == self._given:
            return "in"
        if root == self._output:
            return "out"
        place = self._buffers[root].offset + start
        return f"memory + {place}" if place else "memory"

    def _sizes(self) -> tuple[int, int]:
        """Return the floats of the scratch, and where the input may lie in it."""
        size = self._context.layouts[self._given].size
        last = max(
            (self._last[name] for name, root in self._root.items() if root == self._given and name in self._last),
            default=0,
        )
        rivals = [buffer for buffer in self._buffers.values() if buffer.first <= last]
        whole = max((buffer.offset + buffer.size for buffer in self._buffers.values()), default=0)
        first = self._steps[0]
        at = max((each.offset + each.size for each in rivals), default=0)
        if len(rivals) == 1 and isinstance(first, Convolution) and last == 0 and rivals[0].name == first.writes:
            at = rivals[0].offset + first.lag(self._context)
        return max(whole, at + size, 1), at


def _count(layout: Layout) -> int:
    return math.prod(layout.shape)


def _function(code: Code, head: str) -> Any:
    code(head)
    return code.block("")
