"""Replace branches of a foreign graph that its sizes decide by the nodes of the branch taken.

Traced networks have such branches where torch asks for the size of an axis that it could have known.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lenetx_runtime import InputError, ModelSpec

from ...graph import sizes_in
from ...graph.expression import plain
from .protobuf import graphs_in, read_by, replace
from .simplify import readable

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

__all__ = ["follow_branches", "unknown_branch"]

_BRANCHES = ("else_branch", "then_branch")
_MOST = 64
"""Most branches of a file that are followed: each takes a pass over the graph."""
_IF = "If"
_DEFAULT = ("", "ai.onnx")
_GRAPH = 5
"""``onnx.AttributeProto.GRAPH``."""


def follow_branches(model: "ModelProto", spec: ModelSpec) -> int:
    """Replace each ``If`` whose condition is the same for all images, in place, and return how many there were.

    A condition must follow from constants and from the sizes of axes, exactly for any number of images.

    Args:
        model: with the axes of the spec, see ``contract.fit_axes``.
        spec: of the file.

    Raises:
        InputError: a condition depends on the images or on their number, or there are loops or too many branches.
    """
    count = 0
    while True:
        place = next((place for place, node in enumerate(model.graph.node) if any(graphs_in(node))), None)
        if place is None:
            return count
        node = model.graph.node[place]
        branches = branches_of(node)
        found = _condition(model, place, spec) if branches is not None and count < _MOST else None
        if branches is None or found is None:
            raise unknown_branch(node)
        count += 1
        _take(model, place, branches[found])


def branches_of(node: "NodeProto") -> "tuple[GraphProto, GraphProto] | None":
    """Return the graphs of an ``If`` for false and for true; ``None`` for any other node, or one that is malformed."""
    graphs = {each.name: each.g for each in node.attribute if each.type == _GRAPH}
    is_if = node.op_type == _IF and node.domain in _DEFAULT and len(node.input) == 1
    if not is_if or sorted(graphs) != [*_BRANCHES] or len(node.attribute) != len(_BRANCHES):
        return None
    fit = all(len(each.output) == len(node.output) and not each.input for each in graphs.values())
    return (graphs[_BRANCHES[0]], graphs[_BRANCHES[1]]) if fit else None


def unknown_branch(node: "NodeProto") -> InputError:
    """Return the error for a branch or a loop that cannot be followed."""
    return InputError(
        f"Its {plain(node.op_type)} holds a graph of its own (a branch or a loop), which lenetx does not follow: "
        "export the network with fixed sizes, or with torch's newer exporter (dynamo=True)."
    )


def _condition(model: "ModelProto", place: int, spec: ModelSpec) -> bool | None:
    """Return the condition of a branch; ``None`` if it depends on the images or on their number."""
    import onnx
    from onnx import helper

    (name,) = model.graph.node[place].input
    read, nodes = {name}, []
    for node in reversed(model.graph.node[:place]):
        if read.intersection(filter(None, node.output)):
            read.update(node.input)
            nodes.append(node)
    graph = helper.make_graph(
        nodes[::-1],
        "condition",
        model.graph.input,
        [helper.make_tensor_value_info(name, onnx.TensorProto.BOOL, [])],
        [tensor for tensor in model.graph.initializer if tensor.name in read],
    )
    part = helper.make_model(graph, opset_imports=model.opset_import)
    readable(part, spec)
    held = [tensor for tensor in part.graph.initializer if tensor.name == name]
    values = [onnx.numpy_helper.to_array(held[0])] if held else [sizes_in(part).get(name)]
    return bool(values[0]) if values[0] is not None and values[0].size == 1 else None


def _take(model: "ModelProto", place: int, branch: "GraphProto") -> None:
    """Replace a node by those of a branch, under names that nothing else has."""
    from onnx import helper

    graph = model.graph
    node = graph.node[place]
    taken = {name.partition(":")[0] for name in (*_names(graph), *_names(branch))}
    prefix = next(text for text in map("branch{}".format, range(len(taken) + 1)) if text not in taken)
    own = {each.name for each in branch.initializer} | {name for inner in branch.node for name in inner.output}
    renamed = {name: f"{prefix}:{name}" for name in own if name}
    _rename(branch, renamed)
    ends = zip(branch.output, node.output, strict=True)
    same = [helper.make_node("Identity", [inner.name], [outer]) for inner, outer in ends if outer]
    graph.initializer.extend(branch.initializer)
    replace(graph.node, [*graph.node[:place], *branch.node, *same, *graph.node[place + 1 :]])


def _names(graph: "GraphProto") -> Iterator[str]:
    for part in (graph.input, graph.initializer, graph.output):
        yield from (each.name for each in part)
    for node in graph.node:
        yield from node.output
        yield from read_by(node)
        for inner in graphs_in(node):
            yield from (name for each in inner.node for name in each.output)
            yield from (tensor.name for tensor in inner.initializer)


def _rename(graph: "GraphProto", renamed: dict[str, str]) -> None:
    """Rename values in a graph and in all graphs within it; names that one of them hides are hidden as before."""
    for inner in (graph, *(each for node in graph.node for each in graphs_in(node))):
        for value in (*inner.initializer, *inner.output):
            value.name = renamed.get(value.name, value.name)
        for node in inner.node:
            node.input[:] = [renamed.get(name, name) for name in node.input]
            node.output[:] = [renamed.get(name, name) for name in node.output]
