"""Compute finite logits and labels from arrays. Importing this loads numpy.

A call takes microseconds: it makes no imports, copies or repeated checks.
"""

from collections.abc import Callable
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from .backend import Backend, batches
from .errors import ArtifactError, InputError
from .prediction import Prediction
from .preprocess import preparing
from .spec import ModelSpec
from .workers import Workers

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Inference"]

_FLOAT32, _UINT8 = np.dtype(np.float32), np.dtype(np.uint8)
_PART, _NUMBERS = 32, 2**21
"""Maximum number of images, and of input values, per CPU call, so that activations stay in a core's cache."""
_DEVICE_PART, _DEVICE_NUMBERS = 1024, 2**24
"""The same for other devices."""
_CALLS = 16
"""Maximum backend calls per task: with fewer, threads would often wait for each other in Python."""
_SMALL = 1e-32
"""Factor with which no sum of a few thousand finite float32 values overflows."""


class Inference:
    """Run a model on frames or inputs.

    Attributes:
        part: images per backend call, so that a result has the same bits with any number of threads.
    """

    def __init__(self, spec: ModelSpec, backend: Backend, workers: Workers) -> None:
        self.backend = backend
        self._run = backend.run
        self._workers = workers
        self._spec = spec
        self._labels, self._output = spec.labels, spec.output
        self._shape = spec.frame_shape if spec.raw_input else spec.input_shape
        self._dtype: np.dtype[Any] = _UINT8 if spec.raw_input else _FLOAT32
        self._one = (1, *spec.input_shape) if spec.batch in ("dynamic", 1) and not spec.raw_input else None
        self._answer = 1, len(spec.labels)
        self._small_inputs = np.full(int(np.prod(spec.input_shape)), _SMALL, np.float32)
        self._small_logits = np.full(len(spec.labels), _SMALL, np.float32)
        self._is_dynamic = spec.batch == "dynamic"
        self._preparing = preparing(spec)
        images, numbers = (_PART, _NUMBERS) if backend.device == "cpu" else (_DEVICE_PART, _DEVICE_NUMBERS)
        most = min(images, max(1, numbers // len(self._small_inputs)))
        self.part = most if spec.batch == "dynamic" else spec.batch
        self._calls = min(_CALLS, max(1, numbers // (self.part * len(self._small_inputs))))

    def labels(self, frames: "NDArray[np.uint8]") -> list[Prediction]:
        """Label uint8[N, h, w] or uint8[N, h, w, 3] frames.

        Raises:
            ArtifactError: as for ``logits``.
        """
        labels = self._labels
        if len(frames) == 1:
            return [Prediction(self._finite(self._preparing.inputs(frames))[0].tolist(), labels, None, self._output)]
        logits = self._require_finite(self._shared(self._of_frames, frames))
        rows = zip(logits.tolist(), logits.argmax(axis=1).tolist(), strict=True)
        return [Prediction(row, labels, index, self._output) for row, index in rows]

    def share(self, count: int) -> int:
        """Return how many of ``count`` images a thread takes at once: a few whole backend calls."""
        calls = -(-count // (self._workers.count * self.part))
        return self.part * max(1, min(calls, self._calls))

    def logits(self, inputs: Any) -> "NDArray[np.float32]":
        """Return finite float32[N, K] logits for float32[N, C, H, W], or for uint8 frames if the model takes those.

        Raises:
            InputError: wrong type, dtype or shape, or NaN or infinity among the inputs.
            ArtifactError: the model cannot run, or returns other than finite float32[N, K].
        """
        is_one = type(inputs) is np.ndarray and inputs.shape == self._one and inputs.dtype is _FLOAT32
        if is_one and _is_surely_finite(inputs, self._small_inputs) and inputs.flags.c_contiguous:
            logits = self._run(inputs)
            if logits.shape == self._answer and _is_surely_finite(logits, self._small_logits):
                return logits
        if not isinstance(inputs, np.ndarray):
            raise InputError(f"Inputs are a numpy array, not {type(inputs).__name__}.")
        if isinstance(inputs, np.ma.MaskedArray):
            raise InputError("The inputs are a masked array, of which some numbers are not to be used: fill it first.")
        inputs = np.asarray(inputs)
        if inputs.dtype != self._dtype or inputs.shape[1:] != self._shape or not inputs.ndim:
            wanted, got = (", ".join(map(str, shape)) for shape in (self._shape, inputs.shape))
            raise InputError(f"Inputs are {self._dtype}[N, {wanted}]; these are {inputs.dtype}[{got}].")
        if not _are_finite(inputs):
            raise InputError("The inputs hold NaN or infinity.")
        return self._finite(inputs if inputs.flags.c_contiguous else inputs.copy(order="C"))

    def raw(self, inputs: "NDArray[Any]") -> "NDArray[np.float32]":
        """Return float32[N, K] logits, finite or not, for contiguous float32[N, C, H, W] or uint8 frames.

        Raises:
            ArtifactError: the model cannot run, or returns another shape.
        """
        count = len(inputs)
        if self._is_dynamic and 0 < count <= self.part:
            logits = self._run(inputs)
        else:
            logits = self._shared(self._in_calls, inputs)
        if logits.shape != (count, len(self._labels)):
            got = ", ".join(map(str, logits.shape))
            raise ArtifactError(f"The model returns [{got}] for {count} inputs and {len(self._labels)} labels.")
        return logits

    def _of_frames(self, frames: "NDArray[np.uint8]") -> "NDArray[np.float32]":
        logits = np.empty((len(frames), len(self._labels)), np.float32)
        done = 0
        for inputs in self._preparing.parts(frames, self.part):
            logits[done : done + len(inputs)] = self.raw(inputs)
            done += len(inputs)
        return logits

    def _in_calls(self, inputs: "NDArray[np.float32]") -> "NDArray[np.float32]":
        return np.concatenate([self._run(part)[:count] for part, count in batches(inputs, self._spec, self.part)])

    def _shared(
        self, work: "Callable[[NDArray[Any]], NDArray[np.float32]]", given: "NDArray[Any]"
    ) -> "NDArray[np.float32]":
        size = self.share(len(given))
        found = self._workers.together(work, (given[start : start + size] for start in range(0, len(given), size)))
        return np.concatenate(found) if found else np.empty((0, len(self._labels)), np.float32)

    def _finite(self, inputs: "NDArray[Any]") -> "NDArray[np.float32]":
        return self._require_finite(self.raw(inputs))

    def _require_finite(self, logits: "NDArray[np.float32]") -> "NDArray[np.float32]":
        if not (_is_surely_finite(logits, self._small_logits) if len(logits) == 1 else _are_finite(logits)):
            raise ArtifactError("The model returns NaN or infinity for these inputs, so there is no label.")
        return logits


def _is_surely_finite(values: "NDArray[np.float32]", small: "NDArray[np.float32]") -> bool:
    """Return whether all values are finite, by one dot product, which is fastest for few values.

    If the host turns floating-point warnings into errors, check each value.
    """
    try:
        return isfinite(values.ravel().dot(small))
    except (FloatingPointError, RuntimeWarning):
        return _are_finite(values)


def _are_finite(values: "NDArray[np.float32]") -> bool:
    return bool(np.isfinite(values).all())
