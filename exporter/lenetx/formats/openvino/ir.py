"""Write OpenVINO IR: layers and edges as XML, and the numbers of constants beside it. It depends on no engine."""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import quoteattr

from ...graph.onnx_names import CONSTANT

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnx import TensorProto

__all__ = ["ALIGNMENT", "TYPES", "Port", "Writer", "is_weight"]

TYPES = {1: ("f32", "FP32", 4), 7: ("i64", "I64", 8)}
"""Element types by ONNX's numbers: OpenVINO's two names for each, and the bytes per element."""
_FLOAT, _FLOAT16 = 1, 10
_STORED = {**TYPES, _FLOAT16: ("f16", "FP16", 2)}
_DECOMPRESSION = '<rt_info><attribute name="decompression" version="0"/></rt_info>'
"""Marks a conversion of stored weights, as ``openvino.save_model`` does; engines may apply it once, on opening."""
ALIGNMENT = 64
"""Each tensor in ``model.bin`` begins at a multiple of so many bytes."""
Port = tuple[int, int]
"""An output: the number of its layer, and of the port there."""


def is_weight(tensor: "TensorProto") -> bool:
    """Return whether an initializer is a float32 weight, rather than a number of the network's code, a size or axes."""
    return tensor.data_type == _FLOAT and not tensor.name.startswith(CONSTANT)


class Writer:
    """Collect the layers of one model; equal calls give equal bytes.

    Args:
        tensors: the model's initializers, whose numbers come first in ``model.bin``, in this order.
        halves: whether weights are stored in float16, each followed by a conversion to float32.

    Attributes:
        layers: the type and the name of each layer, and the names of the layers that it reads.
        constants: the numbers of each constant, by its layer's name.
    """

    def __init__(self, tensors: "Sequence[TensorProto]", *, halves: bool = False) -> None:
        self._tensors = {tensor.name: tensor for tensor in tensors}
        self._halved = {tensor.name: _halved(tensor) for tensor in tensors if halves and is_weight(tensor)}
        self._written, self._edges = list[str](), list[str]()
        self._numbers = bytearray()
        self._places = dict[bytes, int]()
        self._ports = dict[tuple[str, tuple[int, ...]], Port]()
        self.layers = list[tuple[str, str, list[str]]]()
        self.constants = dict[str, bytes]()
        for tensor in tensors:
            numbers = self._halved.get(tensor.name, tensor.raw_data)
            self._places.setdefault(numbers, self._placed(numbers))

    def layer(
        self,
        kind: str,
        name: str,
        inputs: Sequence[Port] = (),
        data: Mapping[str, Any] = MappingProxyType({}),
        *,
        version: int = 1,
        names: Sequence[str] = (),
        precision: str = "FP32",
        mark: str = "",
    ) -> Port:
        """Add a layer and return its first output.

        Args:
            kind: its type.
            name: its name.
            inputs: the outputs that it reads.
            data: its attributes.
            version: of the operator set that defines its type.
            names: the tensor names of its outputs; a ``Result`` has none.
            precision: element type of its outputs.
            mark: its runtime information, as XML.
        """
        number = len(self._written)
        words = [f'<layer id="{number}" name={quoteattr(name)} type="{kind}" version="opset{version}">']
        if data:
            words.append("<data " + " ".join(f"{key}={quoteattr(_text(each))}" for key, each in data.items()) + "/>")
        words += [mark] * bool(mark)
        if inputs:
            words.append("<input>" + "".join(f'<port id="{place}"/>' for place in range(len(inputs))) + "</input>")
        if names:
            ports = (
                f'<port id="{place}" precision="{precision}" names={quoteattr(each.replace(",", chr(92) + ","))}/>'
                for place, each in enumerate(names, len(inputs))
            )
            words.append("<output>" + "".join(ports) + "</output>")
        self._written.append("".join([*words, "</layer>"]))
        self._edges += [
            f'<edge from-layer="{layer}" from-port="{port}" to-layer="{number}" to-port="{place}"/>'
            for place, (layer, port) in enumerate(inputs)
        ]
        self.layers.append((kind, name, [self.layers[layer][1] for layer, _ in inputs]))
        return number, len(inputs)

    def tensor(self, name: str, shape: Sequence[int] | None = None) -> Port:
        """Return the constant of an initializer, in another shape if one is given.

        Raises:
            KeyError: there is no such initializer, or its element type is not in ``TYPES``.
        """
        tensor = self._tensors[name]
        own = tuple(tensor.dims)
        wanted = own if shape is None else tuple(shape)
        shown = name if wanted == own else f"{name} as {_text(wanted)}"
        if name in self._halved:
            return self._converted(shown, self._halved[name], wanted)
        return self._constant(shown, tensor.raw_data, tensor.data_type, wanted)

    def constant(self, array: "NDArray[np.int64] | NDArray[np.float32]") -> Port:
        """Return a constant of numbers that no initializer holds."""
        kind = 7 if array.dtype.kind == "i" else 1
        shown = f"constant {_text(array.shape)} {array.tobytes().hex()}"
        return self._constant(shown, array.tobytes(), kind, array.shape)

    def _converted(self, shown: str, numbers: bytes, shape: tuple[int, ...]) -> Port:
        """Return float16 numbers converted to float32."""
        if (shown, shape) not in self._ports:
            stored = self._constant(f"{shown}_compressed", numbers, _FLOAT16, shape)
            data = {"destination_type": "f32"}
            self._ports[shown, shape] = self.layer("Convert", shown, [stored], data, names=[shown], mark=_DECOMPRESSION)
        return self._ports[shown, shape]

    def written(self) -> tuple[bytes, bytes]:
        """Return ``model.xml`` and ``model.bin``."""
        lines = ['<?xml version="1.0"?>', '<net name="lenetx" version="11">', "<layers>", *self._written, "</layers>"]
        lines += ["<edges>", *self._edges, "</edges>", "</net>", ""]
        return "\n".join(lines).encode(), bytes(self._numbers)

    def _constant(self, shown: str, numbers: bytes, kind: int, shape: tuple[int, ...]) -> Port:
        if (shown, shape) not in self._ports:
            name, precision, size = _STORED[kind]
            if numbers not in self._places:
                self._places[numbers] = self._placed(numbers)
            data = {"element_type": name, "shape": shape, "offset": self._places[numbers], "size": len(numbers)}
            assert len(numbers) == size * math.prod(shape)
            self._ports[shown, shape] = self.layer("Const", shown, (), data, names=[shown], precision=precision)
            self.constants[shown] = numbers
        return self._ports[shown, shape]

    def _placed(self, numbers: bytes) -> int:
        """Append numbers to ``model.bin`` and return where they begin."""
        self._numbers += bytes(-len(self._numbers) % ALIGNMENT)
        start = len(self._numbers)
        self._numbers += numbers
        return start


def _halved(tensor: "TensorProto") -> bytes:
    """Return a float32 tensor's numbers as float16.

    Raises:
        ValueError: one is not a float16 number.
    """
    import numpy as np

    numbers = np.frombuffer(tensor.raw_data, "<f4")
    with np.errstate(over="ignore"):
        found = numbers.astype("<f2")
    if found.astype("<f4").tobytes() != tensor.raw_data:
        raise ValueError(f"{tensor.name} holds numbers that are not float16.")
    return found.tobytes()


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple | list):
        return ", ".join(map(_text, value))
    return str(value)
