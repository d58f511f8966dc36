"""Networks that are not for grey digits: trained, exported, proven and run on framed pictures of any size."""

import dataclasses
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

import lenetx
from lenetx import TrainConfig, models
from lenetx.data import Dataset, Split
from lenetx.eager import TorchBackend
from lenetx.errors import InputError
from lenetx.frames.device_split import to_device
from lenetx.proof import inputs
from lenetx_runtime import Classifier, ModelSpec
from lenetx_runtime.preprocess import decode, frame, lookup_table, normalise

CPU = torch.device("cpu")
COLOURS = ("red", "green", "blue")
NETWORK = """
from torch import nn


class {name}(nn.Sequential):
    input_shape = ({channels}, 12, 20)

    def __init__(self, classes=10):
        super().__init__(
            nn.Conv2d({channels}, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8 * 5 * 9, classes)
        )
"""


def pictures(random, labels, shape):
    """One noisy uint8[H, W, 3] picture per label, brightest in the channel of that number."""
    images = random.integers(0, 90, (len(labels), *shape, 3))
    images[np.arange(len(labels)), :, :, labels] += 120
    return images.astype(np.uint8)


def split(count, seed, shape):
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, count)
    return Split(pictures(random, labels, shape), labels.astype(np.int64))


def dataset(framing, shape):
    parts = (split(count, seed, shape) for seed, count in enumerate((192, 48, 60)))
    return Dataset("patches", *parts, COLOURS, epochs=2, batch_size=16, framing=framing)


@pytest.fixture
def networks(tmp_path, monkeypatch):
    """The networks ``colour`` (3×12×20) and ``grey`` (1×12×20), which fit pictures and no digits."""
    text = "".join(NETWORK.format(name=name, channels=count) for name, count in (("Colour", 3), ("Grey", 1)))
    (tmp_path / "networks_of_this_test.py").write_text(text, encoding="ascii")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("Colour", "Grey"):
        monkeypatch.setitem(models.NETWORKS, name.lower(), f"networks_of_this_test:{name}")


@pytest.fixture
def trained(networks, monkeypatch):  # noqa: ARG001
    """The function that trains a network on coloured patches: ``trained(architecture, framing, shape)``."""

    def run(architecture, framing, shape=(9, 21)):
        monkeypatch.setattr("lenetx.data.load", lambda *_, **__: dataset(framing, shape))
        return lenetx.train(TrainConfig(architecture=architecture, learning_rate=0.01))

    return run


@pytest.mark.parametrize(
    ("architecture", "framing", "shape"),
    [("colour", "stretch", (9, 21)), ("colour", "letterbox", (9, 21)), ("grey", "letterbox", (30, 11))],
)
def test_training_sees_the_bits_that_the_runtime_gives_a_model(trained, architecture, framing, shape):
    spec = trained(architecture, framing, shape).spec
    assert (spec.framing, spec.polarity, spec.padding) == (framing, "as_is", 0)
    assert spec.input_shape == models.input_shape(architecture)
    source = dataset(framing, shape).test
    rows = torch.randperm(len(source), generator=torch.Generator().manual_seed(3))
    on_device = to_device(source.framed(spec), spec, CPU)
    batch, _ = on_device.batch(rows)
    assert batch.dtype == torch.float32
    assert batch.shape == (60, *spec.input_shape)
    for values, row in zip(batch.numpy(), rows.tolist(), strict=True):
        seen = normalise(frame(decode(source.images[row], spec.channels), spec)[None], spec)[0]
        assert values.tobytes() == seen.tobytes()
    in_order = torch.cat([part for part, _ in on_device.in_order(25)])
    assert torch.equal(in_order[rows], batch)


def test_mean_and_deviation_are_those_of_each_channel_of_the_frames(trained):
    spec = trained("colour", "stretch").spec
    frames = dataset("stretch", (9, 21)).train.framed(spec).images / 255
    np.testing.assert_allclose(spec.mean, frames.mean(axis=(0, 1, 2)), atol=6e-5)
    np.testing.assert_allclose(spec.std, frames.std(axis=(0, 1, 2)), atol=6e-5)
    assert len(set(spec.mean)) == 3


def test_a_channel_that_never_changes_is_only_centred(networks, monkeypatch):  # noqa: ARG001
    patches = dataset("stretch", (12, 20))
    patches.train.images[..., 2] = 51
    monkeypatch.setattr("lenetx.data.load", lambda *_, **__: patches)
    spec = lenetx.train(TrainConfig(architecture="colour", epochs=1)).spec
    assert (spec.mean[2], spec.std[2]) == (0.2, 1.0)


