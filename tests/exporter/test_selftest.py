"""A self-test on its way from the checkpoint through every kind of file."""

import dataclasses

import numpy as np
import pytest

import lenetx
from lenetx.bounds.selftest import with_self_test
from lenetx_runtime import ArtifactError, ModelSpec, SelfTest


def selftest_of(checkpoint, seed):
    """Eight images of noise with what is right for them."""
    frames = np.random.default_rng(seed).integers(0, 256, (8, *checkpoint.spec.frame_size), np.uint8)
    return with_self_test(checkpoint, frames).spec.selftest


def carrying(checkpoint, selftest):
    return dataclasses.replace(checkpoint, spec=dataclasses.replace(checkpoint.spec, selftest=selftest))


@pytest.fixture(scope="module")
def tested(checkpoint):
    """A trained lenet5 whose spec carries a self-test."""
    return carrying(checkpoint, selftest_of(checkpoint, 8))


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tested):
    """Its checkpoints and proven artifacts."""
    folder = tmp_path_factory.mktemp("tested")
    for name in ("lenet5.pt", "lenet5.safetensors"):
        lenetx.save(tested, folder / name)
    lenetx.export(folder / "lenet5.pt")
    return folder


@pytest.mark.parametrize("name", ["lenet5.pt", "lenet5.safetensors"])
def test_a_checkpoint_keeps_it(folder, tested, name):
    assert lenetx.load(folder / name).spec == tested.spec


@pytest.mark.parametrize("name", ["lenet5.onnx", "lenet5.torchscript", "lenet5.pt"])
def test_everything_that_computes_passes_it(folder, name):
    with lenetx.classifier(folder / name) as classifier:
        result = classifier.self_test()
    assert (result.passed, result.images) == (True, 8)
    assert 0 < result.worst < 1


def test_a_checkpoint_of_other_weights_does_not_pass_it(other_checkpoint, tested, tmp_path):
    lenetx.save(carrying(other_checkpoint, tested.spec.selftest), tmp_path / "other.pt")
    with lenetx.classifier(tmp_path / "other.pt") as classifier:
        assert not classifier.self_test().passed


@pytest.mark.parametrize("name", ["lenet5.onnx", "lenet5.torchscript"])
def test_an_artifact_with_another_self_test_than_its_checkpoint_is_not_proven(folder, checkpoint, name):
    report = lenetx.verify(folder / name, against=carrying(checkpoint, selftest_of(checkpoint, 9)))
    (failure,) = report.failures
    assert failure.name == "spec"
    assert "selftest is <SelfTest of 8 images, " in failure.detail
    assert len(failure.detail) < 200


def test_where_the_checkpoint_has_none_its_answers_are_computed_anew(folder, checkpoint):
    report = lenetx.verify(folder / "lenet5.onnx", against=carrying(checkpoint, None))
    assert report.passed
    assert next(check for check in report.checks if check.name == "self-test").status == "passed"


def test_weights_that_are_taken_out_of_an_artifact_leave_it_there(folder):
    taken = lenetx.load_weights(folder / "lenet5.torchscript")
    assert taken.spec.labels == tuple("0123456789")
    assert taken.spec.selftest is None


def test_it_does_not_outlive_a_statement_of_other_inputs(checkpoint, tmp_path):
    spec = checkpoint.spec
    neutral = {"padding": 0, "scale": 1 / 255, "mean": (0.0,), "std": (1.0,), "selftest": None}
    unknown = dataclasses.replace(
        checkpoint, spec=dataclasses.replace(spec, framing="unknown", polarity="as_is", **neutral)
    )
    lenetx.save(carrying(unknown, selftest_of(unknown, 8)), tmp_path / "unknown.pt")
    assert lenetx.load_weights(tmp_path / "unknown.pt").spec.selftest is not None
    stated = lenetx.load_weights(tmp_path / "unknown.pt", stated=lenetx.Statement(framing="mnist"))
    assert stated.spec.selftest is None


def test_inspection_tells_of_it_whole(folder, tested):
    from lenetx.publishing.inspection import inspect

    plain = inspect(folder / "lenet5.onnx").to_dict()["spec"]["selftest"]
    assert SelfTest.from_plain(plain) == tested.spec.selftest


def test_a_spec_refuses_it_for_another_network(tested):
    with pytest.raises(ArtifactError, match=r"selftest is <SelfTest of 8 images, .* not one of frames of this size"):
        dataclasses.replace(tested.spec, labels=("a", "b"))
    assert isinstance(tested.spec, ModelSpec)
