"""Hold the images, expected logits and limits with which any device can check a model."""

import base64
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from .errors import ArtifactError
from .values import is_number

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["SelfTest", "SelfTestResult", "check_logits", "require_selftest"]

Rows = tuple[tuple[float, ...], ...]

_FIELDS = ("images", "limits", "logits")
_MOST_IMAGES = 64


class Frames(Protocol):
    """The part of ``ModelSpec`` that a self-test must fit."""

    @property
    def channels(self) -> int: ...
    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def frame_size(self) -> tuple[int, int]: ...
    @property
    def selftest(self) -> "SelfTest | None": ...


@dataclass(frozen=True, slots=True, repr=False)
class SelfTest:
    """Images with the logits of the float64 reference, and the allowed error per logit.

    Attributes:
        images: bytes of uint8[N, h, w] or, for three channels, uint8[N, h, w, 3], N = 1 to 64: frames of the spec's
            ``frame_size``. ``lenetx_runtime.preprocess.normalise`` is applied to them, so padding, scale, mean and std
            are checked too.
        logits: N rows of a logit per label.
        limits: N rows of the largest |Δlogit| that passes, zero or more.

    Raises:
        ArtifactError: numbers that are not finite, negative limits, or rows that do not fit together.
    """

    images: bytes
    logits: Rows
    limits: Rows

    def __post_init__(self) -> None:
        if problem := self._problem():
            raise ArtifactError(f"The model's self-test is not valid: {problem}.")

    def __repr__(self) -> str:
        """Show the number of images and a short digest."""
        import hashlib

        text = json.dumps(self.to_plain(), sort_keys=True).encode()
        return f"<SelfTest of {len(self.logits)} images, {hashlib.sha256(text).hexdigest()[:8]}>"

    @classmethod
    def of(
        cls, frames: "NDArray[np.uint8]", logits: "NDArray[np.float64]", limits: "NDArray[np.float64]"
    ) -> "SelfTest":
        """Create a self-test from frames as in ``images``, and float64[N, K] logits and limits."""
        return cls(frames.tobytes(), _as_rows(logits.tolist()), _as_rows(limits.tolist()))

    @classmethod
    def from_plain(cls, value: Any) -> "SelfTest":
        """Create a self-test from the values of ``to_plain``.

        Raises:
            ArtifactError: they are not such values.
        """
        if not isinstance(value, dict) or sorted(value) != list(_FIELDS):
            raise ArtifactError(f"The model's self-test is not an object of {', '.join(_FIELDS)}.")
        return cls(_decoded(value["images"]), _as_rows(value["logits"]), _as_rows(value["limits"]))

    def to_plain(self) -> dict[str, Any]:
        """Return values for JSON: the images' bytes in base64, and a list for each row.

        The alphabet has no slash (RFC 4648, section 5), because nothing in an artifact may look like a path.
        """
        images = base64.urlsafe_b64encode(self.images).decode()
        return {"images": images, "logits": [*map(list, self.logits)], "limits": [*map(list, self.limits)]}

    def frames(self, spec: Frames) -> "NDArray[np.uint8]":
        """Return the images as ``lenetx_runtime.preprocess.normalise`` takes them."""
        import numpy as np

        pixel = () if spec.channels == 1 else (spec.channels,)
        return np.frombuffer(self.images, np.uint8).reshape(len(self.logits), *spec.frame_size, *pixel)

    def fits(self, spec: Frames) -> bool:
        """Return whether the images have the spec's frame size, and each row a number per label."""
        levels = spec.channels * math.prod(spec.frame_size)
        return len(self.images) == len(self.logits) * levels and len(self.logits[0]) == len(spec.labels)

    def _problem(self) -> str | None:
        if not isinstance(self.images, bytes):
            return "its images are not bytes"
        for name, rows in (("logits", self.logits), ("limits", self.limits)):
            if not isinstance(rows, tuple) or not all(isinstance(row, tuple) for row in rows):
                return f"its {name} are not rows"
            if not all(is_number(number) for row in rows for number in row):
                return f"its {name} are not all finite numbers"
        if not 1 <= len(self.logits) <= _MOST_IMAGES:
            return f"it has {len(self.logits)} images, not 1 to {_MOST_IMAGES}"
        lengths = {len(row) for row in (*self.logits, *self.limits)}
        if len(self.limits) != len(self.logits) or len(lengths) != 1:
            return "its logits and limits are not of one shape"
        if any(number < 0 for row in self.limits for number in row):
            return "a limit is negative"
        return None


class SelfTestResult(NamedTuple):
    """Result of a self-test.

    Attributes:
        passed: whether every logit is within its limit.
        images: how many were run.
        worst: largest error as a share of its limit, 0.0 to 1.0 if it passed; infinity if a logit is NaN, infinite, or
            wrong with a limit of zero.
        device: where the model ran, as in ``Classifier.device``.
        seconds: time of preprocessing and the model.
    """

    passed: bool
    images: int
    worst: float
    device: str
    seconds: float


def require_selftest(spec: Frames) -> SelfTest:
    """Return the self-test of a model.

    Raises:
        ArtifactError: it does not have one.
    """
    if spec.selftest is None:
        raise ArtifactError("The model has no self-test: 'lenetx export' adds one where float64 can run its network.")
    return spec.selftest


def check_logits(selftest: SelfTest, logits: "NDArray[np.float32]") -> tuple[bool, float]:
    """Return whether float32[N, K] logits are within the limits, and the largest error as a share of its limit."""
    import numpy as np

    exact, limits = np.array(selftest.logits, np.float64), np.array(selftest.limits, np.float64)
    with np.errstate(all="ignore"):  # a tiny limit: the share is infinite
        difference = np.abs(logits - exact)
        shares = np.where(difference == 0, 0.0, np.inf)
        measurable = np.isfinite(difference) & (limits > 0)
        np.divide(difference, limits, out=shares, where=measurable)
    return bool((difference <= limits).all()), float(shares.max())  # NaN is within no limit


def _as_rows(value: Any) -> Any:
    return tuple(tuple(row) if isinstance(row, list) else row for row in value) if isinstance(value, list) else value


def _decoded(text: Any) -> bytes:
    try:
        data = base64.urlsafe_b64decode(text)
        exact = base64.urlsafe_b64encode(data).decode() == text
    except (TypeError, ValueError):
        exact = False
    if not exact:
        raise ArtifactError("The model's self-test is not valid: its images are not URL-safe base64.")
    return data
