"""Read an ONNX file into an expression."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .batch_multiple import Images
from .decisions import GIVES_SIZES
from .expression import FRONT, Expression, Unknown, Unsupported, aliased, make, number, of_array, opaque, plain, weight
from .onnx_layers import LAYERS
from .onnx_names import CONSTANT
from .onnx_node import Node
from .onnx_numbers import NUMBERS
from .onnx_shapes import SHAPES
from .onnx_sizes import sizes_of
from .torch_graph import known

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

__all__ = ["names_of", "of_onnx", "sizes_in"]

_OPERATORS = {**LAYERS, **NUMBERS, **SHAPES}
_OPSETS = range(14, 24)
"""Opsets whose operators this package knows."""
_DOMAINS = ("", "ai.onnx")
_FLOAT, _BOOL = 1, 9
_GRAPH = 5
"""``onnx.AttributeProto.GRAPH``."""


def sizes_in(model: "ModelProto") -> "Mapping[str, NDArray[Any]]":
    """Return the integers and truth values that a graph derives from constants and shapes, by the names of the values.

    Args:
        model: any model; nothing in it is trusted.

    Returns:
        Arrays of objects, the same for any number of images; what is not known or depends on that number is left out.
    """
    try:
        graph = _Graph(model, None)
        graph.read()
    except _Unreadable:
        return {}
    return {name: each for name, each in graph.sizes.items() if not any(isinstance(size, Images) for size in each.flat)}


class _Unreadable(Exception):
    """The graph is malformed, or uses a feature that is not supported."""


def of_onnx(model: "ModelProto", aliases: Mapping[str, str] | None = None) -> Expression | Unknown:
    """Return the canonical form of what an ONNX file computes, or why it cannot be read.

    Args:
        model: any model; nothing in it is trusted.
        aliases: for tensors with several names, the one under which they are compared, see ``aliases``.
    """
    try:
        return known(_Graph(model, aliases).output())
    except _Unreadable as error:
        return Unknown(str(error))


class _Graph:
    """Builds an expression for each value of a graph, node by node."""

    def __init__(self, model: "ModelProto", aliases: Mapping[str, str] | None) -> None:
        graph = model.graph
        _require_plain(model)
        self._graph, self._aliases = graph, aliases
        self._constants = {tensor.name: tensor for tensor in graph.initializer}
        (given,) = graph.input
        self._batch, axes = _input_axes(given)
        self.sizes: dict[str, NDArray[Any]] = {}
        self._values = {given.name: make("input", (), axes, batch=FRONT, axes=axes)}
        self._values |= {name: self._constant(tensor) for name, tensor in self._constants.items()}
        if len(self._values) != len(graph.initializer) + 1 or "" in self._values:
            raise _Unreadable("two of its values have one name")

    def read(self) -> None:
        """Build the expressions of all nodes."""
        for node in self._graph.node:
            for name in node.input:
                if name and name not in self._values:
                    raise _Unreadable(f"{plain(node.op_type)} reads {plain(name)}, which no earlier node produces")
            given = [name for name in node.output if name]
            if len(set(given)) != len(given) or self._values.keys() & set(given):
                raise _Unreadable(f"{plain(node.op_type)} gives a value that there is already")
            outputs = self._outputs(node)
            self._values |= {name: found for name, found in zip(node.output, outputs, strict=True) if name}

    def output(self) -> Expression:
        self.read()
        (wanted,) = self._graph.output
        if wanted.name not in self._values:
            raise _Unreadable(f"nothing gives its output {plain(wanted.name)}")
        found = self._values[wanted.name]
        if not found.is_opaque and found.batch not in (None, FRONT):
            raise _Unreadable("its output mixes the images of a batch")
        return found

    def _outputs(self, proto: "NodeProto") -> list[Expression]:
        read = [self._values[name] for name in (*proto.input, *_read_within(proto)) if name in self._values]
        count = len(proto.output)
        try:
            if proto.domain not in _DOMAINS or proto.overload:
                raise Unsupported("it is not known")
            node = Node(proto, self._values, self._constants, self.sizes, self._batch)
            sizes = sizes_of(node)
            if sizes is not None:
                self.sizes[proto.output[0]] = sizes
                raise Unsupported(GIVES_SIZES)
            operator = _OPERATORS.get(proto.op_type)
            if operator is None:
                raise Unsupported("it is not known")
            found = operator(node)
            node.finish()
        except Unsupported as error:
            return [opaque(proto.op_type, str(error), read, place) for place in range(count)]
        outputs = (found if isinstance(found, list) else [found])[:count]
        others = range(len(outputs), count)
        return [*outputs, *(opaque(proto.op_type, "its second result", read, place) for place in others)]

    def _constant(self, tensor: "TensorProto") -> Expression:
        """Return an initializer as a weight by its name, a number or a constant."""
        from onnx import numpy_helper

        is_mask = tensor.data_type == _BOOL and tensor.name.startswith(CONSTANT)
        is_known = tensor.data_type == _FLOAT or is_mask
        if not is_known or tensor.data_location or min(tensor.dims, default=1) < 1:
            return opaque(tensor.name, "no float32 numbers of its own", ())
        if tensor.name.startswith(CONSTANT):
            try:
                array = numpy_helper.to_array(tensor)
            except (ValueError, TypeError, RuntimeError, IndexError):
                return opaque(tensor.name, "it cannot be read", ())
            is_number = array.size == 1 and array.ndim < 2 and not is_mask
            return number(float(array.item())) if is_number else of_array(array, self._aliases)
        return weight(aliased(tensor.name, self._aliases), tensor.dims)


def _read_within(node: "NodeProto") -> Iterator[str]:
    """Yield the names that the subgraphs of a node read."""
    graphs = [each.g for each in node.attribute if each.type == _GRAPH]
    while graphs:
        for inner in graphs.pop().node:
            yield from map(str, inner.input)
            graphs += [each.g for each in inner.attribute if each.type == _GRAPH]


def _require_plain(model: "ModelProto") -> None:
    graph: GraphProto = model.graph
    versions = [entry.version for entry in model.opset_import if entry.domain in _DOMAINS]
    if len(versions) != 1 or versions[0] not in _OPSETS:
        raise _Unreadable(f"its opset is {', '.join(map(str, versions)) or 'not stated'}")
    if not all(isinstance(name, str) for name in names_of(graph)):  # protobuf returns bytes for invalid UTF-8
        raise _Unreadable("one of its names is not text")
    if model.functions or graph.sparse_initializer:
        raise _Unreadable("it has functions of its own or sparse weights")
    for what, values in (("inputs", graph.input), ("outputs", graph.output)):
        if len(values) != 1:
            raise _Unreadable(f"it has {len(values)} {what}")


def names_of(graph: "GraphProto") -> Iterator[object]:
    """Yield the names in a graph; protobuf gives bytes instead of a string for invalid UTF-8."""
    for value in (*graph.input, *graph.output, *graph.initializer):
        yield value.name
    for node in graph.node:
        yield from (node.op_type, node.domain, node.overload, *node.input, *node.output)
        yield from (each.name for each in node.attribute)


def _input_axes(given: "ValueInfoProto") -> tuple[int | None, tuple[int, ...]]:
    """Return the batch size (``None`` if it is dynamic) and the other axes."""
    kind = given.type.tensor_type
    axes = [axis.dim_value for axis in kind.shape.dim]
    if kind.elem_type != _FLOAT or len(axes) < 2 or min(axes[1:]) < 1:
        raise _Unreadable("its input has no float32 numbers of a known shape")
    return axes[0] or None, tuple(axes[1:])
