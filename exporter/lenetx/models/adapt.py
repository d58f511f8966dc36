"""Adapt custom networks to the form that lenetx runs: float32[N, C, H, W] in, one tensor float32[N, K] out.

Forward hooks do this, so the network's class and tensor names do not change.
"""

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..execution.user_code import user_code
from .outputs import Chosen, chosen_output, has_axes_of_one, kind_of, name_of, of_any_batch, parts_of, stated_output
from .probe import OtherSize, eval_mode, fork_random, forward_on_meta, outputs, shown

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["accept_channels_first", "adapt_output", "chosen_in"]


@dataclass(frozen=True, slots=True)
class _Logits:
    """Forward hook that extracts the logits from a network's output.

    Attributes:
        chosen: the logits among several outputs; ``None`` if the network returns a tensor.
        classes: K if the network drops the batch axis for one image, else ``None``.
    """

    chosen: Chosen | None = None
    classes: int | None = None

    def __call__(self, _module: "nn.Module | None", _args: Any, found: Any) -> Any:
        """Return float32[N, K]; other outputs, as a network may return in training mode, are left unchanged."""
        import torch

        if self.chosen is not None:
            found = parts_of(found).get(self.chosen.key, found)
        if not isinstance(found, torch.Tensor):
            return found
        if self.classes is not None:
            return found.reshape(-1, self.classes)
        return found.flatten(1) if has_axes_of_one(found) else found


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
    try:
        found, notes = _in_float32(module, name, shape)
    except OtherSize as error:
        if output is None:
            _require_choice(module, name, classes, error, exact=exact)
        raise
    notes += flat
    chosen, taken = None, found
    if output is not None or parts_of(found):
        if output is not None:
            key = stated_output(name, found, output)
            note = f"{name_of(key)} is taken, as stated"
        else:
            key, note = chosen_output(module, name, shape, classes, found, exact=exact)
        notes.append(f"gives a {kind_of(found)} of outputs: {note}")
        chosen, taken = Chosen.of(found, key), parts_of(found)[key]
    if not isinstance(taken, torch.Tensor):
        raise InputError(
            f"{name} gives {type(found).__name__} in eval mode, not a tensor of logits: let its forward return the "
            "logits alone."
        )
    if has_axes_of_one(taken):
        notes.append(f"gives {of_any_batch(taken)}, whose axes of size 1 are removed")
    hook = _Logits(chosen)
    logits: Tensor = hook(None, (), found)
    one = hook(None, (), _of_one_image(module, name, shape))
    if logits.ndim == 2 and isinstance(one, torch.Tensor) and one.shape == logits.shape[1:]:
        notes.append(f"gives {shown(one)} for one image, as .squeeze() takes the batch axis away too: it is kept")
        hook = _Logits(chosen, len(one))
    if hook != _Logits() or taken is not logits:
        module.register_forward_hook(hook)
    for note in notes:
        on_notice(f"{name} {note}.")
    return logits


def _require_choice(module: "nn.Module", name: str, classes: int, error: OtherSize, *, exact: bool) -> None:
    """Check the outputs for inputs of a size that fits, so that a user hears of both problems at once."""
    with eval_mode(module), fork_random():
        found = forward_on_meta(module, error.fitting)
    if not parts_of(found):
        return
    try:
        chosen_output(module, name, error.fitting, classes, found, exact=exact)
    except InputError as problem:
        raise InputError(f"{problem} {error}") from None


def chosen_in(module: "nn.Module") -> Chosen | None:
    """Return which of several outputs of an adapted network are the logits; ``None`` if it has one output."""
    hooks = [hook for hook in module._forward_hooks.values() if isinstance(hook, _Logits)]
    return hooks[0].chosen if hooks else None


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


def _channels_last(_: "nn.Module", args: tuple[Any, ...]) -> tuple[Any, ...]:
    return args[0].permute(0, 2, 3, 1), *args[1:]


def _flat(_: "nn.Module", args: tuple[Any, ...]) -> tuple[Any, ...]:
    return args[0].flatten(1), *args[1:]
