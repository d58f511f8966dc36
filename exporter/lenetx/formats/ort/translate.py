"""Translate the contents of an ORT file to ONNX and back: an activation is fused into the layer before it, or a node.

onnxruntime fuses when it opens an ONNX file, and rewrites nothing when it opens an ORT file. Its other rewrites are
left out: they depend on its version and on the CPU that writes the file, or change the weights.
"""

from typing import TYPE_CHECKING, Any

from lenetx_runtime import ArtifactError
from lenetx_runtime.ort_file import FUSED

from .contents import Contents

if TYPE_CHECKING:
    from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

__all__ = ["as_onnx", "fuse"]

_DOMAIN = "com.microsoft"
_PLAIN = {operator.decode(): plain.decode() for operator, plain in FUSED.items()}
_FUSED = {plain: operator for operator, plain in _PLAIN.items()}
_ACTIVATIONS = ("Relu", "Sigmoid", "Tanh")
_ACTIVATION = "activation"
_FLOATS, _STRING, _TENSOR = 6, 3, 4
_VALUES = {1: "f", 2: "i", _STRING: "s", _FLOATS: "floats", 7: "ints", 8: "strings"}
"""The field of an attribute's value, by type, as both formats name it."""


def fuse(model: "ModelProto") -> None:
    """Fuse activations into the layers before them, in place, where nothing else reads a layer's output."""
    graph = model.graph
    readers: dict[str, list[NodeProto]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    outputs = {value.name for value in graph.output}
    for node in list(graph.node):
        found = [] if node.output[0] in outputs else readers.get(node.output[0], [])
        if node.op_type in _FUSED and len(found) == 1 and found[0].op_type in _ACTIVATIONS:
            node.op_type, node.domain, node.output[0] = _FUSED[node.op_type], _DOMAIN, found[0].output[0]
            node.attribute.add(name=_ACTIVATION, type=_STRING, s=found[0].op_type.encode())
            graph.node.remove(found[0])
    if any(node.domain == _DOMAIN for node in graph.node):
        model.opset_import.add(domain=_DOMAIN, version=1)


def as_onnx(contents: Contents) -> "ModelProto":
    """Return the same model in ONNX, with the same names and numbers.

    Raises:
        ArtifactError: it lacks a part, a name in it is not text, or an activation is none that lenetx fuses.
    """
    from onnx import ModelProto

    try:
        inner = contents["model"]
        model = ModelProto(ir_version=inner["ir_version"])
        model.producer_name, model.producer_version = inner["producer"].decode(), inner["producer_version"].decode()
        _fill(model.graph, inner["graph"])
        for opset in inner["opsets"]:
            if opset["domain"].decode() != _DOMAIN:
                model.opset_import.add(domain=opset["domain"].decode(), version=opset["version"])
        for entry in inner["metadata"]:
            model.metadata_props.add(key=entry["key"].decode(), value=entry["value"].decode())
    except (AttributeError, KeyError, ValueError, TypeError, StopIteration):  # UnicodeDecodeError is a ValueError
        raise ArtifactError("It lacks a part that onnxruntime always writes, or a name in it is not text.") from None
    return model


def _fill(graph: "GraphProto", contents: Contents) -> None:
    graph.name = "lenetx"
    for node in contents["nodes"]:
        _add_node(graph, node)
    for tensor in contents["initializers"]:
        _fill_tensor(graph.initializer.add(), tensor)
    for names, values in ((contents["inputs"], graph.input), (contents["outputs"], graph.output)):
        for name in names:
            _fill_value(values.add(), next(each for each in contents["values"] if each["name"] == name))


def _add_node(graph: "GraphProto", contents: Contents) -> None:
    inputs, outputs = ([name.decode() for name in contents[side]] for side in ("inputs", "outputs"))
    node = graph.node.add(op_type=contents["operator"].decode(), input=inputs, output=outputs)
    domain = contents.get("domain", b"").decode()
    for attribute in contents["attributes"]:
        _fill_attribute(node.attribute.add(), attribute)
    if domain == _DOMAIN and node.op_type in _PLAIN:
        found = [each for each in node.attribute if each.name == _ACTIVATION]
        if len(outputs) != 1 or len(found) != 1 or found[0].s.decode() not in _ACTIVATIONS:
            raise ArtifactError(f"{node.op_type} has an activation that lenetx never fuses.")
        node.attribute.remove(found[0])
        node.op_type, node.output[0] = _PLAIN[node.op_type], f"fused:{outputs[0]}"
        graph.node.add(op_type=found[0].s.decode(), input=[node.output[0]], output=outputs)
    elif domain:
        node.domain = domain


def _fill_attribute(attribute: "AttributeProto", contents: Contents) -> None:
    attribute.name, attribute.type = contents["name"].decode(), contents.get("type", 0)
    if attribute.type == _TENSOR:
        _fill_tensor(attribute.t, contents["tensor"])
        return
    field = _VALUES[attribute.type]
    value: Any = contents.get(field, 0)
    if isinstance(value, list):
        getattr(attribute, field).extend(value)
    else:
        setattr(attribute, field, value)


def _fill_tensor(tensor: "TensorProto", contents: Contents) -> None:
    tensor.name, tensor.data_type = contents.get("name", b"").decode(), contents["data_type"]
    tensor.dims.extend(contents["dims"])
    tensor.raw_data = contents["raw"]


def _fill_value(value: "ValueInfoProto", contents: Contents) -> None:
    value.name = contents["name"].decode()
    kind = contents["type"]["tensor"]
    value.type.tensor_type.elem_type = kind["elem_type"]
    for axis in kind["shape"]["axes"]:
        dimension, size = value.type.tensor_type.shape.dim.add(), axis["size"]
        if "name" in size:
            dimension.dim_param = size["name"].decode()
        else:
            dimension.dim_value = size["number"]
