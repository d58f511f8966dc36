"""Track which values of a trace share memory, to find what an in-place operation on one of them changes."""

from collections.abc import Iterator
from typing import Any

from lenetx_runtime import InputError

from .graph import schema_of

__all__ = ["Views"]

_CUTS = ("aten::chunk", "aten::split", "aten::split_with_sizes", "aten::tensor_split", "aten::unbind")


class Views:
    """The base of each view in a graph, and where each value is read last."""

    def __init__(self, graph: Any) -> None:
        self._base: dict[str, tuple[str, Any]] = {}
        self._parts: dict[str, list[str]] = {}
        self._made: dict[str, int] = {}
        self._last: dict[str, int] = {}
        place = -1
        for place, node in enumerate(graph.nodes()):
            self._last |= {each.debugName(): place for each in node.inputs()}
            for output in node.outputs():
                self._made[output.debugName()] = place
                self._add(node, output.debugName())
        self._last |= {each.debugName(): place + 1 for each in graph.outputs()}

    def _add(self, node: Any, output: str) -> None:
        first = next((each.debugName() for each in node.inputs()), None)
        if not node.kind().startswith("aten::") or first is None:
            if node.kind() == "prim::ListUnpack" and first in self._base:
                self._base[output] = self._base[first]
                self._parts.setdefault(self._base[first][0], []).append(output)
            return
        returned = schema_of(node).returns
        alias = returned[0].alias_info if len(returned) == 1 else None
        if alias is None:
            return
        if alias.is_write:  # an in-place operator returns its input
            if first in self._base:
                self._base[output] = self._base[first]
            self._parts[output] = self._parts.get(first, [])
        else:
            self._base[output] = first, node
            self._parts.setdefault(first, []).append(output)

    def changed(self, name: str, place: int, new: str) -> Iterator[tuple[str, Any, str, str]]:
        """Yield the bases to update after an in-place change, innermost first.

        Args:
            name: the value that is changed.
            place: the index of the node that changes it.
            new: the name of the changed value.

        Yields:
            The base's name, the node that made the view, the changed view's name, and the updated base's name.

        Raises:
            InputError: another view of the same memory is read later.
        """
        part = new
        self._require_unread(self._parts.get(name, []), place)
        while name in self._base:
            base, node = self._base[name]
            siblings = [each for each in self._parts.get(base, []) if each not in (name, part)]
            others = [each for each in siblings if not self._apart(each, name)]
            if self._last[base] <= place and not self._read_later(others, place) and base not in self._base:
                return
            self._require_unread(others, place)
            result = f"{base}.{place}"
            yield base, node, part, result
            name, part = base, result

    def _apart(self, one: str, other: str) -> bool:
        """Return whether two views are disjoint pieces of one value, cut by the same operator."""
        pieces = (self._base.get(each, ("", None))[1] for each in (one, other))
        kinds = [(self._made[each], piece.kind()) for each, piece in zip((one, other), pieces, strict=True) if piece]
        return len(kinds) == 2 and kinds[0] == kinds[1] and kinds[0][1] in _CUTS

    def _require_unread(self, names: list[str], place: int) -> None:
        if self._read_later(names, place):
            raise InputError(
                "The network changes a tensor in place of which it reads another part later: change a copy of it."
            )

    def _read_later(self, names: list[str], place: int) -> bool:
        made = [each for each in names if self._made.get(each, -1) < place]
        return any(
            self._last.get(each, -1) > place or self._read_later(self._parts.get(each, []), place) for each in made
        )
