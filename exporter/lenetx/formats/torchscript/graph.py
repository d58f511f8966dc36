"""Convert the graph that libtorch has loaded to a program; reject graphs that do more than compute tensors.

libtorch's own schemas decide which arguments an operator has, which of them it changes, and what it returns.
"""

from collections.abc import Sequence
from typing import Any

from lenetx_runtime import ArtifactError

from ..division import require_safe
from ..leaves import leaves
from .code import Constant, Name, Program, Statement

__all__ = [
    "SIZED",
    "TRAINING_FLAGS",
    "arguments_of",
    "constants_of",
    "program_of",
    "schema_of",
    "training_operators",
    "writes",
]

TRAINING_FLAGS = ("training", "train", "use_input_stats", "is_training")
"""Arguments that put an operator in training mode."""
_RANDOM = frozenset({"rand_like", "randn_like", "randint_like", "bernoulli", "multinomial", "normal", "poisson"})
"""Operators that draw random numbers regardless of their arguments."""
SIZED = ("size", "sizes", "shape", "repeats")
"""Arguments that may contain the batch size."""


def schema_of(node: Any) -> Any:
    """Return the schema of a node's operator."""
    import torch

    return torch._C.parse_schema(node.schema())


def writes(schema: Any) -> bool:
    """Return whether an operator changes one of its arguments."""
    return any(each.alias_info is not None and each.alias_info.is_write for each in schema.arguments)


def arguments_of(schema: Any, values: Sequence[Any]) -> tuple[tuple[Any, ...], tuple[tuple[str, Any], ...]]:
    """Return the positional and keyword-only arguments; omit defaults where possible."""
    pairs = list(zip(schema.arguments, values, strict=True))
    ordered = [pair for pair in pairs if not pair[0].kwarg_only]
    while ordered and _is_default(*ordered[-1]):
        ordered.pop()
    named = tuple((each.name, value) for each, value in pairs if each.kwarg_only and not _is_default(each, value))
    return tuple(value for _, value in ordered), named


def program_of(graph: Any) -> Program:
    """Return the program that libtorch will run, its constants numbered by first use.

    Raises:
        ArtifactError: it is not straight-line code, or an operator does more than compute tensors from tensors.
    """
    try:
        return _Reader(graph).program()
    except ValueError as error:
        raise ArtifactError(f"Its code is not that of a network that lenetx wrote: {error}.") from None


def constants_of(module: Any) -> list[Any]:
    """Return a module's constant tensors, in the order of its graph."""
    nodes = module.graph.findAllNodes("prim::Constant")
    return [node.t("value") for node in nodes if node.output().type().kind() == "TensorType"]


def training_operators(graph: Any) -> list[str]:
    """Return the operators in training mode: active dropout, norms that use batch statistics, random numbers."""
    return [node.kind().removeprefix("aten::") for node in graph.nodes() if _trains(node)]


