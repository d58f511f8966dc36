"""Rewrite nodes of older and newer opsets as those that ``lenetx.graph`` reads."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..onnx.canonical import drop_default_attributes

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

__all__ = ["as_known_opset"]

_OLDEST, _NEWEST = 14, 23
"""Opsets that ``lenetx.graph.of_onnx`` reads; the operators of networks are the same in later ones."""
_DEFAULT = ("", "ai.onnx")
_TRAINING = 2
"""Index of Dropout's training-mode input, from opset 12 on."""


def as_known_opset(model: "ModelProto") -> None:
    """Convert attributes that are inputs in later opsets to inputs, and inactive dropout to Identity, in place."""
    for entry in model.opset_import:
        if entry.domain in _DEFAULT:
            entry.version = min(max(entry.version, _OLDEST), _NEWEST)
    for node in model.graph.node:
        drop_default_attributes(node)
        rewrite = _REWRITTEN.get(node.op_type)
        if rewrite is not None and node.domain in _DEFAULT:
            rewrite(model, node)


def _axes(*names: str) -> "Callable[[ModelProto, NodeProto], None]":
    """Return a function that moves integer attributes to the inputs, in this order from the second on."""

    def rewrite(model: "ModelProto", node: "NodeProto") -> None:
        import numpy as np

        found = _attributes(node)
        if len(node.input) > 1 or not any(name in found for name in names):
            return
        for name in names:
            _move(model, node, name, np.array(found[name], np.int64) if name in found else None)

    return rewrite


def _clip(model: "ModelProto", node: "NodeProto") -> None:
    import numpy as np

    found = _attributes(node)
    for name in ("min", "max") if len(node.input) == 1 else ():
        _move(model, node, name, np.array(found[name], np.float32) if name in found else None)
    while node.input and not node.input[-1]:
        del node.input[-1]


def _pad(model: "ModelProto", node: "NodeProto") -> None:
    import numpy as np

    found = _attributes(node)
    if len(node.input) == 1 and "pads" in found:
        _move(model, node, "pads", np.array(found["pads"], np.int64))
        _move(model, node, "value", np.array(found.get("value", 0.0), np.float32))


def _slice(model: "ModelProto", node: "NodeProto") -> None:
    found = _attributes(node)
    if len(node.input) == 1 and "axes" not in found and "starts" in found:
        from onnx import helper

        node.attribute.append(helper.make_attribute("axes", list(range(len(found["starts"])))))
    _axes("starts", "ends", "axes")(model, node)


def _dropout(model: "ModelProto", node: "NodeProto") -> None:
    """Replace an inactive dropout."""
    held = {tensor.name: tensor for tensor in model.graph.initializer}
    switch = node.input[_TRAINING] if len(node.input) > _TRAINING else ""
    if switch and (switch not in held or any(held[switch].raw_data) or any(held[switch].int32_data)):
        return
    if len(node.output) == 1:
        node.op_type = "Identity"
        del node.input[1:], node.attribute[:]


def _upsample(model: "ModelProto", node: "NodeProto") -> None:
    """Write the two oldest forms of Resize as the newest."""
    import numpy as np
    from onnx import helper

    found = _attributes(node)
    if len(node.input) > 2:
        return
    mode = found.get("mode", b"nearest")
    if "scales" in found:
        _move(model, node, "scales", np.array(found["scales"], np.float32))
    scales = list(node.input[1:])
    del node.input[1:], node.attribute[:]
    node.op_type = "Resize"
    node.input.extend(["", *scales])
    settings = {"mode": mode, "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    node.attribute.extend(helper.make_attribute(name, value) for name, value in settings.items())


def _batch_norm(_: "ModelProto", node: "NodeProto") -> None:
    """Drop the attribute of opset 7 whose only meaning for images is its default."""
    if _attributes(node).get("spatial") == 1:
        _drop(node, "spatial")


def _move(model: "ModelProto", node: "NodeProto", name: str, value: Any) -> None:
    """Make an attribute the next input; without a value, an empty one."""
    from onnx import numpy_helper

    _drop(node, name)
    own = f"{node.output[0]}:{name}" if value is not None else ""
    if own:
        model.graph.initializer.append(numpy_helper.from_array(value, own))
    node.input.append(own)


def _attributes(node: "NodeProto") -> Mapping[str, Any]:
    from onnx import helper

    return {each.name: helper.get_attribute_value(each) for each in node.attribute}


def _drop(node: "NodeProto", name: str) -> None:
    kept: Sequence[Any] = [each for each in node.attribute if each.name != name]
    del node.attribute[:]
    node.attribute.extend(kept)


_REWRITTEN: "Mapping[str, Callable[[ModelProto, NodeProto], None]]" = {
    **dict.fromkeys(("Squeeze", "Unsqueeze", "ReduceSum"), _axes("axes")),
    "Split": _axes("split"),
    "Slice": _slice,
    "Clip": _clip,
    "Pad": _pad,
    "Dropout": _dropout,
    **dict.fromkeys(("Upsample", "Resize"), _upsample),
    "BatchNormalization": _batch_norm,
}
