"""Accuracy and loss of a network on a split."""

from dataclasses import dataclass

import torch
from torch import nn

from .losses import Loss
from .tensors import Inputs

__all__ = ["Evaluation", "evaluate"]

_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Accuracy, 0.0 to 1.0, and mean loss."""

    accuracy: float
    loss: float


def evaluate(network: nn.Module, split: Inputs, loss_of: Loss = nn.functional.cross_entropy) -> Evaluation:
    """Judge the network in eval mode, leaving its mode as it was."""
    was_training = network.training
    network.eval()
    right, loss = 0, 0.0
    with torch.inference_mode():
        for inputs, labels in split.in_order(_BATCH):
            logits = network(inputs)
            right += int((logits.argmax(1) == labels).sum())
            loss += float(loss_of(logits, labels, reduction="sum"))
    network.train(was_training)
    return Evaluation(right / len(split), loss / len(split))
