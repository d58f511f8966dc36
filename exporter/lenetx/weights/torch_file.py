"""What ``torch.save`` writes: a state_dict, also inside a larger dict, or a whole module."""

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from lenetx_runtime.spec import METADATA_KEY

from .. import archive, models
from ..errors import ArtifactError
from .found import Found, Source
from .unpickle import OtherClass, StandIn, inert, trusted

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["read", "recognises"]

_LEGACY = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9\x20j\xa8P\x19."
"""A pickle of torch's magic number, with which files of before 1.6 begin."""
_WRAPPERS = ("state_dict", "model_state_dict", "model")
_DEEPEST = 4
"""Of dicts around a state_dict."""
_MOST_MODULES = 100_000
"""In one network: a pickle of a few bytes can name the same part any number of times."""


def recognises(data: bytes) -> bool:
    """Return whether ``torch.save`` wrote this, as an archive or in the older form."""
    return data.startswith(_LEGACY) or archive.has(data, "data.pkl")


def read(source: Source) -> Found:
    """Read the tensors; a class that is neither torch.nn's nor lenetx's needs a source that is trusted."""
    try:
        content = inert(source.data, _known_classes())
    except OtherClass as refusal:
        if not source.trust:
            raise
        source.on_notice(f"Code in '{source.path}' is run, since its pickle is trusted: it asks for {refusal.name}.")
        content = trusted(source.data)
    if isinstance(content, dict) and METADATA_KEY in content and "state_dict" in content:
        return Found("checkpoint", source.require_plain(_mapping(content["state_dict"])), ours=True)
    kind, tensors = _weights(content)
    return Found(kind, source.require_plain(tensors))


@cache
def _known_classes() -> tuple[str, ...]:
    """Give the names under which pickles have the layers of torch.nn and the networks of lenetx."""
    from torch import nn

    layers = (each for each in vars(nn).values() if isinstance(each, type) and issubclass(each, nn.Module))
    networks = (name.replace(":", ".") for name in models.NETWORKS.values())
    return (*(f"{layer.__module__}.{layer.__qualname__}" for layer in layers), *networks)


def _weights(content: Any) -> "tuple[str, Mapping[str, Tensor]]":
    """Find the tensors in what was pickled, and say what that was."""
    from torch import nn

    for _ in range(_DEEPEST):
        if isinstance(content, StandIn):
            return "module", _state_dict(content)
        if isinstance(content, nn.Module):
            return "module", content.state_dict()
        if not isinstance(content, Mapping):
            break
        inner = [content[key] for key in _WRAPPERS if isinstance(content.get(key), Mapping | StandIn | nn.Module)]
        if not inner:
            return "state_dict", content
        content = inner[0]
    raise ArtifactError(f"It holds a {type(content).__name__}, and no weights by name.")


def _state_dict(module: StandIn) -> "dict[str, Tensor]":
    """Give what ``state_dict()`` of the module would give, in its order."""
    tensors: dict[str, Tensor] = {}
    left = [("", module)]
    for _ in range(_MOST_MODULES):
        if not left:
            return tensors
        prefix, part = left.pop()
        own = vars(part)
        passing = own.get("_non_persistent_buffers_set", ())
        buffers = {name: each for name, each in _mapping(own.get("_buffers")).items() if name not in passing}
        held = {**_mapping(own.get("_parameters")), **buffers}
        tensors.update({prefix + name: each for name, each in held.items() if each is not None})
        parts = _mapping(own.get("_modules")).items()
        left += reversed([(f"{prefix}{name}.", each) for name, each in parts if isinstance(each, StandIn)])
    raise ArtifactError(f"It has more than {_MOST_MODULES:,} layers.")


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ArtifactError("Its module is not as torch.nn makes one.")
    return value
