"""Simplify shapes in an ONNX model: remove shape arithmetic, which runs on the CPU, and allow any batch size."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

__all__ = ["name_batch", "plain_shapes"]

Dimensions = list[int | str]


def name_batch(model: "ModelProto", name: str) -> None:
    """Rename a symbolic batch axis everywhere, since dynamo invents its own names; leave a fixed one."""
    graph = model.graph
    given = graph.input[0].type.tensor_type.shape.dim[0].dim_param
    for value in (*graph.input, *graph.value_info, *graph.output):
        for axis in value.type.tensor_type.shape.dim:
            if given and axis.dim_param == given:
                axis.dim_param = name


def plain_shapes(model: "ModelProto") -> None:
    """Replace reshapes of a batch by Flatten or a constant shape, and name the axes of each Squeeze.

    A mean over all pixels becomes GlobalAveragePool.
    """
    shapes = _shapes(model)
    batch = shapes[model.graph.input[0].name][0]
    for node in list(model.graph.node):
        if node.op_type == "Reshape":
            _plain_reshape(model, node, shapes, batch)
        elif node.op_type == "Squeeze" and len(node.input) == 1 and node.input[0] in shapes:
            _plain_squeeze(model, node, shapes[node.input[0]])
        elif node.op_type == "ReduceMean":
            _global_pool(model, node, shapes)


def _plain_reshape(model: "ModelProto", node: "NodeProto", shapes: dict[str, Dimensions], batch: int | str) -> None:
    import numpy as np
    from onnx import helper, numpy_helper

    given, wanted = shapes.get(node.input[0], []), shapes.get(node.output[0], [])
    if not given or not wanted or given[0] != batch or wanted[0] != batch:
        return
    if len(wanted) == 2:
        node.op_type = "Flatten"
        del node.input[1:], node.attribute[:]
        node.attribute.append(helper.make_attribute("axis", 1))
    elif all(isinstance(size, int) for size in wanted[1:]):
        name = f"{node.output[0]}_shape"
        target = np.array([-1, *wanted[1:]], np.int64)
        model.graph.initializer.append(numpy_helper.from_array(target, name))
        node.input[1] = name
        del node.attribute[:]


def _plain_squeeze(model: "ModelProto", node: "NodeProto", given: Dimensions) -> None:
    """Name the axes that Squeeze removes: without names, it would also remove the axis of a batch of one image."""
    import numpy as np
    from onnx import numpy_helper

    axes = np.array([place for place, size in enumerate(given) if size == 1], np.int64)
    if len(axes):
        name = f"{node.output[0]}_axes"
        model.graph.initializer.append(numpy_helper.from_array(axes, name))
        node.input.append(name)
        return
    for each in model.graph.node:
        each.input[:] = [node.input[0] if name == node.output[0] else name for name in each.input]


def _global_pool(model: "ModelProto", node: "NodeProto", shapes: dict[str, Dimensions]) -> None:
    from onnx import helper, numpy_helper

    if len(node.input) < 2 or len(shapes.get(node.input[0], [])) != 4:
        return
    axes = next((tensor for tensor in model.graph.initializer if tensor.name == node.input[1]), None)
    keeps = all(helper.get_attribute_value(each) for each in node.attribute if each.name == "keepdims")
    if axes is not None and keeps and sorted(axis % 4 for axis in numpy_helper.to_array(axes).tolist()) == [2, 3]:
        node.op_type = "GlobalAveragePool"
        del node.input[1:], node.attribute[:]


def _shapes(model: "ModelProto") -> dict[str, Dimensions]:
    """Return the dimensions of every value of known rank; symbolic ones are names."""
    values = [*model.graph.input, *model.graph.value_info, *model.graph.output]
    return {
        value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in values
        if value.type.tensor_type.HasField("shape")
    }
