"""A table of pixels: a row per image, its label and its grey levels."""

import numpy as np
import pytest

from lenetx import data
from lenetx.errors import DataError

LABELS = ("cat", "dog")


@pytest.fixture
def table(tmp_path):
    def write(content):
        (tmp_path / "mnist.csv").write_text(content)
        return str(tmp_path / "mnist.csv")

    return write


def pixels(number, side=8):
    return np.random.default_rng(number).integers(0, 256, side * side)


def pixel_rows(line, count=20):
    return "".join(",".join(map(str, line(number))) + "\n" for number in range(count))


HEADING = ",".join(f"pixel{number}" for number in range(64)) + "\n"


@pytest.mark.parametrize(
    "content",
    [
        "label," + HEADING + pixel_rows(lambda number: (number % 3, *pixels(number))),
        pixel_rows(lambda number: (number % 3, *pixels(number))),
        pixel_rows(lambda number: (number % 3, *pixels(number))).replace(",", ";"),
        ",label," + HEADING + pixel_rows(lambda number: (number, number % 3, *pixels(number))),
        HEADING.strip() + ",class\n" + pixel_rows(lambda number: (*pixels(number), number % 3)),
        '"label",' + HEADING + pixel_rows(lambda number: (f'"{number % 3}"', *pixels(number))),
        "Unnamed: 0,label," + HEADING + pixel_rows(lambda number: (99999 - number, number % 3, *pixels(number))),
        pixel_rows(lambda number: (number + 40000, number % 3, *pixels(number))),
        pixel_rows(lambda number: (f"{number % 3}.0", *pixels(number).astype(float))),
        pixel_rows(lambda number: (number % 3, *pixels(number) / 255)),
        pixel_rows(lambda number: (number % 3, *(pixels(number) / 255).astype(np.float32))),
        pixel_rows(lambda number: (number % 3, *pixels(number))).replace(",", " "),
        pixel_rows(lambda number: (number % 3, *pixels(number))).replace(",", "  ").replace("\n", " \n"),
        pixel_rows(lambda number: (*pixels(number), number % 3)),
        "label," + HEADING.strip() + ",\n" + pixel_rows(lambda number: (number % 3, *pixels(number), "")),
    ],
)
def test_a_table_of_pixels_is_a_set_of_images(table, content):
    dataset = data.load(table(content))
    assert dataset.class_names == ("0", "1", "2")
    images = np.concatenate([part.images for part in (dataset.train, dataset.validation, dataset.test)])
    labels = np.concatenate([part.labels for part in (dataset.train, dataset.validation, dataset.test)])
    found = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    assert found == {pixels(number).astype(np.uint8).tobytes(): number % 3 for number in range(20)}
    assert images.shape == (20, 8, 8)


def test_a_table_of_pixels_may_name_its_classes(table):
    for content in (
        "label," + HEADING + pixel_rows(lambda number: (LABELS[number % 2], *pixels(number))),
        pixel_rows(lambda number: (number, *(pixels(number) / 255), LABELS[number % 2])),
    ):
        dataset = data.load(table(content), classes=2)
        assert dataset.class_names == LABELS
        found = {
            (image.tobytes(), LABELS[label])
            for image, label in zip(dataset.train.images, dataset.train.labels, strict=True)
        }
        assert found <= {(pixels(number).astype(np.uint8).tobytes(), LABELS[number % 2]) for number in range(20)}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (lambda number: (*pixels(number), 1, 2, 3), "has 67 numbers in a row: write a label and the pixels"),
        (lambda number: (number % 2, *(pixels(number) + 1000)), "from 10.. to 12.., no exact grey levels"),
        (lambda number: (number * 200, *pixels(number)), "is not the number of a class"),
        (lambda number: (number % 2, *([99999] * 64)), "from 99999 to 99999, no exact grey levels"),
        (lambda number: (number % 2, *(pixels(number) / 127.5 - 1)), "from -.* to .*, no exact grey levels"),
        (lambda number: (number % 2, *pixels(number)[:-1], "nan"), "from nan to nan, no exact grey levels"),
        (lambda number: (number % 2 + 0.5, *pixels(number)), "the label 0.5, which is not a whole number"),
    ],
)
def test_a_table_of_other_numbers_is_refused(table, line, words):
    with pytest.raises(DataError, match=words):
        data.load(table(pixel_rows(line)))
