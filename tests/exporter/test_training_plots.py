"""The pictures of a run: all there, each a PNG of what it should show."""

import dataclasses

import numpy as np
import PIL.Image
import pytest
import torch

import lenetx
from lenetx.training import Augmentation, TrainConfig, plots
from lenetx.training.evaluation import Evaluation

NAMES = ("curves.png", "samples.png", "confusion.png", "mistakes.png")
CONFIG = TrainConfig(epochs=2, batch_size=100)


def pixels(path):
    with PIL.Image.open(path) as image:
        assert image.format == "PNG"
        assert not image.info.keys() & {"Software", "Author", "Source"}
        return np.asarray(image.convert("RGB")).astype(int)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plots") / "deep" / "er"
    return folder, lenetx.train(CONFIG, plots=folder)


def test_every_picture_is_there_and_none_is_empty(drawn):
    folder, _ = drawn
    assert sorted(path.name for path in folder.iterdir()) == sorted(NAMES)
    for name in NAMES:
        assert pixels(folder / name).std() > 10


def test_drawing_changes_nothing_of_the_weights(drawn):
    _, checkpoint = drawn
    assert lenetx.train(CONFIG).spec.weights_sha256 == checkpoint.spec.weights_sha256


@pytest.mark.slow
def test_samples_are_augmented_as_in_training(drawn, tmp_path):
    folder, _ = drawn
    lenetx.train(TrainConfig(epochs=1, batch_size=600, augmentation=Augmentation(rotate=90)), plots=tmp_path)
    plain, turned = pixels(folder / "samples.png"), pixels(tmp_path / "samples.png")
    assert plain.shape == turned.shape
    assert (plain != turned).mean() > 0.05


def test_the_confusion_matrix_is_red_where_answers_are_wrong(tmp_path):
    labels = np.array([0, 0, 1, 1])
    right = np.eye(2, dtype=np.float32)[labels]
    wrong = np.eye(2, dtype=np.float32)[[0, 1, 1, 1]]
    dark = []
    for name, probabilities in (("right", right), ("wrong", wrong)):
        path = tmp_path / f"{name}.png"
        plots.confusion(path, Evaluation(probabilities, labels, 0.0), ("a", "b"))
        image = pixels(path)
        dark.append(((image[..., 0] > 80) & (image[..., 1] < 30)).mean())  # of the colour bar, and of its top colour
    assert dark[0] < 0.05 < dark[0] + 0.05 < dark[1]


def test_many_classes_have_room(tmp_path):
    labels = np.arange(60)
    plots.confusion(tmp_path / "c.png", Evaluation(np.eye(60, dtype=np.float32), labels, 0.0), tuple(map(str, labels)))
    assert max(pixels(tmp_path / "c.png").shape) < 4000


def test_colour_images_are_drawn_in_their_colours(drawn, tmp_path):
    _, checkpoint = drawn
    size = {"channels": 3, "height": 8, "width": 8, "padding": 0, "framing": "stretch", "polarity": "as_is"}
    spec = dataclasses.replace(checkpoint.spec, **size, mean=(0.5, 0.4, 0.3), std=(0.5, 0.2, 0.1), selftest=None)
    red = torch.tensor([(1.0 - 0.5) / 0.5, -0.4 / 0.2, -0.3 / 0.1]).view(1, 3, 1, 1).expand(4, 3, 8, 8)
    plots.samples(tmp_path / "s.png", red, torch.zeros(4, dtype=torch.int64), spec)
    image = pixels(tmp_path / "s.png")
    assert ((image[..., 0] > 240) & (image[..., 1] < 20)).mean() > 0.05


def test_a_run_without_mistakes_has_a_picture_that_says_so(drawn, tmp_path):
    evaluation = Evaluation(np.eye(2, dtype=np.float32), np.arange(2), 0.0)
    plots.mistakes(tmp_path / "m.png", evaluation, None, drawn[1].spec)
    assert pixels(tmp_path / "m.png").min() < 100


def test_names_are_drawn_letter_by_letter_whatever_the_settings_of_the_current_folder_say(tmp_path):
    import matplotlib

    labels = np.array([0, 1])
    evaluation = Evaluation(np.eye(2, dtype=np.float32), labels, 0.0)
    plots.confusion(tmp_path / "default.png", evaluation, ("$\\frac{$", "$x_$"))
    with matplotlib.rc_context({"text.usetex": True, "figure.facecolor": "green"}):
        plots.confusion(tmp_path / "own.png", evaluation, ("$\\frac{$", "$x_$"))
    assert (tmp_path / "own.png").read_bytes() == (tmp_path / "default.png").read_bytes()