@pytest.mark.parametrize("framing", ["stretch", "letterbox"])
@pytest.mark.parametrize("name", ["onnx", "torchscript"])
def test_a_colour_network_is_exported_proven_and_labels_pictures(trained, tmp_path, framing, name):
    checkpoint = trained("colour", framing)
    assert checkpoint.metrics["test_accuracy"] > 0.95
    lenetx.save(checkpoint, tmp_path / "colour.pt")
    (report,) = lenetx.export(tmp_path / "colour.pt", [name])
    assert report.passed
    assert {check.name for check in report.checks if check.status == "passed"} >= {"real inputs", "labels"}
    path = tmp_path / f"colour.{name}"
    assert lenetx.verify(path, against=tmp_path / "colour.pt").passed
    classifier = lenetx.classifier(path)
    test = dataset(framing, (70, 44)).test
    answers = classifier.predict_batch(list(test.images))
    assert np.mean([answer.index for answer in answers] == test.labels) > 0.95
    PIL.Image.fromarray(test.images[0]).save(tmp_path / "picture.png")
    assert classifier.predict(tmp_path / "picture.png") == classifier.predict(test.images[0])


def test_the_published_file_runs_in_the_runtime_alone(trained, tmp_path):
    checkpoint = trained("colour", "letterbox")
    lenetx.export(checkpoint, ["onnx"], folder=tmp_path, stem="net")
    classifier = Classifier(tmp_path / "net.onnx")
    assert dataclasses.replace(classifier.spec, content_sha256=None) == checkpoint.spec
    values = normalise(dataset("letterbox", (9, 21)).test.framed(checkpoint.spec).images, checkpoint.spec)
    with torch.inference_mode():
        eager = checkpoint.module()(torch.from_numpy(values)).numpy()
    np.testing.assert_allclose(classifier.logits(values), eager, atol=1e-4)


@pytest.mark.parametrize(
    "change",
    [
        {"mean": (0.1, 0.2, 0.3)},
        {"framing": "stretch"},
        {"height": 14, "width": 22, "padding": 1},
    ],
    ids=["mean", "framing", "padding"],
)
def test_another_preprocessing_than_the_checkpoints_fails_the_proof(trained, change):
    from lenetx.formats.artifact import Artifact, OpenedArtifact
    from lenetx.proof import Reference
    from lenetx.proof.case import Case
    from lenetx.proof.embedded_spec import embedded_spec

    checkpoint = trained("colour", "letterbox")
    other = dataclasses.replace(checkpoint.spec, selftest=None, **change)
    reference = Reference(checkpoint, None)
    artifact = Artifact("onnx", "float32", Path("net.onnx"), "", 0, other)
    opened = OpenedArtifact(artifact, TorchBackend(checkpoint.module(), "cpu"), ())
    spec, preprocessing, _ = embedded_spec(Case(opened, reference))
    assert spec.status == "failed"
    assert all(name in spec.detail for name in change)
    assert preprocessing.status == ("passed" if "framing" in change else "failed")


def test_digits_are_brought_to_the_colours_of_the_network(networks):  # noqa: ARG001
    from lenetx import data

    digits = data.load("digits").test
    spec = spec_of("colour", "stretch")
    framed = digits.framed(spec).images
    assert framed.shape == (360, 12, 20, 3)
    assert (framed == framed[..., :1]).all()
    np.testing.assert_array_equal(framed[7], frame(decode(digits.images[7], 3), spec))


def test_a_network_says_which_channels_it_takes(networks):  # noqa: ARG001
    assert models.input_shape("colour") == (3, 12, 20)
    with pytest.raises(InputError, match=r"colour takes inputs of 3×12×20 \(.*\), not 1×12×20\."):
        models.build("colour", (1, 12, 20), 3)


def spec_of(architecture, framing):
    channels, height, width = models.input_shape(architecture)
    return ModelSpec(
        architecture=architecture,
        channels=channels,
        height=height,
        width=width,
        padding=0,
        scale=1 / 255,
        mean=(0.48, 0.45, 0.4)[:channels],
        std=(0.23, 0.22, 0.26)[:channels],
        labels=COLOURS,
        weights_sha256="0" * 64,
        producer="lenetx test",
        framing=framing,
        polarity="as_is",
    )


@pytest.mark.parametrize("architecture", ["colour", "grey"])
def test_the_made_up_inputs_of_a_proof_have_every_channel(networks, architecture):  # noqa: ARG001
    spec = spec_of(architecture, "stretch")
    tables = lookup_table(spec)
    made = {name: make(spec, 257) for name, (make, _) in inputs.GROUPS.items()}
    assert {values.dtype for values in made.values()} == {np.dtype(np.float32)}
    assert {values.shape[1:] for values in made.values()} == {spec.input_shape}
    assert made["random inputs"].shape == (257, *spec.input_shape)
    constant, saturated = made["constant images"], made["saturated images"]
    assert constant.shape == (18, *spec.input_shape)
    assert saturated.shape == (257, *spec.input_shape)
    for channel, table in enumerate(tables):
        levels = np.broadcast_to(table[::15, None, None], (18, spec.height, spec.width))
        np.testing.assert_array_equal(constant[:, channel], levels)
        assert set(np.unique(saturated[:, channel])) == {table[0], table[255]}
        share = (saturated[:, channel] == table[255]).mean(axis=(1, 2))
        assert share[:20].mean() < 0.1
        assert share[-20:].mean() > 0.9
    if spec.channels == 3:
        white = saturated == tables[:, 255, None, None]
        assert (white[:, 0] != white[:, 1]).any()
