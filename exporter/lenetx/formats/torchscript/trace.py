"""Convert a trace of a network to statements with fixed sizes and without in-place operations.

The trace has the shape of every value, so that arithmetic with sizes is done here and the code holds its results.
Values that depend on neither the image nor a weight are computed here too and become constants.
"""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from lenetx_runtime import InputError

from ..leaves import leaves
from .code import Name, Statement
from .graph import arguments_of, schema_of, writes
from .views import Views

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Traced", "Weight"]

_IDENTITIES = ("detach", "lift_fresh", "alias")
_DROPOUTS = ("dropout", "feature_dropout", "alpha_dropout", "feature_alpha_dropout")
_AS_NUMBERS = ("Int", "Float", "Bool", "IntImplicit", "FloatImplicit", "ScalarImplicit")
_SHAPES: dict[str, Callable[[tuple[int, ...]], Any]] = {
    "aten::size": lambda shape: shape,
    "aten::dim": len,
    "aten::len": lambda shape: shape[0],
    "aten::numel": math.prod,
}
_RESHAPES = ("view", "reshape", "_unsafe_view")


class Weight:
    """A parameter or buffer of the network; unlike other constants, it is never folded into a new one."""

    def __init__(self, tensor: "Tensor") -> None:
        self.tensor = tensor

    def is_same(self, other: "Weight") -> bool:
        """Return whether two traces refer to the same tensor in memory."""
        places = ((each.tensor.data_ptr(), each.tensor.shape, each.tensor.stride()) for each in (self, other))
        return len(set(places)) == 1


class Traced:
    """The statements of one trace.

    Attributes:
        statements: the calls in order, with the names of the trace; arguments may be tensors or weights.
        image: the name of the input.
        output: the name of the logits.
    """

    def __init__(self, module: Any) -> None:
        self.statements: list[Statement] = []
        graph = module.inlined_graph
        own, image = graph.inputs()
        if image.type().sizes() is None:
            raise InputError("The network is a TorchScript module already: name the class that it was made of instead.")
        self.image = Name(image.debugName())
        self._values: dict[str, Any] = {own.debugName(): module._c, image.debugName(): self.image}
        self._shapes = {image.debugName(): tuple(image.type().sizes())}
        self._views = Views(graph)
        for place, node in enumerate(graph.nodes()):
            self._node(place, node)
        self.output = self._values[next(iter(graph.outputs())).debugName()]
        if not isinstance(self.output, Name):
            raise InputError(
                "The network's output is not a tensor that depends on the image: TorchScript cannot hold it."
            )

    def _node(self, place: int, node: Any) -> None:
        kind, inputs = node.kind(), [self._values[each.debugName()] for each in node.inputs()]
        result: Any
        if kind == "prim::Constant":
            result = _plain(node.output().toIValue())
        elif kind == "prim::GetAttr":
            result = _attribute(inputs[0], node.s("name"))
        elif kind in ("prim::ListConstruct", "prim::TupleConstruct"):
            result = tuple(inputs)
        elif kind in ("prim::ListUnpack", "prim::TupleUnpack"):
            self._unpack(node, inputs[0])
            return
        elif kind == "prim::NumToTensor":
            result = _as_tensor(inputs[0])
        elif kind.removeprefix("aten::") in _AS_NUMBERS:
            result = _as_number(kind, inputs[0])
        elif kind in _SHAPES:
            shape = self._shape(inputs[0])
            result = shape[inputs[1]] if len(inputs) > 1 else _SHAPES[kind](shape)
        elif kind.startswith("aten::"):
            self._operator(place, node, inputs)
            return
        else:
            raise InputError(f"The network's code has {_words(kind)}, which TorchScript files here do not hold.")
        self._values[node.output().debugName()] = result

    def _unpack(self, node: Any, value: Any) -> None:
        results = [each.debugName() for each in node.outputs()]
        if isinstance(value, Name):
            statement = self.statements.pop()
            assert statement.results == (value.text,)
            self._append(
                Statement(tuple(results), statement.operator, statement.arguments, statement.keywords, unpacked=True),
                node,
            )
        else:
            self._values |= dict(zip(results, value, strict=True))

    def _operator(self, place: int, node: Any, inputs: list[Any]) -> None:
        schema = schema_of(node)
        name = schema.name.removeprefix("aten::").replace("empty", "zeros")  # uninitialised memory is not reproducible
        results = [each.debugName() for each in node.outputs()]
        if writes(schema):
            self._change(place, node, schema, inputs)
        elif name in _IDENTITIES or (name in _DROPOUTS and inputs[-1] is False):
            self._values[results[0]] = inputs[0]
        elif not any(isinstance(each, Name | Weight) for each in leaves(inputs)):
            found = _computed(schema, inputs)
            self._values |= dict(zip(results, found if len(results) > 1 else [found], strict=True))
        else:
            self._append(self._statement(name, schema, inputs, results, node), node)

    def _append(self, statement: Statement, node: Any) -> None:
        self.statements.append(statement)
        self._values |= {each: Name(each) for each in statement.results}
        for output in node.outputs():
            sizes = output.type().sizes() if output.type().kind() == "TensorType" else None
            if sizes is not None:
                self._shapes[output.debugName()] = tuple(sizes)

    def _statement(self, name: str, schema: Any, inputs: list[Any], results: list[str], node: Any) -> Statement:
        if name in _RESHAPES and (sizes := node.output().type().sizes()) is not None:
            inputs[1] = tuple(sizes)
        name, schema, inputs = _without_devices(name, schema, inputs)
        inputs = [
            inputs[place - 1] if each.name == "stride" and inputs[place] == () else inputs[place]
            for place, each in enumerate(schema.arguments)
        ]  # pooling reads an empty stride as the kernel size
        schema, inputs = _with_plain_numbers(schema, inputs)
        return Statement(tuple(results), name, *arguments_of(schema, inputs), unpacked=len(results) > 1)

    def _change(self, place: int, node: Any, schema: Any, inputs: list[Any]) -> None:
        """Replace an in-place operation by one that returns a new tensor."""
        import torch

        name, changed = schema.name.removeprefix("aten::").removesuffix("_"), next(iter(node.inputs())).debugName()
        result = node.output().debugName()
        plain = [
            each
            for each in torch._C._jit_get_schemas_for_operator(f"aten::{name}")
            if [str(a.type) for a in each.arguments] == [str(a.type) for a in schema.arguments] and not writes(each)
        ]
        if name in _DROPOUTS and inputs[-1] is False:
            self._values[result] = inputs[0]
            return
        if not plain:
            raise InputError(
                f"The network changes a tensor in place by {name}_, which TorchScript files here do not hold."
            )
        if any(isinstance(each, Name | Weight) for each in leaves(inputs)):
            self._append(self._statement(name, plain[0], inputs, [result], node), node)
        else:
            self._values[result] = _computed(plain[0], inputs)
        for step in self._views.changed(changed, place, result):
            self._scatter(*step)
        self._values[changed] = self._values[result]

    def _scatter(self, base: str, node: Any, part: str, result: str) -> None:
        """Write a changed view back into its base, which becomes a new tensor."""
        name = node.kind().removeprefix("aten::")
        _, *rest = [self._values[each.debugName()] for each in node.inputs()]
        whole, new = self._values[base], self._values[part]
        if name in ("select", "slice"):
            operator, arguments = f"{name}_scatter", (whole, new, *rest)
        elif name in ("view", "reshape", "flatten", "unsqueeze", "squeeze"):
            operator, arguments = "reshape", (new, self._shape(whole))
        else:
            raise InputError(f"The network changes a part of a tensor in place, taken by {name}: change a copy of it.")
        self.statements.append(Statement((result,), operator, arguments))
        self._shapes[result] = self._shape(whole)
        self._values[result] = self._values[base] = Name(result)

    def _shape(self, value: Any) -> tuple[int, ...]:
        import torch

        if isinstance(value, Name) and value.text in self._shapes:
            return self._shapes[value.text]
        tensor = value.tensor if isinstance(value, Weight) else value
        if not isinstance(tensor, torch.Tensor):
            raise InputError(
                "The network's code reads a size that its trace does not know: export it with --format onnx."
            )
        return tuple(tensor.shape)


