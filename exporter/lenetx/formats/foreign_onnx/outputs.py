"""Choose which of several outputs of a foreign file is the network's, and leave the others out."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from lenetx_runtime import InputError

from ...models.outputs import Chosen, place_of
from .contract import FLOAT, are_rows, axes_of_value, listed
from .protobuf import read_by, replace

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto

__all__ = ["choose", "keep_output", "leading_to", "require_stated"]

_CHOOSE = "choose one with --output INDEX|NAME"


def choose(model: "ModelProto", classes: int, chosen: Chosen | None, stated: str | None) -> str:
    """Return the name of the output that corresponds to a network's logits.

    It is the only output, the stated one, the only one that can be float32[N, classes], or the one with the name or at
    the position of the network's logits.

    Args:
        model: the file.
        classes: the number of logits.
        chosen: the logits among several outputs of the network; ``None`` if it has one.
        stated: an index, a name in the file, or a name in the network.

    Raises:
        InputError: several could be the logits, or none.
    """
    outputs: dict[str, ValueInfoProto] = {value.name: value for value in model.graph.output}
    names = list(outputs)
    if len(names) == 1:
        return names[0]
    if stated is not None and (place := place_of(stated, names)) is not None:
        return names[place]
    fitting = [name for name, value in outputs.items() if _can_be(value, classes)]
    alike = _corresponding(names, chosen)
    if stated is None and len(fitting) == 1:
        return fitting[0]
    if alike is not None and alike in fitting:
        return alike
    if not fitting:
        raise InputError(
            f"It has {len(names)} outputs ({listed(outputs.values())}), none of which is float32[N, {classes}], the "
            "network's logits: name the weights that it was made from, with --against."
        )
    raise InputError(
        f"It has {len(names)} outputs ({listed(outputs.values())}), and several can be the network's logits, "
        f"float32[N, {classes}]: {_CHOOSE}."
    )


def require_stated(model: "ModelProto", stated: str | None) -> str:
    """Return the name of the only output, or of the one that is stated by its index or name.

    Raises:
        InputError: there is no such output, or there are several and none is stated.
    """
    names: list[str] = [value.name for value in model.graph.output]
    if stated is None and len(names) == 1:
        return names[0]
    place = None if stated is None else place_of(stated, names)
    if place is not None:
        return names[place]
    count = f"{len(names)} output{'s' * (len(names) > 1)} ({listed(model.graph.output)})"
    raise InputError(f"It has {count}: {_CHOOSE}" + ("." if stated is None else f"; got '{stated}'."))


def keep_output(model: "ModelProto", name: str) -> tuple[str, ...]:
    """Leave out all other outputs, in place, and return their names.

    With them go the nodes that only they need, and the tensors that only these nodes read. Nodes that lead to no output
    are kept, with what they read.
    """
    graph = model.graph
    others = tuple(value.name for value in graph.output if value.name != name)
    replace(graph.output, [next(value for value in graph.output if value.name == name)])
    if not others:
        return ()
    ends = [*others, name]
    idle = [node for node, leads in leading_to(graph, ends) if not leads]
    read = [name, *(each for node in idle for each in (*read_by(node), *node.output))]
    parts = leading_to(graph, read)
    kept, left = ([node for node, leads in parts if leads is wanted] for wanted in (True, False))
    gone = {each for node in left for each in (*read_by(node), *node.output)} | set(others)
    gone -= {name, *(each for node in kept for each in (*read_by(node), *node.output))}
    given = {value.name for value in graph.input} - {tensor.name for tensor in graph.initializer}
    replace(graph.node, kept)
    for field in (graph.initializer, graph.input, graph.value_info):
        if any(each.name in gone - given for each in field):
            replace(field, [each for each in field if each.name not in gone - given])
    return others


def leading_to(graph: "GraphProto", names: Iterable[str]) -> "list[tuple[NodeProto, bool]]":
    """Return each node, in order, and whether it leads to one of the values."""
    read = set(names)
    found = []
    for node in reversed(graph.node):
        leads = bool(read.intersection(filter(None, node.output)))
        read.update(read_by(node) if leads else ())
        found.append((node, leads))
    return found[::-1]


def _corresponding(names: Sequence[str], chosen: Chosen | None) -> str | None:
    """Return the output with the name or at the position of the network's logits; ``None`` if there is none."""
    if chosen is None or chosen.key in names:
        return None if chosen is None else str(chosen.key)
    return names[chosen.place] if chosen.count == len(names) else None


def _can_be(value: "ValueInfoProto", classes: int) -> bool:
    axes = axes_of_value(value)
    return value.type.tensor_type.elem_type == FLOAT and (axes is None or are_rows(axes, classes))
