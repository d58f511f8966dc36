"""Probe a network with empty inputs: whether it returns logits, and which input sizes it accepts."""

import contextlib
import io
import itertools
import logging
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..errors import InputError
from ..execution.user_code import described, user_code

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["OtherSize", "eval_mode", "fork_random", "forward_on_meta", "outputs", "quiet", "require_logits", "shown"]

_BATCH = 2
_BATCHES = (1, 4, 8, 10, 16, 20, 32, 50, 64, 100, 128, 200, 256)
"""Batch sizes to try if a batch of 2 fails."""
_SIDES = (*range(8, 65), *range(72, 257, 8))
"""Square input sizes to try if the given size fails."""
_USUAL = (28, 32)
"""Sizes to suggest first: MNIST's own, and the same with LeNet-5's padding."""


class OtherSize(InputError):
    """A network does not take inputs of a size, but of others.

    Attributes:
        fitting: (channels, height, width) of one of them.
    """

    def __init__(self, message: str, fitting: tuple[int, int, int]) -> None:
        super().__init__(message)
        self.fitting = fitting


def outputs(module: "nn.Module", name: str, shape: tuple[int, int, int]) -> object:
    """Return a network's output in eval mode for float32[2, C, H, W].

    It runs on torch's meta device, which only propagates shapes; if that fails, on real zeros.

    Raises:
        InputError: the network's code raised an error; the message names sizes that fit, if any.
    """
    with eval_mode(module), fork_random():
        try:
            with user_code(name):
                return forward_on_meta(module, shape)
        except InputError:  # its code needs real values, or fails on any device
            return _forward(module, name, shape)


def require_logits(found: "Tensor", name: str, classes: int) -> None:
    """Check that a network's output for a batch of 2 is float32[2, classes].

    Raises:
        InputError: the output has another dtype or shape.
    """
    import torch

    if found.dtype != torch.float32 or tuple(found.shape) != (_BATCH, classes):
        raise InputError(
            f"{name} gives {shown(found)} for a batch of {_BATCH}, not float32{[_BATCH, classes]}: "
            f"a logit for each of the {classes} classes."
        )


def shown(found: object) -> str:
    """Return the dtype and shape of a tensor as text, or the type of anything else."""
    import torch

    if not isinstance(found, torch.Tensor):
        return type(found).__name__
    return f"{str(found.dtype).removeprefix('torch.')}{list(found.shape)}"


@contextlib.contextmanager
def fork_random() -> Iterator[None]:
    """Restore torch's CPU random state afterwards, so that probing a network has no side effects."""
    import torch

    with torch.random.fork_rng(devices=[]):
        yield


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep torch from printing whole graphs for code that it cannot follow; its errors are reported in one sentence."""
    level, nowhere = logging.root.manager.disable, io.StringIO()
    logging.disable(max(level, logging.ERROR))
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            # The exporter warns about torch's own code, such as the weights of its LSTM, even if warnings are errors.
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


@contextlib.contextmanager
def eval_mode(module: "nn.Module") -> Iterator[None]:
    """Set a module to eval mode, and restore the mode of every submodule afterwards."""
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode


def forward_on_meta(module: "nn.Module", shape: tuple[int, int, int], batch: int = _BATCH) -> object:
    """Return a module's output for float32[batch, C, H, W], computed on the meta device."""
    import torch

    tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    hollow = {name: tensor.detach().to("meta") for name, tensor in tensors.items()}
    with torch.no_grad():
        image = torch.empty(batch, *shape, device="meta")
        # with tie_weights, torch would leave meta tensors in a module that has two names
        found: object = torch.func.functional_call(module, hollow, (image,), tie_weights=False)
    return found


def _forward(module: "nn.Module", name: str, shape: tuple[int, int, int]) -> object:
    import torch

    with user_code(name), torch.no_grad():
        try:
            found: object = module(torch.zeros(_BATCH, *shape))
        except Exception as error:
            reason, batch = described(error), next((size for size in _BATCHES if _fits(module, shape, size)), None)
            fits = None if batch else _what_fits(module, shape)
            if fits is None and not batch:
                raise
        else:
            return found
    if batch:
        raise InputError(
            f"{name} takes batches of {batch} only, not of any size: its code fixes the number of images. Write "
            f"x.flatten(1) or x.view(x.size(0), -1), never x.view({batch}, -1). On a batch of {_BATCH} it raised "
            f"{reason}"
        )
    size, (words, fitting) = "×".join(map(str, shape)), fits or ("", shape)
    raise OtherSize(f"{name} does not take inputs of {size}, but of {words}. It raised {reason}", fitting)


def _what_fits(module: "nn.Module", shape: tuple[int, int, int]) -> tuple[str, tuple[int, int, int]] | None:
    """Describe the square inputs that fit and the option for one, and return it; ``None`` if none fits."""
    channels, height, width = shape
    for count in (channels, 4 - channels):
        if count != channels and _fits(module, (count, height, width)):
            return f"{_channels(count)} (--channels {count})", (count, height, width)
        sides = [side for side in _SIDES if _fits(module, (count, side, side))]
        if sides:
            last = next((a for a, b in itertools.pairwise(sides) if _after(a) != b), sides[-1])
            span = f"{sides[0]}×{sides[0]}" + (f" to {last}×{last}" if last > sides[0] else "")
            usual = next((side for side in _USUAL if side in sides), sides[0])
            option = f"--channels {count} " * (count != channels) + f"--input-size {usual}"
            return f"{_channels(count)} and {span} ({option})", (count, usual, usual)
    return None


def _channels(count: int) -> str:
    return "1 channel" if count == 1 else f"{count} channels"


def _after(side: int) -> int:
    place = _SIDES.index(side) + 1
    return _SIDES[place] if place < len(_SIDES) else side


def _fits(module: "nn.Module", shape: tuple[int, int, int], batch: int = _BATCH) -> bool:
    """Return whether the network returns one row per image of a batch."""
    import torch
    from torch.utils._pytree import tree_leaves

    try:
        with user_code("It"):
            found = forward_on_meta(module, shape, batch)
    except InputError:  # a network may raise anything on inputs that it rejects
        return False
    return any(isinstance(each, torch.Tensor) and each.shape[:1] == (batch,) for each in tree_leaves(found))
