"""Write a reduced model as lenetx writes models: short names, no metadata, and no operator that changes nothing."""

from typing import TYPE_CHECKING

from ..version import PRODUCER

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

__all__ = ["SCALE", "ZERO", "tidied"]

SCALE, ZERO = ":scale", ":zero"
"""What follows a tensor's name in those of its scale and its zero point."""
_QUANTIZED, _DEQUANTIZED = ":q", ":dq"
_MOVES = ("Flatten", "Reshape", "Transpose", "Squeeze", "Unsqueeze")
"""Operators that move numbers: quantized again with the same scale, the numbers stay what they are."""


def tidied(model: "ModelProto") -> "ModelProto":
    """Return a model from onnxruntime's tools in the form in which lenetx writes models; it is changed in place."""
    _sort(model)
    _drop_pairs(model)
    _drop_zero_points(model)
    _rename(model)
    _store_raw(model)
    graph = model.graph
    del model.metadata_props[:], graph.metadata_props[:], graph.quantization_annotation[:], graph.value_info[:]
    for node in graph.node:
        node.ClearField("name")
        del node.metadata_props[:]
    graph.name = "lenetx"
    model.producer_name, model.producer_version = PRODUCER.split()
    opsets = [entry for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    del model.opset_import[:]
    model.opset_import.extend(opsets)
    return model


def _sort(model: "ModelProto") -> None:
    """Put each node after those whose results it reads: the tools append theirs."""
    made = {name for node in model.graph.node for name in node.output}
    waiting, ordered = list(model.graph.node), []
    while waiting:
        ready = [node for node in waiting if made.isdisjoint(node.input)]
        ordered += ready
        made -= {name for node in ready for name in node.output}
        waiting = [node for node in waiting if not any(node is each for each in ready)]
    _replace(model.graph.node, ordered)


def _drop_pairs(model: "ModelProto") -> None:
    """Remove the quantization of the logits, and that of numbers that were quantized alike and only moved."""
    graph = model.graph
    makers = {node.output[0]: node for node in graph.node}
    readers: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    dropped: list[NodeProto] = []
    renamed: dict[str, str] = {}
    for node in graph.node:
        if node.op_type != "DequantizeLinear" or node.input[0] not in makers:
            continue
        quantize = makers[node.input[0]]
        source = makers.get(quantize.input[0])
        if node.output[0] == graph.output[0].name and source is not None and len(readers[quantize.input[0]]) == 1:
            dropped += [quantize, node]
            renamed[quantize.input[0]] = node.output[0]
        elif source is not None and source.op_type in _MOVES:
            before = makers.get(source.input[0])
            alike = before is not None and before.op_type == node.op_type and before.input[1:] == node.input[1:]
            if alike and len(readers[quantize.input[0]]) == len(readers[quantize.output[0]]) == 1:
                dropped += [quantize, node]
                renamed[node.output[0]] = quantize.input[0]
    kept = [node for node in graph.node if not any(node is each for each in dropped)]
    _replace(graph.node, kept)
    _rename_values(model, renamed)


def _drop_zero_points(model: "ModelProto") -> None:
    """Remove the zero points of weights, which are 0: a scale without one means that."""
    from onnx import numpy_helper

    held = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        is_weight = node.op_type == "DequantizeLinear" and node.input[0] in held and len(node.input) > 2
        if is_weight and not numpy_helper.to_array(held[node.input[2]]).any():
            del node.input[2]
    read = {name for node in model.graph.node for name in node.input}
    _replace(model.graph.initializer, [tensor for tensor in model.graph.initializer if tensor.name in read])


def _rename(model: "ModelProto") -> None:
    """Name quantized tensors after the float32 one, and constants after the tensors that they belong to."""
    graph = model.graph
    held = {tensor.name for tensor in graph.initializer}
    renamed: dict[str, str] = {}
    for node in graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            continue
        if node.op_type == "QuantizeLinear":
            name = node.input[0]
            renamed[node.output[0]] = f"{name}{_QUANTIZED}"
        elif node.input[0] in held:
            name = node.input[0].removesuffix("_quantized")
            renamed[node.input[0]] = name
        else:
            name = renamed[node.input[0]].removesuffix(_QUANTIZED)
        if node.op_type == "DequantizeLinear" and node.output[0] != graph.output[0].name:
            renamed[node.output[0]] = f"{name}{_DEQUANTIZED}"
        for place, ending in ((1, SCALE), (2, ZERO)):
            if place < len(node.input):
                renamed.setdefault(node.input[place], f"{name}{ending}")
    _rename_values(model, renamed)


def _rename_values(model: "ModelProto", renamed: dict[str, str]) -> None:
    for node in model.graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                names[place] = renamed.get(name, name)
    for tensor in model.graph.initializer:
        tensor.name = renamed.get(tensor.name, tensor.name)


def _store_raw(model: "ModelProto") -> None:
    """Store every tensor as raw bytes, sorted by name."""
    from onnx import numpy_helper

    tensors = sorted(model.graph.initializer, key=lambda tensor: tensor.name)
    _replace(model.graph.initializer, [numpy_helper.from_array(numpy_helper.to_array(t), t.name) for t in tensors])


def _replace(field: "object", values: "list[object]") -> None:
    del field[:]  # type: ignore[attr-defined]
    field.extend(values)  # type: ignore[attr-defined]
