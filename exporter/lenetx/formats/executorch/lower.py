"""Lower a program with ExecuTorch's tools: to XNNPACK what it takes, to ExecuTorch's own kernels the rest."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lenetx_runtime import InputError, ModelSpec

from ...graph.expression import plain
from ..pt2.reopen import alone, load
from .session import import_tools, kernels

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["SPEC_METHOD", "Lowered", "lowered", "lowered_to_int8"]

SPEC_METHOD = "lenetx_spec"
"""The method that returns the spec's JSON text."""
_LARGEST_METHOD = "get_max_batch_size"
_XNNPACK = "XnnpackBackend"
_PRIMITIVES = "executorch_prim::"
_ANY_NUMBER = {"_check_ir_validity": False, "_skip_dim_order": True}
"""Otherwise the tools run some operators on the example, and its number of images becomes the only one."""
_OPERATOR = re.compile(r"\b(?:aten|quantized_decomposed)[.:]+(\w+)")
_INTEGERS = (
    *("convolution.default", "linear.default", "addmm.default", "mm.default", "max_pool2d.default"),
    *("view_copy.default", "permute_copy.default"),
    *("quantize_per_tensor.default", "dequantize_per_tensor.default"),
)
"""What XNNPACK computes on integers. All else is float32 between roundings to int8, as in the QDQ graph: an activation
on integers is joined with the operator before it although their scales differ, and is wrong (ExecuTorch 1.5.1).
"""
_TRACED_IMAGES = 2


@dataclass(frozen=True, slots=True)
class Lowered:
    """A lowered program.

    Attributes:
        program: its bytes.
        parts: the number of parts that XNNPACK computes.
        kernels: the operators that ExecuTorch's own kernels compute.
    """

    program: bytes
    parts: int
    kernels: tuple[str, ...]


def lowered(records: Mapping[str, bytes], spec: ModelSpec) -> Lowered:
    """Return the program that ExecuTorch's tools make of a ``pt2`` program, the same bytes for the same program.

    Args:
        records: as ``pt2.records_of`` returns them, or as they were read and checked.
        spec: states the largest batch; the program holds it as text.

    Raises:
        EngineMissing: ExecuTorch is not installed.
        InputError: ExecuTorch cannot lower the program, or its runtime lacks a kernel.
    """
    import_tools()
    return _lowered(load(records), spec)


def lowered_to_int8(model: "ModelProto", spec: ModelSpec, *, is_shown: bool = False) -> Lowered:
    """Return the program that ExecuTorch's tools make of a QDQ graph, the same bytes for the same graph.

    Args:
        model: from ``lenetx.quantization.reduce``.
        spec: as for ``lowered``.
        is_shown: whether the program also returns the integers of each quantized tensor.

    Raises:
        EngineMissing: ExecuTorch is not installed.
        InputError: as ``lowered``, or a layer has no integer arithmetic in XNNPACK.
    """
    import_tools()
    try:
        with alone():
            exported = _exported(model, spec, is_shown=is_shown)
    except InputError:
        raise
    except Exception as error:  # torch raises several classes
        raise InputError(f"The network cannot be written for ExecuTorch: {_reason(error)}.") from None
    return _lowered(exported, spec, is_int8=True)


def _exported(model: "ModelProto", spec: ModelSpec, *, is_shown: bool) -> Any:
    import torch

    from .qdq import QdqNetwork

    is_dynamic = spec.batch == "dynamic"
    sample = torch.zeros(_TRACED_IMAGES if is_dynamic else int(spec.batch), *spec.input_shape)
    shapes = ({0: torch.export.Dim("batch")},) if is_dynamic else None
    with torch.no_grad():
        return torch.export.export(QdqNetwork(model, is_shown=is_shown).eval(), (sample,), dynamic_shapes=shapes)


def _lowered(exported: Any, spec: ModelSpec, *, is_int8: bool = False) -> Lowered:
    tools = import_tools()
    count = spec.largest_batch or int(spec.batch)
    methods = {SPEC_METHOD: spec.to_json(), _LARGEST_METHOD: count}
    try:
        with alone():
            partitioner = tools.XnnpackPartitioner()
            if is_int8:
                for name, each in partitioner.target_partitioner_configs.items():
                    if name not in _INTEGERS:
                        each.set_enabled_precision_types([tools.ConfigPrecisionType.FP32])
            edge = tools.to_edge_transform_and_lower(
                exported,
                partitioner=[partitioner],
                constant_methods=methods,
                compile_config=tools.EdgeCompileConfig(**_ANY_NUMBER),
            )
            _bind(edge.exported_program().graph_module, count)
            settings = tools.ExecutorchBackendConfig(sym_shape_eval_pass=tools.ConstraintBasedSymShapeEvalPass())
            program = edge.to_executorch(settings)
            plan = program.executorch_program.execution_plan
            contents = bytes(program.buffer)
    except Exception as error:  # its tools raise several classes
        raise InputError(f"The network cannot be written for ExecuTorch: {_reason(error)}.") from None
    _require_count(plan, count)
    names = dict.fromkeys(f"{each.name}.{each.overload}".rstrip(".") for some in plan for each in some.operators)
    missing = [name for name in names if name not in kernels() and not name.startswith(_PRIMITIVES)]
    if missing:
        found = _OPERATOR.search(missing[0])
        raise InputError(
            f"The network cannot be written for ExecuTorch: its runtime has no kernel for "
            f"{found[1] if found else missing[0]}."
        )
    delegates = [each.id for some in plan for each in some.delegates]
    own = sorted({match[1] for match in map(_OPERATOR.search, names) if match and match[1] != "sym_size"})
    return Lowered(contents, delegates.count(_XNNPACK), tuple(own))


def _require_count(plan: Any, count: int) -> None:
    """Raise InputError unless the program takes this number of images."""
    forward = next(each for each in plan if each.name == "forward")
    for place in (*forward.inputs, *forward.outputs):
        size = forward.values[place].val.sizes[0]
        if size != count:
            raise InputError(
                f"The network cannot be written for ExecuTorch with {count} images per call: its tools fix their "
                f"number to {size}. Export it with a fixed batch (--batch N), or in another format."
            )


def _bind(module: Any, most: int) -> None:
    """State the largest number of images, which the tools lose on the way: they would reserve memory for few."""
    import torch
    from torch.utils._pytree import tree_leaves
    from torch.utils._sympy.value_ranges import ValueRanges

    for each in module.modules():
        for node in getattr(getattr(each, "graph", None), "nodes", ()):
            for value in tree_leaves(node.meta.get("val")):
                for size in getattr(value, "shape", ()) if isinstance(value, torch.Tensor) else (value,):
                    if isinstance(size, torch.SymInt):
                        for symbol in size.node.expr.free_symbols:
                            size.node.shape_env.var_to_range[symbol] = ValueRanges(1, most)


def _reason(error: Exception) -> str:
    """Return the operator that an error is about, or its first line."""
    text = str(error).strip()
    found = _OPERATOR.search(text)
    first = (text.splitlines() or [type(error).__name__])[0].rstrip(".")
    return f"its tools do not lower {found[1]}" if found else plain(first)
