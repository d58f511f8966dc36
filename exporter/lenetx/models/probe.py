"""A network on a batch of nothing: whether logits come out, and for which sizes they would."""

import contextlib
import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..errors import InputError
from .foreign import described, in_one_sentence

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["count_logits", "eval_mode", "fork_random", "forward_on_meta", "require_logits"]

_BATCH = 2
_SIDES = (*range(8, 65), *range(72, 257, 8))
"""Of square inputs that are tried where the given one does not fit."""
_USUAL = (28, 32)
"""Of those that fit the first one of these is named: MNIST's own, and the same with LeNet-5's padding."""


def require_logits(module: "nn.Module", name: str, shape: tuple[int, int, int], classes: int) -> None:
    """Check in eval mode that float32[2, C, H, W] gives float32[2, classes].

    Shapes are found on torch's meta device, which computes nothing, and only where that fails on real zeros.

    Raises:
        InputError: something else comes out, or the network's code raises an error.
    """
    import torch

    found = _outputs(module, name, shape)
    if found.dtype != torch.float32 or tuple(found.shape) != (_BATCH, classes):
        got = f"{str(found.dtype).removeprefix('torch.')}{list(found.shape)}"
        raise InputError(
            f"{name} gives {got} for a batch of {_BATCH}, not float32{[_BATCH, classes]}: "
            f"a logit for each of the {classes} classes."
        )


def count_logits(module: "nn.Module", name: str, shape: tuple[int, int, int], otherwise: int) -> int:
    """Return K if float32[2, C, H, W] gives [2, K] in eval mode, and ``otherwise`` if it gives no such tensor.

    Raises:
        InputError: the network's code raises an error.
    """
    found = _outputs(module, name, shape)
    return found.shape[1] if found.ndim == 2 and found.shape[0] == _BATCH else otherwise


def _outputs(module: "nn.Module", name: str, shape: tuple[int, int, int]) -> "Tensor":
    import torch

    with eval_mode(module), fork_random():
        try:
            found = forward_on_meta(module, shape)
        except Exception:  # code that needs numbers, or that fails anyway
            found = _forward(module, name, shape)
    if not isinstance(found, torch.Tensor):
        raise InputError(f"{name} gives {type(found).__name__} in eval mode, not a tensor of logits.")
    return found


@contextlib.contextmanager
def fork_random() -> Iterator[None]:
    """Leave torch's random state on the CPU as it is: a look at a network changes nothing."""
    import torch

    with torch.random.fork_rng(devices=[]):
        yield


@contextlib.contextmanager
def eval_mode(module: "nn.Module") -> Iterator[None]:
    """Set a module to eval mode and every part of it back to its own mode afterwards."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode


def forward_on_meta(module: "nn.Module", shape: tuple[int, int, int]) -> object:
    """Give what a module gives for float32[2, C, H, W], without any numbers in it."""
    import torch

    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    hollow = {name: tensor.detach().to("meta") for name, tensor in tensors.items()}
    with torch.no_grad():
        image = torch.empty(_BATCH, *shape, device="meta")
        # with tie_weights torch would leave hollow tensors in a module that is used by two names
        found: object = torch.func.functional_call(module, hollow, (image,), tie_weights=False)
    return found


def _forward(module: "nn.Module", name: str, shape: tuple[int, int, int]) -> object:
    import torch

    with in_one_sentence(name), torch.no_grad():
        try:
            found: object = module(torch.zeros(_BATCH, *shape))
        except Exception as error:
            reason, fits = described(error), _what_fits(module, shape)
            if not fits:
                raise
        else:
            return found
    size = "×".join(map(str, shape))
    raise InputError(f"{name} does not take inputs of {size}, but of {fits}. It raised {reason}")


def _what_fits(module: "nn.Module", shape: tuple[int, int, int]) -> str:
    """Name the square inputs that fit, with the option that asks for one; nothing if none was found."""
    channels, height, width = shape
    for count in (channels, 4 - channels):
        if count != channels and _fits(module, (count, height, width)):
            return f"{_channels(count)} (--channels {count})"
        sides = [side for side in _SIDES if _fits(module, (count, side, side))]
        if sides:
            last = next((a for a, b in itertools.pairwise(sides) if _after(a) != b), sides[-1])
            span = f"{sides[0]}×{sides[0]}" + (f" to {last}×{last}" if last > sides[0] else "")
            usual = next((side for side in _USUAL if side in sides), sides[0])
            option = f"--channels {count} " * (count != channels) + f"--input-size {usual}"
            return f"{_channels(count)} and {span} ({option})"
    return ""


def _channels(count: int) -> str:
    return "1 channel" if count == 1 else f"{count} channels"


def _after(side: int) -> int:
    place = _SIDES.index(side) + 1
    return _SIDES[place] if place < len(_SIDES) else side


def _fits(module: "nn.Module", shape: tuple[int, int, int]) -> bool:
    import torch

    try:
        return isinstance(forward_on_meta(module, shape), torch.Tensor)
    except Exception:  # whatever a network raises on what it does not take
        return False
