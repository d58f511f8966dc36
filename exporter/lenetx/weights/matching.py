"""Match tensors with a network by names, shapes and number of classes."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from .. import models
from ..models import Architecture
from ..models.probe import fork_random
from ..models.wrappers import WRAPPERS

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = [
    "as_float32",
    "build",
    "classes_of",
    "difference",
    "head",
    "listed",
    "matching_networks",
    "renamed_to_match",
    "same_but_for_classes",
]

_LISTED, _FEW = 20, 5
_DEFAULT_CLASSES = 10
_COUNTER = "num_batches_tracked"
_USUAL = ("model.", "net.", "module.", "backbone.")
"""Prefixes preferred to others that fit too, such as that of a moving average."""
_CRITERIA = ("criterion", "loss", "loss_fn", "loss_func", "loss_function")
"""Names of a training module's loss, besides its network."""
_PROFILED = ("total_ops", "total_params")
"""Buffers that the profiler thop leaves in every layer."""


def build(
    architecture: Architecture,
    shape: tuple[int, int, int],
    classes: int | None,
    tensors: "Mapping[str, Tensor]",
    on_notice: Callable[[str], None] = lambda _: None,
) -> "tuple[nn.Module, int]":
    """Build a network in eval mode for the number of classes of given weights; return both.

    Args:
        architecture: the network.
        shape: (channels, height, width) of the input.
        classes: number of classes; when ``None``, inferred from the tensors or else from a forward pass.
        tensors: the weights, which are not loaded into the network here.
        on_notice: as for ``Architecture.build``.

    Raises:
        InputError: the network does not take such an input or number of classes.
    """
    with fork_random():
        if classes is None:
            given, _ = renamed_to_match(tensors, architecture.plan(shape, _DEFAULT_CLASSES))
            classes = classes_of(given, architecture, shape) or architecture.outputs(shape, _DEFAULT_CLASSES)
        return architecture.build(shape, classes, on_notice).eval(), classes


def classes_of(tensors: "Mapping[str, Tensor]", architecture: Architecture, shape: tuple[int, int, int]) -> int | None:
    """Return the number of classes for which the network's last layer has the size of the given one, else ``None``.

    Raises:
        InputError: the network's code raised an error.
    """
    growing = _grows(architecture, shape, _DEFAULT_CLASSES).items()
    for name, (axis, least, step) in sorted(growing, key=lambda each: each[0] in tensors and tensors[each[0]].ndim):
        if name in tensors and tensors[name].ndim > axis:
            classes, rest = divmod(tensors[name].shape[axis] - least, step)
            if classes > 0 and not rest:
                return classes
    return None


def same_but_for_classes(given: "Mapping[str, Tensor]", fresh: "Mapping[str, Tensor]", head: Sequence[str]) -> bool:
    """Return whether tensors differ from a network's only in the size of one axis of each tensor in ``head``."""
    others = {name: tensor for name, tensor in fresh.items() if name not in head}
    return not difference({name: tensor for name, tensor in given.items() if name not in head}, others) and all(
        name in given
        and given[name].ndim == fresh[name].ndim
        and sum(one != other for one, other in zip(given[name].shape, fresh[name].shape, strict=True)) == 1
        for name in head
    )


def head(architecture: Architecture, shape: tuple[int, int, int], classes: int) -> tuple[str, ...]:
    """Return the names of all tensors whose size depends on the number of classes."""
    return tuple(_grows(architecture, shape, classes))


def _grows(architecture: Architecture, shape: tuple[int, int, int], classes: int) -> dict[str, tuple[int, int, int]]:
    """Return (axis, size for 0 classes, growth per class) of each tensor that grows with the number of classes."""
    if not architecture.takes_classes:
        return {}
    now, more = (architecture.plan(shape, count) for count in (classes, classes + 1))
    found = {}
    for name in now.keys() & more.keys():
        pairs = list(zip(now[name].shape, more[name].shape, strict=False))
        axes = [axis for axis, (before, after) in enumerate(pairs) if before != after]
        if len(axes) == 1 and now[name].ndim == more[name].ndim:
            before, after = pairs[axes[0]]
            if after > before:
                found[name] = (axes[0], before - (after - before) * classes, after - before)
    return {name: found[name] for name in now if name in found}


def renamed_to_match(
    tensors: "Mapping[str, Tensor]", expected: "Mapping[str, Tensor]"
) -> "tuple[dict[str, Tensor], str | None]":
    """Return tensors renamed to fit a network, and a note about what changed.

    A prefix common to the network's tensors and the names of wrappers are removed, and tensors that only training needs
    are left out. ``num_batches_tracked`` is taken from the network if it is missing, as before torch 0.4, or has
    another dtype: inference does not read it. If the names still do not fit, the tensors are returned unchanged.

    Args:
        tensors: the weights by name.
        expected: state_dict of the network.
    """
    wanted = [name for name in expected if not name.endswith(_COUNTER)]
    names, note = _renamed(tensors, wanted)
    if names is None:
        return dict(tensors), None
    named, notes = {own: tensors[name] for name, own in names.items()}, [note] if note else []
    extra = [name for name in named if name not in expected and _is_of_training(name)]
    found = {name: tensor for name, tensor in named.items() if name not in extra}
    counters = {name: each for name, each in expected.items() if name.endswith(_COUNTER)}
    found |= {name: each for name, each in counters.items() if name not in found or found[name].dtype != each.dtype}
    left = [name for name in tensors if names.get(name) not in found]
    if left:
        more = f" and {len(left) - _FEW} more" if len(left) > _FEW else ""
        notes += [f"{', '.join(left[:_FEW])}{more} left out, which the network does not have"]
    return found, "; ".join(notes) or None


