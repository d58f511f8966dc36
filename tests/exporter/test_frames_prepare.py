"""What becomes of a data set before the training: unusable rows, notices, statistics."""

import dataclasses

import numpy as np
import PIL.Image
import pytest
import torch

import lenetx
from lenetx import DataOptions, TrainConfig, data
from lenetx.errors import DataError, InputError
from lenetx.frames.prepare import prepare
from lenetx_runtime.preprocess import normalise

CPU = torch.device("cpu")
QUICK = TrainConfig(data="./pets", epochs=2)
COUNT = 30


@pytest.fixture(autouse=True)
def pets(tmp_path, monkeypatch):
    """A folder of pictures of two classes, of many sizes, dark and light, in the current folder."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(4)
    for number, name in enumerate(("cat", "dog")):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for index in range(COUNT):
            levels = random.integers(0, 100, (10 + index % 7, 12, 3)) + 120 * number
            picture = PIL.Image.fromarray(levels.astype(np.uint8))
            (picture if index % 2 else picture.convert("L")).save(tmp_path / f"pets/{name}/{index}.png")
    return tmp_path / "pets"


@pytest.fixture
def notices():
    return []


def spoil(pets, count=1):
    names = [f"cat/bad{number}.png" for number in range(count)]
    for name in names:
        (pets / name).write_bytes(b"no picture")
    return names


def test_pictures_in_files_can_be_learnt(notices):
    checkpoint = lenetx.train(TrainConfig(data="./pets", epochs=5), on_notice=notices.append)
    assert checkpoint.metrics["test_accuracy"] == 1.0
    assert checkpoint.metrics["test_images"] == 6
    assert checkpoint.spec.labels == ("cat", "dog")
    assert (checkpoint.spec.framing, checkpoint.config["data"]) == ("stretch", "pets/")
    assert "skipped_rows" not in checkpoint.metrics
    held_out, colour = notices
    assert "6 for validation and 6 for test are held out, 10% of each class" in held_out
    assert colour == "The pictures have colours, and the network's input is grey: --channels 3 keeps them."
    notices.clear()
    lenetx.train(dataclasses.replace(QUICK, channels=3), on_notice=notices.append)
    assert len(notices) == 1


def test_the_tensors_are_those_that_the_runtime_makes_of_the_files(checkpoint):
    dataset = data.load("./pets")
    told = {"framing": "stretch", "polarity": "as_is", "padding": 0, "labels": ("cat", "dog"), "selftest": None}
    spec = dataclasses.replace(checkpoint.spec, **told)
    ready = prepare(dataset, spec, CPU, DataOptions(), lambda _: None)
    seen = torch.cat([inputs for inputs, _ in ready.test.in_order(4)]).numpy()
    classifier_input = normalise(dataset.test.framed(ready.spec).images, ready.spec)
    assert np.array_equal(seen, classifier_input)
    levels = dataset.train.framed(ready.spec).images / 255
    assert ready.spec.mean == (round(float(levels.mean()), 4),)
    assert ready.spec.std == (round(float(levels.std()), 4),)


@pytest.mark.parametrize("framing", ["stretch", "letterbox", "mnist"])
def test_the_framing_may_be_chosen(framing):
    spec = lenetx.train(TrainConfig(data="./pets", epochs=1, framing=framing)).spec
    assert spec.framing == framing
    assert spec.padding == (2 if framing == "mnist" else 0)


def test_rows_that_cannot_be_used_stop_the_training(pets):
    (name,) = spoil(pets)
    with pytest.raises(DataError) as caught:
        lenetx.train(QUICK)
    assert str(caught.value).startswith(
        f"1 row of 'pets/' cannot be used; mend them or skip them with --skip-bad: {name}: The image 'pets/{name}'"
    )


def test_at_most_twenty_are_named_with_the_count_of_the_rest(pets):
    spoil(pets, 23)
    with pytest.raises(DataError) as caught:
        lenetx.train(QUICK)
    assert str(caught.value).count("is not a readable") == 20
    assert str(caught.value).endswith("; and 3 more.")
    assert str(caught.value).startswith("23 rows of 'pets/' cannot be used")


def test_rows_that_are_skipped_are_told_and_counted(pets, notices):
    spoil(pets, 2)
    (pets / "dog/twin.png").symlink_to("0.png")
    checkpoint = lenetx.train(QUICK, data_options=DataOptions(skip_bad=True), on_notice=notices.append)
    assert checkpoint.metrics["skipped_rows"] == 3
    assert [record["skipped_rows"] for record in checkpoint.history] == [3, 3]
    (told,) = [sentence for sentence in notices if "continues without" in sentence]
    assert told.startswith("3 rows of 'pets/' cannot be used; training continues without them: dog/twin.png: ")


def test_skipping_nothing_is_recorded_as_nothing():
    assert lenetx.train(QUICK, data_options=DataOptions(skip_bad=True)).metrics["skipped_rows"] == 0


def test_a_blank_picture_cannot_be_framed_as_a_digit(pets):
    PIL.Image.new("L", (9, 9), 77).save(pets / "cat/blank.png")
    lenetx.train(QUICK)
    with pytest.raises(DataError, match=r"1 row .* cat/blank\.png: The image is blank"):
        lenetx.train(TrainConfig(data="./pets", framing="mnist"))


def test_a_blank_image_in_an_array_is_named_by_its_number(tmp_path):
    images = np.random.default_rng(1).integers(0, 256, (40, 9, 9), np.uint8)
    images[:] = np.where(np.arange(40)[:, None, None] == 7, 5, images)
    np.savez(
        tmp_path / "set.npz", x_train=images, y_train=np.arange(40) % 2, x_test=images[8:], y_test=np.arange(32) % 2
    )
    with pytest.raises(DataError, match=r"1 row of 'set.npz' .*: image \d+: The image is blank"):
        lenetx.train(TrainConfig(data="set.npz", framing="mnist"))


def test_a_part_that_has_no_usable_image_is_refused(pets):
    pets.rename(pets.parent / "train")
    (pets.parent / "set").mkdir()
    (pets.parent / "train").rename(pets.parent / "set/train")
    for name in ("cat", "dog"):
        (pets.parent / "set/test" / name).mkdir(parents=True)
        (pets.parent / "set/test" / name / "0.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="No image of the test part of 'set/' can be used"):
        lenetx.train(TrainConfig(data="./set"), data_options=DataOptions(skip_bad=True))


def test_a_batch_larger_than_what_is_left_is_refused(pets):
    files = data.load("./pets").train.files
    assert len(files) == 48
    (pets / files[5]).write_bytes(b"no picture")
    with pytest.raises(InputError, match="The batch size is 48, but there are 47 training images"):
        lenetx.train(TrainConfig(data="./pets", batch_size=48), data_options=DataOptions(skip_bad=True))


def test_the_default_batch_is_no_larger_than_what_is_left(pets):
    for file in data.load("./pets").train.files[20:]:
        (pets / file).write_bytes(b"no picture")
    config = lenetx.train(QUICK, data_options=DataOptions(skip_bad=True)).config
    assert config["batch_size"] == 20


def test_a_class_without_an_image_in_a_part_is_told(pets, notices):
    (pets / "owl").mkdir()
    for number in range(2):
        PIL.Image.new("L", (8, 8), 100 + number).save(pets / f"owl/{number}.png")
    (pets / "emu").mkdir()
    lenetx.train(QUICK, on_notice=notices.append)
    assert notices[2:] == [
        "The training part has no image of emu.",
        "The validation part has no image of emu, owl.",
        "The test part has no image of emu, owl.",
    ]


def test_test_images_that_were_trained_on_are_told(tmp_path, notices):
    images = np.random.default_rng(1).integers(0, 256, (60, 9, 9), np.uint8)
    images[45:50] = images[:5]
    parts = {"x_train": images[:30], "x_val": images[30:45], "x_test": images[45:]}
    labels = {f"y_{name[2:]}": np.arange(len(part)) % 2 for name, part in parts.items()}
    np.savez(tmp_path / "set.npz", **parts, **labels)
    lenetx.train(TrainConfig(data="set.npz", epochs=1), on_notice=notices.append)
    assert notices == [
        "5 of 15 test images are training images too, so the test flatters: image 0 (as image 0), "
        "image 1 (as image 1), image 2 (as image 2), …."
    ]


def test_the_same_picture_in_another_file_format_is_the_same_picture(pets, notices):
    source = pets.parent / "set"
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            (source / part / name).mkdir(parents=True)
    for name in ("cat", "dog"):
        for path in sorted((pets / name).iterdir()):
            path.rename(source / ("test" if int(path.stem) > 20 else "train") / name / path.name)
    PIL.Image.open(source / "train/cat/4.png").save(source / "test/cat/again.bmp")
    lenetx.train(TrainConfig(data="./set", epochs=1), on_notice=notices.append)
    assert any("1 of 19 test images are training images too" in sentence for sentence in notices)
    assert any("test/cat/again.bmp (as train/cat/4.png)" in sentence for sentence in notices)


def test_the_built_in_digits_need_no_notice(notices):
    lenetx.train(TrainConfig(epochs=1, batch_size=400), on_notice=notices.append)
    assert notices == []


def test_the_framing_of_digits_is_refused_where_it_cannot_fit(tmp_path, monkeypatch):
    from lenetx import models

    (tmp_path / "network_of_this_test.py").write_text(
        "from torch import nn\nclass Net(nn.Sequential):\n    input_shape = (1, 20, 20)\n"
        "    def __init__(self, classes):\n        super().__init__(nn.Flatten(), nn.Linear(400, classes))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(models.NETWORKS, "small", "network_of_this_test:Net")
    assert lenetx.train(TrainConfig(data="./pets", architecture="small", epochs=1)).spec.framing == "stretch"
    with pytest.raises(
        InputError, match=r"The framing mnist gives 28×28 .* 1×20×20 of small: choose --framing stretch"
    ):
        lenetx.train(TrainConfig(data="./pets", architecture="small", framing="mnist"))
