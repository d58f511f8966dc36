"""Turn the output of torch's exporter into the model we publish: plain, small and reproducible."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ...errors import InputError
from ...graph.onnx_names import name_constants, restore_weights
from ...version import PRODUCER
from .shapes import name_batch, plain_shapes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnx import AttributeProto, ModelProto, NodeProto

__all__ = ["canonical", "drop_default_attributes"]

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
    ("BatchNormalization", "training_mode"): 0,
    ("ReduceMean", "keepdims"): 1,
    ("ReduceMean", "noop_with_empty_axes"): 0,
    ("Resize", "antialias"): 0,
    ("Resize", "cubic_coeff_a"): -0.75,
    ("Resize", "exclude_outside"): 0,
    ("Resize", "extrapolation_value"): 0.0,
    ("LayerNormalization", "axis"): -1,
    ("LayerNormalization", "stash_type"): 1,
}
"""Attributes at their default values; strict readers reject some of them (onnx2c: MaxPool's)."""
_BATCH = "batch"
_FOR_TRAINING = (("BatchNormalization", "momentum"),)
"""Attributes that inference ignores."""


def canonical(model: "ModelProto", weights: Mapping[str, "NDArray[np.float32]"], opset: int) -> "ModelProto":
    """Strip what torch's exporter adds, simplify shapes, and convert to an older opset if requested.

    Args:
        model: the output of torch's exporter; changed in place.
        weights: the tensors that the network uses, by name; needed because torch omits a bias of zeros.
        opset: the requested opset.

    Raises:
        InputError: an operator of the network cannot be converted.
    """
    import onnx
    from onnx import helper

    for node in model.graph.node:
        drop_default_attributes(node)
    name_batch(model, _BATCH)
    plain_shapes(model)
    _drop_unread_nodes(model)
    restore_weights(model, weights)
    _drop_unused_constants(model)
    if opset < model.opset_import[0].version:
        model = _converted(model, opset)
    name_constants(model, weights)
    del model.graph.value_info[:]
    _strip_metadata(model)
    model.graph.name = "lenetx"
    model.producer_name, model.producer_version = PRODUCER.split()
    model.ir_version = helper.find_min_ir_version_for(model.opset_import)
    onnx.checker.check_model(model, full_check=True)
    return model


def _converted(model: "ModelProto", opset: int) -> "ModelProto":
    from onnx import version_converter

    try:
        converted: ModelProto = version_converter.convert_version(model, opset)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[0].split("failed: ")[-1]
        raise InputError(f"The network cannot be written in opset {opset}; try a later one: {reason}.") from None
    return converted


def drop_default_attributes(node: "NodeProto") -> None:
    """Drop the attributes of a node that have their default values, and those that inference ignores."""
    kept = [
        attribute
        for attribute in node.attribute
        if not _is_default(node.op_type, attribute) and (node.op_type, attribute.name) not in _FOR_TRAINING
    ]
    del node.attribute[:]
    node.attribute.extend(sorted(kept, key=lambda attribute: attribute.name))


def _is_default(operator: str, attribute: "AttributeProto") -> bool:
    from onnx import helper

    value = helper.get_attribute_value(attribute)
    if isinstance(value, bytes):
        value = value.decode()
    return (operator, attribute.name) in _DEFAULTS and _DEFAULTS[operator, attribute.name] == value


def _drop_unread_nodes(model: "ModelProto") -> None:
    """Remove nodes that nothing reads any more, such as shape arithmetic."""
    outputs = {value.name for value in model.graph.output}
    for node in reversed(list(model.graph.node)):
        read = outputs | {name for each in model.graph.node for name in each.input}
        if not read & set(node.output):
            model.graph.node.remove(node)


def _drop_unused_constants(model: "ModelProto") -> None:
    used = {name for node in model.graph.node for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(sorted(kept, key=lambda tensor: tensor.name))


def _strip_metadata(model: "ModelProto") -> None:
    """Remove metadata, which holds stack traces with local paths."""
    graph = model.graph
    del model.metadata_props[:], graph.metadata_props[:], graph.quantization_annotation[:]
    for item in (*graph.node, *graph.initializer, *graph.input, *graph.output):
        del item.metadata_props[:]
        item.doc_string = ""
    model.doc_string = graph.doc_string = model.domain = ""
