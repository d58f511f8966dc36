"""Distinguish files in float32 from those in other precisions."""

from typing import TYPE_CHECKING

from .protobuf import graphs_in

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["FLOAT32", "precision_of"]

FLOAT32 = "float32"
_QUANTISED = (
    "QuantizeLinear DequantizeLinear DynamicQuantizeLinear ConvInteger MatMulInteger QLinearConv QLinearMatMul QGemm "
    "QLinearAdd QLinearMul QLinearAveragePool QLinearGlobalAveragePool QLinearConcat QLinearSoftmax QLinearSigmoid "
    "QLinearLeakyRelu QAttention DynamicQuantizeMatMul MatMulNBits MatMulIntegerToFloat"
)
_NAMES = {10: "float16", 16: "bfloat16", 11: "float64"}
"""Names of precisions by tensor data type, in order of priority."""
_FLOAT_TYPES = (1, *_NAMES)
_CAST = "Cast"


def precision_of(model: "ModelProto") -> str:
    """Return the precision in which a file computes: ``float32``, ``float16``, ``bfloat16``, ``float64`` or ``int8``.

    A single tensor or conversion in another precision, even in a branch, is enough: float32's limits do not hold then.
    """
    graphs = [model.graph, *(graph for node in model.graph.node for graph in graphs_in(node))]
    nodes = [node for graph in graphs for node in graph.node]
    if any(node.op_type in _QUANTISED.split() for node in nodes):
        return "int8"
    kinds = {value.type.tensor_type.elem_type for value in (*model.graph.input, *model.graph.output)}
    kinds |= {tensor.data_type for graph in graphs for tensor in graph.initializer}
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                kinds.add(attribute.t.data_type)
            elif node.op_type == _CAST and attribute.name == "to":
                kinds.add(attribute.i)
    return next((name for kind, name in _NAMES.items() if kind in kinds), FLOAT32)
