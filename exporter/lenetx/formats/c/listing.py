"""Write a spec and an ONNX graph as JSON into a comment of the C file, and read them back.

The weights are in the program's arrays, in the order in which it reads them. All other tensors stand in the comment.
"""

import json
import math
import re
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ArtifactError, ModelSpec
from lenetx_runtime.values import parse_json

from .steps import Packing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from onnx import ModelProto

__all__ = ["GRAPH", "SPEC", "arrays_in", "commented", "graph_of", "model_of", "record_in", "with_weights"]

SPEC, GRAPH = "lenetx spec", "lenetx graph"
_WIDTH = 112
_ARRAY = re.compile(r"^static const (float|int8_t) (\w+)\[(\d{1,10})\] = \{\n", re.MULTILINE)
_LEAST_BYTES = 2
"""Minimum size of a number in a file, in bytes: an int8 weight and its comma."""
_TYPES = {1: "float32", 3: "int8", 6: "int32", 7: "int64", 9: "bool"}


def commented(title: str, value: Any) -> list[str]:
    """Return a comment that holds a value as JSON, in lines of one width."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    text = text.replace("*/", "*\\u002f").replace("/*", "\\u002f*").replace("??", "?\\u003f")
    lines = [f"   {text[at : at + _WIDTH]}" for at in range(0, len(text), _WIDTH)]
    return [f"/* {title}", *lines, "*/"]


def record_in(text: str, title: str) -> Any:
    """Return the value of a comment.

    Raises:
        ArtifactError: there is no such comment, or it is not JSON.
    """
    _, found, rest = text.partition(f"/* {title}\n")
    body, end, _ = rest.partition("\n*/\n")
    if not found or not end:
        raise ArtifactError(f"It was not made by lenetx: it has no comment '{title}'.")
    try:
        return parse_json("".join(line[3:] for line in body.split("\n")))
    except ValueError:
        raise ArtifactError(f"Its comment '{title}' is damaged.") from None


def graph_of(model: "ModelProto", packed: "frozenset[str]") -> dict[str, Any]:
    """Return a graph as plain values; tensors in arrays of the program are listed without their numbers."""
    from onnx import helper, numpy_helper

    tensors: list[list[Any]] = []
    for tensor in model.graph.initializer:
        entry = [tensor.name, _TYPES[tensor.data_type], [*tensor.dims]]
        if tensor.name not in packed:
            entry.append(numpy_helper.to_array(tensor).ravel().tolist())
        tensors.append(entry)
    nodes = [
        [
            node.op_type,
            [*node.input],
            [*node.output],
            {each.name: _plain(helper.get_attribute_value(each)) for each in node.attribute},
        ]
        for node in model.graph.node
    ]
    opset = next(each.version for each in model.opset_import if each.domain in ("", "ai.onnx"))
    return {"nodes": nodes, "opset": opset, "tensors": tensors}


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"text": value.decode()}
    return [*value] if not isinstance(value, int | float) else value


def model_of(graph: Any, spec: ModelSpec, size: int) -> "ModelProto":
    """Return the ONNX model of ``graph_of``'s values; tensors without numbers are zeros.

    Args:
        graph: those values.
        spec: of the network.
        size: of the file that holds all numbers, in bytes.

    Raises:
        ArtifactError: they are no such values, or declare more numbers than the file can hold.
    """
    try:
        return _model(graph, spec, size // _LEAST_BYTES)
    except (ArtifactError, MemoryError):
        raise
    except Exception:  # onnx raises several classes for values of the wrong kind
        raise ArtifactError(f"Its comment '{GRAPH}' is damaged.") from None


def _model(graph: Any, spec: ModelSpec, most: int) -> "ModelProto":
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    shapes = [shape for _, _, shape, *_ in graph["tensors"]]
    if any(min(shape, default=1) < 0 for shape in shapes):
        raise ArtifactError(f"Its comment '{GRAPH}' is damaged.")
    if sum(map(math.prod, shapes)) > most:
        raise ArtifactError("Its graph declares more numbers than the file can hold.")
    tensors = []
    for name, kind, shape, *numbers in graph["tensors"]:
        if kind not in _TYPES.values():
            raise ArtifactError(f"Its comment '{GRAPH}' is damaged.")
        array = np.array(numbers[0], kind).reshape(shape) if numbers else np.zeros(shape, kind)
        tensors.append(numpy_helper.from_array(array, name))
    nodes = [
        helper.make_node(
            kind,
            inputs,
            outputs,
            **{name: value["text"] if isinstance(value, dict) else value for name, value in attributes.items()},
        )
        for kind, inputs, outputs, attributes in graph["nodes"]
    ]
    batch = "batch" if spec.batch == "dynamic" else spec.batch
    given = helper.make_tensor_value_info(spec.input_name, TensorProto.FLOAT, [batch, *spec.input_shape])
    made = helper.make_tensor_value_info(spec.output_name, TensorProto.FLOAT, [batch, len(spec.labels)])
    opsets = [helper.make_opsetid("", graph["opset"])]
    found = helper.make_graph(nodes, "lenetx", [given], [made], tensors)
    return helper.make_model(found, opset_imports=opsets, ir_version=helper.find_min_ir_version_for(opsets))


def arrays_in(text: str) -> "dict[str, NDArray[Any]]":
    """Return the constant float32 and int8 arrays of a C file by name.

    Raises:
        ArtifactError: a number cannot be read, or there are more or fewer than its array says.
    """
    import numpy as np

    found: dict[str, NDArray[Any]] = {}
    end = 0
    while match := _ARRAY.search(text, end):
        kind, name, count = match.groups()
        end = text.find("\n};\n", match.end() - 1)
        if end < 0:
            raise ArtifactError(f"The array {name} is without an end.")
        words = text[match.end() : end].replace(",", " ").split()
        if len(words) != int(count):
            raise ArtifactError(f"The array {name} holds {len(words)} numbers instead of {count}.")
        try:
            with np.errstate(over="ignore"):
                if kind == "float":
                    found[name] = np.array([float.fromhex(word.removesuffix("f")) for word in words], np.float32)
                else:
                    found[name] = np.array([int(word) for word in words], np.int8)
        except (ValueError, OverflowError):
            hexadecimal = "hexadecimal numbers" if kind == "float" else "int8 numbers"
            raise ArtifactError(f"The array {name} holds something other than {hexadecimal}.") from None
    return found


def with_weights(
    model: "ModelProto", packings: "Mapping[str, Packing | Any]", arrays: "Mapping[str, NDArray[Any]]"
) -> "ModelProto":
    """Return the model with the weights that the arrays hold.

    Raises:
        ArtifactError: an array is missing, or of another size.
    """
    import numpy as np
    from onnx import numpy_helper

    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    for name, packing in packings.items():
        if not isinstance(packing, Packing):
            continue
        order, held = packing.order.ravel(), arrays.get(name)
        if held is None or len(held) != len(order):
            raise ArtifactError(f"It lacks the array {name}, or that has another size.")
        tensor = tensors[packing.weight]
        whole = np.zeros(math.prod(tensor.dims), held.dtype)
        whole[order] = held
        tensor.CopyFrom(numpy_helper.from_array(whole.reshape([*tensor.dims]), tensor.name))
    return model
