"""Define the losses of float32[B, K] logits and int64[B] labels; a new one is one line in ``_LOSSES``."""

from functools import partial
from typing import Protocol

from torch import Tensor, nn

from .config import TrainConfig

__all__ = ["Loss", "applied_twice", "evaluation_loss", "training_loss"]


class Loss(Protocol):
    """A loss with the ``reduction`` argument of torch's functional losses."""

    def __call__(self, logits: Tensor, labels: Tensor, /, *, reduction: str = "mean") -> Tensor:
        """Return a float32 scalar if ``reduction`` is ``mean`` or ``sum``, float32[B] if it is ``none``."""


def training_loss(config: TrainConfig) -> Loss:
    """Return the configured loss, with its label smoothing."""
    if config.label_smoothing:
        return partial(nn.functional.cross_entropy, label_smoothing=config.label_smoothing)
    return evaluation_loss(config)


def evaluation_loss(config: TrainConfig) -> Loss:
    """Return the configured loss without label smoothing, so that a confident correct prediction has a loss near 0."""
    return _LOSSES[config.loss]


def applied_twice(config: TrainConfig, title: str, output: str) -> str | None:
    """Return a note if the loss repeats the softmax or log-softmax that ends the network, else ``None``.

    Args:
        config: names the loss.
        title: name of the network.
        output: what the network returns, as in ``lenetx_runtime.ModelSpec.output``.
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
    """Return the negative log-likelihood; a log-softmax of log-probabilities does not change them."""
    return nn.functional.nll_loss(logits.log_softmax(1), labels, reduction=reduction)


def _mse(logits: Tensor, labels: Tensor, *, reduction: str = "mean") -> Tensor:
    """Return the squared error against one-hot labels, averaged over the classes."""
    one_hot = nn.functional.one_hot(labels, logits.shape[1]).to(logits.dtype)
    if reduction == "mean":
        return nn.functional.mse_loss(logits, one_hot)
    each = nn.functional.mse_loss(logits, one_hot, reduction="none").mean(1)
    return each if reduction == "none" else each.sum()


_LOSSES: dict[str, Loss] = {"cross-entropy": nn.functional.cross_entropy, "nll": _nll, "mse": _mse}
