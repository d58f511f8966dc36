"""Adapt custom networks to the form that lenetx runs: float32[N, C, H, W] in, one tensor float32[N, K] out.

Forward hooks do this, so the network's class and tensor names do not change.
"""

import contextlib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..execution.user_code import user_code
from .probe import eval_mode, fork_random, forward_on_meta, outputs, shown

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["accept_channels_first", "adapt_output"]

_LOGITS = "logits"
_IMAGES = 4
_ALIKE = 1e-4
"""Relative and absolute tolerance when comparing probabilities with the softmax of the logits."""


@dataclass(frozen=True, slots=True)
class _Logits:
    """Forward hook that extracts the logits from a network's output.

    Attributes:
        key: the key or index of the logits among several outputs; ``None`` if the network returns a tensor.
        classes: K if the network drops the batch axis for one image, else ``None``.
    """

    key: Any = None
    classes: int | None = None

    def __call__(self, _module: "nn.Module | None", _args: Any, found: Any) -> Any:
        """Return float32[N, K]; other outputs, as a network may return in training mode, are left unchanged."""
        import torch

        found = _parts(found).get(self.key, found)
        if not isinstance(found, torch.Tensor):
            return found
        if self.classes is not None:
            return found.reshape(-1, self.classes)
        return found.flatten(1) if _has_axes_of_one(found) else found


def accept_channels_first(module: "nn.Module") -> None:
    """Make a network with [N, H, W, C] inputs accept [N, C, H, W]."""
    module.register_forward_pre_hook(_channels_last)


def adapt_output(
    module: "nn.Module",
    name: str,
    shape: tuple[int, int, int],
    classes: int,
    on_notice: Callable[[str], None],
    *,
    exact: bool = True,
    output: str | None = None,
) -> "Tensor":
    """Adapt a network's output to float32[N, K] and return its output for two images (usually on the meta device).

    Args:
        module: the network, on the CPU; hooks are added and weights converted to float32 as needed.
        name: name of the network, for messages.
        shape: (channels, height, width) of its input.
        classes: the expected number of logits.
        on_notice: called with a sentence for each change.
        exact: among several outputs, accept only one with ``classes`` logits.
        output: index or name of the logits among several outputs; by default the only one that could be the logits.

    Raises:
        InputError: no output, or more than one, could be the logits, ``output`` does not exist, or the network's code
            raised an error.
    """
    import torch

    flat = _flattened(module, name, shape)
    found, notes = _in_float32(module, name, shape)
    notes += flat
    key, taken = None, found
    if output is not None:
        key = _stated(name, found, output)
        taken = _parts(found)[key]
        notes.append(f"gives a {_kind(found)} of outputs: {_named(key)} is taken, as stated")
    elif _parts(found):
        key, note = _chosen(module, name, shape, classes, found, exact=exact)
        notes.append(f"gives a {_kind(found)} of outputs: {note}")
        taken = _parts(found)[key]
    if not isinstance(taken, torch.Tensor):
        raise InputError(
            f"{name} gives {type(found).__name__} in eval mode, not a tensor of logits: let its forward return the "
            "logits alone."
        )
    if _has_axes_of_one(taken):
        notes.append(f"gives {_of_any_batch(taken)}, whose axes of size 1 are removed")
    hook = _Logits(key)
    logits: Tensor = hook(None, (), found)
    one = hook(None, (), _of_one_image(module, name, shape))
    if logits.ndim == 2 and isinstance(one, torch.Tensor) and one.shape == logits.shape[1:]:
        notes.append(f"gives {shown(one)} for one image, as .squeeze() takes the batch axis away too: it is kept")
        hook = _Logits(key, len(one))
    if hook != _Logits() or taken is not logits:
        module.register_forward_hook(hook)
    for note in notes:
        on_notice(f"{name} {note}.")
    return logits


def _flattened(module: "nn.Module", name: str, shape: tuple[int, int, int]) -> list[str]:
    """Flatten the inputs of a network that only accepts [N, C·H·W], and return a note if so."""
    import torch

    def takes(run: Callable[[], object]) -> bool:
        try:
            with user_code(name), eval_mode(module), fork_random(), torch.no_grad():
                run()
        except InputError:
            return False
        return True

    def on_zeros() -> object:
        dtype = next((each.dtype for each in module.parameters() if each.is_floating_point()), torch.float32)
        return module(torch.zeros(2, *shape, dtype=dtype))

    if takes(lambda: forward_on_meta(module, shape)) or takes(on_zeros):
        return []
    hook = module.register_forward_pre_hook(_flat)
    if takes(on_zeros):
        return [f"takes float32[N, {math.prod(shape)}]: inputs of {list(shape)} are flattened to it"]
    hook.remove()
    return []


def _in_float32(module: "nn.Module", name: str, shape: tuple[int, int, int]) -> tuple[object, list[str]]:
    """Convert the weights to float32 and return the output for two images, with a notice if that changed them."""
    import torch

    from ..execution.casts import cast_to_float32

    others = {own: each.dtype for own, each in module.named_parameters() if each.is_floating_point()}
    own = next((own for own, dtype in others.items() if dtype != torch.float32), None)
    if own is None:
        return outputs(module, name, shape), []
    kind = str(others[own]).removeprefix("torch.")
    with user_code(name):
        module.float()
    with contextlib.suppress(InputError):
        return outputs(module, name, shape), [f"has weights of {kind}: it computes in float32 here, as artifacts do"]
    cast_to_float32(module, others[own])
    try:
        found = outputs(module, name, shape)
    except InputError as error:
        reason = str(error).removeprefix(f"{name} ")
        raise InputError(
            f"{name} has weights of {kind}, such as {own}, and in float32, in which artifacts compute, it {reason} "
            f"Leave the casts to {kind} out of its code."
        ) from None
    return found, [f"has weights of {kind} and casts to it: it computes in float32 here, as artifacts do"]


