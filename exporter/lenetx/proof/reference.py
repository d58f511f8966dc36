"""Compute the correct logits, by the eager module in eval mode in float64, and the allowed error per logit."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lenetx_runtime.preprocess import normalise
from lenetx_runtime.spec import UNKNOWN

from .. import models
from ..bounds.calibrated import MULTIPLE
from ..bounds.measure import Measured, Plan, measure, plan
from ..bounds.selftest import golden_answers
from ..data import Dataset
from ..execution.copies import copy_or_rebuild
from ..execution.float64 import Float64Network
from ..formats.network import Network
from ..models.purity import require_pure
from . import inputs
from .view import View

if TYPE_CHECKING:
    from torch import nn

    from lenetx_runtime import ModelSpec

    from ..weights.checkpoint import Checkpoint

__all__ = ["Probe", "Reference", "counted"]

_HARDEST = 64
"""Number of real images with the smallest margins that get a check of their own."""


_REAL = "real inputs"


def counted(number: int, thing: str) -> str:
    """Return a number with a noun, in the plural unless the number is 1."""
    return f"{number:,} {thing}{'s' * (number != 1)}"


@dataclass(frozen=True, slots=True)
class Probe:
    """A named set of N inputs with their correct logits and limits.

    Attributes:
        name: the name of the set, such as ``random inputs``.
        subject: what they are and how many, in words.
        inputs: float32[N, C, H, W], or uint8 frames of an artifact that takes those.
        exact: float64[N, K] logits of the float64 module.
        eager: float32[N, K] logits of the float32 module.
        limits: float64[N, K], the largest |logit − exact| that passes.
        indices: int64[N], the index of each among the test images, or in the set.
        kind: what one of them is called: ``test image`` or ``input``.
    """

    name: str
    subject: str
    inputs: NDArray[np.float32]
    exact: NDArray[np.float64]
    eager: NDArray[np.float32]
    limits: NDArray[np.float64]
    indices: NDArray[np.int64]
    kind: str = "input"

    @property
    def numbering(self) -> str:
        """A sentence that says where the indices in ``named`` start."""
        return f"{self.kind.capitalize()}s are numbered from 0."

    def named(self, row: int) -> str:
        """Return an input's kind and index, such as ``test image 7``."""
        return f"{self.kind} {self.indices[row]}"

    def __len__(self) -> int:
        """Count the inputs."""
        return len(self.inputs)

    def take(self, rows: NDArray[np.int64], subject: str, name: str | None = None) -> "Probe":
        """Return a probe with the given rows, int64[M]."""
        parts = (each[rows] for each in (self.inputs, self.exact, self.eager, self.limits, self.indices))
        return Probe(name or self.name, subject, *parts, self.kind)  # type: ignore[call-arg,arg-type]  # in the order of fields

    def joined(self, others: "Probe", subject: str) -> "Probe":
        """Return a probe with these inputs followed by others, reindexed from 0."""
        parts = (
            np.concatenate([getattr(self, name), getattr(others, name)])
            for name in ("inputs", "exact", "eager", "limits")
        )
        return Probe(self.name, subject, *parts, np.arange(len(self) + len(others)))  # type: ignore[call-arg,arg-type]  # as above


