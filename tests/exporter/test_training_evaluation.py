"""Precision, recall, confusion and mistakes, on answers that can be counted by hand."""

import numpy as np
import pytest
import torch

from lenetx.frames.device_split import DeviceSplit
from lenetx.training.evaluation import Evaluation, evaluate

NAMES = ("cat", "dog", "cow")
LABELS = np.array([0, 0, 0, 1, 1, 0])
FOUND = np.array([0, 0, 1, 1, 0, 1])
CERTAINTY = np.array([0.9, 0.8, 0.7, 0.6, 0.95, 0.5])


@pytest.fixture
def evaluation():
    probabilities = np.repeat(((1 - CERTAINTY) / 2)[:, None], 3, axis=1).astype(np.float32)
    probabilities[range(6), FOUND] = CERTAINTY
    return Evaluation(probabilities, LABELS, 0.5)


def test_accuracy_is_the_share_of_right_labels(evaluation):
    assert evaluation.accuracy == 0.5


def test_rows_of_the_confusion_matrix_are_labels(evaluation):
    np.testing.assert_array_equal(evaluation.confusion(), [[2, 2, 0], [1, 1, 0], [0, 0, 0]])


def test_precision_and_recall_are_by_class_and_left_out_where_there_is_none(evaluation):
    found = evaluation.per_class(NAMES)
    assert found["test_precision"] == pytest.approx({"cat": 2 / 3, "dog": 1 / 3})
    assert found["test_recall"] == pytest.approx({"cat": 1 / 2, "dog": 1 / 2})


@pytest.mark.parametrize(("count", "rows"), [(10, [4, 2, 5]), (2, [4, 2]), (0, [])])
def test_mistakes_come_most_certain_first(evaluation, count, rows):
    assert evaluation.mistakes(count).tolist() == rows


def test_a_network_is_asked_in_eval_mode_in_batches_of_any_number():
    images = torch.arange(2500, dtype=torch.uint8).remainder(3).view(-1, 1, 1, 1)
    labels = images.flatten().long()
    split = DeviceSplit(images, labels, torch.arange(256, dtype=torch.float32)[None])

    class Network(torch.nn.Module):
        def forward(self, inputs):
            assert not self.training
            return 50.0 * torch.nn.functional.one_hot(inputs.flatten().long(), 3).float()

    network = Network().train()
    found = evaluate(network, split, torch.nn.functional.cross_entropy)
    assert found.accuracy == 1.0
    assert found.loss == pytest.approx(0, abs=1e-6)
    assert found.probabilities.shape == (2500, 3)
    assert network.training
