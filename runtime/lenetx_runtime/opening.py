"""Check the arguments of ``Classifier`` and open the model: here, or again in another process."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from .backend import Backend, run_in_batches
from .device import DEFAULT_CUDA, MOST_THREADS, CudaOptions, is_device
from .errors import ArtifactError, DeviceUnavailable, InputError
from .files import naming, read_bytes
from .limits import DEFAULT_LIMITS, Limits, size_in_words
from .ort_session import CUDA, Provider, execution_providers
from .preprocess import input_of
from .selftest import check_logits
from .spec import ModelSpec
from .workers import Workers

__all__ = ["Opened", "Request", "as_request"]

_LARGE = 16 * 2**20
"""Size in bytes above which several threads speed up a single image; LeNet-5 is smaller."""


class Opened(NamedTuple):
    """An opened model."""

    spec: ModelSpec
    backend: Backend
    workers: Workers
    limits: Limits = DEFAULT_LIMITS


class Request(NamedTuple):
    """The arguments of ``Classifier``; they can be pickled.

    Attributes:
        content_sha256: digest of the only model to accept; if ``None``, any model.
    """

    model: Path | bytes
    device: str = "auto"
    threads: int | None = None
    require_verified: bool = False
    providers: tuple[Provider, ...] | None = None
    cuda: CudaOptions = DEFAULT_CUDA
    limits: Limits = DEFAULT_LIMITS
    allow_native: bool = False
    content_sha256: str | None = None

    def __repr__(self) -> str:
        """Show the main arguments, not a model's bytes."""
        model = f"<{len(self.model)} bytes>" if isinstance(self.model, bytes) else repr(str(self.model))
        return f"Request({model}, device={self.device!r}, threads={self.threads}, providers={self.providers})"

    def check(self) -> None:
        """Check the arguments.

        Raises:
            InputError: an argument is wrong, or two contradict each other.
        """
        if not isinstance(self.device, str):
            raise InputError(f"A device is a name, not {type(self.device).__name__}: auto, cpu, cuda or cuda:N.")
        if self.threads is not None:
            whole = isinstance(self.threads, int) and not isinstance(self.threads, bool)
            if not whole or not 1 <= self.threads <= MOST_THREADS:
                raise InputError(f"threads is {self.threads!r}; it must be a whole number, 1 to {MOST_THREADS}.")
        if self.require_verified and isinstance(self.model, bytes):
            raise InputError("A model is verified by the file beside it: require_verified needs a path, not bytes.")
        if self.providers is not None and self.device != "auto":
            raise InputError(f"Give the device {self.device} or providers, not both.")
        if self.device != "auto" and not is_device(self.device):
            raise InputError(f"There is no device '{self.device}': give auto, cpu, cuda or cuda:N.")
        kinds = (("cuda", CudaOptions), ("limits", Limits), ("allow_native", bool))
        for name, kind in kinds:
            if not isinstance(value := getattr(self, name), kind):
                raise InputError(f"{name} is of {kind.__name__}, not {type(value).__name__}.")

    def reopening(self, spec: ModelSpec) -> "Request":
        """Return a request that opens exactly this model from any folder."""
        where = self.model if isinstance(self.model, bytes) else self.model.absolute()
        return self._replace(model=where, content_sha256=spec.content_sha256)

    def open(self) -> Opened:
        """Read, check and open the model.

        Raises:
            LenetxError: as ``Classifier``.
        """
        from .cpus import available_cpus
        from .native_file import is_native
        from .ort_file import read_any_spec

        most = self.limits.model_bytes
        data = self.model if isinstance(self.model, bytes) else read_bytes(self.model, "model", limit=most)
        if len(data) > most:
            raise InputError(f"The model is larger than {size_in_words(most)}: Limits(model_bytes=…) allows more.")
        threads = self.threads or available_cpus()
        with naming(self.model):
            spec = read_any_spec(data)
            if self.content_sha256 not in (None, spec.content_sha256):
                raise ArtifactError("It is not the model that was there before: the file was changed meanwhile.")
            if self.require_verified and not isinstance(self.model, bytes):
                from .certificate import require_certificate

                require_certificate(self.model, data, spec)
            large = len(data) > _LARGE and not is_native(data)
            backend = self._backend(data, spec, threads if large else 1)
        return Opened(spec, backend, Workers(1 if large else threads), self.limits)

    def _native(self, data: bytes, spec: ModelSpec) -> Backend:
        from .native import NativeBackend

        if not self.allow_native:
            name = "The model" if isinstance(self.model, bytes) else f"'{self.model}'"
            raise InputError(
                f"{name} is machine code, which runs as soon as it is loaded: pass allow_native=True in Python, or "
                "--allow-native to a command, if you trust where it comes from."
            )
        if self.providers is not None:
            raise InputError("Execution providers are onnxruntime's; a native library runs on the CPU: give none.")
        return NativeBackend(data, spec, "cpu" if self.device == "auto" else self.device)

    def _backend(self, data: bytes, spec: ModelSpec, threads: int) -> Backend:
        from .native_file import is_native
        from .ort import OrtBackend

        if is_native(data):
            return self._native(data, spec)
        if self.providers is not None:
            return OrtBackend(data, spec, providers=self.providers, threads=threads, cuda=self.cuda)
        if self.device == "auto":
            return self._on_cuda(data, spec, threads) or OrtBackend(data, spec, threads=threads)
        return OrtBackend(data, spec, device=self.device, threads=threads, cuda=self.cuda)

    def _on_cuda(self, data: bytes, spec: ModelSpec, threads: int) -> Backend | None:
        from .ort import OrtBackend

        if CUDA not in execution_providers():
            return None
        try:
            backend = OrtBackend(data, spec, device="cuda", threads=threads, cuda=self.cuda)
            works = _works(backend, spec)
        except (DeviceUnavailable, ArtifactError):
            return None
        return backend if works else None


def _works(backend: Backend, spec: ModelSpec) -> bool:
    """Return whether the self-test passes or, without one, all numbers are finite."""
    import numpy as np

    if spec.selftest is not None:
        inputs = input_of(spec.selftest.frames(spec), spec)
        return check_logits(spec.selftest, run_in_batches(backend, inputs, spec))[0]
    black = input_of(np.zeros((1, *spec.frame_shape), np.uint8), spec)
    return bool(np.isfinite(run_in_batches(backend, black, spec)).all())


def as_request(
    model: "str | os.PathLike[str] | bytes", providers: Sequence[Provider] | None, **options: Any
) -> Request:
    """Return the checked request for a user's arguments.

    Raises:
        InputError: an argument is wrong.
    """
    if isinstance(model, bytearray | memoryview):
        model = bytes(model)
    if model == "":
        raise InputError("The model's path is empty.")
    if not isinstance(model, bytes | str | os.PathLike):
        raise InputError(f"A model is a path or the bytes of a file, not {type(model).__name__}.")
    named = None if providers is None else tuple(map(_provider, _listed(providers)))
    request = Request(model if isinstance(model, bytes) else Path(model), providers=named, **options)
    request.check()
    return request


def _listed(providers: Any) -> Sequence[Any]:
    if isinstance(providers, str) or not isinstance(providers, Sequence):
        raise InputError(f"providers is a list of execution providers, not {providers!r}.")
    return providers


def _provider(given: Any) -> Provider:
    if isinstance(given, str):
        return given
    if isinstance(given, Sequence) and len(given) == 2 and isinstance(given[0], str) and isinstance(given[1], Mapping):
        return given[0], {str(key): str(value) for key, value in given[1].items()}
    raise InputError(f"An execution provider is a name, or a pair of name and settings, not {given!r}.")
