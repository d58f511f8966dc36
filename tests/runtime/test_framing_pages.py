"""Digits on ruled, squared and framed paper, with thumbs and dark corners, tightly cropped, and of few levels."""

import importlib.util
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from lenetx_runtime import Classifier

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))  # for _photos
_spec = importlib.util.spec_from_file_location("pages", ROOT / "benchmarks" / "_pages.py")
pages = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(pages)


@pytest.fixture(scope="module")
def reference():
    with Classifier(ROOT / "artifacts" / "reference" / "lenet5.onnx") as classifier:
        yield classifier


@pytest.fixture(scope="module")
def digits(reference):
    """Eight images of MNIST, which the reference model carries, and what they are."""
    images = reference.spec.selftest.frames(reference.spec)
    return [(image, answer.label) for image, answer in zip(images, reference.predict_batch(images), strict=True)]


def share_read(reference, digits, make, times=2):
    random = np.random.default_rng(2026)
    read = [reference.predict(make(image, random)).label == label for image, label in digits * times]
    return np.mean(read)


@pytest.mark.parametrize("page", pages.PAGES)
def test_a_digit_is_read_on_every_kind_of_page(reference, digits, page):
    assert share_read(reference, digits, pages.PAGES[page]) >= 15 / 16


@pytest.mark.parametrize("kind", pages.TINY)
def test_a_picture_as_small_as_a_frame_is_read_whatever_its_levels(reference, digits, kind):
    assert share_read(reference, digits, pages.TINY[kind], times=1) == 1


@pytest.mark.parametrize("margin", [1, 4, 15])
@pytest.mark.parametrize("noise", [0, 3])
def test_a_tightly_cropped_digit_is_no_page(reference, digits, margin, noise):
    def crop(image, random):
        rows, columns = (np.flatnonzero((image > 60).any(axis=axis)) for axis in (1, 0))
        box = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        large = PIL.Image.fromarray(box).resize((8 * box.shape[1], 8 * box.shape[0]), PIL.Image.Resampling.BICUBIC)
        ink = np.pad(np.asarray(large), margin) / 255
        return np.clip(230 - 200 * ink + random.normal(0, noise, ink.shape), 0, 255).astype(np.uint8)

    assert share_read(reference, digits, crop, times=1) >= 7 / 8


@pytest.mark.parametrize("shape", [(28, 4000), (4000, 28), (29, 900), (300, 300)])
@pytest.mark.parametrize("sheet", [np.s_[6:-6, 6:-6], np.s_[6:-6, 10:-10], np.s_[10:-10, 6:-6]])
def test_a_sheet_that_is_nearly_all_edge_is_framed(reference, shape, sheet):
    picture = np.full(shape, 20, np.uint8)
    picture[sheet] = 230
    picture[12:15, shape[1] // 2 - 5 : shape[1] // 2 + 5] = 20
    assert reference.frame(picture).shape == (28, 28)


@pytest.mark.parametrize("level", [0, 60, 150])
def test_a_sheet_of_paper_on_a_table_is_read(reference, digits, level):
    def sheet(image, random):
        large = PIL.Image.fromarray(255 - image).resize((240, 240), PIL.Image.Resampling.BICUBIC)
        turned = PIL.Image.new("L", (420, 360), 255)
        turned.paste(large, (90, 60))
        turned = turned.rotate(
            random.uniform(-5, 5), expand=True, fillcolor=level, resample=PIL.Image.Resampling.BICUBIC
        )
        return np.pad(np.asarray(turned), random.integers(5, 30), constant_values=level)

    assert share_read(reference, digits, sheet, times=1) >= 7 / 8
