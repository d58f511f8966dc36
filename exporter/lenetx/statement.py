"""What a user states of weights that do not say it themselves."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lenetx_runtime.files import read_bytes
from lenetx_runtime.spec import MNIST_SIDE, POLARITIES, UNKNOWN

from .errors import InputError, UnknownName
from .files import exists
from .models.arguments import parse_size

__all__ = ["FRAMINGS", "Statement"]

FRAMINGS = tuple(name for name in POLARITIES if name != UNKNOWN)
_LARGEST_LIST = 2**20


@dataclass(frozen=True, slots=True)
class Statement:
    """How pictures become inputs, and what the outputs mean; ``None`` for what is not stated.

    Attributes:
        framing: ``mnist``, ``stretch`` or ``letterbox``, see ``ModelSpec.framing``.
        mean, std: per channel, on a scale of 1; with a framing they are 0 and 1 when ``None``.
        labels: class names in the order of the logits; their numbers when ``None``.
        input_size: (height, width) of the input, for a network that takes several.
        channels: of the input, 1 or 3, the same.

    Raises:
        UnknownName: there is no such framing.
        InputError: mean or std without a framing, or other values that cannot be used.
    """

    framing: str | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    labels: tuple[str, ...] | None = None
    input_size: tuple[int, int] | None = None
    channels: int | None = None

    def __post_init__(self) -> None:
        if self.framing is not None and self.framing not in FRAMINGS:
            raise UnknownName("framing", self.framing, FRAMINGS)
        if self.framing is None and (self.mean, self.std) != (None, None):
            raise InputError("A mean or std means nothing without a framing: state one with --framing.")
        for name, given in (("mean", self.mean), ("std", self.std)):
            if given is not None and not all(map(math.isfinite, given)):
                raise InputError(f"The {name} is {', '.join(map(str, given))}; each must be finite.")
        if self.channels not in (None, 1, 3):
            raise InputError(f"The number of channels is {self.channels}; it must be 1 (grey) or 3 (RGB).")
        if self.std is not None and not all(number > 0 for number in self.std):
            raise InputError(f"The std is {', '.join(map(str, self.std))}; each must be positive.")
        if self.labels is not None and not (len(self.labels) > 1 and all(self.labels)):
            raise InputError(f"The labels are {self.labels!r}; there must be at least two, none of them empty.")

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
    ) -> "Statement":
        """Read what a command line says: lists have commas, and a size is ``32`` or ``32x48`` (height and width).

        Labels may also be the name of a file with one in each line.
        """
        return cls(
            framing=framing,
            mean=_numbers("mean", mean),
            std=_numbers("std", std),
            labels=_labels(labels),
            input_size=None if input_size is None else parse_size(input_size),
            channels=channels,
        )

    def padding(self, shape: tuple[int, int, int]) -> int:
        """Give the pixels of black around a frame, so that it has the input's (channels, height, width).

        Raises:
            InputError: the framing ``mnist`` cannot give such an input.
        """
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
        """Give ``mean`` or ``std`` for so many channels, what is stated once being for all.

        Raises:
            InputError: there are more or fewer.
        """
        given: Sequence[float] = getattr(self, name) or ((0.0,) if name == "mean" else (1.0,))
        if len(given) not in (1, channels):
            raise InputError(f"There are {len(given)} numbers in the {name} for {channels} channels.")
        return tuple(given) * (channels if len(given) == 1 else 1)


def _numbers(name: str, text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"The {name} is '{text}', not numbers with commas between them.") from None


def _labels(text: str | None) -> tuple[str, ...] | None:
    if text is None:
        return None
    path = Path(text)
    if "," in text or not exists(path):
        return tuple(part.strip() for part in text.split(","))
    try:
        lines = read_bytes(path, "list of labels", limit=_LARGEST_LIST).decode().splitlines()
    except UnicodeDecodeError:
        raise InputError(f"The labels in '{path}' are not UTF-8.") from None
    return tuple(line.strip() for line in lines if line.strip())