class _Reader:
    def __init__(self, graph: Any) -> None:
        self._graph = graph
        self._values: dict[str, Any] = {}
        self._lists: dict[str, Statement] = {}
        self._statements: list[Statement] = []
        self._sizes: set[str] = set()
        self._constants = 0

    def program(self) -> Program:
        inputs, outputs = list(self._graph.inputs()), list(self._graph.outputs())
        if len(inputs) != 2 or len(outputs) != 1:
            raise ValueError("it does not take one tensor and return one")
        image = inputs[1].debugName()
        self._values[image] = Name(image)
        for node in self._graph.nodes():
            self._read(node)
        output = self._values.get(outputs[0].debugName())
        if not isinstance(output, Name) or output.text in self._sizes:
            raise ValueError("it returns no tensor")
        return Program("__torch__.Network", image, tuple(self._statements), output.text)

    def _read(self, node: Any) -> None:
        kind, results = node.kind(), [each.debugName() for each in node.outputs()]
        if kind == "prim::Constant":
            self._values[results[0]] = _constant(node)
        elif kind == "prim::ListConstruct":
            self._values[results[0]] = tuple(self._inputs(node))
        elif kind == "prim::ListUnpack":
            self._unpack(node, results)
        elif kind.startswith("aten::"):
            self._call(node, results)
        else:
            raise ValueError(f"it has {kind}, and no network is more than calls of operators")

    def _inputs(self, node: Any) -> list[Any]:
        try:
            return [self._values[each.debugName()] for each in node.inputs()]
        except KeyError:
            raise ValueError("it reads the archive's own attributes") from None

    def _unpack(self, node: Any, results: list[str]) -> None:
        statement = self._lists.pop(next(iter(node.inputs())).debugName(), None)
        if statement is None or statement is not self._statements[-1]:
            raise ValueError("it takes a list apart that no operator has just returned")
        parts = Statement(tuple(results), statement.operator, statement.arguments, statement.keywords, unpacked=True)
        self._statements[-1] = parts
        self._values |= {result: Name(result) for result in results}

    def _call(self, node: Any, results: list[str]) -> None:
        schema, inputs = schema_of(node), self._inputs(node)
        operator = node.kind().removeprefix("aten::")
        arguments, keywords = arguments_of(schema, [self._numbered(each) for each in inputs])
        statement = Statement(tuple(results), operator, arguments, keywords, unpacked=len(results) > 1)
        if operator == "size":
            self._require_batch(statement)
        else:
            _require_lawful(schema, inputs)
            self._require_sizes(schema, inputs)
        self._statements.append(statement)
        if [str(each.type) for each in schema.returns] == ["List[Tensor]"]:
            self._lists[results[0]] = statement
        self._values |= {result: Name(result) for result in results}

    def _numbered(self, value: Any) -> Any:
        """Return the value with tensors replaced by numbered constants; number a tensor at its first use."""
        if isinstance(value, _Tensor):
            if value.place is None:
                value.place, self._constants = self._constants, self._constants + 1
            return Constant(value.place)
        return tuple(map(self._numbered, value)) if type(value) is tuple else value

    def _require_batch(self, statement: Statement) -> None:
        image = list(self._graph.inputs())[1].debugName()
        if statement.arguments != (Name(image), 0) or statement.keywords:
            raise ValueError("it reads a size that is not the number of images")
        self._sizes |= set(statement.results)

    def _require_sizes(self, schema: Any, values: Sequence[Any]) -> None:
        """Raise ValueError if the batch size is used as anything but an element of a shape."""
        for argument, value in zip(schema.arguments, values, strict=True):
            sized = type(value) is tuple and argument.name in SIZED
            parts = () if sized else leaves([value])
            if any(isinstance(each, Name) and each.text in self._sizes for each in parts):
                raise ValueError("it computes with the number of images")


class _Tensor:
    """A constant tensor and its number, ``None`` until its first use."""

    place: int | None = None


def _constant(node: Any) -> Any:
    output = node.output()
    if output.type().kind() == "TensorType":
        return _Tensor()
    value = output.toIValue()
    return tuple(value) if isinstance(value, list) else value


def _is_default(argument: Any, value: Any) -> bool:
    if not argument.has_default_value():
        return False
    default = argument.default_value
    default = tuple(default) if isinstance(default, list) else default
    return type(default) is type(value) and bool(default == value)


def _require_lawful(schema: Any, inputs: Sequence[Any]) -> None:
    """Raise ValueError for an operator that does more than compute tensors from tensors."""
    name = schema.name.removeprefix("aten::")
    values = {argument.name: value for argument, value in zip(schema.arguments, inputs, strict=True)}
    if writes(schema):
        raise ValueError(f"{name} changes a tensor in place")
    if not schema.returns or any(str(each.type) not in ("Tensor", "List[Tensor]") for each in schema.returns):
        raise ValueError(f"{name} returns more than tensors")
    if not any(isinstance(each, Name | _Tensor) for each in leaves(inputs)):
        raise ValueError(f"{name} reads no tensor")
    trains = any(values.get(each) is True for each in TRAINING_FLAGS)
    if trains and any(value is not None for each, value in values.items() if each.startswith("running_")):
        raise ValueError(f"{name} changes its statistics")
    require_safe(name, values)


def _trains(node: Any) -> bool:
    """Return whether a node is in training mode. Instance norm never is: it normalises each image separately."""
    name = node.kind().removeprefix("aten::")
    if not node.kind().startswith("aten::") or name == "instance_norm":
        return False
    flags = [
        value.toIValue()
        for argument, value in zip(schema_of(node).arguments, node.inputs(), strict=True)
        if argument.name in TRAINING_FLAGS
    ]
    return name in _RANDOM or any(flag is not False for flag in flags)
