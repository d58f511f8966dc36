"""Change and read the parts of a model."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

__all__ = ["graphs_in", "read_by", "replace"]


def replace(field: Any, values: list[Any]) -> None:
    """Set a repeated field of a protobuf message to new values, which may be its own in another order."""
    copies = [type(value).FromString(value.SerializeToString()) for value in values]
    del field[:]
    field.extend(copies)


def graphs_in(node: "NodeProto") -> "Iterator[GraphProto]":
    """Yield the graphs that a node holds, and those in them."""
    for attribute in node.attribute:
        for graph in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
            yield graph
            for inner in graph.node:
                yield from graphs_in(inner)


def read_by(node: "NodeProto") -> "Iterator[str]":
    """Yield the names that a node reads, also within its graphs."""
    yield from node.input
    for graph in graphs_in(node):
        yield from (value.name for value in graph.output)
        for inner in graph.node:
            yield from inner.input
