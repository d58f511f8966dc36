"""Define the user-supplied preprocessing and labels of weights without metadata."""

import dataclasses
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lenetx_runtime import ModelSpec
from lenetx_runtime.spec import DEFAULT_INTERPOLATION, INTERPOLATIONS, MNIST_SIDE, POLARITIES, UNKNOWN

from ..errors import InputError, UnknownName
from ..models.arguments import parse_size
from .label_file import read_labels
from .python_words import in_python_words

__all__ = ["FRAMINGS", "Statement", "usual_interpolation"]

FRAMINGS = tuple(name for name in POLARITIES if name != UNKNOWN)
_OF_PICTURES = ("framing", "mean", "std", "interpolation", "resize")
_LARGEST_STD = 10.0
"""A std from here on must be of levels from 0 to 255: on a scale of 1, no std exceeds 0.5."""


@dataclass(frozen=True, slots=True)
class Statement:
    """User-supplied preprocessing, labels and input shape; ``None`` for anything not stated.

    Attributes:
        framing: ``mnist``, ``stretch``, ``letterbox`` or ``crop``, see ``ModelSpec.framing``.
        mean, std: per channel, on a scale of 1; with a framing, they default to 0 and 1.
        labels: class names in the order of the logits; the class numbers when ``None``.
        input_size: (height, width) of the input, for a network that accepts several.
        channels: channels of the input, 1 or 3, for a network that accepts both.
        network_output: index or name of the logits, for a network that returns several outputs.
        interpolation: of the framing, see ``ModelSpec.interpolation``; ``bilinear`` for ``crop`` when ``None``, else
            ``lanczos``.
        resize: pixels, see ``ModelSpec.resize``; for ``crop`` the longer side of the input when ``None``.

    Raises:
        UnknownName: the framing or interpolation does not exist.
        InputError: what a framing needs is stated without one, or a value cannot be used.
    """

    framing: str | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    labels: tuple[str, ...] | None = None
    input_size: tuple[int, int] | None = None
    channels: int | None = None
    network_output: str | None = None
    interpolation: str | None = None
    resize: int | None = None

    def __post_init__(self) -> None:
        if self.framing is not None and self.framing not in FRAMINGS:
            raise UnknownName("framing", self.framing, FRAMINGS)
        if self.interpolation is not None and self.interpolation not in INTERPOLATIONS:
            raise UnknownName("interpolation", self.interpolation, INTERPOLATIONS)
        if self.framing is None and (self.mean, self.std) != (None, None):
            raise InputError("A mean or std needs a framing: state it with --framing.")
        if self.framing is None and (self.interpolation, self.resize) != (None, None):
            raise InputError("An interpolation or resize needs a framing: state it with --framing.")
        for name, given in (("mean", self.mean), ("std", self.std)):
            if given is not None and not all(map(math.isfinite, given)):
                raise InputError(f"The {name} is {', '.join(map(str, given))}; each must be finite.")
        self._require_scale_of_one()
        if self.channels not in (None, 1, 3):
            raise InputError(f"The number of channels is {self.channels}; it must be 1 (grey) or 3 (RGB).")
        if self.std is not None and not all(number > 0 for number in self.std):
            raise InputError(f"The std is {', '.join(map(str, self.std))}; each must be positive.")
        if self.labels is not None and not (len(self.labels) > 1 and all(self.labels)):
            raise InputError(f"The labels are {self.labels!r}; there must be at least two, none of them empty.")

    @classmethod
    def of_spec(cls, spec: ModelSpec) -> "Statement":
        """Return the statement with the preprocessing, labels and input shape of an artifact's spec."""
        known = {} if spec.framing == UNKNOWN else {name: getattr(spec, name) for name in _OF_PICTURES}
        return cls(
            **known,
            labels=spec.labels,
            input_size=(spec.height, spec.width),
            channels=spec.channels,
            network_output=spec.network_output,
        )

    @property
    def of_pictures(self) -> "Statement":
        """The preprocessing alone, without labels and input shape."""
        return Statement(**{name: getattr(self, name) for name in _OF_PICTURES})

    def completed(self, others: "Statement") -> "Statement":
        """Return this statement completed with the values of another one."""
        fields = (each.name for each in dataclasses.fields(self))
        return Statement(
            **{name: getattr(others, name) if getattr(self, name) is None else getattr(self, name) for name in fields}
        )

    def require_agreement(self, spec: ModelSpec, name: str) -> None:
        """Check that nothing here contradicts what a file records.

        Args:
            spec: of the file. If its framing is unknown, so is its preprocessing, and class numbers beside it mean that
                the labels are unknown.
            name: the file's name.

        Raises:
            InputError: a statement contradicts the file.
        """
        known = spec.framing != UNKNOWN
        said: dict[str, Any] = {"input_size": (spec.height, spec.width), "channels": spec.channels}
        if spec.network_output is not None:
            said["network_output"] = spec.network_output
        if known or spec.labels != tuple(map(str, range(len(spec.labels)))):
            said["labels"] = spec.labels
        if known:
            said |= {name: getattr(spec, name) for name in _OF_PICTURES}
        for field, own in said.items():
            given = getattr(self, field)
            if given is not None and field in ("mean", "std"):
                given = self.per_channel(field, spec.channels)
            if given not in (None, own):
                option = f"--{field.removeprefix('network_').replace('_', '-')}"
                join = "x" if field == "input_size" else ","
                raise InputError(
                    f"'{name}' records {field.replace('_', ' ')} {_text(own, join)}, and {option} {_text(given, join)} "
                    f"contradicts it: leave {option} away."
                )

    def _require_scale_of_one(self) -> None:
        """Raise InputError if a mean or std must be of levels from 0 to 255."""
        largest = {name: max(getattr(self, name) or (0.0,)) for name in ("mean", "std")}
        if largest["mean"] <= 1 and largest["std"] < _LARGEST_STD:
            return
        cure = " ".join(
            f"--{name} {','.join(f'{number / 255:.4g}' for number in getattr(self, name))}"
            for name in largest
            if getattr(self, name)
        )
        name = "mean" if largest["mean"] > 1 else "std"
        raise InputError(
            f"The {name} is {', '.join(map(str, getattr(self, name)))}, as of levels from 0 to 255, but they are on a "
            f"scale of 1 here: give {cure}."
        )

    @classmethod
    def of_texts(
        cls,
        *,
        framing: str | None = None,
        mean: str | None = None,
        std: str | None = None,
        labels: str | None = None,
        input_size: str | None = None,
        channels: int | None = None,
        network_output: str | None = None,
        interpolation: str | None = None,
        resize: int | None = None,
    ) -> "Statement":
        """Parse a statement from command-line options.

        Lists are separated by commas; a size is ``32`` or ``32x48`` (height and width). Labels may also be the path of
        a file, see ``lenetx.weights.label_file.read_labels``.

        Raises:
            UnknownName, InputError: as the constructor, or a string cannot be parsed.
        """
        return cls(
            framing=framing,
            mean=_numbers("mean", mean),
            std=_numbers("std", std),
            labels=None if labels is None else read_labels(labels),
            input_size=None if input_size is None else parse_size(input_size),
            channels=channels,
            network_output=network_output,
            interpolation=interpolation,
            resize=resize,
        )

    @classmethod
    @in_python_words()
    def of_values(
        cls,
        *,
        framing: str | None = None,
        mean: float | Sequence[float] | None = None,
        std: float | Sequence[float] | None = None,
        labels: Sequence[str] | None = None,
        output: int | str | None = None,
        interpolation: str | None = None,
        resize: int | None = None,
    ) -> "Statement":
        """Return a statement of plain Python values: any sequence, and one number for all channels.

        Raises:
            UnknownName, InputError: as the constructor, or the labels are not strings.
        """
        if isinstance(labels, str) or not all(isinstance(each, str) for each in labels or ()):
            raise InputError(f"The labels are {labels!r}; they must be a list of texts, one per class.")
        return cls(
            framing=framing,
            mean=_per_channel("mean", mean),
            std=_per_channel("std", std),
            labels=None if labels is None else tuple(labels),
            network_output=None if output is None else str(output),
            interpolation=interpolation,
            resize=resize,
        )

    def frame_fields(self, shape: tuple[int, int, int]) -> dict[str, Any]:
        """Return the fields of a spec that follow from the stated framing for an input of the given shape.

        Args:
            shape: (channels, height, width) of the input.

        Raises:
            InputError: the framing ``mnist`` cannot produce such an input.
        """
        framing = self.framing or UNKNOWN
        return {
            "framing": framing,
            "polarity": POLARITIES[framing],
            "padding": self._padding(shape),
            "interpolation": self.interpolation or usual_interpolation(framing),
            "resize": max(shape[1:]) if framing == "crop" and self.resize is None else self.resize,
        }

    def _padding(self, shape: tuple[int, int, int]) -> int:
        """Return the pixels of black padding on each side that turn a frame into an input of the given shape."""
        if self.framing != "mnist":
            return 0
        channels, height, width = shape
        if channels != 1 or height != width or height < MNIST_SIDE or (height - MNIST_SIDE) % 2:
            size = "×".join(map(str, shape))
            raise InputError(
                f"The framing mnist gives 1×{MNIST_SIDE}×{MNIST_SIDE} and the same padding on every side, "
                f"not {size}: state stretch or letterbox."
            )
        return (height - MNIST_SIDE) // 2

    def per_channel(self, name: str, channels: int) -> tuple[float, ...]:
        """Return ``mean`` or ``std`` for each channel; a single value applies to all channels.

        Raises:
            InputError: the number of values is neither 1 nor ``channels``.
        """
        given: Sequence[float] = getattr(self, name) or ((0.0,) if name == "mean" else (1.0,))
        if len(given) not in (1, channels):
            cure = (
                "give one number, or --channels 3 for a network that takes colours" if channels == 1 else "give 1 or 3"
            )
            raise InputError(f"There are {len(given)} numbers in the {name} for {channels} channels: {cure}.")
        return tuple(given) * (channels if len(given) == 1 else 1)


