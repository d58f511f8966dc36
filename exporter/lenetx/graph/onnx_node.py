"""One node of an ONNX graph: each input and attribute is asked for by what it means, and none is passed over."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .expression import Expression, Strange

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

__all__ = ["Node"]

_INT64 = 7
_MOST_SIZES = 1024
"""In one tensor of sizes, axes or places."""
_KINDS = {"integer": 2, "integers": 7, "fraction": 1, "text": 3}
"""onnx.AttributeProto's numbers of the types."""


class Node:
    """A node, whose inputs have been read.

    Args:
        proto: the node.
        values: expressions by name.
        constants: the tensors of the file by name.
        batch: the size of the batch axis, or ``None`` if it is any.
    """

    def __init__(
        self,
        proto: "NodeProto",
        values: Mapping[str, Expression],
        constants: "Mapping[str, TensorProto]",
        batch: int | None,
    ) -> None:
        self.batch = batch
        self.outputs = len(proto.output)
        self._inputs = list(proto.input)
        self._values, self._constants = values, constants
        self._read: set[int] = set()
        self._attributes = {attribute.name: attribute for attribute in proto.attribute}
        if len(self._attributes) != len(proto.attribute):
            raise Strange("two attributes of one name")

    @property
    def inputs(self) -> int:
        """How many there are."""
        return len(self._inputs)

    def value(self, place: int = 0) -> Expression:
        """Give an input."""
        found = self.optional(place)
        if found is None:
            raise Strange("too few inputs")
        return found

    def optional(self, place: int) -> Expression | None:
        """Give an input or ``None``."""
        self._read.add(place)
        return self._values[self._inputs[place]] if self._has(place) else None

    def sizes(self, place: int) -> list[int] | None:
        """Give an input of sizes, axes or places, or ``None`` where there is none.

        Raises:
            Strange: it is computed, or not of whole numbers.
        """
        from onnx import numpy_helper

        self._read.add(place)
        if not self._has(place):
            return None
        tensor = self._constants.get(self._inputs[place])
        if tensor is None:
            raise Strange("its sizes are computed")
        if tensor.data_type != _INT64 or tensor.data_location or len(tensor.dims) > 1 or sum(tensor.dims) > _MOST_SIZES:
            raise Strange("its sizes are no whole numbers")
        try:
            return [int(size) for size in numpy_helper.to_array(tensor).reshape(-1)]
        except (ValueError, TypeError, RuntimeError, IndexError):
            raise Strange("its sizes cannot be read") from None

    def is_single(self, place: int) -> bool:
        """Say whether an input of :meth:`sizes` is one number and no list."""
        return not self._constants[self._inputs[place]].dims

    def number(self, place: int) -> float | None:
        """Give an input that is a number, or ``None`` where there is none."""
        found = self.optional(place)
        if found is not None and found.operator != "number":
            raise Strange("where a number should be it has none")
        return None if found is None else float(found.attributes["value"])

    def integer(self, name: str, default: int) -> int:
        """Give an attribute."""
        return int(self._take(name, "integer", default))

    def integers(self, name: str) -> list[int] | None:
        """Give an attribute or ``None``."""
        found = self._take(name, "integers", None)
        return None if found is None else list(found)

    def fraction(self, name: str, default: float) -> float:
        """Give an attribute."""
        return float(self._take(name, "fraction", default))

    def text(self, name: str, default: str) -> str:
        """Give an attribute."""
        found = self._take(name, "text", default)
        return found.decode(errors="replace") if isinstance(found, bytes) else str(found)

    def require(self, name: str, value: float) -> None:
        """See that an attribute, whole or a fraction, has the one value that is known.

        Raises:
            Strange: it has another.
        """
        kind = "integer" if isinstance(value, int) else "fraction"
        found = self._take(name, kind, value)
        if found != value:
            raise Strange(f"its {name} is {found:.9g}")

    def finish(self) -> None:
        """See that all inputs and attributes were asked for.

        Raises:
            Strange: one was not.
        """
        if self._attributes:
            raise Strange(f"an attribute {min(self._attributes)}")
        if any(self._has(place) for place in range(len(self._inputs)) if place not in self._read):
            raise Strange("more inputs than are known")

    def _has(self, place: int) -> bool:
        return place < len(self._inputs) and bool(self._inputs[place])

    def _take(self, name: str, kind: str, default: Any) -> Any:
        from onnx import helper

        attribute = self._attributes.pop(name, None)
        if attribute is None:
            return default
        if attribute.type != _KINDS[kind] or attribute.ref_attr_name:
            raise Strange(f"its {name} is of another type")
        return helper.get_attribute_value(attribute)
