"""Hold the layers of one graph while its nodes are translated."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lenetx_runtime import InputError

from .ir import TYPES, Port, Writer

if TYPE_CHECKING:
    from onnx import GraphProto, NodeProto

__all__ = ["Translation"]


class Translation:
    """The layers of a graph while it is translated.

    Args:
        graph: an ONNX graph.
        halves: as ``Writer`` takes it.

    Attributes:
        tensors: its initializers by name.
        writer: the layers so far.
        ports: the outputs of inputs and nodes, by name.

    Raises:
        InputError: an initializer is neither float32 nor int64.
    """

    def __init__(self, graph: "GraphProto", *, halves: bool = False) -> None:
        self.tensors = {tensor.name: tensor for tensor in graph.initializer}
        self.ports = dict[str, Port]()
        for tensor in graph.initializer:
            if tensor.data_type not in TYPES or not tensor.HasField("raw_data"):
                raise InputError(
                    "The network cannot be written as OpenVINO IR: it holds tensors other than float32 and int64."
                )
        self.writer = Writer(graph.initializer, halves=halves)
        for value in graph.input:
            sizes = [axis.dim_value or "?" for axis in value.type.tensor_type.shape.dim]
            data = {"shape": ",".join(map(str, sizes)), "element_type": "f32"}
            self.ports[value.name] = self.writer.layer("Parameter", value.name, (), data, names=[value.name])

    def made(
        self,
        node: "NodeProto",
        kind: str,
        version: int,
        inputs: Sequence[Port] | None = None,
        data: Mapping[str, Any] = MappingProxyType({}),
    ) -> Port:
        """Add the last layer of a node, which has the node's names."""
        read = [self.port(name) for name in node.input] if inputs is None else inputs
        return self.writer.layer(kind, node.output[0], read, data, version=version, names=node.output)

    def before(
        self,
        node: "NodeProto",
        kind: str,
        version: int,
        inputs: Sequence[Port],
        data: Mapping[str, Any] = MappingProxyType({}),
    ) -> Port:
        """Add a layer before the last one of a node."""
        name = f"{node.output[0]}/{kind}"
        return self.writer.layer(kind, name, inputs, data, version=version, names=[name])

    def port(self, name: str) -> Port:
        """Return the output that has a name in the graph: of a node, an input or an initializer."""
        return self.ports[name] if name in self.ports else self.writer.tensor(name)

    def values(self, name: str) -> Any:
        """Return the numbers of an initializer; ``None`` of another value."""
        from onnx import numpy_helper

        return numpy_helper.to_array(self.tensors[name]) if name in self.tensors else None

    def whole(self, *values: int, scalar: bool = False) -> Port:
        """Return a constant of int64 numbers."""
        import numpy as np

        return self.writer.constant(np.array(values[0] if scalar else values, np.int64))

    def real(self, value: float, *shape: int) -> Port:
        """Return a float32 constant that is one number everywhere."""
        import numpy as np

        return self.writer.constant(np.full(shape, value, np.float32))
