"""Decide which operators an archive may call: those of ``torch.ops.aten`` that only compute tensors from tensors."""

import keyword
import re
import unicodedata
from typing import Any

from ...graph.expression import plain
from ..division import require_safe
from ..leaves import leaves
from ..torchscript.graph import SIZED, TRAINING_FLAGS
from .program import Call, Count, Name

__all__ = ["is_in_place", "operator_of", "require_lawful", "require_path", "trains"]

_PATH = re.compile(r"""(?:(?!__)[^"'`\\.]{1,200}(?:\.(?=.)|$)){1,50}""")
"""Names of weights; torch writes them into Python code, which it runs."""
_TAKEN = ("_guards_fn", "meta", "range_constraints", "training", "validate_inputs")
"""Attributes of the module that torch makes of an archive, beside those of its class."""
_OPERATOR = re.compile(r"(\w{1,100})\.(\w{1,100})", re.ASCII)
_INTERNAL = frozenset(
    {
        "_adaptive_avg_pool2d",
        "_log_softmax",
        "_prelu_kernel",
        "_softmax",
        "_to_copy",
        "_unsafe_view",
        "_upsample_bicubic2d_aa",
        "_upsample_bilinear2d_aa",
        "_weight_norm",
    }
)
"""Operators whose names begin with an underscore and that networks need; the others check their arguments less."""
_SOURCES = frozenset({"arange", "eye", "full", "ones", "scalar_tensor", "zeros"})
"""Operators that read no tensor."""


def operator_of(name: str) -> Any:
    """Return an operator by name and overload.

    Raises:
        ValueError: there is no such operator, or no archive may call it.
    """
    import torch

    parts = _OPERATOR.fullmatch(name)
    packet = getattr(torch.ops.aten, parts[1], None) if parts and not parts[1].startswith("__") else None
    overload = getattr(packet, parts[2], None) if parts and packet is not None else None
    if not isinstance(overload, torch._ops.OpOverload):
        raise ValueError(f"there is no operator {plain(name)}")
    base = name.partition(".")[0]
    if base.startswith("_") and base not in _INTERNAL:
        raise ValueError(f"{base} is an internal operator of torch")
    if is_in_place(overload):
        raise ValueError(f"{base} changes a tensor in place")
    returns = [str(each.type) for each in overload._schema.returns]
    if not returns or any(each not in ("Tensor", "List[Tensor]") for each in returns):
        raise ValueError(f"{base} returns more than tensors")
    return overload


def is_in_place(overload: Any) -> bool:
    """Return whether an operator changes one of its arguments."""
    return any(each.is_write for each in overload._schema.arguments)


def require_path(path: str) -> None:
    """Raise ValueError for a name of a weight under which torch could not load it."""
    import torch

    is_text = path.isprintable() and unicodedata.normalize("NFKC", path) == path  # as Python reads names
    if not is_text or not _PATH.fullmatch(path) or any(map(keyword.iskeyword, path.split("."))):
        raise ValueError(f"torch.export cannot hold the name {plain(path)}")
    first = path.partition(".")[0]
    if first in _TAKEN or hasattr(torch.fx.GraphModule, first):
        raise ValueError(f"torch.export has a '{first}' of its own; the network's needs another name")


def require_lawful(call: Call) -> None:
    """Raise ValueError for a call that does more than compute tensors from tensors."""
    overload, base = operator_of(call.operator), call.operator.partition(".")[0]
    known = {each.name: str(each.type) for each in overload._schema.arguments}
    given = [name for name, _ in (*call.arguments, *call.keywords)]
    if given[: len(call.arguments)] != [*known][: len(call.arguments)] or len(set(given)) < len(given):
        raise ValueError(f"{base} has other arguments")
    if not set(given) <= known.keys():
        raise ValueError(f"{base} has no argument {plain(sorted(set(given) - known.keys())[0])}")
    if base not in _SOURCES and not any(isinstance(each, Name) for each in leaves(call.values)):
        raise ValueError(f"{base} reads no tensor")
    values = dict((*call.arguments, *call.keywords))
    if trains(call) and any(value is not None for name, value in values.items() if name.startswith("running_")):
        raise ValueError(f"{base} changes its statistics")
    require_safe(base, values)
    for name, value in values.items():
        for each in leaves([value]):
            if isinstance(each, Name) and "Tensor" not in known[name]:
                raise ValueError(f"{base} takes no tensor as {name}")
            sized = type(value) is tuple and name in SIZED and each == Count(1)
            if isinstance(each, Count) and not sized:
                raise ValueError(f"{base} computes with the number of images")


def trains(call: Call) -> bool:
    """Return whether a call is in training mode. Instance norm never is: it normalises each image separately."""
    import torch

    overload = operator_of(call.operator)
    if call.operator.startswith("instance_norm."):
        return False
    values = {each.name: each.default_value for each in overload._schema.arguments if each.has_default_value()}
    values |= dict((*call.arguments, *call.keywords))
    flags = [values[name] for name in TRAINING_FLAGS if name in values]
    draws = torch.Tag.nondeterministic_seeded in overload.tags and values.get("dropout_p") != 0
    return any(flag is not False for flag in flags) or (draws and not flags)
