"""The self-test that a checkpoint gets: of real images where it was trained, the same every time, and right."""

import dataclasses

import numpy as np
import pytest
import torch

import lenetx
from lenetx.bounds.selftest import GOLDEN, with_self_test
from lenetx.weights.plain_tensors import weights_sha256
from lenetx_runtime import Classifier
from lenetx_runtime.preprocess import normalise


def test_training_chooses_an_image_of_eight_classes_of_the_test_part(checkpoint):
    frames = checkpoint.spec.selftest.frames(checkpoint.spec)
    test = lenetx.reference(checkpoint).frames
    labels = [int(np.flatnonzero((test == frame).all(axis=(1, 2)))[0]) for frame in frames]
    truth = lenetx.reference(checkpoint).truth[labels]
    assert len(frames) == GOLDEN
    assert len(set(truth.tolist())) == GOLDEN


def test_its_logits_are_those_of_the_network_in_float64(checkpoint):
    selftest = checkpoint.spec.selftest
    inputs = normalise(selftest.frames(checkpoint.spec), checkpoint.spec)
    with torch.no_grad():
        right = checkpoint.module().double()(torch.from_numpy(inputs).double()).numpy()
    np.testing.assert_allclose(np.array(selftest.logits), right, rtol=1e-8)
    assert (np.array(selftest.limits) > 0).all()


def test_weights_without_images_get_the_same_seeded_ones_every_time(checkpoint):
    bare = dataclasses.replace(checkpoint, spec=dataclasses.replace(checkpoint.spec, selftest=None))
    first, second = with_self_test(bare), with_self_test(bare)
    assert first.spec.selftest == second.spec.selftest
    assert first.spec.selftest != checkpoint.spec.selftest


def test_an_artifact_proves_itself_where_it_runs(workspace):
    with Classifier(workspace / "lenet5.onnx") as classifier:
        result = classifier.self_test()
    assert result.passed
    assert result.images == GOLDEN
    assert 0 < result.worst < 0.2


def test_weights_that_were_given_none_get_one_when_they_are_exported(checkpoint, tmp_path):
    spec = dataclasses.replace(checkpoint.spec, selftest=None)
    lenetx.export(dataclasses.replace(checkpoint, spec=spec), ["onnx"], folder=tmp_path, stem="net")
    with Classifier(tmp_path / "net.onnx") as classifier:
        assert classifier.self_test().passed


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_of_weights_that_are_no_numbers_nothing_is_promised(checkpoint, value):
    weights = {name: tensor.clone() for name, tensor in checkpoint.state_dict.items()}
    weights["fc3.bias"][0] = value
    spec = dataclasses.replace(checkpoint.spec, weights_sha256=weights_sha256(weights), selftest=None)
    broken = dataclasses.replace(checkpoint, state_dict=weights, spec=spec)
    assert with_self_test(broken).spec.selftest is None
