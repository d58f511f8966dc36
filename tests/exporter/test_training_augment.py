"""Augmentation: as far as was said and no further, each image by itself, and the same for the same seed."""

import math

import numpy as np
import pytest
import torch

from lenetx.errors import InputError
from lenetx.training import Augmentation
from lenetx.training.augment import Augmenter

COUNT, SIDE = 400, 32
CPU = torch.device("cpu")


def augmenter(height=SIDE, width=SIDE, seed=0, **how):
    return Augmenter(Augmentation(**how), height, width, CPU, torch.Generator().manual_seed(seed))


def grid(height=SIDE, width=SIDE):
    return np.mgrid[:height, :width] + 0.5


def blob(height=SIDE, width=SIDE, *, long=7.0, short=3.0):
    """A soft ellipse lying in the middle, float32[H, W]."""
    y, x = grid(height, width)
    value = np.exp(-(((x - width / 2) / long) ** 2 + ((y - height / 2) / short) ** 2))
    return torch.from_numpy(value.astype(np.float32))


def moments(images):
    """Mass, centre (y, x) and second moments (yy, xx, xy) of float32[N, H, W]."""
    images = images.double().numpy()
    y, x = grid(*images.shape[1:])
    mass = images.sum((1, 2))
    cy, cx = ((images * axis).sum((1, 2)) / mass for axis in (y, x))
    dy, dx = y - cy[:, None, None], x - cx[:, None, None]
    yy, xx, xy = ((images * part).sum((1, 2)) / mass for part in (dy * dy, dx * dx, dy * dx))
    return mass, cy, cx, yy, xx, xy


def changed(image, **how):
    """``image`` changed ``COUNT`` times, float32[N, H, W]."""
    batch = image.expand(COUNT, 1, *image.shape).contiguous()
    return augmenter(*image.shape, **how)(batch)[:, 0]


def test_nothing_is_changed_where_nothing_was_asked():
    image = torch.rand(SIDE, SIDE, generator=torch.Generator().manual_seed(3))
    np.testing.assert_allclose(changed(image), image.expand(COUNT, SIDE, SIDE), atol=1e-5)
    assert not Augmentation()
    assert Augmentation(shear=0.1)


@pytest.mark.parametrize("size", [(32, 32), (24, 40)])
def test_a_shift_is_of_pixels_in_both_directions_and_along_both_axes(size):
    _, y, x, yy, xx, _ = moments(changed(blob(*size, long=4), shift=3))
    for centre, length in zip((y, x), size, strict=True):
        moved = centre - length / 2
        assert np.abs(moved).max() <= 3.05
        assert moved.min() < -2.5
        assert moved.max() > 2.5
        assert abs(moved.mean()) < 0.3
    _, _, _, still_yy, still_xx, _ = moments(blob(*size, long=4)[None])
    np.testing.assert_allclose(yy, still_yy[0], rtol=0.1)
    np.testing.assert_allclose(xx, still_xx[0], rtol=0.1)


@pytest.mark.parametrize("size", [(32, 32), (24, 40)])
def test_a_rotation_is_of_degrees_about_the_middle_and_keeps_the_shape(size):
    mass, y, x, yy, xx, xy = moments(changed(blob(*size), rotate=30))
    angles = np.degrees(0.5 * np.arctan2(2 * xy, xx - yy))
    assert np.abs(angles).max() <= 30.5
    assert angles.min() < -27
    assert angles.max() > 27
    np.testing.assert_allclose(y, size[0] / 2, atol=0.05)
    np.testing.assert_allclose(x, size[1] / 2, atol=0.05)
    np.testing.assert_allclose(mass, mass.mean(), rtol=0.01)
    np.testing.assert_allclose(yy + xx, (yy + xx).mean(), rtol=0.03)


def test_a_scale_is_a_share_along_each_axis_by_itself():
    image = blob(long=4, short=4)
    _, _, _, yy, xx, _ = moments(changed(image, scale=0.25))
    _, _, _, (still_yy,), (still_xx,), _ = moments(image[None])
    high, wide = np.sqrt(yy / still_yy), np.sqrt(xx / still_xx)
    for factor in (high, wide):
        assert factor.min() == pytest.approx(1 / 1.25, abs=0.03)
        assert factor.max() == pytest.approx(1.25, abs=0.03)
    assert abs(np.corrcoef(high, wide)[0, 1]) < 0.2


def test_a_shear_shifts_rows_against_each_other():
    image = blob(long=3, short=5)
    _, y, _, yy, _, xy = moments(changed(image, shear=0.5))
    slopes = xy / yy
    assert slopes.min() == pytest.approx(-0.5, abs=0.05)
    assert slopes.max() == pytest.approx(0.5, abs=0.05)
    _, _, _, (still_yy,), _, _ = moments(image[None])
    np.testing.assert_allclose(yy, still_yy, rtol=0.05)
    assert np.abs(y - SIDE / 2).max() < 0.05


@pytest.mark.parametrize("size", [(32, 32), (24, 40)])
def test_an_elastic_displacement_is_of_pixels_and_smooth(size):
    """Ramps tell where each pixel came from."""
    y, x = (torch.from_numpy(axis.astype(np.float32)) for axis in grid(*size))
    one = augmenter(*size, elastic=1.5)
    ramps = one(torch.stack([y, x]).expand(COUNT, 2, *size).contiguous())
    moved = (ramps - torch.stack([y, x]))[:, :, 6:-6, 6:-6]
    assert 0.7 < float(moved.std()) < 1.5
    assert abs(float(moved.mean())) < 0.1
    steps = moved.diff(dim=-1).abs().mean() / moved.abs().mean()
    assert float(steps) < 0.25


def test_what_comes_in_from_outside_repeats_the_border():
    image = torch.full((SIDE, SIDE), -0.4242)
    found = changed(image, shift=9, rotate=45, scale=0.3, shear=0.3, elastic=3)
    np.testing.assert_allclose(found, -0.4242, rtol=1e-5)


def test_every_channel_of_an_image_is_changed_alike_and_every_image_by_itself():
    batch = blob().expand(8, 3, SIDE, SIDE).contiguous()
    found = augmenter(shift=2, rotate=20, elastic=1)(batch)
    assert torch.equal(found[:, 0], found[:, 1])
    assert torch.equal(found[:, 0], found[:, 2])
    assert len({image.numpy().tobytes() for image in found}) == 8


def test_the_seed_decides():
    batch = blob().expand(8, 1, SIDE, SIDE).contiguous()
    how = {"shift": 2, "rotate": 20, "elastic": 1}
    first, again, other = (augmenter(seed=seed, **how)(batch) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("name", "value"),
    [("shift", -1), ("rotate", 181), ("scale", math.nan), ("shear", math.inf), ("elastic", -0.1), ("scale", 10)],
)
def test_a_value_that_makes_no_sense_is_refused(name, value):
    with pytest.raises(InputError, match=f"The augmentation's {name} is {value}; it must be 0 to"):
        Augmentation(**{name: value})