class Reference:
    """The correct logits of a checkpoint's module; each set of inputs is computed once for any number of artifacts.

    Args:
        checkpoint: the weights that artifacts are compared with.
        dataset: the data set whose test split is used, or ``None``.
        missing: why the data set is missing, for the report.
        numbers: int64[N], the indices of its test images in the full test split; by default it is the full split.
        spread: whether the test images are an evenly spread subset of the split.
        pictures: the spec by which images become inputs, if the checkpoint's does not say it; by default the
            checkpoint's.
        file: the name of the checkpoint's file, if it came from one.
        max_drop: the largest loss of accuracy of an artifact in reduced precision, in percentage points; by default
            that of its precision.
        on_progress: called with a few words on each step.
    """

    def __init__(
        self,
        checkpoint: "Checkpoint",
        dataset: Dataset | None,
        missing: str = "",
        *,
        numbers: NDArray[np.int64] | None = None,
        spread: bool = False,
        pictures: "ModelSpec | None" = None,
        file: str | None = None,
        max_drop: float | None = None,
        on_progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.checkpoint, self.dataset, self.missing, self.file = checkpoint, dataset, missing, file
        self.pictures = pictures or checkpoint.spec
        self.max_drop = max_drop
        self._numbers, self._spread = numbers, spread
        self._on_progress = on_progress
        self._float32 = checkpoint.module()
        with checkpoint.guard():
            if not models.is_safe(checkpoint.spec.architecture):
                shape = checkpoint.spec.input_shape
                require_pure(self._float32, checkpoint.title, shape, checkpoint.module)
            self._float64 = Float64Network(copy_or_rebuild(self._float32, checkpoint.module), checkpoint.title)
        self._probes: dict[str, Probe] = {}
        self._views: dict[Network, View] = {}
        self.written: set[str] = set()
        """SHA-256 digests of the files that this process has exported from the checkpoint."""

    @property
    def modules(self) -> "tuple[nn.Module, Float64Network]":
        """The checkpoint's module in eval mode, in float32 and in float64."""
        return self._float32, self._float64

    @cached_property
    def network(self) -> Network:
        """The network that every format exports, built and folded once; ``lenetx verify`` folds it again."""
        return Network(self.checkpoint, self._float32)

    def view(self, network: Network | None = None) -> "View":
        """Return what artifacts are compared with: of ``network``, or of one whose batch norms an artifact folds."""
        network = network or self.network
        if network not in self._views:
            self._views[network] = View(network, self._float64.twins)
        return self._views[network]

    @cached_property
    def plan(self) -> Plan:
        """How the limits are computed."""
        images = 0 if self.frames is None else len(self.frames)
        with self.checkpoint.guard():
            return plan(self._float32, self.checkpoint.spec.input_shape, images)

    @property
    def limit_words(self) -> str:
        """How the limits are computed, in words."""
        if self.plan.method == "adjoint":
            return "adjoint bound"
        return f"self-calibrated, {MULTIPLE} x eager's own error: {self.plan.reason}"

    def golden(self, frames: NDArray[np.uint8]) -> Measured:
        """Compute logits and limits of some frames of the spec's ``frame_size``."""
        with self.checkpoint.guard():
            return golden_answers(*self.modules, self.checkpoint.spec, frames)

    @cached_property
    def frames(self) -> NDArray[np.uint8] | None:
        """The framed test images, uint8[N, h, w] or uint8[N, h, w, 3]; ``None`` without a data set."""
        return None if self.dataset is None else self.dataset.test.framed(self.pictures).images

    def pictured(self, spec: "ModelSpec") -> "ModelSpec":
        """Return an artifact's spec, with the stated preprocessing if neither it nor the checkpoint records any."""
        told = self.pictures
        if UNKNOWN not in (spec.framing, self.checkpoint.spec.framing) or told.framing == UNKNOWN:
            return spec
        if spec.framing != self.checkpoint.spec.framing:
            return spec  # a difference, which the contract reports
        named = ("framing", "polarity", "padding", "interpolation", "resize", "mean", "std")
        return dataclasses.replace(spec, **{name: getattr(told, name) for name in named})

    @property
    def truth(self) -> NDArray[np.int64]:
        """The label indices of ``frames``, int64[N]."""
        assert self.dataset is not None
        return self.dataset.test.labels

    def synthetic(self, name: str) -> Probe:
        """Return the probe for generated inputs, by a name in ``inputs.GROUPS``."""
        make, words = inputs.GROUPS[name]
        return self._probe(name, words, lambda: make(self.checkpoint.spec, self.plan.group_size))

    @property
    def real(self) -> Probe | None:
        """The probe for the test images, preprocessed by the runtime; ``None`` without a data set."""
        if self.dataset is None or self.frames is None:
            return None
        frames, name = self.frames, self.dataset.name
        words = f"{'test images' if len(frames) != 1 else 'test image'} of {name}"
        if self._spread and len(frames) > 1:
            words += ", evenly spread"
        return self._probe(_REAL, words, lambda: normalise(frames, self.pictures), self._numbers)

    def normalised(self, inputs: "NDArray[Any]") -> NDArray[np.float32]:
        """Return the network's float32[N, C, H, W] for what artifacts take."""
        return inputs

    def unreachable(self, name: str) -> str:
        """Return why no artifact can be given some generated inputs; empty if it can."""
        del name
        return ""

    def inputs(self) -> NDArray[np.float32]:
        """Return float32[N, C, H, W]: all generated inputs in the order of ``inputs.GROUPS``, then the test images."""
        spec = self.checkpoint.spec
        groups = [make(spec, self.plan.group_size) for make, _ in inputs.GROUPS.values()]
        return np.concatenate(groups if self.frames is None else [*groups, normalise(self.frames, self.pictures)])

    def given(self, values: NDArray[np.float32], extreme: NDArray[np.bool_]) -> Probe:
        """Return the probe for user-supplied inputs.

        Args:
            values: float32[N, C, H, W].
            extreme: bool[N], where eager float32 itself may overflow; these are measured apart, so that they do not
                widen the limits of the others.
        """
        shape = len(values), len(self.checkpoint.spec.labels)
        exact, eager, limits = np.empty(shape), np.empty(shape, np.float32), np.empty(shape)
        for part in (False, True):
            rows = np.flatnonzero(extreme == part)
            if len(rows):
                found = self._measured(values[rows], extreme=part)
                exact[rows], eager[rows], limits[rows] = found.exact, found.eager, found.limits
        subject = counted(len(values), "given input")
        return Probe("given inputs", subject, values, exact, eager, limits, np.arange(len(values)))

    @property
    def hardest(self) -> Probe | None:
        """The test images with the smallest gap between the two largest logits; ``None`` without a data set."""
        real = self.real
        if real is None:
            return None
        top = np.partition(real.exact, -2, axis=1)[:, -2:]
        rows = np.argsort(top[:, 1] - top[:, 0], kind="stable")[:_HARDEST]
        words = counted(len(rows), "test image")
        return real.take(rows, f"{words} of the smallest margin{'s' * (len(rows) != 1)}", "lowest margins")

    def _probe(
        self,
        name: str,
        words: str,
        make: "Callable[[], NDArray[Any]]",
        numbers: NDArray[np.int64] | None = None,
    ) -> Probe:
        if name not in self._probes:
            values = make()
            self._on_progress(f"reference: {len(values):,} {words}")
            extreme = name == inputs.EXTREME
            found = self._measured(values, extreme=extreme)
            answers = (found.exact, found.eager, found.limits)
            indices = np.arange(len(values)) if numbers is None else numbers
            kind = "test image" if name == _REAL else "input"
            self._probes[name] = Probe(name, f"{len(values):,} {words}", values, *answers, indices, kind)
        return self._probes[name]

    def _measured(self, values: NDArray[np.float32], *, extreme: bool) -> Measured:
        method = self.plan.method
        with self.checkpoint.guard():
            return measure(*self.modules, values, method, extreme=extreme)
