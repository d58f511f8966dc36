"""Read an ONNX graph whose input has a fixed shape: shapes, constants, and the errors that name a node."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lenetx_runtime import InputError

from ...graph.expression import plain
from .steps import Step

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto, NodeProto

__all__ = ["Graph", "label", "unsupported"]


_OF_SIZES = frozenset({"Add", "Cast", "Concat", "Gather", "Mul", "Reshape", "Slice", "Squeeze", "Sub", "Unsqueeze"})
"""Operators that compute sizes from sizes; the result of each is as short as its inputs are."""
_MOST_SIZES = 32


def unsupported(node: "NodeProto", reason: str) -> InputError:
    """Return the error for a node that has no C."""
    return InputError(f"The network cannot be written as C: {label(node)} {reason}.")


def label(node: "NodeProto") -> str:
    """Return a node in words."""
    return f"{plain(node.op_type)} '{plain(node.output[0])}'"


class Graph:
    """The steps of a graph so far, with the shape of each tensor.

    Args:
        model: its input has a fixed shape.

    Attributes:
        steps: in the order in which they run.
        shapes: of each value.
        constants: the tensors that are not computed.
        opset: the version of its operators.
    """

    def __init__(self, model: "ModelProto") -> None:
        from onnx import numpy_helper

        self.steps: list[Step] = []
        self.constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
        self.opset = next((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), 0)
        self.shapes: dict[str, tuple[int, ...]] = _shapes(model)
        self.shapes |= {name: tuple(array.shape) for name, array in self.constants.items()}
        self._added = 0

    def shape(self, node: "NodeProto", name: str) -> tuple[int, ...]:
        """Return the shape of a value.

        Raises:
            InputError: it is not known, or empty.
        """
        shape = self.shapes.get(name)
        if shape is None or not all(shape):
            words = "has a shape that is not known before it runs" if shape is None else "has an axis of size 0"
            raise unsupported(node, words)
        return shape

    def values(self, node: "NodeProto", place: int) -> "NDArray[Any] | None":
        """Return a constant input, or ``None`` if it is not given.

        Raises:
            InputError: it is computed.
        """
        if len(node.input) <= place or not node.input[place]:
            return None
        if node.input[place] not in self.constants:
            raise unsupported(node, f"reads input number {place + 1} from another node, which must be a constant")
        return self.constants[node.input[place]]

    def computed(self, node: "NodeProto", place: int = 0) -> str:
        """Return the name of an input that other nodes compute.

        Raises:
            InputError: it is a constant.
        """
        if node.input[place] in self.constants:
            raise unsupported(node, "reads only constants")
        return str(node.input[place])

    def real(self, node: "NodeProto", place: int) -> float | None:
        """Return a constant input of one number, or ``None`` if it is not given."""
        values = self.values(node, place)
        return None if values is None else float(values.item())

    def fold(self, node: "NodeProto") -> bool:
        """Make the result of arithmetic on sizes a constant; return whether the node is that."""
        import numpy as np
        from onnx import helper

        if node.op_type == "Shape" and node.input[0] in self.shapes:
            limits = {each.name: helper.get_attribute_value(each) for each in node.attribute}
            axes = self.shapes[node.input[0]][limits.get("start", 0) : limits.get("end")]
            self.constants[node.output[0]] = np.array(axes, np.int64)
            return True
        held = {name: self.constants[name] for name in node.input if name in self.constants}
        is_known = node.op_type in _OF_SIZES and held and held.keys() >= {*filter(None, node.input)}
        if not is_known or any(each.dtype.kind == "f" or each.size > _MOST_SIZES for each in held.values()):
            return False
        self.constants[node.output[0]] = _evaluated(node, self.opset, held)
        return True

    def new(self, name: str, shape: Sequence[int]) -> str:
        """Name a value between the steps of one node."""
        self._added += 1
        found = f"{name} part {self._added}"
        self.shapes[found] = tuple(shape)
        return found


def _evaluated(node: "NodeProto", opset: int, given: "dict[str, NDArray[Any]]") -> "NDArray[Any]":
    """Return the result of a node whose inputs are known."""
    import numpy as np
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    values = [helper.make_tensor_value_info(name, 7, None) for name in (*given, node.output[0])]
    graph = helper.make_graph([node], "sizes", values[:-1], values[-1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    try:
        (found,) = ReferenceEvaluator(model).run(None, given)
    except Exception:  # the evaluator raises several classes
        raise unsupported(node, "computes a size in a way that lenetx does not know") from None
    return np.asarray(found)


def _shapes(model: "ModelProto") -> dict[str, tuple[int, ...]]:
    """Return the shapes of all values, as far as onnx can infer them."""
    import onnx

    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    del bare.graph.value_info[:]
    inferred = onnx.shape_inference.infer_shapes(bare, check_type=False, strict_mode=False, data_prop=True)
    graph, found = inferred.graph, {}
    for value in (*graph.input, *graph.value_info, *graph.output):
        axes = value.type.tensor_type.shape.dim
        if value.type.tensor_type.HasField("shape") and all(axis.HasField("dim_value") for axis in axes):
            found[value.name] = tuple(axis.dim_value for axis in axes)
    return found
