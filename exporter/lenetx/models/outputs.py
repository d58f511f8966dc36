"""Choose the logits among several outputs of a network."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..execution.user_code import user_code
from .probe import eval_mode, fork_random, shown

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = [
    "Chosen",
    "NoSuchOutput",
    "chosen_output",
    "has_axes_of_one",
    "kind_of",
    "name_of",
    "of_any_batch",
    "parts_of",
    "place_of",
    "stated_output",
]

_LOGITS = "logits"
_IMAGES = 4
_ALIKE = 1e-4
"""Relative and absolute tolerance when comparing probabilities with the softmax of the logits."""


class NoSuchOutput(InputError):
    """A network does not have the output that was stated.

    Attributes:
        keys: the indices and names of its outputs; empty if it has only one.
    """

    def __init__(self, message: str, keys: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.keys = tuple(keys)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The logits among several outputs of a network.

    Attributes:
        key: their index or name.
        place: the number of tensors before them in the outputs, which exporters write one after another.
        count: the number of all tensors in the outputs.
    """

    key: Any
    place: int
    count: int

    @classmethod
    def of(cls, found: object, key: Any) -> "Chosen":
        """Describe the output of that key among others, which may hold further tensors."""
        sizes = {own: _tensors_in(each) for own, each in parts_of(found).items()}
        before = list(sizes).index(key)
        return cls(key, sum(list(sizes.values())[:before]), sum(sizes.values()))


def _tensors_in(found: object) -> int:
    import torch

    return sum(map(_tensors_in, parts_of(found).values())) or int(isinstance(found, torch.Tensor))


def place_of(stated: str, names: Sequence[str]) -> int | None:
    """Return the position that an index, also from the end, or a name states among names; ``None`` if there is none."""
    places = {str(place): place % len(names) for place in range(-len(names), len(names))}
    return places.get(stated, names.index(stated) if stated in names else None)


def stated_output(name: str, found: object, output: str) -> Any:
    """Return the key of the output that the user stated by its index or name.

    Raises:
        NoSuchOutput: there is none.
    """
    parts = parts_of(found)
    if not parts:
        raise NoSuchOutput(f"{name} gives {shown(found)}, one output: --output chooses among several; got '{output}'.")
    keys = {str(key): key for key in parts}
    if not isinstance(found, Mapping):
        keys |= {str(key - len(parts)): key for key in parts}
        keys |= dict(zip(getattr(found, "_fields", ()), parts, strict=False))
    if output not in keys:
        listed = _listed(f"{name_of(key)}: {shown(each)}" for key, each in parts.items())
        words = f"{name} gives a {kind_of(found)} of {listed}, none of which is --output {output}."
        raise NoSuchOutput(words, list(map(str, parts)))
    return keys[output]


def chosen_output(
    module: "nn.Module", name: str, shape: tuple[int, int, int], classes: int, found: object, *, exact: bool
) -> tuple[Any, str]:
    """Return the key of the logits among several outputs, and the reason for the choice.

    Raises:
        InputError: none or several could be the logits.
    """
    parts = parts_of(found)
    rows = {key: each for key, each in parts.items() if _is_row(each) and each.shape[1:].numel() > 1}
    fit = {key: each for key, each in rows.items() if each.shape[1:].numel() == classes} or ({} if exact else rows)
    if not fit:
        wanted = f"float32[2, {classes}]"
        raise InputError(
            f"{name} gives a {kind_of(found)} of {_listed(map(shown, parts.values()))} for a batch of 2, none of "
            f"which is {wanted}: a logit for each of the {classes} classes."
        )
    if len(fit) == 1:
        ((key, one),) = fit.items()
        return key, f"{name_of(key)} is taken, which alone is {of_any_batch(one)}"
    if _LOGITS in fit:
        return _LOGITS, f"{name_of(_LOGITS)} is taken, by its name"
    key = _origin(module, name, shape, list(fit))
    if key is None:
        raise InputError(
            f"{name} gives a {kind_of(found)} of outputs, of which {_listed(map(name_of, fit))} could be its logits: "
            "choose one with --output INDEX|NAME."
        )
    return key, f"{name_of(key)} is taken, of which the others are probabilities"


def parts_of(found: object) -> Mapping[Any, Any]:
    """Return several outputs by key or index; an empty mapping for a single output."""
    if isinstance(found, Mapping):
        return found
    return dict(enumerate(found)) if isinstance(found, list | tuple) else {}


def has_axes_of_one(found: "Tensor") -> bool:
    """Return whether a tensor of more than two axes has only one, besides the batch, that is longer than 1."""
    return found.ndim > 2 and math.prod(found.shape[1:]) == max(found.shape[1:])


def kind_of(found: object) -> str:
    """Return the type of several outputs as text: tuple, list or dict."""
    return next(kind.__name__ for kind in (tuple, list, dict) if isinstance(found, kind) or kind is dict)


def name_of(key: object) -> str:
    """Return a key or index as text for messages."""
    return f"[{key}]" if isinstance(key, int) else repr(key)


def of_any_batch(found: "Tensor") -> str:
    """Return the dtype and shape of an output for two images as text, for any number of images."""
    return shown(found).replace("[2", "[N", 1)


def _origin(module: "nn.Module", name: str, shape: tuple[int, int, int], keys: list[Any]) -> Any:
    """Return the key of the output of which all others are probabilities or log-probabilities, or ``None``."""
    import torch

    images = torch.randn(_IMAGES, *shape, generator=torch.Generator().manual_seed(0))
    with user_code(name), eval_mode(module), fork_random(), torch.no_grad():
        found = parts_of(module(images))
    values = {key: found[key].flatten(1) for key in keys}
    for key, logits in values.items():
        forms = (logits, logits.softmax(1), logits.log_softmax(1), logits.sigmoid())
        if all(any(_is_alike(each, form) for form in forms) for each in values.values()):
            return key
    return None


def _is_alike(one: "Tensor", other: "Tensor") -> bool:
    import torch

    return one.shape == other.shape and torch.allclose(one, other, _ALIKE, _ALIKE)


def _is_row(found: object) -> bool:
    """Return whether an output for two images is float32[2, K], ignoring axes of length 1."""
    import torch

    if not isinstance(found, torch.Tensor) or found.dtype != torch.float32 or found.shape[:1] != (2,):
        return False
    return found.ndim == 2 or has_axes_of_one(found)


def _listed(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
