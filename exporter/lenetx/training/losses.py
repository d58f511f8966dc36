"""The losses of float32[B, K] logits and int64[B] labels: a line each."""

from functools import partial
from typing import Protocol

from torch import Tensor, nn

from .config import TrainConfig

__all__ = ["Loss", "applied_twice", "evaluation_loss", "training_loss"]


class Loss(Protocol):
    """Gives the mean over the images, or their sum, or each."""

    def __call__(self, logits: Tensor, labels: Tensor, /, *, reduction: str = "mean") -> Tensor:
        """Return a float32 scalar where ``reduction`` is ``mean`` or ``sum``, float32[B] where it is ``none``."""


def training_loss(config: TrainConfig) -> Loss:
    """Return the loss that a configuration names, smoothed as it says."""
    if config.label_smoothing:
        return partial(nn.functional.cross_entropy, label_smoothing=config.label_smoothing)
    return evaluation_loss(config)


def evaluation_loss(config: TrainConfig) -> Loss:
    """Return the loss that a configuration names, without smoothing: of a right answer it is small."""
    return _LOSSES[config.loss]


def applied_twice(config: TrainConfig, title: str, output: str) -> str | None:
    """Return a note about a network whose last operator the loss applies again, or ``None``.

    Args:
        config: which loss.
        title: the network's name.
        output: what it returns, as ``lenetx_runtime.ModelSpec.output`` has it.
    """
    if config.loss == "mse" or output == "logits" or (config.loss, output) == ("nll", "log_probabilities"):
        return None
    if output == "log_probabilities":
        return (
            f"{title} returns log-probabilities, and {config.loss} applies a log-softmax to them again: use --loss nll."
        )
    return (
        f"{title} returns probabilities, and {config.loss} applies a softmax to them again, which slows learning down: "
        "return the logits instead, as lenetx makes probabilities of them itself, or train with --loss mse."
    )


def _nll(logits: Tensor, labels: Tensor, *, reduction: str = "mean") -> Tensor:
    """Of log-probabilities; to those of a network that ends in a log-softmax another one changes nothing."""
    return nn.functional.nll_loss(logits.log_softmax(1), labels, reduction=reduction)


def _mse(logits: Tensor, labels: Tensor, *, reduction: str = "mean") -> Tensor:
    """Against 1 for the right class and 0 for the others, averaged over the classes."""
    one_hot = nn.functional.one_hot(labels, logits.shape[1]).to(logits.dtype)
    if reduction == "mean":
        return nn.functional.mse_loss(logits, one_hot)
    each = nn.functional.mse_loss(logits, one_hot, reduction="none").mean(1)
    return each if reduction == "none" else each.sum()


_LOSSES: dict[str, Loss] = {"cross-entropy": nn.functional.cross_entropy, "nll": _nll, "mse": _mse}