def _renamed(tensors: "Mapping[str, Tensor]", wanted: Sequence[str]) -> tuple[dict[str, str] | None, str]:
    """Return the network's name of each tensor, so that all wanted names exist, and a note about what was removed.

    Names are compared unchanged, then below a common prefix, then without the names of wrappers on either side. The
    result is ``None`` if none of these fits.
    """
    if wanted and all(name in tensors for name in wanted):
        return {name: name for name in tensors}, ""
    if prefix := _prefix(tensors, wanted):
        renamed = {name: name.removeprefix(prefix) for name in tensors if name.startswith(prefix)}
        return renamed, f"the prefix '{prefix}' of the names was removed"
    bare, own = {name: _unwrapped(name) for name in tensors}, {_unwrapped(name): name for name in wanted}
    if len(set(bare.values())) < len(bare) or len(own) < len(wanted):
        return None, ""  # two tensors would have the same name
    parts = sorted({part for name in (*bare, *wanted) for part in name.split(".") if part in WRAPPERS})
    if not parts:
        return None, ""
    names, note = _renamed(dict(zip(bare.values(), tensors.values(), strict=True)), list(own))
    if names is None:
        return None, ""
    added = " and ".join(f"'{part}.'" for part in parts)
    words = f"the names were compared without {added}, which wrappers add"
    renamed = {name: own.get(names[each], names[each]) for name, each in bare.items() if each in names}
    return renamed, "; ".join(filter(None, (words, note)))


def _prefix(names: "Mapping[str, object]", wanted: Sequence[str]) -> str:
    """Return the best prefix under which all wanted names exist: a usual one, else the shortest; empty if none."""
    ends = [name.removesuffix(wanted[0]) for name in names if name.endswith(f".{wanted[0]}")] if wanted else []
    whole = [start for start in ends if all(start + name in names for name in wanted)]
    return min(whole, key=lambda start: (start not in _USUAL, len(start)), default="")


def _unwrapped(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in WRAPPERS)


def _is_of_training(name: str) -> bool:
    return name.split(".")[0] in _CRITERIA or name.split(".")[-1] in _PROFILED


def difference(given: "Mapping[str, Tensor]", expected: "Mapping[str, Tensor]") -> str:
    """Describe missing and unexpected tensors and those of another shape or dtype; return an empty string if none."""
    problems = [f"missing {name}" for name in expected if name not in given]
    problems += [f"unexpected {name}" for name in given if name not in expected]
    for name in expected.keys() & given.keys():
        if given[name].shape != expected[name].shape:
            shapes = (list(given[name].shape), list(expected[name].shape))
            turned = ", which is it transposed" * (len(shapes[0]) > 1 and shapes[0] == shapes[1][::-1])
            problems.append(f"{name} has shape {shapes[0]} instead of {shapes[1]}{turned}")
        elif given[name].dtype != expected[name].dtype:
            problems.append(f"{name} is {given[name].dtype} instead of {expected[name].dtype}")
    more = f"; and {len(problems) - _LISTED} more" if len(problems) > _LISTED else ""
    if problems and given.keys().isdisjoint(expected) and _inner_shapes(given) == _inner_shapes(expected):
        more += "; only their shapes agree, in order: rename them, since shapes do not tell which tensor is which"
    return "; ".join(sorted(problems)[:_LISTED]) + more


def _inner_shapes(tensors: "Mapping[str, Tensor]") -> list[tuple[int, ...]]:
    """Return the rank and shape of each tensor without its first axis, which may be that of the classes."""
    return [(tensor.ndim, *tensor.shape[1:]) for tensor in tensors.values()]


def matching_networks(tensors: "Mapping[str, Tensor]") -> tuple[str, ...]:
    """Return the names of the built-in networks that the tensors fit."""
    found = []
    for name in models.names():
        architecture = models.resolve(name)
        assert architecture.input_shape is not None, "the built-in ones say what they take"
        network, _ = build(architecture, architecture.input_shape, None, tensors)
        expected = network.state_dict()
        if not difference(renamed_to_match(tensors, expected)[0], expected):
            found.append(name)
    return tuple(found)


def listed(tensors: "Mapping[str, Tensor]") -> str:
    """Return the names and shapes of the first 20 tensors as text."""
    words = [f"{name} {list(tensor.shape)}" for name, tensor in tensors.items()]
    more = f" and {len(words) - _LISTED} more" if len(words) > _LISTED else ""
    return ", ".join(words[:_LISTED]) + more


def as_float32(tensors: "Mapping[str, Tensor]", on_notice: Callable[[str], None]) -> "dict[str, Tensor]":
    """Return floating-point tensors as float32 and the others unchanged.

    float16 and bfloat16 are converted exactly; float64 is rounded to float32, with a note if any value changes.
    """
    import torch

    given = {name: each.float() if each.is_floating_point() else each for name, each in tensors.items()}
    wide = [name for name, each in tensors.items() if each.dtype == torch.float64]
    rounded = sum(int((given[name].double() != tensors[name]).sum()) for name in wide)
    if rounded:
        count = sum(tensors[name].numel() for name in wide)
        on_notice(f"{rounded:,} of {count:,} float64 weights were rounded to float32.")
    return given
