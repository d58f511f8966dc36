"""Find the weights in unpickled contents: a state_dict or a module, alone or inside dicts, lists and tuples."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import ArtifactError
from ..models.wrappers import WRAPPERS, unwrapped
from .numpy_arrays import as_tensor
from .unpickle import class_of

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Candidate", "find_weights"]

_PREFERRED = (
    "state_dict_ema",
    "ema_state_dict",
    "model_ema",
    "ema_model",
    "ema",
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "network",
    "module",
    "weights",
    "params",
)
"""Keys under which training programs save a network's weights, in order of preference: a moving average of them first,
which is what such a program evaluates and publishes (as in timm and ultralytics)."""
_NO_WEIGHTS = ("optim", "sched", "scaler", "rng", "param_groups", "hist", "loss", "metric", "hyper_param", "loops")
"""Parts of the keys under which they save other data, some of which holds tensors too."""
_DEEPEST = 4
"""Maximum depth of containers around the weights."""
_MOST_VISITS = 10_000
"""Maximum number of containers to search: a pickle of a few bytes can name the same one any number of times."""
_MOST_NAMED, _EACH = 2**24, 2**10
"""Maximum total length of the names of layers and tensors in one network, and what each name costs on top."""
_WRAPPERS = 8
"""Maximum number of nested wrapper modules around a network."""
_MOST_COPIES = 16
"""Maximum total size of numpy arrays, as a multiple of the file's size, for the same reason."""
_LONGEST = 100
"""Maximum length of a key in a message."""
_LISTED = 10


@dataclass(frozen=True, slots=True)
class Candidate:
    """Weights found in a file.

    Attributes:
        place: keys that lead to the weights, joined by dots; empty if the file holds nothing else.
        kind: ``state_dict`` or ``module``.
        tensors: the weights by name.
        network: name of a custom module's class, without its Python module; ``None`` for other weights.
    """

    place: str
    kind: str
    tensors: "Mapping[str, Tensor]"
    network: str | None = None


@dataclass(slots=True)
class _Search:
    """Search nested containers, a bounded number of them, and each once at any depth.

    Attributes:
        room: bytes that arrays may still take.
    """

    room: int
    visits: int = 0
    seen: set[tuple[int, int]] = field(default_factory=set)

    def within(self, content: Any, place: str, depth: int) -> Iterator[Candidate]:
        if (id(content), depth) in self.seen:
            return
        self.seen.add((id(content), depth))
        self.visits += 1
        if self.visits > _MOST_VISITS:
            raise ArtifactError(f"It has more than {_MOST_VISITS:,} dicts and lists around its weights.")
        module = _module(content, place)
        if module is not None:
            yield module
        elif depth < _DEEPEST:
            inner = [
                each for key, value in _parts(content) for each in self.within(value, _join(place, key), depth + 1)
            ]
            yield from inner or self._alone(content, place)

    def _alone(self, content: Any, place: str) -> Iterator[Candidate]:
        """Yield a dict that holds tensors itself."""
        if not isinstance(content, Mapping):
            return
        kept, holds = {}, False
        for name, value in content.items():
            tensor = as_tensor(value)
            if tensor is not None and tensor is not value:
                self.room -= tensor.nbytes
            if self.room < 0:
                raise ArtifactError("Its arrays are far larger than the file: they repeat a few numbers.")
            holds = holds or (tensor is not None and bool(tensor.ndim or not place))
            kept[name] = value if tensor is None else tensor
        if holds:
            yield Candidate(place, "state_dict", kept)


def find_weights(content: Any, on_notice: Callable[[str], None], size: int) -> Candidate:
    """Return the only weights in unpickled contents, or those under a usual name, with a note about others.

    Args:
        content: contents of a pickle.
        on_notice: called with a sentence on which weights were used.
        size: size of the file in bytes.

    Raises:
        ArtifactError: there are none, or several and none under a usual name; or the file repeats a few numbers.
    """
    found = list(_Search(_MOST_COPIES * size).within(content, "", 0))
    if len(found) > 1:
        found = [each for each in found if any(_has_axes(value) for value in each.tensors.values())] or found
    usual = [each for name in _PREFERRED for each in found if name in each.place.split(".")]
    if not found:
        if content == {}:
            raise ArtifactError("It holds no tensors.")
        raise ArtifactError(f"It holds {_described(content)}, and no weights by name: save model.state_dict() instead.")
    places = ", ".join(each.place for each in found[:_LISTED])
    if len(found) > 1 and not usual:
        raise ArtifactError(
            f"It holds several sets of weights ({places}): save the one you need by itself, "
            f"as in torch.save(content['{found[0].place}'], 'weights.pth')."
        )
    if len(found) > 1:
        on_notice(
            f"Of several sets of weights ({places}), those under '{usual[0].place}' were taken; save another one by "
            "itself to use it."
        )
    return usual[0] if len(found) > 1 else found[0]


def _has_axes(value: Any) -> bool:
    return getattr(value, "ndim", 0) > 1  # a dict of weights may hold numbers too


def _join(place: str, key: str) -> str:
    short = key[:_LONGEST]
    return f"{place}.{short}" if place else short


def _parts(content: Any) -> Iterator[tuple[str, Any]]:
    """Yield the members of a container that may hold weights."""
    from torch import nn

    if isinstance(content, Mapping):
        members = ((key, value) for key, value in content.items() if isinstance(key, str))
    elif isinstance(content, list | tuple):
        members = ((str(number), value) for number, value in enumerate(content))
    else:
        return
    for key, value in members:
        holds = isinstance(value, Mapping | list | tuple | nn.Module) or _is_module(value)
        if holds and not any(part in key.lower() for part in _NO_WEIGHTS):
            yield key, value


def _module(content: Any, place: str) -> Candidate | None:
    from torch import nn

    if isinstance(content, nn.Module):
        return Candidate(place, "module", unwrapped(content).state_dict())
    if not _is_module(content):
        return None
    inner, whole = content, content
    for _ in range(_WRAPPERS):
        if _is_module(inner) and class_of(inner) is None and len(_mapping(vars(inner)["_modules"])) == 1:
            ((name, part),) = vars(inner)["_modules"].items()
            if whole is inner and name in WRAPPERS:
                whole = part
            inner = part
    return Candidate(place, "module", _state_dict(whole), class_of(inner))


def _is_module(content: Any) -> bool:
    return {"_parameters", "_buffers", "_modules"} <= getattr(content, "__dict__", {}).keys()


def _state_dict(module: Any) -> "dict[str, Tensor]":
    """Return what the module's ``state_dict()`` would return, in the same order."""
    tensors: dict[str, Tensor] = {}
    left, most = [("", module)], _MOST_NAMED
    while left:
        prefix, part = left.pop()
        own = vars(part)
        passing = own.get("_non_persistent_buffers_set", ())
        buffers = {name: each for name, each in _mapping(own["_buffers"]).items() if name not in passing}
        held = {**_mapping(own["_parameters"]), **buffers}
        parts = _mapping(own["_modules"])
        most -= sum(len(prefix) + len(str(name)) + _EACH for name in (*held, *parts))
        if most < 0:  # a module may contain itself, or another one many times
            raise ArtifactError("It names more layers and tensors than a network has, or one of them again and again.")
        tensors.update({prefix + name: each for name, each in held.items() if each is not None})
        left += reversed([(f"{prefix}{name}.", each) for name, each in parts.items() if _is_module(each)])
    return tensors


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ArtifactError("Its module is not as torch makes one.")
    return value


def _described(content: Any) -> str:
    kind = type(content).__name__
    return f"an object of {class_of(content)}" if class_of(content) else f"a {kind}"
