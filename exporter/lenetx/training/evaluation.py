"""Evaluate a network on a split: loss, accuracy, and precision and recall per class."""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..frames.device_split import Inputs
from .guard import Guard
from .losses import Loss

__all__ = ["Evaluation", "evaluate"]

_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Evaluation of a network on one split.

    Attributes:
        probabilities: float32[N, K].
        labels: true labels, int64[N].
        loss: mean over the images, in nats unless it is ``mse``.
    """

    probabilities: NDArray[np.float32]
    labels: NDArray[np.int64]
    loss: float

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Predicted labels, int64[N]."""
        predicted: NDArray[np.int64] = self.probabilities.argmax(1)
        return predicted

    @property
    def accuracy(self) -> float:
        """Fraction of correct predictions, 0.0 to 1.0."""
        return float((self.predicted == self.labels).mean())

    def confusion(self) -> NDArray[np.int64]:
        """Return the confusion matrix, int64[K, K]: true classes in rows, predicted classes in columns."""
        from sklearn.metrics import confusion_matrix

        counts: NDArray[np.int64] = confusion_matrix(
            self.labels, self.predicted, labels=range(self.probabilities.shape[1])
        )
        return counts

    def per_class(self, class_names: tuple[str, ...]) -> dict[str, dict[str, float]]:
        """Return ``test_precision`` and ``test_recall`` by class name, 0.0 to 1.0.

        A class that was never predicted has no precision, and a class without images has no recall.
        """
        from sklearn.metrics import precision_recall_fscore_support

        known = range(len(class_names))
        precision, recall, *_ = precision_recall_fscore_support(
            self.labels, self.predicted, labels=known, zero_division=np.nan
        )
        return {
            name: {label: float(value) for label, value in zip(class_names, values, strict=True) if np.isfinite(value)}
            for name, values in (("test_precision", precision), ("test_recall", recall))
        }

    def mistakes(self, count: int) -> NDArray[np.int64]:
        """Return the rows of at most ``count`` wrong predictions, most confident first."""
        wrong = np.flatnonzero(self.predicted != self.labels)
        order = np.argsort(-self.probabilities[wrong].max(1), kind="stable")
        return wrong[order][:count]


_PROBABILITIES: dict[str, Callable[[Tensor], Tensor]] = {
    "logits": lambda values: values.softmax(1),
    "log_probabilities": Tensor.exp,
    "probabilities": lambda values: values,
}


def evaluate(
    network: nn.Module,
    split: Inputs,
    loss_of: Loss,
    output: str = "logits",
    guard: Guard = contextlib.nullcontext,
) -> Evaluation:
    """Evaluate a network in eval mode on a split, and restore its mode.

    Args:
        network: takes float32[N, C, H, W].
        split: images and labels.
        loss_of: the loss.
        output: what the network returns, as in ``lenetx_runtime.ModelSpec.output``.
        guard: returns the context manager in which the network's code runs.
    """
    was_training = network.training
    network.eval()
    probabilities, truth, loss = [], [], 0.0
    with torch.inference_mode():
        for inputs, labels in split.in_order(_BATCH):
            with guard():
                logits = network(inputs)
            loss += float(loss_of(logits, labels, reduction="sum"))
            probabilities.append(_PROBABILITIES[output](logits.float()).cpu().numpy())
            truth.append(labels.cpu().numpy())
    network.train(was_training)
    return Evaluation(np.concatenate(probabilities), np.concatenate(truth), loss / len(split))