def usual_interpolation(framing: str) -> str:
    """Return the interpolation of a framing when none is stated."""
    return "bilinear" if framing == "crop" else DEFAULT_INTERPOLATION


def _text(value: object, join: str) -> str:
    return join.join(map(str, value)) if isinstance(value, tuple) else str(value)


def _per_channel(name: str, given: float | Sequence[float] | None) -> tuple[float, ...] | None:
    if given is None:
        return None
    try:
        return tuple(map(float, given)) if isinstance(given, Iterable) else (float(given),)
    except (TypeError, ValueError):
        raise InputError(f"The {name} is {given!r}; it must be a number, or one number per channel.") from None


def _numbers(name: str, text: str | None) -> tuple[float, ...] | None:
    """Parse numbers separated by commas or spaces, optionally in brackets."""
    if text is None:
        return None
    plain = text.strip().strip("()[]").strip(" ,")
    if re.fullmatch(r"\d+,\d{2,}", plain):
        point = plain.replace(",", ".")
        raise InputError(f"The {name} is '{text}', two numbers: write decimals with a point, as in {point}.")
    try:
        return tuple(float(part) for part in re.split(r"\s*,\s*|\s+", plain))
    except ValueError:
        raise InputError(
            f"The {name} is '{text}', not numbers with commas between them, as in 0.1307 or 0.485,0.456,0.406."
        ) from None
