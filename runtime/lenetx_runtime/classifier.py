"""The one class that an app needs."""

import os
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Union

from .backend import Backend, run_in_batches
from .errors import ArtifactError, InputError, LenetxError
from .prediction import Prediction, softmax
from .preprocess import Image, decode, frame, normalise, require_known
from .selftest import SelfTestResult, judge, require_selftest
from .spec import ModelSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Classifier"]


class Classifier:
    """A proven ONNX model, ready to label images.

    Args:
        model: path of a ``.onnx`` file that lenetx exported, or its bytes.
        device: ``cpu``, ``cuda`` or ``cuda:N``; what was asked for runs, or :class:`DeviceUnavailable` is raised.
        threads: CPU threads of one call; all that this process may use when ``None``.
        require_verified: open the file only if ``lenetx verify`` or ``lenetx export`` has left the certificate of a
            proof of exactly these bytes beside it, see :mod:`lenetx_runtime.certificate`.

    Raises:
        InputError: the file is missing or a directory, or an argument is wrong.
        ArtifactError: the file is damaged, changed or not made by lenetx, or not verified where that is required.
        DeviceUnavailable: the device is not there.
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
        device: str = "cpu",
        threads: int | None = None,
        require_verified: bool = False,
    ) -> None:
        from .certificate import require_certificate
        from .files import naming, read_bytes
        from .onnx_file import read_spec
        from .ort import OrtBackend

        if require_verified and isinstance(model, bytes):
            raise InputError("A model is verified by the file beside it: require_verified needs a path, not bytes.")
        data = model if isinstance(model, bytes) else read_bytes(Path(model), "model")
        with naming(model):
            spec = read_spec(data)
            if require_verified and not isinstance(model, bytes):
                require_certificate(Path(model), data, spec)
            backend = OrtBackend(data, spec, device=device, threads=threads)
        self._open(spec, backend)

    @classmethod
    def from_backend(cls, spec: ModelSpec, backend: Backend) -> Self:
        """Use another engine: anything with :class:`~lenetx_runtime.backend.Backend`'s ``device`` and ``run``."""
        classifier = cls.__new__(cls)
        classifier._open(spec, backend)
        return classifier

    def _open(self, spec: ModelSpec, backend: Backend) -> None:
        self.spec = spec
        self._backend: Backend | None = backend

    @property
    def device(self) -> str:
        """Where the model really runs: ``cpu``, ``cuda:N``, or what another engine calls it."""
        return self._opened().device

    def predict(self, image: Image) -> Prediction:
        """Label one image, given as :func:`lenetx_runtime.preprocess.decode` takes it.

        Raises:
            InputError: the image cannot be used, or the model does not say how.
        """
        require_known(self.spec)
        return self._label([frame(decode(image, self.spec.channels), self.spec)])[0]

    def predict_batch(self, images: Iterable[Image]) -> list[Prediction]:
        """Label any number of images of any sizes, in order.

        Raises:
            InputError: an image cannot be used; its path, or else its position from 0, is named.
        """
        if isinstance(images, str | os.PathLike):
            raise InputError(f"predict_batch takes several images, not '{images}' alone: that is for predict.")
        self._opened()
        require_known(self.spec)
        frames = [_frame(image, position, self.spec) for position, image in enumerate(images)]
        return self._label(frames) if frames else []

    def logits(self, inputs: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """Give float32[N, K] logits of preprocessed float32[N, C, H, W] inputs, N ≥ 0.

        Raises:
            InputError: another dtype or shape, or NaN or infinity among the inputs.
            ArtifactError: the model cannot run, or gives something else than a finite logit per label.
        """
        import numpy as np

        self._check(inputs)
        logits = self._run(np.ascontiguousarray(inputs))
        if not np.isfinite(logits).all():
            raise ArtifactError("The model gives NaN or infinity for these inputs, so it gives no label.")
        return logits

    def self_test(self) -> SelfTestResult:
        """Run the images that the model carries and compare its logits with those that it should give.

        Raises:
            ArtifactError: the model carries no self-test, or cannot run.
        """
        self._opened()
        selftest = require_selftest(self.spec)
        start = time.perf_counter()
        logits = self._run(normalise(selftest.frames(self.spec), self.spec))
        seconds = time.perf_counter() - start
        passed, worst = judge(selftest, logits)
        return SelfTestResult(passed, len(logits), worst, self.device, seconds)

    def close(self) -> None:
        """Free the model. Using the classifier afterwards raises :class:`LenetxError`; closing twice is fine."""
        self._backend = None

    def __enter__(self) -> Self:
        """Give the classifier itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def _opened(self) -> Backend:
        if self._backend is None:
            raise LenetxError("This Classifier is closed: open the model again.")
        return self._backend

    def _run(self, inputs: "NDArray[np.float32]") -> "NDArray[np.float32]":
        logits = run_in_batches(self._opened(), inputs, self.spec)
        if logits.shape != (len(inputs), len(self.spec.labels)):
            got = ", ".join(map(str, logits.shape))
            raise ArtifactError(f"The model gives [{got}] for {len(inputs)} inputs and {len(self.spec.labels)} labels.")
        return logits

    def _label(self, frames: "list[NDArray[np.uint8]]") -> list[Prediction]:
        import numpy as np

        rows = softmax(self.logits(normalise(np.stack(frames), self.spec)))
        return [Prediction.from_probabilities(row, self.spec.labels) for row in rows]

    def _check(self, inputs: Any) -> None:
        import numpy as np

        if not isinstance(inputs, np.ndarray):
            raise InputError(f"Inputs are a numpy array, not {type(inputs).__name__}.")
        if inputs.dtype != np.float32 or inputs.shape[1:] != self.spec.input_shape:
            wanted = ", ".join(map(str, self.spec.input_shape))
            got = ", ".join(map(str, inputs.shape))
            raise InputError(f"Inputs are float32[N, {wanted}]; these are {inputs.dtype}[{got}].")
        if not np.isfinite(inputs).all():
            raise InputError("The inputs hold NaN or infinity.")


def _frame(image: Image, position: int, spec: ModelSpec) -> "NDArray[np.uint8]":
    try:
        return frame(decode(image, spec.channels), spec)
    except InputError as error:
        name = f"'{image}'" if isinstance(image, str | os.PathLike) else f"Image {position}"
        text = str(error)
        raise InputError(text if name in text else f"{name}: {text}") from None
