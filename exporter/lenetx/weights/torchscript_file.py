"""Read the parameters of TorchScript archives without loading them into libtorch, which would run their code.

An archive's ``data.pkl`` and ``data/`` are as ``torch.save`` writes them, except that their classes are code in the
archive; stand-ins replace them. A frozen archive has only constants without names, unless lenetx wrote it.
"""

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..data import archive
from ..errors import ArtifactError
from .found import Found, Source
from .unpickle import StandIn, load_safely, plain

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["read", "recognises"]

_OWN = "__torch__."
_VALUES = tuple(
    f"torch.jit._pickle.{name}"
    for name in ("build_intlist", "build_doublelist", "build_boollist", "build_tensorlist", "restore_type_tag")
)
"""Functions with which torch.jit annotates the types of lists and dicts."""
_CODE = ("code/", "constants", "extra/", "traced_inputs", "bytecode.pkl", "mobile_debug_handles.pkl")
"""Prefixes of the records without attributes."""
_MOST_OBJECTS = 100_000
_MOST_ATTRIBUTES = 2**18
_LONGEST_NAME = 2**12
"""Maximum length of all names in one network: a small pickle can name the same part any number of times."""


def recognises(data: bytes) -> bool:
    """Return whether ``torch.jit.save`` wrote the contents."""
    return archive.has(data, "constants.pkl") and archive.has(data, "data.pkl")


def read(source: Source) -> Found:
    """Read the tensors, named by the attributes that hold them."""
    attributes = archive.records_of(source.data, leave=_CODE)
    tensors = _tensors(load_safely(attributes, _classes(attributes), _VALUES))
    if not tensors:
        raise ArtifactError("It is a frozen TorchScript archive, in which weights have no names: save one unfrozen.")
    return Found("torchscript", source.require_plain(tensors))


def _classes(attributes: Mapping[str, bytes]) -> list[str]:
    import torch

    data, _ = plain(attributes)
    try:
        asked = torch.serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(data))
    except Exception as error:  # a hostile or damaged stream
        raise ArtifactError(f"Its contents were rejected and not executed: {type(error).__name__}.") from None
    return [name for name in asked if name.startswith(_OWN)]


def _tensors(root: Any) -> "dict[str, Tensor]":
    """Return every tensor below an object by its path of attributes, each object before its parts."""
    import torch

    found: dict[str, Tensor] = {}
    left, looked = [("", root)], 0
    for _ in range(_MOST_OBJECTS):
        if not left:
            return found
        prefix, part = left.pop()
        attributes = vars(part) if isinstance(part, StandIn) else {}
        looked += len(attributes)
        if looked > _MOST_ATTRIBUTES or len(prefix) > _LONGEST_NAME:
            break
        found.update({prefix + name: value for name, value in attributes.items() if isinstance(value, torch.Tensor)})
        parts = [(f"{prefix}{name}.", value) for name, value in attributes.items() if isinstance(value, StandIn)]
        left += reversed(parts)
    raise ArtifactError(f"It has more than {_MOST_OBJECTS:,} layers, or names without end.")
