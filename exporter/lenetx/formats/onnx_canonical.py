"""From what torch's exporter writes to the file that we publish: plain, small, and the same everywhere."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..version import PRODUCER

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnx import AttributeProto, ModelProto, NodeProto, ValueInfoProto

__all__ = ["canonical"]

_DEFAULTS = {
    ("Conv", "auto_pad"): "NOTSET",
    ("Conv", "dilations"): [1, 1],
    ("Conv", "group"): 1,
    ("Conv", "pads"): [0, 0, 0, 0],
    ("Conv", "strides"): [1, 1],
    ("MaxPool", "auto_pad"): "NOTSET",
    ("MaxPool", "ceil_mode"): 0,
    ("MaxPool", "dilations"): [1, 1],
    ("MaxPool", "pads"): [0, 0, 0, 0],
    ("MaxPool", "storage_order"): 0,
    ("AveragePool", "auto_pad"): "NOTSET",
    ("AveragePool", "ceil_mode"): 0,
    ("AveragePool", "count_include_pad"): 0,
    ("AveragePool", "dilations"): [1, 1],
    ("AveragePool", "pads"): [0, 0, 0, 0],
    ("Gemm", "alpha"): 1.0,
    ("Gemm", "beta"): 1.0,
    ("Gemm", "transA"): 0,
    ("Reshape", "allowzero"): 0,
}
"""Attributes that say what the operator does anyway; strict readers (onnx2c's MaxPool) refuse some of them."""


def canonical(model: "ModelProto", weights: Mapping[str, "NDArray[np.float32]"], opset: int) -> "ModelProto":
    """Strip what torch's exporter adds, spell flattening as Flatten, and convert to an older opset where asked.

    Args:
        model: as torch writes it; changed in place.
        weights: of the checkpoint by name: torch leaves a bias out that is zero.
        opset: the one to convert to.
    """
    import onnx
    from onnx import helper, version_converter

    for node in model.graph.node:
        _drop_default_attributes(node)
    _flatten_reshapes(model)
    _restore_zero_biases(model, weights)
    _drop_unused_constants(model)
    if opset < model.opset_import[0].version:
        model = version_converter.convert_version(model, opset)
    del model.graph.value_info[:]
    _strip_metadata(model)
    model.graph.name = "lenetx"
    model.producer_name, model.producer_version = PRODUCER.split()
    model.ir_version = helper.find_min_ir_version_for(model.opset_import)
    onnx.checker.check_model(model, full_check=True)
    return model


def _drop_default_attributes(node: "NodeProto") -> None:
    kept = [attribute for attribute in node.attribute if not _is_default(node.op_type, attribute)]
    del node.attribute[:]
    node.attribute.extend(sorted(kept, key=lambda attribute: attribute.name))


def _is_default(operator: str, attribute: "AttributeProto") -> bool:
    from onnx import helper

    value = helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        value = value.decode()
    return (operator, attribute.name) in _DEFAULTS and _DEFAULTS[operator, attribute.name] == value


def _flatten_reshapes(model: "ModelProto") -> None:
    """Replace Reshape(x, [-1, n]) of a batch by Flatten(x): no shape arithmetic is left for a CPU to do."""
    from onnx import helper, numpy_helper

    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    batched = _values_with_batch_axis(model)
    for node in model.graph.node:
        if node.op_type != "Reshape" or node.input[1] not in constants:
            continue
        target = numpy_helper.to_array(constants[node.input[1]]).tolist()
        if (
            len(target) == 2
            and (target[0] == -1 or target[0] == batched.get(node.input[0]))
            and node.input[0] in batched
        ):
            node.op_type = "Flatten"
            del node.input[1:], node.attribute[:]
            node.attribute.append(helper.make_attribute("axis", 1))


def _values_with_batch_axis(model: "ModelProto") -> dict[str, int | str]:
    """Give the first dimension of every value whose first dimension is that of the model's input."""

    def first(value: "ValueInfoProto") -> int | str:
        dimension = value.type.tensor_type.shape.dim[0]
        size: int | str = dimension.dim_param or dimension.dim_value
        return size

    batch = first(model.graph.input[0])
    values = [*model.graph.input, *model.graph.value_info, *model.graph.output]
    return {v.name: batch for v in values if v.type.tensor_type.shape.dim and first(v) == batch}


def _restore_zero_biases(model: "ModelProto", weights: Mapping[str, "NDArray[np.float32]"]) -> None:
    from onnx import numpy_helper

    present = {tensor.name for tensor in model.graph.initializer}
    for name in weights.keys() - present:
        weight = name.removesuffix("bias") + "weight"
        for node in model.graph.node:
            if name.endswith("bias") and list(node.input[1:]) == [weight] and not weights[name].any():
                node.input.append(name)
                model.graph.initializer.append(numpy_helper.from_array(weights[name], name))


def _drop_unused_constants(model: "ModelProto") -> None:
    used = {name for node in model.graph.node for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(sorted(kept, key=lambda tensor: tensor.name))


def _strip_metadata(model: "ModelProto") -> None:
    """Stack traces with local paths are in there."""
    graph = model.graph
    del model.metadata_props[:], graph.metadata_props[:], graph.quantization_annotation[:]
    for item in (*graph.node, *graph.initializer, *graph.input, *graph.output):
        del item.metadata_props[:]
        item.doc_string = ""
    model.doc_string = graph.doc_string = model.domain = ""
