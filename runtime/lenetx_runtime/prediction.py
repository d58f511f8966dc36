"""From logits to a label."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Prediction", "softmax"]


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one image.

    Attributes:
        index: position of the most probable class among the model's labels.
        label: its name.
        probability: its probability, 0.0 to 1.0.
        probabilities: (label, probability) of every class, the most probable first.
    """

    index: int
    label: str
    probability: float
    probabilities: tuple[tuple[str, float], ...]

    @classmethod
    def from_probabilities(cls, row: "NDArray[np.float64]", labels: tuple[str, ...]) -> "Prediction":
        """Rank float64[K] probabilities; equal ones keep the order of the labels."""
        values = row.tolist()
        order = sorted(range(len(values)), key=lambda index: -values[index])
        ranked = tuple((labels[index], values[index]) for index in order)
        return cls(order[0], *ranked[0], ranked)

    def top(self, k: int) -> tuple[tuple[str, float], ...]:
        """Give the ``k`` most probable classes as (label, probability), the most probable first."""
        if k < 1:
            raise InputError(f"There is no top {k}: give at least 1.")
        return self.probabilities[:k]


def softmax(logits: "NDArray[np.float32]") -> "NDArray[np.float64]":
    """Turn float32[N, K] logits into float64[N, K] probabilities, shifted so that nothing overflows."""
    import numpy as np

    wide = logits.astype(np.float64)
    powers = np.exp(wide - wide.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return probabilities
