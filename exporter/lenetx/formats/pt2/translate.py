"""Export a network with ``torch.export``, to a program without in-place operators."""

import traceback
from typing import TYPE_CHECKING, Any

from lenetx_runtime.spec import ModelSpec

from ...errors import InputError
from ...execution.host import standard_settings
from ...execution.user_code import place_of
from ...models.probe import quiet
from ..onnx.translate import FROZEN, cause, reason
from .convert import program_of
from .program import Program
from .rules import is_in_place, trains

if TYPE_CHECKING:
    from torch import Tensor, nn

    from .. import Batch

__all__ = ["translate"]

_TRACE_BATCH = 2
"""Batch size of the sample input; a batch of 1 can freeze the batch axis (pytorch#151582)."""


def translate(network: "nn.Module", spec: ModelSpec, batch: "Batch") -> "tuple[Program, list[Tensor]]":
    """Export a network with ``torch.export``.

    Args:
        network: the module, in eval mode, on the CPU.
        spec: defines the name and the shape of its input.
        batch: ``"dynamic"`` or a fixed batch size.

    Raises:
        InputError: torch cannot export it, its code fixes the batch size and ``batch`` is dynamic, or it does more than
            compute tensors from tensors.
        Exception: the network's own code raised it.
    """
    import torch

    sample = torch.zeros(_TRACE_BATCH if batch == "dynamic" else batch, *spec.input_shape)
    shapes = ({0: torch.export.Dim("batch")},) if batch == "dynamic" else None
    with quiet(), standard_settings(), torch.no_grad():
        exported = _exported(network, sample, shapes, strict=False)
        if isinstance(exported, Exception) and shapes is not None:  # dynamo keeps len(x) and int(x.shape[0]) symbolic
            again = _exported(network, sample, shapes, strict=True)
            exported = exported if isinstance(again, Exception) else again
        if isinstance(exported, Exception):
            raise _error(exported)
        try:
            program, tensors = program_of(_functional(exported), spec.input_shape, batch, spec.input_name)
        except ValueError as error:
            raise InputError(f"The network cannot be written as pt2: {error}.") from None
    if random := sorted({call.operator.partition(".")[0] for call in program.calls if trains(call)}):
        raise InputError(
            f"In eval mode too, the network draws random numbers or takes statistics of the whole batch "
            f"({', '.join(random)}): an image's result would depend on other images."
        )
    return program, tensors


def _exported(network: "nn.Module", sample: "Tensor", shapes: Any, *, strict: bool) -> Any:
    """Return torch's exported program, or the exception that it raised."""
    import torch

    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # a fused attention operator that no other program knows
    try:
        return torch.export.export(network, (sample,), dynamic_shapes=shapes, strict=strict)
    except Exception as error:  # torch and the network's code may raise any exception
        return error
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def _error(error: Exception) -> BaseException:
    if "Constraints violated" in str(error):
        return InputError(FROZEN)
    if place_of(traceback.extract_tb(cause(error).__traceback__)):
        return cause(error)  # raised by the network's own code, and reported as such
    return InputError(f"torch.export cannot export this network: {reason(error)}")


def _functional(exported: Any) -> Any:
    """Replace in-place operators by those that return a new tensor."""
    for node in list(exported.graph.nodes):
        if _changes(node) and _owns(node):
            with exported.graph.inserting_before(node):
                new = exported.graph.call_function(_out_of_place(node.target), node.args, node.kwargs)
            node.replace_all_uses_with(new)
            exported.graph.erase_node(node)
    return exported.run_decompositions({}) if any(map(_changes, exported.graph.nodes)) else exported


def _changes(node: Any) -> bool:
    """Return whether a node changes a tensor in place."""
    import torch

    return isinstance(node.target, torch._ops.OpOverload) and is_in_place(node.target)


def _owns(node: Any) -> bool:
    """Return whether nothing reads the changed tensor, or a view of it, after the change."""
    changed = node.args[0] if node.args else None
    if _out_of_place(node.target) is None or changed is None or not _is_new(changed):
        return False
    others = set(changed.users) - {node}
    return all(_is_new(each) and each < node for each in others)


def _is_new(node: Any) -> bool:
    """Return whether a node returns new memory."""
    import torch

    if not isinstance(node.target, torch._ops.OpOverload) or torch.Tag.maybe_aliasing_or_mutating in node.target.tags:
        return False
    return all(each.alias_info is None for each in node.target._schema.returns)


def _out_of_place(overload: Any) -> Any:
    """Return the operator that computes the same in a new tensor, or ``None``."""
    import torch

    packet = getattr(torch.ops.aten, overload._schema.name.removeprefix("aten::").removesuffix("_"), None)
    plain = getattr(packet, overload._overloadname, None)
    same = plain is not None and [str(each.type) for each in plain._schema.arguments] == [
        str(each.type) for each in overload._schema.arguments
    ]
    return plain if same and not is_in_place(plain) else None
