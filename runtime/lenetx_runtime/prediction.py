"""Convert a network's output to a label and its probability."""

import math
from collections.abc import Sequence

from .errors import InputError

__all__ = ["Prediction"]


class Prediction:
    """The prediction for one image. It is immutable; equal logits, output and labels make equal predictions.

    Everything is computed on demand: a label costs no softmax.

    Args:
        logits: K finite floats: the network's output for the image.
        labels: K class names.
        index: position of the largest logit, the first of equal ones; computed if ``None``.
        output: kind of the logits, as in ``ModelSpec``: ``logits``, which a softmax turns into probabilities;
            ``log_probabilities``; or ``probabilities``, used unchanged.
    """

    __slots__ = ("_index", "_labels", "_logits", "_output", "_ranked")

    def __init__(
        self, logits: Sequence[float], labels: tuple[str, ...], index: int | None = None, output: str = "logits"
    ) -> None:
        self._output = output
        self._index = logits.index(max(logits)) if index is None else index
        self._labels = labels
        self._logits = logits
        self._ranked: tuple[tuple[str, float], ...] | None = None

    @property
    def index(self) -> int:
        """Index of the most probable class among the model's labels, the first of equal ones."""
        return self._index

    @property
    def label(self) -> str:
        """Name of the most probable class."""
        return self._labels[self._index]

    @property
    def probability(self) -> float:
        """Probability of the most probable class, 0.0 to 1.0."""
        return self.probabilities[0][1]

    @property
    def probabilities(self) -> tuple[tuple[str, float], ...]:
        """(label, probability) of every class, the most probable first; equal ones in the order of the labels.

        They sum to 1, except for a network that ends in a sigmoid, where classes are independent.
        """
        if self._ranked is None:
            values = PROBABILITIES[self._output](self._logits)
            order = sorted(range(len(values)), key=self._logits.__getitem__, reverse=True)
            self._ranked = tuple([(self._labels[index], values[index]) for index in order])
        return self._ranked

    def top(self, k: int) -> tuple[tuple[str, float], ...]:
        """Return the ``k`` most probable classes as (label, probability), the most probable first.

        Raises:
            InputError: k is not a whole number of 1 or more.
        """
        if not isinstance(k, int) or k < 1:
            raise InputError(f"k is {k!r}; it must be a whole number of at least 1.")
        return self.probabilities[:k]

    def __eq__(self, other: object) -> bool:
        """Compare logits, output and labels."""
        if not isinstance(other, Prediction):
            return NotImplemented
        same = self._labels == other._labels and self._output == other._output
        return same and tuple(self._logits) == tuple(other._logits)

    def __hash__(self) -> int:
        """Hash logits and labels."""
        return hash((tuple(self._logits), self._labels))

    def __reduce__(self) -> "tuple[type[Prediction], tuple[Sequence[float], tuple[str, ...], int, str]]":
        """Pickle logits and labels."""
        return Prediction, (self._logits, self._labels, self._index, self._output)

    def __repr__(self) -> str:
        """Show the label and its probability."""
        return f"Prediction(index={self.index}, label={self.label!r}, probability={self.probability:.6g})"


def softmax(logits: Sequence[float]) -> list[float]:
    """Return K probabilities for K finite logits, shifted to avoid overflow."""
    largest = max(logits)
    powers = [math.exp(value - largest) for value in logits]
    total = math.fsum(powers)
    return [power / total for power in powers]


def _from_logarithms(values: Sequence[float]) -> list[float]:
    return [math.exp(min(value, 0.0)) for value in values]


def _as_they_are(values: Sequence[float]) -> list[float]:
    return [min(max(value, 0.0), 1.0) for value in values]


PROBABILITIES = {"logits": softmax, "log_probabilities": _from_logarithms, "probabilities": _as_they_are}
"""Functions from each kind of output to a probability, 0.0 to 1.0, for each class."""
