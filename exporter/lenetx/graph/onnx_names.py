"""Store the weights of an ONNX file with the checkpoint's names and layout, and other tensors as constants."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnx import ModelProto

    Weights = Mapping[str, NDArray[np.float32]]

__all__ = ["CONSTANT", "name_constants", "restore_weights"]

CONSTANT = "constant:"
"""Prefix for the names of initializers that are not weights; no part of a module can have such a name."""


def restore_weights(model: "ModelProto", weights: "Weights") -> None:
    """Restore weights that torch's exporter left out, transposed, reshaped or stored under a second name."""
    _restore_names(model, weights)
    _restore_zero_biases(model, weights)
    _restore_layouts(model, weights)


def name_constants(model: "ModelProto", weights: "Weights") -> None:
    """Rename the initializers that are not weights to numbered constants, in the order in which nodes read them."""
    own = {tensor.name for tensor in model.graph.initializer} - weights.keys()
    renamed: dict[str, str] = {}
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            if name in own:
                node.input[place] = renamed.setdefault(name, f"{CONSTANT}{len(renamed)}")
    for tensor in model.graph.initializer:
        tensor.name = renamed.get(tensor.name, tensor.name)


def _restore_names(model: "ModelProto", weights: "Weights") -> None:
    """Rename each initializer that equals a missing weight, such as a shared tensor under its second name."""
    from onnx import numpy_helper

    present = {tensor.name for tensor in model.graph.initializer}
    for tensor in model.graph.initializer:
        if tensor.name in weights or not tensor.dims:
            continue
        array = numpy_helper.to_array(tensor)
        for name in weights.keys() - present:
            if _same(weights[name], array):
                _rename(model, tensor.name, name)
                tensor.name = name
                present.add(name)
                break


def _restore_zero_biases(model: "ModelProto", weights: "Weights") -> None:
    from onnx import numpy_helper

    present = {tensor.name for tensor in model.graph.initializer}
    for name in sorted(weights.keys() - present):
        weight = name.removesuffix("bias") + "weight"
        if not name.endswith("bias") or weights[name].any():
            continue
        without = [node for node in model.graph.node if list(node.input[1:]) == [weight]]
        for node in without:  # several if layers have equal weights
            node.input.append(name)
        if without:
            model.graph.initializer.append(numpy_helper.from_array(weights[name], name))


def _restore_layouts(model: "ModelProto", weights: "Weights") -> None:
    """Store weights in their own layout, with a node that transposes or reshapes them if torch stored the result."""
    import numpy as np
    from onnx import helper, numpy_helper

    for tensor in list(model.graph.initializer):
        if tensor.name in weights or not tensor.dims:
            continue
        array = numpy_helper.to_array(tensor)
        present = {each.name for each in model.graph.initializer}
        turned = next((name for name in sorted(weights) if array.ndim == 2 and _same(weights[name], array.T)), None)
        missing = sorted(weights.keys() - present)
        spread = next((name for name in missing if _same(weights[name].reshape(-1), array.reshape(-1))), None)
        if turned is not None:
            node = helper.make_node("Transpose", [turned], [tensor.name], perm=[1, 0])
        elif spread is not None:
            shape = numpy_helper.from_array(np.array(tensor.dims, np.int64), f"{tensor.name}_shape")
            model.graph.initializer.append(shape)
            node = helper.make_node("Reshape", [spread, shape.name], [tensor.name])
        else:
            continue
        reader = next(place for place, each in enumerate(model.graph.node) if tensor.name in each.input)
        model.graph.node.insert(reader, node)
        model.graph.initializer.remove(tensor)
        if node.input[0] not in present:
            model.graph.initializer.append(numpy_helper.from_array(weights[node.input[0]], node.input[0]))


def _rename(model: "ModelProto", old: str, new: str) -> None:
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            if name == old:
                node.input[place] = new


def _same(one: "NDArray[np.float32]", other: "NDArray[np.float32]") -> bool:
    return (one.dtype, one.shape) == (other.dtype, other.shape) and one.tobytes() == other.tobytes()
