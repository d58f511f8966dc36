"""Lower a ``pt2`` program with ExecuTorch's tools: to XNNPACK what it takes, to ExecuTorch's own kernels the rest."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lenetx_runtime import InputError, ModelSpec

from ...graph.expression import plain
from ..pt2.reopen import alone, load
from .session import import_tools, kernels

__all__ = ["SPEC_METHOD", "Lowered", "lowered"]

SPEC_METHOD = "lenetx_spec"
"""The method that returns the spec's JSON text."""
_LARGEST_METHOD = "get_max_batch_size"
_XNNPACK = "XnnpackBackend"
_PRIMITIVES = "executorch_prim::"
_ANY_NUMBER = {"_check_ir_validity": False, "_skip_dim_order": True}
"""Otherwise the tools run some operators on the example, and its number of images becomes the only one."""
_OPERATOR = re.compile(r"\baten[.:]+(\w+)")


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
    tools = import_tools()
    exported = load(records)
    count = spec.largest_batch or int(spec.batch)
    methods = {SPEC_METHOD: spec.to_json(), _LARGEST_METHOD: count}
    try:
        with alone():
            edge = tools.to_edge_transform_and_lower(
                exported,
                partitioner=[tools.XnnpackPartitioner()],
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
