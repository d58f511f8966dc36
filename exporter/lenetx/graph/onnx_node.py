"""Read the inputs and attributes of an ONNX node, and detect unread ones."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .batch_multiple import MOST_SIZES, Images
from .expression import Expression, Unsupported

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import NodeProto, TensorProto

__all__ = ["Node"]

_FLOAT, _INT64 = 1, 7
_KINDS = {"integer": 2, "integers": 7, "fraction": 1, "text": 3}
"""Values of ``onnx.AttributeProto.AttributeType``."""


class Node:
    """One node of a graph; call ``finish`` after reading its inputs and attributes.

    Args:
        proto: the node.
        values: expressions by name, those of the node's inputs among them.
        constants: the initializers of the file by name.
        sizes: integers that the graph has computed, by name.
        batch: the size of the batch axis, or ``None`` if it is dynamic.
    """

    def __init__(
        self,
        proto: "NodeProto",
        values: Mapping[str, Expression],
        constants: "Mapping[str, TensorProto]",
        sizes: "Mapping[str, NDArray[Any]]",
        batch: int | None,
    ) -> None:
        self.batch, self.operator = batch, proto.op_type
        self.outputs = len(proto.output)
        self._inputs = list(proto.input)
        self._values, self._constants, self._sizes = values, constants, sizes
        self._read: set[int] = set()
        self._attributes = {attribute.name: attribute for attribute in proto.attribute}
        if len(self._attributes) != len(proto.attribute):
            raise Unsupported("two attributes of one name")

    @property
    def inputs(self) -> int:
        """Return the number of inputs."""
        return len(self._inputs)

    def value(self, place: int = 0) -> Expression:
        """Return an input.

        Raises:
            Unsupported: it is absent.
        """
        found = self.optional(place)
        if found is None:
            raise Unsupported("too few inputs")
        return found

    def optional(self, place: int) -> Expression | None:
        """Return an input, or ``None`` if it is absent."""
        self._read.add(place)
        return self._values[self._inputs[place]] if self._has(place) else None

    def sizes(self, place: int) -> list[int] | None:
        """Return an input of sizes, axes or indices, or ``None`` if it is absent.

        Raises:
            Unsupported: it is computed from the number of images, or its numbers are not integers.
        """
        found = self.extents(place)
        if found is None:
            return None
        if not all(isinstance(size, int) for size in found):
            raise Unsupported("its sizes are computed")
        return [int(size) for size in found]  # type: ignore[arg-type]  # as checked above

    def extents(self, place: int) -> "list[int | Images] | None":
        """Return an input of sizes, which may be multiples of the number of images, or ``None`` if it is absent."""
        if not self._has(place):
            self._read.add(place)
            return None
        found = self.array(place)
        if found.ndim > 1:
            raise Unsupported("its sizes are not whole numbers")
        return list(found.reshape(-1))

    def array(self, place: int) -> "NDArray[Any]":
        """Return an input of integers of any shape."""
        import numpy as np
        from onnx import numpy_helper

        self._read.add(place)
        if not self._has(place):
            raise Unsupported("too few inputs")
        name = self._inputs[place]
        if name in self._sizes:
            return self._sizes[name]
        tensor = self._constants.get(name)
        if tensor is None:
            raise Unsupported("its sizes are computed")
        if tensor.data_type != _INT64 or tensor.data_location or math.prod(tensor.dims) > MOST_SIZES:
            raise Unsupported("its sizes are not whole numbers")
        try:
            found = numpy_helper.to_array(tensor)
            return np.array(found.tolist(), object).reshape(found.shape)
        except (ValueError, TypeError, RuntimeError, IndexError):
            raise Unsupported("its sizes cannot be read") from None

    def reads_sizes(self) -> bool:
        """Return whether all inputs hold integers."""
        given = [name for name in self._inputs if name]
        whole = [
            name in self._sizes or (name in self._constants and self._constants[name].data_type == _INT64)
            for name in given
        ]
        return bool(given) and all(whole)

    def floats(self, place: int) -> list[float]:
        """Return the numbers of a constant input; an empty list if it is absent or computed."""
        from onnx import numpy_helper

        tensor = self._constants.get(self._inputs[place]) if self._has(place) else None
        if tensor is None or tensor.data_type != _FLOAT or tensor.data_location:
            return []
        self._read.add(place)
        try:
            found: list[float] = numpy_helper.to_array(tensor).reshape(-1).tolist()
        except (ValueError, TypeError, RuntimeError, IndexError):
            raise Unsupported("its numbers cannot be read") from None
        return found

    def filled(self, place: int) -> float | None:
        """Return the one number that fills a constant input, or ``None`` if its numbers differ."""
        found = set(self.floats(place))
        return found.pop() if len(found) == 1 else None

    def number(self, place: int) -> float | None:
        """Return an input that is a single number, or ``None`` if it is absent."""
        found = self.optional(place)
        if found is not None and found.operator != "number":
            raise Unsupported("where a number should be it has none")
        return None if found is None else float(found.attributes["value"])

    def integer(self, name: str, default: int) -> int:
        """Return an integer attribute."""
        return int(self._take(name, "integer", default))

    def integers(self, name: str) -> list[int] | None:
        """Return an attribute of several integers, or ``None`` if it is absent."""
        found = self._take(name, "integers", None)
        return None if found is None else list(found)

    def fraction(self, name: str, default: float) -> float:
        """Return a float attribute."""
        return float(self._take(name, "fraction", default))

    def text(self, name: str, default: str) -> str:
        """Return a string attribute."""
        found = self._take(name, "text", default)
        return found.decode(errors="replace") if isinstance(found, bytes) else str(found)

    def require(self, name: str, value: float) -> None:
        """Check that an integer or float attribute has the only supported value.

        Raises:
            Unsupported: it has another value.
        """
        kind = "integer" if isinstance(value, int) else "fraction"
        found = self._take(name, kind, value)
        if found != value:
            raise Unsupported(f"its {name} is {found:.9g}")

    def finish(self) -> None:
        """Check that all inputs and attributes were read.

        Raises:
            Unsupported: an input or attribute was not read.
        """
        if self._attributes:
            raise Unsupported(f"an attribute {min(self._attributes)}")
        if any(self._has(place) for place in range(len(self._inputs)) if place not in self._read):
            raise Unsupported("more inputs than are known")

    def _has(self, place: int) -> bool:
        return place < len(self._inputs) and bool(self._inputs[place])

    def _take(self, name: str, kind: str, default: Any) -> Any:
        from onnx import helper

        attribute = self._attributes.pop(name, None)
        if attribute is None:
            return default
        if attribute.type != _KINDS[kind] or attribute.ref_attr_name:
            raise Unsupported(f"its {name} is of another type")
        return helper.get_attribute_value(attribute)
