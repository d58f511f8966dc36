"""Compare an artifact that takes uint8 frames: on frames, and its own preprocessing bit for bit."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lenetx_runtime import ModelSpec
from lenetx_runtime.preprocess import normalise

from ..bounds.measure import Measured
from ..report import Check
from .case import Case
from .failures import could_not_run
from .reference import Probe, Reference

__all__ = ["RawReference", "raw_input"]

_GROUP = "contract"
_UNREACHABLE = "It takes frames: only what levels of 0 to 255 become can enter the network."
Frames = NDArray[np.uint8]


class RawReference(Reference):
    """A checkpoint's reference whose inputs are frames, for artifacts that normalise them.

    Args:
        floats: the checkpoint's reference, whose images and network are shared.
    """

    def __init__(self, floats: Reference) -> None:
        self.__dict__.update(floats.__dict__)
        self._floats, self._probes = floats, {}

    @property
    def real(self) -> Probe | None:
        """The probe for the test images, as frames; ``None`` without a data set."""
        found, frames = self._floats.real, self.frames
        if found is None or frames is None:
            return None
        return dataclasses.replace(found, inputs=frames)  # type: ignore[arg-type]  # see ``Probe.inputs``

    def normalised(self, inputs: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return float32[N, C, H, W] for frames, by the runtime's preprocessing."""
        return normalise(inputs, self.pictures)

    def unreachable(self, name: str) -> str:
        """Return why no frames become some generated inputs; empty if there are such frames."""
        return "" if name in _GENERATED else _UNREACHABLE

    def synthetic(self, name: str) -> Probe:
        """Return the probe for generated frames, by a name in ``inputs.GROUPS``."""
        make, words = _GENERATED[name]
        return self._probe(name, words, lambda: make(self.pictures, self.plan.group_size))

    def _measured(self, values: NDArray[Any], *, extreme: bool) -> Measured:
        return super()._measured(self.normalised(values), extreme=extreme)


def raw_input(case: Case, frames: Frames) -> tuple[Check, ...]:
    """Compare the nodes of the preprocessing with the spec's, and their results bit for bit with the runtime's.

    Args:
        case: of any artifact; nothing is checked of one that takes float32.
        frames: with every level in every channel.
    """
    found = case.opened.preprocessing
    if found is None:
        return ()
    detail = "Exactly those of its spec, before anything of the network."
    nodes = Check.verdict("raw nodes", found.nodes, found.problem, detail, _GROUP)
    subject = f"{len(frames)} images, with each of 256 levels in each channel; optimisation off and all"
    problem = _difference(case.reference.normalised(frames), partial(found.normalised, frames))
    detail = "What enters the network has the bits of the runtime's preprocessing."
    return nodes, Check.verdict("raw levels", subject, problem, detail, _GROUP)


def _difference(right: NDArray[np.float32], run: Callable[[bool], NDArray[np.float32]]) -> str | None:
    for optimised in (False, True):
        try:
            ours = run(optimised)
        except Exception as error:  # an engine may raise any exception
            return could_not_run(error)
        if (ours.shape, ours.dtype) != (right.shape, right.dtype):
            return f"It gives {ours.dtype}{list(ours.shape)} instead of {right.dtype}{list(right.shape)}."
        if differing := int((ours.view(np.uint32) != right.view(np.uint32)).sum()):
            return f"{differing:,} of {right.size:,} numbers differ from the runtime's."
    return None


def _random(spec: ModelSpec, count: int) -> Frames:
    return np.random.default_rng(0).integers(0, 256, (count, *spec.frame_shape), np.uint8)


def _constant(spec: ModelSpec, count: int) -> Frames:
    levels = np.linspace(0, 255, max(2, min(count, 18))).astype(np.uint8)
    return np.stack([np.full(spec.frame_shape, level, np.uint8) for level in levels])


def _one_hot(spec: ModelSpec, count: int) -> Frames:
    height, width = spec.frame_size
    corners = [(0, 0), (0, width - 1), (height - 1, 0), (height - 1, width - 1)]
    others = np.random.default_rng(2).integers((0, 0), (height, width), (28, 2)).tolist()
    places = [*corners, *others][: min(count, 32)]
    frames = np.zeros((len(places), *spec.frame_shape), np.uint8)
    for frame, (row, column) in zip(frames, places, strict=True):
        frame[row, column] = 255
    return frames


def _saturated(spec: ModelSpec, count: int) -> Frames:
    shape = (count, *spec.frame_shape)
    chance = np.linspace(0.02, 0.98, count).reshape(-1, *[1] * len(spec.frame_shape))
    return ((np.random.default_rng(1).random(shape) < chance) * 255).astype(np.uint8)


_GENERATED: dict[str, tuple[Callable[[ModelSpec, int], Frames], str]] = {
    "random inputs": (_random, "frames of random levels"),
    "constant images": (_constant, "frames of one grey level"),
    "one hot pixel": (_one_hot, "frames of one white pixel"),
    "saturated images": (_saturated, "black-and-white frames"),
}
"""The generator and a description, by the name in ``inputs.GROUPS``."""