def _of_one_image(module: "nn.Module", name: str, shape: tuple[int, int, int]) -> object:
    """Return a network's output for one image, or ``None`` if that fails."""
    import torch

    for run in (lambda: forward_on_meta(module, shape, 1), lambda: module(torch.zeros(1, *shape))):
        with contextlib.suppress(InputError), user_code(name), eval_mode(module), fork_random(), torch.no_grad():
            found: object = run()  # the second run is for code that needs real values
            return found
    return None


def _stated(name: str, found: object, output: str) -> Any:
    """Return the key of the output that the user stated by its index or name."""
    parts = _parts(found)
    if not parts:
        raise InputError(f"{name} gives {shown(found)}, one output: --output chooses among several; got '{output}'.")
    keys = {str(key): key for key in parts}
    if not isinstance(found, Mapping):
        keys |= {str(key - len(parts)): key for key in parts}
        keys |= dict(zip(getattr(found, "_fields", ()), parts, strict=False))
    if output not in keys:
        listed = _listed(f"{_named(key)}: {shown(each)}" for key, each in parts.items())
        raise InputError(f"{name} gives a {_kind(found)} of {listed}, none of which is --output {output}.")
    return keys[output]


def _chosen(
    module: "nn.Module", name: str, shape: tuple[int, int, int], classes: int, found: object, *, exact: bool
) -> tuple[Any, str]:
    """Return the key of the logits among several outputs, and the reason for the choice."""
    parts = _parts(found)
    rows = {key: each for key, each in parts.items() if _is_row(each) and each.shape[1:].numel() > 1}
    fit = {key: each for key, each in rows.items() if each.shape[1:].numel() == classes} or ({} if exact else rows)
    if not fit:
        wanted = f"float32[2, {classes}]"
        raise InputError(
            f"{name} gives a {_kind(found)} of {_listed(map(shown, parts.values()))} for a batch of 2, none of "
            f"which is {wanted}: a logit for each of the {classes} classes."
        )
    if len(fit) == 1:
        ((key, one),) = fit.items()
        return key, f"{_named(key)} is taken, which alone is {_of_any_batch(one)}"
    if _LOGITS in fit:
        return _LOGITS, f"{_named(_LOGITS)} is taken, by its name"
    key = _origin(module, name, shape, list(fit))
    if key is None:
        raise InputError(
            f"{name} gives a {_kind(found)} of outputs, of which {_listed(map(_named, fit))} could be its logits: "
            "choose one with --output INDEX|NAME."
        )
    return key, f"{_named(key)} is taken, of which the others are probabilities"


def _origin(module: "nn.Module", name: str, shape: tuple[int, int, int], keys: list[Any]) -> Any:
    """Return the key of the output of which all others are probabilities or log-probabilities, or ``None``."""
    import torch

    images = torch.randn(_IMAGES, *shape, generator=torch.Generator().manual_seed(0))
    with user_code(name), eval_mode(module), fork_random(), torch.no_grad():
        found = _parts(module(images))
    values = {key: found[key].flatten(1) for key in keys}
    for key, logits in values.items():
        forms = (logits, logits.softmax(1), logits.log_softmax(1), logits.sigmoid())
        if all(any(_is_alike(each, form) for form in forms) for each in values.values()):
            return key
    return None


def _is_alike(one: "Tensor", other: "Tensor") -> bool:
    import torch

    return one.shape == other.shape and torch.allclose(one, other, _ALIKE, _ALIKE)


def _parts(found: object) -> Mapping[Any, Any]:
    """Return several outputs by key or index; an empty mapping for a single output."""
    if isinstance(found, Mapping):
        return found
    return dict(enumerate(found)) if isinstance(found, list | tuple) else {}


def _is_row(found: object) -> bool:
    """Return whether an output for two images is float32[2, K], ignoring axes of length 1."""
    import torch

    if not isinstance(found, torch.Tensor) or found.dtype != torch.float32 or found.shape[:1] != (2,):
        return False
    return found.ndim == 2 or _has_axes_of_one(found)


def _has_axes_of_one(found: "Tensor") -> bool:
    return found.ndim > 2 and math.prod(found.shape[1:]) == max(found.shape[1:])


def _channels_last(_: "nn.Module", args: tuple[Any, ...]) -> tuple[Any, ...]:
    return args[0].permute(0, 2, 3, 1), *args[1:]


def _flat(_: "nn.Module", args: tuple[Any, ...]) -> tuple[Any, ...]:
    return args[0].flatten(1), *args[1:]


def _kind(found: object) -> str:
    return next(kind.__name__ for kind in (tuple, list, dict) if isinstance(found, kind) or kind is dict)


def _of_any_batch(found: "Tensor") -> str:
    return shown(found).replace("[2", "[N", 1)


def _named(key: object) -> str:
    return f"[{key}]" if isinstance(key, int) else repr(key)


def _listed(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last
