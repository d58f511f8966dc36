"""Define ``ModelSpec``, the metadata that every artifact carries as JSON."""

import dataclasses
import json
import math
from dataclasses import dataclass
from typing import Any, Literal

from .errors import ArtifactError
from .layout import DEFAULT_LAYOUT, LAYOUTS
from .selftest import SelfTest
from .values import LARGEST_COUNT, are_numbers, fits_float32, is_count, is_digest, is_number, is_text, parse_json, short

__all__ = ["FORMAT_VERSION", "METADATA_KEY", "ModelSpec"]

FORMAT_VERSION = 1
METADATA_KEY = "lenetx"
"""The one key under which every artifact format stores the JSON text."""

MNIST_SIDE = 28
"""Height and width, in pixels, of a frame with the framing ``mnist``."""
UNKNOWN = "unknown"
"""The framing of a model whose preprocessing is unknown."""
POLARITIES = {"mnist": "light_on_dark", "stretch": "as_is", "letterbox": "as_is", "crop": "as_is", UNKNOWN: "as_is"}
"""Every framing, and the polarity of its frames."""
DEFAULT_INTERPOLATION = "lanczos"
INTERPOLATIONS = (DEFAULT_INTERPOLATION, "bilinear", "bicubic")
"""Resampling filters of Pillow."""

OUTPUTS = ("logits", "log_probabilities", "probabilities")
"""What a network can return for each class."""
PROBABILITIES = "probabilities"
"""Name of the output with the softmax of the logits."""
EXPORTED, ADOPTED, UNPROVEN = ORIGINS = ("exported", "adopted", "unproven")
"""Origins of an artifact's graph."""
FLOAT32, FLOAT16, INT8 = PRECISIONS = ("float32", "float16", "int8")
"""Precisions of weights and arithmetic."""

