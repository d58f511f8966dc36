"""Losses against numpy in float64."""

import numpy as np
import pytest
import torch

from lenetx.training import TrainConfig
from lenetx.training.config import LOSSES
from lenetx.training.losses import evaluation_loss, training_loss

LOGITS = np.random.default_rng(5).normal(0, 3, (6, 10))
LABELS = np.array([0, 9, 3, 3, 7, 1])
ONE_HOT = np.eye(10)[LABELS]


def log_softmax(logits):
    shifted = logits - logits.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))


def smoothed(share):
    target = (1 - share) * ONE_HOT + share / 10
    return -(target * log_softmax(LOGITS)).sum(1)


EXPECTED = {
    "cross-entropy": smoothed(0),
    "nll": smoothed(0),
    "mse": ((LOGITS - ONE_HOT) ** 2).mean(1),
}


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("which", [training_loss, evaluation_loss])
def test_each_loss_is_what_its_name_says(name, which):
    loss = which(TrainConfig(loss=name))
    given = torch.tensor(LOGITS, dtype=torch.float32), torch.tensor(LABELS)
    assert float(loss(*given)) == pytest.approx(EXPECTED[name].mean(), rel=1e-5)
    assert float(loss(*given, reduction="sum")) == pytest.approx(EXPECTED[name].sum(), rel=1e-5)


def test_nll_takes_log_probabilities_as_they_are():
    loss = training_loss(TrainConfig(loss="nll"))
    given = torch.tensor(log_softmax(LOGITS), dtype=torch.float32), torch.tensor(LABELS)
    assert float(loss(*given)) == pytest.approx(EXPECTED["nll"].mean(), rel=1e-5)


def test_smoothing_is_for_training_and_not_for_judging():
    config = TrainConfig(label_smoothing=0.2)
    given = torch.tensor(LOGITS, dtype=torch.float32), torch.tensor(LABELS)
    assert float(training_loss(config)(*given)) == pytest.approx(smoothed(0.2).mean(), rel=1e-5)
    assert float(evaluation_loss(config)(*given)) == pytest.approx(smoothed(0).mean(), rel=1e-5)
