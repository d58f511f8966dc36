"""Check that the logits of an image depend on that image alone: not on randomness, its batch, or earlier calls."""

import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..execution.user_code import place_of, user_code
from .batch_sizes import deviating_batch_sizes
from .probe import eval_mode, fork_random, quiet

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["impurity", "require_pure", "require_rebuildable"]

_IMAGES = 3
_SAME = 1e-3
"""Tolerance relative to the largest logit: more than float32 rounding, whatever the batch size."""
_SEEDS = (1, 2)

Rebuild = Callable[[], "nn.Module"]


def require_pure(module: "nn.Module", name: str, shape: tuple[int, int, int], rebuild: Rebuild) -> None:
    """Check with ``impurity`` and ``require_rebuildable`` that a custom network can be exported.

    Raises:
        InputError: the network cannot be exported, or its code raised an error.
    """
    if reason := impurity(module, name, shape):
        raise InputError(reason)
    require_rebuildable(module, name, shape, rebuild)


def require_rebuildable(module: "nn.Module", name: str, shape: tuple[int, int, int], rebuild: Rebuild) -> None:
    """Check that the logits of a custom network depend on nothing but its weights and its input.

    Args:
        module: the network, on the CPU.
        name: name of the network, for messages.
        shape: (channels, height, width) of its input.
        rebuild: builds the network again with the same weights.

    Raises:
        InputError: the network uses random numbers that are not in its state_dict, or its code raised an error.
    """
    import torch

    with eval_mode(module), fork_random(), torch.no_grad(), user_code(name):
        for seed in _SEEDS:
            torch.manual_seed(seed)
            other = rebuild().eval()
            first, again, found = (_seeded(each, shape, seed) for each in (module, module, other))
            if _agree(again, first) and not _agree(found, first):
                raise InputError(
                    f"{name} computes with random numbers that are none of its weights: built anew with the same "
                    "weights it gives other logits. Layers in a plain list or dict are no part of a network: use "
                    "nn.ModuleList or nn.ModuleDict, and register_buffer for a tensor."
                )


def impurity(module: "nn.Module", name: str, shape: tuple[int, int, int]) -> str | None:
    """Run a custom network in eval mode on a few random images, one by one and as a batch.

    Args:
        module: the network, on the CPU.
        name: name of the network, for messages.
        shape: (channels, height, width) of its input.

    Returns:
        A sentence if the network is random, mixes the images of a batch, or has control flow that depends on its
        input; else ``None``.

    Raises:
        InputError: the network's code raised an error.
    """
    import torch

    from ..execution.carrier import Watch

    images = _images(shape)
    given = images.clone()  # the network may modify its input
    events = _Events(given)
    with eval_mode(module), fork_random(), torch.no_grad(), user_code(name):
        with Watch(events.call):
            first = module(given)
        if "read" in events.places:
            return (
                f"{name} reads a number of its input{events.places['read']} and branches on it, but an exported "
                "network does the same with every input. Use torch.where to choose between two results, and leave "
                "checks of the input out of forward."
            )
        return (
            _followed(module, name, images, events)
            or _chance(module, name, images, first, events)
            or _mixed(module, name, images, first, events)
            or _counted(module, name, images, first, shape)
        )


def _images(shape: tuple[int, int, int]) -> "Tensor":
    import torch

    return torch.randn(_IMAGES, *shape, generator=torch.Generator().manual_seed(0))


def _seeded(module: "nn.Module", shape: tuple[int, int, int], seed: int) -> "Tensor":
    """Return the logits of a few random images after seeding torch."""
    import torch

    torch.manual_seed(seed)
    logits: Tensor = module(_images(shape))
    return logits


def _followed(module: "nn.Module", name: str, images: "Tensor", events: "_Events") -> str | None:
    """Return a sentence if the code branches, or may branch, on how many numbers an operator found in the input.

    No operator reads that count, but torch.export keeps it symbolic and raises an error if the code branches on it.
    """
    import torch

    if "sized" not in events.places:
        return None
    try:
        with quiet():
            torch.export.export(module, (images.clone(),), strict=False)
    except Exception as error:  # the exporter and the network's code may raise anything
        return (
            f"{name} finds some numbers of its input{events.places['sized']}, and branches on how many there are, as "
            f"far as torch.export can follow it ({type(error).__name__}), but an exported network does the same with "
            "every input. Use torch.where to choose between two results, or index_fill and masked_fill to change some "
            "numbers."
        )
    return None


def _chance(module: "nn.Module", name: str, images: "Tensor", first: "Tensor", events: "_Events") -> str | None:
    """Return a sentence if the same images give different logits in a second run, else ``None``."""
    if _agree(module(images.clone()), first):
        return None
    cause = "draws random numbers, or keeps something from one call to the next"
    if "random" in events.places:
        cause = f"draws random numbers{events.places['random']}"
    return (
        f"{name} gives different logits for the same input in eval mode: it {cause}. F.dropout needs "
        "training=self.training, and so does any other noise."
    )


