"""A split on the device has the very bits that the runtime feeds to a model."""

import dataclasses

import numpy as np
import pytest
import torch

from lenetx import data
from lenetx.frames.device_split import to_device
from lenetx.training.evaluation import evaluate
from lenetx_runtime.preprocess import normalise

CPU = torch.device("cpu")


@pytest.fixture(params=["digits", "mnist"])
def split(request):
    if request.param == "mnist":
        request.getfixturevalue("mnist_root")
    return data.load(request.param).test


@pytest.mark.parametrize("name", ["lenet5", "lenet5-3x3"])
def test_batches_are_bit_equal_to_the_preprocessing_of_the_runtime(split, checkpoints, name):
    spec = checkpoints[name].spec
    split = split.framed(spec)
    expected = normalise(split.images, spec)
    rows = torch.randperm(len(split), generator=torch.Generator().manual_seed(3))
    inputs, labels = to_device(split, spec, CPU).batch(rows)
    assert inputs.dtype == torch.float32
    assert inputs.shape == (len(split), *spec.input_shape)
    assert np.array_equal(inputs.numpy().view(np.uint32), expected[rows.numpy()].view(np.uint32))
    assert np.array_equal(labels.numpy(), split.labels[rows.numpy()])


def test_in_order_gives_every_image_once(checkpoint):
    split = data.load("digits").validation.framed(checkpoint.spec)
    parts = list(to_device(split, checkpoint.spec, CPU).in_order(50))
    assert [len(labels) for _, labels in parts] == [50, 50, 50, 30]
    inputs = torch.cat([part for part, _ in parts]).numpy()
    assert np.array_equal(inputs, normalise(split.images, checkpoint.spec))
    assert np.array_equal(torch.cat([labels for _, labels in parts]).numpy(), split.labels)


@pytest.mark.parametrize("training", [True, False])
def test_evaluation_judges_in_eval_mode_and_leaves_the_mode_as_it_was(checkpoint, training):
    """Dropout of everything would make every logit equal if the network were judged in training mode."""
    split = data.load("digits").test.framed(checkpoint.spec)
    network = torch.nn.Sequential(checkpoint.module(), torch.nn.Dropout(1.0)).train(training)
    judged = evaluate(network, to_device(split, checkpoint.spec, CPU), torch.nn.functional.cross_entropy)
    assert judged.accuracy == checkpoint.metrics["test_accuracy"]
    assert judged.loss == pytest.approx(checkpoint.metrics["test_loss"], rel=1e-5)
    assert network.training is training


@pytest.mark.parametrize("mean", [0.1307, 0.2860, 0.5])
@pytest.mark.parametrize("std", [0.3081, 0.2470, 1.0])
def test_multiplying_and_looking_up_give_the_same_bits(checkpoint, mean, std):
    from lenetx.frames.device_split import to_inputs

    spec = dataclasses.replace(checkpoint.spec, mean=(mean,), std=(std,))
    split = to_device(data.load("digits").test.framed(spec), spec, CPU)
    (inputs, _), *_ = split.in_order(len(split))
    assert torch.equal(inputs.view(torch.int32), to_inputs(split.images, split.tables).view(torch.int32))


def test_tables_that_are_no_line_are_looked_up(checkpoint, monkeypatch):
    crooked = np.linspace(-1, 1, 256, dtype=np.float32)[None] ** 3
    monkeypatch.setattr("lenetx.frames.device_split.lookup_table", lambda _: crooked)
    split = to_device(data.load("digits").test.framed(checkpoint.spec), checkpoint.spec, CPU)
    assert split.line is None
    (inputs, _), *_ = split.in_order(len(split))
    assert np.array_equal(inputs.numpy(), crooked[0][split.images.numpy()])
