"""Label images with a proven model."""

import itertools
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeAlias, Union

from .backend import Backend
from .device import DEFAULT_CUDA, CudaOptions
from .errors import InputError, LenetxError
from .limits import DEFAULT_LIMITS, Limits
from .opening import Opened, Request, as_request
from .prediction import Prediction
from .preprocess import Image, input_of, require_known
from .selftest import SelfTestResult, check_logits, require_selftest
from .spec import UNKNOWN, ModelSpec
from .workers import CLOSED, Part, Workers, is_open_file, parts_of, require_several

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .inference import Inference
    from .ort_session import Provider
    from .preprocess.frames import Framer

__all__ = ["Classifier"]

_STREAMED = 64
"""Default number of images labelled together."""
_LONG = 1e-3
"""Seconds per image: if reading takes longer, threads read the images too."""

_Framed: TypeAlias = "tuple[NDArray[np.uint8], InputError | None]"
"""Frames before the first unusable image, and its error."""
_Labelled: TypeAlias = "tuple[list[Prediction], InputError | None]"


class Classifier:
    """Label images with a proven ONNX, ORT or native model. Any number of threads may share one instance.

    It can be pickled: another process opens the same model again, by its path if it has one.
    A forked process can keep using it on the CPU.

    Args:
        model: path of an ``.onnx``, ``.ort`` or ``.so`` file that lenetx exported, or its bytes.
        device: ``cpu``, ``cuda`` or ``cuda:N``: the model runs there, or ``DeviceUnavailable`` is raised. ``auto``
            takes CUDA if the model's self-test passes on it, else the CPU; the attribute ``device`` says which.
        threads: maximum CPU threads of one call; if ``None``, all that this process may use, by its affinity and
            cgroup quota. A single image uses one, unless the model has more than 16 MiB.
        require_verified: require a certificate for exactly these bytes beside the file, see
            ``lenetx_runtime.certificate``.
        providers: names of onnxruntime's execution providers, in order of preference, instead of a device; each may be
            a pair of name and settings. They run the whole model, or ``DeviceUnavailable`` is raised.
        cuda: options for CUDA, if the model runs there.
        limits: maximum sizes of files and images; larger ones are rejected before they are read.
        allow_native: load a native library (``.so``), which runs whatever its file contains: its digest shows damage,
            not malice.

    Attributes:
        spec: the model's metadata.

    Raises:
        InputError: the file is missing, a directory, or a library that was not allowed; or an argument is wrong.
        ArtifactError: the file is damaged, changed, not made by lenetx, or not verified although required.
        DeviceUnavailable: the device is not available.
        EngineMissing: onnxruntime is not installed.

    Example:
        >>> with Classifier("lenet5.onnx") as classifier:
        ...     classifier.predict("seven.png").label
        '7'
    """

    def __init__(
        self,
        model: Union[str, "os.PathLike[str]", bytes],
        *,
        device: str = "auto",
        threads: int | None = None,
        require_verified: bool = False,
        providers: "Sequence[Provider] | None" = None,
        cuda: CudaOptions = DEFAULT_CUDA,
        limits: Limits = DEFAULT_LIMITS,
        allow_native: bool = False,
    ) -> None:
        request = as_request(
            model,
            providers,
            device=device,
            threads=threads,
            require_verified=require_verified,
            cuda=cuda,
            limits=limits,
            allow_native=allow_native,
        )
        self._take(request.open(), request)

    @classmethod
    def from_backend(cls, spec: ModelSpec, backend: Backend) -> Self:
        """Create a classifier with a custom engine: any object with ``Backend``'s ``device`` and ``run``."""
        classifier = cls.__new__(cls)
        classifier._take(Opened(spec, backend, Workers(1)), None)
        return classifier

    def _take(self, opened: Opened, request: Request | None) -> None:
        from .inference import Inference
        from .preprocess.frames import Framer

        self.spec = spec = opened.spec
        self._workers = opened.workers
        self._inference: Inference | None = Inference(spec, opened.backend, opened.workers)
        self._framer = None if spec.framing == UNKNOWN else Framer(spec, opened.limits)
        self._request = request and request.reopening(spec)

    @property
    def device(self) -> str:
        """Where the model actually runs: ``cpu``, ``cuda:N``, or another engine's name for it."""
        return self._opened().backend.device

    def predict(self, image: Image) -> Prediction:
        """Label one image, of any kind that ``lenetx_runtime.preprocess.decode`` accepts.

        Raises:
            InputError: the image cannot be used, or the model's preprocessing is unknown.
        """
        inference, framer = self._inference, self._framer
        if inference is None or framer is None:
            inference, framer = self._opened(), self._framing()
        return inference.labels(framer.one(image))[0]

    def frame(self, image: Image) -> "NDArray[np.uint8]":
        """Return an image as the network sees it: uint8[h, w] of ``spec.frame_size``, or uint8[h, w, 3] in colour.

        Only padding and normalisation follow.

        Raises:
            InputError: as for ``predict``.
        """
        framed: NDArray[np.uint8] = self._framing().one(image)[0].copy()
        return framed

    def predict_batch(self, images: "Iterable[Image] | NDArray[Any]") -> list[Prediction]:
        """Label any number of images of any sizes, in order.

        Args:
            images: a list, an iterable, or an array with one image per index of its first axis.

        Raises:
            InputError: an image cannot be used; the error names its path, or its position, counted from 0.
        """
        require_several(images, "predict_batch")
        inference, framer = self._opened(), self._framing()
        if framer.have_size(images):
            shares = parts_of(images, inference.share(len(images)))  # type: ignore[arg-type]  # they can be counted
            found = self._workers.together(self._whole, shares)
        else:
            calls = -(-_STREAMED // inference.part)
            found = [*map(_all, self._labelled(parts_of(images, calls * inference.part)))]
        return [*itertools.chain.from_iterable(found)]

    def stream(self, images: Iterable[Image], *, batch_size: int = _STREAMED) -> Iterator[Prediction]:
        """Label images as they come, in order, with at most one batch per thread and three more in memory.

        Args:
            images: any iterable, even an endless one; a few batches are taken from it before the first result.
            batch_size: images labelled together. With 1, each result comes before the next image is taken.

        Raises:
            InputError: an image cannot be used; it is raised after the results of the images before it, and names the
                image's path or position.
        """
        require_several(images, "stream")
        if not isinstance(batch_size, int) or batch_size < 1:
            raise InputError(f"batch_size is {batch_size!r}; it must be a whole number of at least 1.")
        self._framing()
        return self._streamed(images, batch_size)

    def _streamed(self, images: Iterable[Image], batch_size: int) -> Iterator[Prediction]:
        parts = parts_of(images, batch_size)
        labelled = (self._label(self._framed(part)) for part in parts)
        for predictions, problem in labelled if batch_size == 1 else self._labelled(parts):
            yield from predictions
            if problem is not None:
                raise problem

    def logits(self, inputs: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """Return float32[N, K] logits for preprocessed float32[N, C, H, W] inputs, N ≥ 0.

        A model with ``spec.raw_input`` takes frames, uint8[N, *spec.frame_shape].

        Raises:
            InputError: wrong dtype or shape, or NaN or infinity among the inputs.
            ArtifactError: the model cannot run, or returns anything but a finite logit per label.
        """
        return (self._inference or self._opened()).logits(inputs)

    def self_test(self) -> SelfTestResult:
        """Run the images stored in the model and compare its logits with the stored ones.

        Raises:
            ArtifactError: the model has no self-test, or cannot run.
        """
        inference, selftest = self._opened(), require_selftest(self.spec)
        start = time.perf_counter()
        logits = inference.raw(input_of(selftest.frames(self.spec), self.spec))
        seconds = time.perf_counter() - start
        passed, worst = check_logits(selftest, logits)
        return SelfTestResult(passed, len(logits), worst, self.device, seconds)

    def close(self) -> None:
        """Free the model. Using the classifier afterwards raises ``LenetxError``; closing it twice is allowed."""
        self._inference = self._request = None
        self._workers.close()

    def __enter__(self) -> Self:
        """Return the classifier."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the classifier."""
        self.close()

    def __repr__(self) -> str:
        """Show the model's path or network, and its device."""
        if self._inference is None:
            return f"<{type(self).__name__}, closed>"
        path = None if self._request is None or isinstance(self._request.model, bytes) else self._request.model
        name = f"of {self.spec.architecture}" if path is None else f"'{path}'"
        return f"<{type(self).__name__} {name} on {self.device}>"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the arguments; the model is opened again when unpickled.

        Raises:
            LenetxError: it is closed, or has a custom engine.
        """
        self._opened()
        if self._request is None:
            raise LenetxError("A Classifier with an engine of your own cannot be pickled: make it where it is needed.")
        return _reopened, (type(self), self._request)

    def _opened(self) -> "Inference":
        if self._inference is None:
            raise LenetxError(CLOSED)
        return self._inference

    def _framing(self) -> "Framer":
        self._opened()
        if self._framer is None:
            require_known(self.spec)
        assert self._framer is not None
        return self._framer

    def _labelled(self, parts: Iterator[Part]) -> Iterator[_Labelled]:
        """Label parts; if reading is slow, threads read too, since reading releases the GIL."""
        first = next(parts, None)
        if first is None:
            return
        began = time.perf_counter()
        framed = self._framed(first)
        if time.perf_counter() - began < _LONG * len(first[1]):
            yield from self._workers.map(self._label, itertools.chain([framed], map(self._framed, parts)))
            return
        yield self._label(framed)
        yield from self._workers.map(lambda task: task(), map(self._task, parts))

    def _task(self, part: Part) -> "Callable[[], _Labelled]":
        """Return a thread's task; open files are read here, because several images may share one."""
        if any(map(is_open_file, part[1])):
            return partial(self._label, self._framed(part))
        return lambda: self._label(self._framed(part))

    def _whole(self, part: Part) -> list[Prediction]:
        return _all(self._label(self._framed(part)))

    def _framed(self, part: Part) -> _Framed:
        return self._framing().several(part[1], part[0])

    def _label(self, framed: _Framed) -> _Labelled:
        frames, problem = framed
        return (self._opened().labels(frames) if len(frames) else []), problem


def _all(labelled: _Labelled) -> list[Prediction]:
    predictions, problem = labelled
    if problem is None:
        return predictions
    try:
        raise problem
    finally:  # its traceback holds this frame: a cycle
        del problem, labelled


def _reopened(kind: type[Classifier], request: Request) -> Classifier:
    classifier = kind.__new__(kind)
    classifier._take(request.open(), request)
    return classifier