_CHOICES = {
    "framing": tuple(POLARITIES),
    "interpolation": INTERPOLATIONS,
    "polarity": tuple(dict.fromkeys(POLARITIES.values())),
    "output": OUTPUTS,
    "layout": LAYOUTS,
    "origin": ORIGINS,
    "precision": PRECISIONS,
}
_COUNTS = ("height", "width")
_CHANNELS = (1, 3)
_LARGEST_INPUT, _LARGEST_CALL = 2**26, 2**28
"""Maximum values in one input, and in a fixed batch: 0.25 and 1 GiB in float32."""
_MOST_RESIZED = 2**13
"""Largest ``resize`` in pixels."""
_OPTIONAL = {
    "selftest": None,
    "layout": DEFAULT_LAYOUT,
    "network_output": None,
    "resize": None,
    "origin": EXPORTED,
    "precision": FLOAT32,
    "calibration": None,
    "raw_input": False,
    "probabilities": False,
    "largest_batch": None,
}
"""The fields that the JSON text omits at these values."""
_SWITCHES = ("raw_input", "probabilities")
_TEXTS = ("architecture", "input_name", "output_name", "producer")


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """The input, preprocessing, output and identity of one classifier.

    Attributes:
        architecture: name of the network, as ``lenetx train --arch`` takes it.
        channels: of the network's input, float32[batch, channels, height, width]: 1 (grey) or 3 (red, green, blue).
        height, width: of the input, in pixels.
        padding: pixels of black added on every side of the frame.
        scale: factor from a level (0 to 255) to the unit of ``mean`` and ``std``.
        mean, std: per channel; the input is ``(level * scale - mean) / std``.
        labels: class names in the order of the logits.
        weights_sha256: digest of the trained weights (``lenetx.weights.checkpoint.weights_sha256``).
        producer: name and version of the program that made the file.
        batch: ``"dynamic"`` or the only batch size that the artifact accepts.
        framing: how an image becomes a frame of ``frame_size``: ``mnist`` (grey, 28×28), ``stretch``,
            ``letterbox`` or ``crop``, see ``lenetx_runtime.preprocess.framing``. ``unknown`` if it is not known: then
            padding 0, scale 1/255, mean 0 and std 1 are placeholders, and images are rejected.
        interpolation: Pillow's resampling filter used by the framing: ``lanczos``, ``bilinear`` or ``bicubic``.
        polarity: ``light_on_dark``, the ink of ``mnist``; ``as_is`` for the other framings, which invert nothing.
        output: what the network returns: ``logits``; ``log_probabilities``, as of a log-softmax; or ``probabilities``,
            as of a softmax, or of a sigmoid, whose classes are independent and do not sum to 1.
        network_output: index or name of the one that the artifact returns, if the network has several outputs and the
            user stated it; otherwise ``None``, which the JSON text omits.
        content_sha256: ONNX and ORT only: the file's digest, see ``lenetx_runtime.sealing``.
        selftest: images with their expected logits, for ``Classifier.self_test``; if ``None``, the JSON text omits the
            field.
        layout: ONNX only: the axes of the file's own input: ``nchw``, which the JSON text omits; ``nhwc``; ``flat``,
            [batch, channels · height · width]; or ``nhw``, for one channel. Callers always pass
            float32[batch, channels, height, width], regardless of the layout.
        resize: pixels to which ``crop`` resizes the shorter side of an image, and ``stretch`` both sides, before the
            frame is cut from its centre; at least those of the frame. ``None``, which the JSON text omits, if no image
            is cropped.
        origin: ``exported``, which the JSON text omits: lenetx wrote the graph; ``adopted``: another program did, and
            lenetx proved it; ``unproven``: not proven; ``weights_sha256`` is the digest of the file's own tensors.
        precision: of weights and arithmetic: ``float32``, which the JSON text omits; ``float16``, in OpenVINO of the
            weights only; or ``int8``. Inputs and logits are float32.
        calibration: int8 only: the images from which the ranges of activations were taken, in words. ``None``, which
            the JSON text omits, for other precisions.
        raw_input: ONNX only: whether the graph takes frames, uint8[batch, *frame_shape], and normalises them itself.
        probabilities: ONNX only: whether the graph has a second output ``probabilities``, the softmax of the logits.
        largest_batch: ExecuTorch only: the largest number of images per call, of a dynamic batch; otherwise ``None``.

    Raises:
        ArtifactError: a field is not valid, or two contradict each other.
    """

    architecture: str
    channels: int
    height: int
    width: int
    padding: int
    scale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    labels: tuple[str, ...]
    weights_sha256: str
    producer: str
    input_name: str = "image"
    output_name: str = "logits"
    batch: int | Literal["dynamic"] = "dynamic"
    framing: str = "mnist"
    interpolation: str = DEFAULT_INTERPOLATION
    polarity: str = "light_on_dark"
    output: str = "logits"
    content_sha256: str | None = None
    selftest: SelfTest | None = None
    layout: str = DEFAULT_LAYOUT
    network_output: str | None = None
    resize: int | None = None
    origin: str = EXPORTED
    precision: str = FLOAT32
    calibration: str | None = None
    raw_input: bool = False
    probabilities: bool = False
    largest_batch: int | None = None
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        if problems := _problems(self):
            raise ArtifactError(f"The model's spec is not valid: {'; '.join(problems)}.")

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one input."""
        return self.channels, self.height, self.width

    @property
    def frame_size(self) -> tuple[int, int]:
        """(height, width) of the frame, without the padding."""
        return self.height - 2 * self.padding, self.width - 2 * self.padding

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Axes of a frame: (height, width), or (height, width, 3) in colour."""
        return self.frame_size if self.channels == 1 else (*self.frame_size, self.channels)

    def to_json(self) -> str:
        """Return the canonical JSON text: sorted keys, no spaces, ASCII only."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        for name, usual in _OPTIONAL.items():
            if fields[name] == usual:
                del fields[name]
        if self.selftest is not None:
            fields["selftest"] = self.selftest.to_plain()
        return json.dumps(fields, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "ModelSpec":
        """Read the JSON text of ``to_json``.

        Raises:
            ArtifactError: not JSON, of another format version, or with a field missing, unknown or invalid.
        """
        try:
            fields = parse_json(text, finite=False)  # _problems names the field
        except ValueError as error:
            raise ArtifactError(f"The model's spec is not JSON: {error}.") from None
        if not isinstance(fields, dict):
            raise ArtifactError("The model's spec is not a JSON object.")
        version = fields.get("format_version")
        if type(version) is not int or version != FORMAT_VERSION:
            raise ArtifactError(
                f"The model's spec has format version {version!r}; this lenetx reads version {FORMAT_VERSION}."
            )
        known = {field.name for field in dataclasses.fields(cls)}
        if wrong := sorted((known ^ fields.keys()) - _OPTIONAL.keys()):
            raise ArtifactError(f"The model's spec has missing or unknown fields: {', '.join(map(ascii, wrong))}.")
        tuples = {name: _as_tuple(fields[name]) for name in ("mean", "std", "labels")}
        for name, usual in _OPTIONAL.items():
            if name != "selftest" and name in fields and fields[name] == usual:
                raise ArtifactError(f"The model's spec states the {name} {usual}, which it must omit.")
        if "selftest" in fields:
            fields["selftest"] = SelfTest.from_plain(fields["selftest"])
        return cls(**(fields | tuples))


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _problems(spec: ModelSpec) -> list[str]:
    wrong = {
        **{name: f"1 to {LARGEST_COUNT}" for name in _COUNTS if not is_count(getattr(spec, name), least=1)},
        **{name: "a text" for name in _TEXTS if not is_text(getattr(spec, name))},
        **{name: f"one of {', '.join(some)}" for name, some in _CHOICES.items() if getattr(spec, name) not in some},
        **_wrong_numbers(spec),
    }
    wrong |= {name: "true or false" for name in _SWITCHES if type(getattr(spec, name)) is not bool}
    if spec.batch != "dynamic" and not is_count(spec.batch, least=1):
        wrong["batch"] = f'"dynamic" or 1 to {LARGEST_COUNT}'
    if spec.largest_batch is not None and (spec.batch != "dynamic" or not is_count(spec.largest_batch, least=1)):
        wrong["largest_batch"] = f"1 to {LARGEST_COUNT}, with a dynamic batch"
    if not isinstance(spec.labels, tuple) or len(spec.labels) < 2 or not all(map(is_text, spec.labels)):
        wrong["labels"] = "at least two texts"
    if not is_digest(spec.weights_sha256):
        wrong["weights_sha256"] = "a SHA-256 digest"
    for name in ("network_output", "calibration"):
        if getattr(spec, name) is not None and not is_text(getattr(spec, name)):
            wrong[name] = "a text"
    if spec.content_sha256 is not None and not is_digest(spec.content_sha256):
        wrong["content_sha256"] = "a SHA-256 digest or null"
    if spec.selftest is not None and not isinstance(spec.selftest, SelfTest):
        wrong["selftest"] = "a SelfTest"
    return _sentences(spec, wrong) or _sentences(spec, _wrong_together(spec))


def _sentences(spec: ModelSpec, wrong: dict[str, str]) -> list[str]:
    return [f"{name} is {short(getattr(spec, name))}, not {wanted}" for name, wanted in wrong.items()]


def _wrong_together(spec: ModelSpec) -> dict[str, str]:
    wrong = _wrong_resizing(spec) | _wrong_switches(spec)
    if spec.polarity != POLARITIES[spec.framing]:
        wrong["polarity"] = f"{POLARITIES[spec.framing]}, that of the framing {spec.framing}"
    if min(spec.frame_size) < 1:
        wrong["padding"] = f"less than half of the height {spec.height} and the width {spec.width}"
    elif spec.framing == "mnist" and (spec.channels, *spec.frame_size) != (1, MNIST_SIDE, MNIST_SIDE):
        wrong["input_shape"] = f"1×{MNIST_SIDE}×{MNIST_SIDE} and the padding, which is what the framing mnist gives"
    if spec.framing == UNKNOWN:
        neutral = {"padding": 0, "scale": 1 / 255, "mean": (0,) * spec.channels, "std": (1,) * spec.channels}
        differing = {name: value for name, value in neutral.items() if getattr(spec, name) != value}
        wrong |= {name: f"{value}: the framing is unknown" for name, value in differing.items()}
    if not all(map(fits_float32, spec.mean, spec.std, [spec.scale] * spec.channels)):
        wrong["std"] = "one that gives finite numbers with this scale and mean"
    if spec.batch != "dynamic" and spec.batch * math.prod(spec.input_shape) > _LARGEST_CALL:
        wrong["batch"] = f"one whose inputs have at most {_LARGEST_CALL:,} numbers together"
    if spec.layout == "nhw" and spec.channels != 1:
        wrong["layout"] = "one with an axis for the channels"
    if math.prod(spec.input_shape) > _LARGEST_INPUT:
        wrong["input_shape"] = f"at most {_LARGEST_INPUT:,} numbers"
    if not wrong and spec.selftest is not None and not spec.selftest.fits(spec):
        wrong["selftest"] = "one of frames of this size and logits of these labels"
    return wrong


def _wrong_switches(spec: ModelSpec) -> dict[str, str]:
    is_ours = (spec.layout, spec.origin, spec.precision) == (DEFAULT_LAYOUT, EXPORTED, FLOAT32)
    fits = {"raw_input": is_ours and spec.framing != UNKNOWN, "probabilities": is_ours and spec.output == "logits"}
    why = "false: only float32 graphs of lenetx, of known preprocessing and with logits, can have it"
    return {name: why for name, may in fits.items() if getattr(spec, name) and not may}


def _wrong_resizing(spec: ModelSpec) -> dict[str, str]:
    wrong = {}
    if spec.framing in ("mnist", UNKNOWN) and spec.interpolation != DEFAULT_INTERPOLATION:
        wrong["interpolation"] = f"{DEFAULT_INTERPOLATION}, the only one for the framing {spec.framing}"
    least = max(spec.frame_size)
    if spec.framing == "crop" or (spec.framing == "stretch" and spec.resize is not None):
        if not is_count(spec.resize, least=1) or not least <= spec.resize <= max(least, _MOST_RESIZED):
            wrong["resize"] = f"{least} (the frame's longer side) to {max(least, _MOST_RESIZED)} pixels"
    elif spec.resize is not None:
        wrong["resize"] = f"null, as the framing {spec.framing} crops nothing"
    return wrong


def _wrong_numbers(spec: ModelSpec) -> dict[str, str]:
    wrong = {}
    if not is_count(spec.channels, least=1) or spec.channels not in _CHANNELS:
        wrong["channels"] = "1 or 3"
    if not is_count(spec.padding, least=0):
        wrong["padding"] = "a number of pixels"
    if not is_number(spec.scale) or spec.scale <= 0:
        wrong["scale"] = "a positive number"
    if not are_numbers(spec.mean, spec.channels):
        wrong["mean"] = "a number per channel"
    if not are_numbers(spec.std, spec.channels) or min(spec.std) <= 0:
        wrong["std"] = "a positive number per channel"
    return wrong