def _plain(value: Any) -> Any:
    return tuple(map(_plain, value)) if isinstance(value, list | tuple) else value


def _attribute(owner: Any, name: str) -> Any:
    import torch

    value = owner.getattr(name)
    return Weight(value.detach()) if isinstance(value, torch.Tensor) else value


def _as_tensor(value: Any) -> Any:
    import torch

    return value if isinstance(value, torch.Tensor) else torch.tensor(value)


def _as_number(kind: str, value: Any) -> Any:
    import torch

    if isinstance(value, Name | Weight):
        raise InputError(f"The network's code reads a single number of a tensor ({_words(kind)}).")
    return value.item() if isinstance(value, torch.Tensor) else value


def _words(kind: str) -> str:
    return kind.rpartition("::")[2]


def _computed(schema: Any, inputs: Sequence[Any]) -> Any:
    """Compute an operator whose inputs depend on neither the image nor a weight."""
    import torch

    name = schema.name.removeprefix("aten::")
    overload = getattr(getattr(torch.ops.aten, name), schema.overload_name or "default")
    empty = name.startswith(("empty", "new_empty"))
    if torch.Tag.nondeterministic_seeded in overload.tags:
        raise InputError(f"The network draws random numbers in eval mode too ({name}): no file can reproduce it.")
    ordered = [value for each, value in zip(schema.arguments, inputs, strict=True) if not each.kwarg_only]
    named = {each.name: value for each, value in zip(schema.arguments, inputs, strict=True) if each.kwarg_only}
    with torch.no_grad():
        found = overload(*(list(each) if type(each) is tuple else each for each in ordered), **named)
        return torch.zeros_like(found) if empty else _plain(found)


def _without_devices(name: str, schema: Any, inputs: list[Any]) -> tuple[str, Any, list[Any]]:
    """Drop device arguments: the file runs on the device of its input."""
    import torch

    if name == "to" and schema.overload_name == "device":
        schema = next(s for s in torch._C._jit_get_schemas_for_operator("aten::to") if s.overload_name == "dtype")
        return name, schema, [inputs[0], *inputs[2:]]
    return name, schema, [None if isinstance(each, torch.device) else each for each in inputs]


def _with_plain_numbers(schema: Any, inputs: list[Any]) -> tuple[Any, list[Any]]:
    """Replace scalar tensors by plain numbers if the operator has an overload that takes them."""
    import torch

    for place, value in enumerate(inputs):
        if not isinstance(value, torch.Tensor) or value.ndim or value.dtype == torch.bool:
            continue
        for other in torch._C._jit_get_schemas_for_operator(schema.name):
            same = [each.name for each in other.arguments] == [each.name for each in schema.arguments]
            types = [str(each.type) for each in other.arguments]
            if (
                same
                and types[place] == "number"
                and types.count("Tensor")
                and len(other.returns) == len(schema.returns)
            ):
                schema, inputs = other, [*inputs[:place], value.item(), *inputs[place + 1 :]]
                break
    return schema, inputs