def _mixed(module: "nn.Module", name: str, images: "Tensor", first: "Tensor", events: "_Events") -> str | None:
    """Return a sentence if an image's logits depend on the other images of its batch, else ``None``."""
    import torch

    if "statistics" in events.places and not _agree(module(images.flip(0)[:2]).flip(0), first[1:]):
        return (
            f"{name} normalises by the other images of the batch in eval mode{events.places['statistics']}: a batch "
            "norm needs its running statistics, so leave out track_running_stats=False."
        )
    try:
        rows = [module(image.unsqueeze(0).clone()) for image in images]
    except Exception as error:
        where = place_of(traceback.extract_tb(error.__traceback__))
        return (
            f"{name} takes {_IMAGES} images at once, but not one{where}: {type(error).__name__}: "
            f"{str(error).strip().splitlines()[0] if str(error).strip() else 'no reason given'}. It must take a batch "
            "of any size."
        )
    wanted = (1, *first.shape[1:])
    if rows[0].shape != wanted:
        return (
            f"{name} gives logits of shape {list(rows[0].shape)} for one image instead of {list(wanted)}: it must give "
            "a row for each image, whatever their number."
        )
    if not _agree(torch.cat(rows), first):
        return (
            f"{name} gives an image other logits beside other images than by itself: it computes something of the "
            "whole batch, such as x.mean() without a dim. Compute it for each image, as in "
            "x.mean(dim=(1, 2, 3), keepdim=True)."
        )
    return None


def _counted(
    module: "nn.Module", name: str, images: "Tensor", first: "Tensor", shape: tuple[int, int, int]
) -> str | None:
    """Return a sentence if the code branches differently for some batch size and then returns other logits."""
    for count in deviating_batch_sizes(module, shape):
        rows = [place % _IMAGES for place in range(count)]
        if not _agree(module(images[rows]), first[rows]):
            return (
                f"{name} gives an image other logits in a batch of {count} than in one of {_IMAGES}: its code decides "
                "by the number of images, but an exported network does the same with every batch."
            )
    return None


def _agree(found: "Tensor", first: "Tensor") -> bool:
    """Return whether two results agree up to rounding and are non-finite in the same places."""
    import torch

    if found.shape != first.shape or not torch.equal(found.isfinite(), first.isfinite()):
        return False
    one, other = (each[first.isfinite()] for each in (found, first))
    return not one.numel() or bool((one - other).abs().max() <= _SAME * other.abs().max())


class _Events:
    """Record operators of one forward pass whose behaviour no export can preserve.

    Attributes:
        places: for "read", "sized", "random" and "statistics", the first line of user code where each occurred.
    """

    def __init__(self, images: "Tensor") -> None:
        self.places: dict[str, str] = {}
        self._kept: list[Any] = [images]
        """All tensors that depend on the input; keeping them alive prevents reuse of their ids."""
        self._dependent = {id(images)}

    def call(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Call an operator and record whether it is one of these."""
        import torch
        from torch.utils._pytree import tree_leaves

        depends = any(id(leaf) in self._dependent for leaf in tree_leaves((args, kwargs)))
        if torch.Tag.nondeterministic_seeded in func.tags:
            self._note("random")
        if depends and torch.Tag.data_dependent_output in func.tags:
            self._note("read")
        if depends and torch.Tag.dynamic_output_shape in func.tags and not _indexes_by_place(func, args):
            self._note("sized")
        if depends and any(_trains(each, args, kwargs, place) for place, each in enumerate(func._schema.arguments)):
            self._note("statistics")
        found = func(*args, **kwargs)
        written = [args[place] for place, each in enumerate(func._schema.arguments[: len(args)]) if each.is_write]
        for each in tree_leaves((found, written)) if depends else ():
            if isinstance(each, torch.Tensor):
                if each.layout != torch.strided:  # sparse: its size depends on the data, and no artifact holds it
                    self._note("read")
                self._kept.append(each)
                self._dependent.add(id(each))
        return found

    def _note(self, what: str) -> None:
        frames = traceback.extract_stack()  # from the caller's program on
        begun = (__file__, impurity.__name__)
        start = max(place for place, frame in enumerate(frames) if (frame.filename, frame.name) == begun)
        self.places.setdefault(what, place_of(frames[start:]))


def _indexes_by_place(func: Any, args: Any) -> bool:
    """Return whether a call indexes by integers, whose result has as many numbers as the index."""
    import torch

    masks = (torch.bool, torch.uint8)
    return func is torch.ops.aten.index.Tensor and not any(each is not None and each.dtype in masks for each in args[1])


def _trains(argument: Any, args: Any, kwargs: Any, place: int) -> bool:
    if argument.name not in ("training", "train", "use_input_stats"):
        return False
    return bool(args[place] if place < len(args) else kwargs.get(argument.name, argument.default_value))
