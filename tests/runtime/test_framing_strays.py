"""What is part of a digit and what only lies beside it, drawn or photographed."""

import numpy as np
import pytest

from lenetx_runtime.preprocess.framing.mnist import frame

SIDE = 240
Y, X = np.mgrid[:SIDE, :SIDE]


def drawing(*boxes):
    """Return uint8[240, 240], black but for white boxes of (top, bottom, left, right)."""
    drawn = np.zeros((SIDE, SIDE), np.uint8)
    for top, bottom, left, right in boxes:
        drawn[top:bottom, left:right] = 255
    return drawn


def outline(top, bottom, left, right, thick=8):
    return (
        (top, top + thick, left, right),
        (bottom - thick, bottom, left, right),
        (top, bottom, left, left + thick),
        (top, bottom, right - thick, right),
    )


def photographed(ink, light=1.0, noise=2.0):
    """Return dark ink on light paper, with noise, so that it is not taken for a drawing."""
    levels = 220 * (1 - 0.7 * ink / 255) * light + np.random.default_rng(5).normal(0, noise, ink.shape)
    return np.clip(levels.round(), 0, 255).astype(np.uint8)


SEVEN = ((60, 75, 80, 150), (75, 180, 135, 150))
both_ways = pytest.mark.parametrize("given", [lambda ink: ink, photographed], ids=["drawn", "photographed"])


def assert_the_same_digit(one, other):
    """Tell whether what is bright in one frame is so in the other, but for a pixel's width."""
    moves = [np.roll(other, (down, right), axis=(0, 1)) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    assert max(np.corrcoef(one.ravel(), moved.ravel())[0, 1] for moved in moves) > 0.95


@both_ways
@pytest.mark.parametrize(
    "beside",
    [
        ((20, 24, 30, 34), (200, 204, 210, 214)),
        ((0, 5, 20, 90), (235, 240, 100, 180)),
        ((205, 209, 0, SIDE),),
        ((0, SIDE, 0, 30),),
        outline(15, 225, 15, 225),
        (*outline(15, 225, 15, 225), (20, 24, 200, 204), (0, 4, 0, SIDE)),
    ],
    ids=["specks", "dashes at the border", "a ruled line", "an edge", "a box", "all"],
)
def test_what_lies_beside_a_digit_is_left_out(given, beside):
    assert_the_same_digit(frame(given(drawing(*SEVEN, *beside))), frame(given(drawing(*SEVEN))))


@both_ways
def test_a_square_zero_with_a_dot_is_no_box_around_a_digit(given):
    framed = frame(given(drawing(*outline(60, 180, 80, 160, 12), (112, 126, 114, 126))))
    assert framed[13:15, 13:15].max() > 150
    assert (framed > 100).sum() > 60
    assert (framed[4:24, 8:20] < 50).sum() > 40


@both_ways
def test_a_stroke_from_border_to_border_is_the_digit_when_only_specks_lie_beside_it(given):
    framed = frame(given(drawing((0, SIDE, 110, 125), (40, 46, 30, 36))))
    assert (framed > 150).any(axis=1).sum() >= 19
    assert (framed > 150).any(axis=0).sum() <= 3


def test_a_pair_of_pieces_of_like_size_is_one_digit():
    framed = frame(drawing((60, 110, 80, 95), (60, 180, 130, 145)))
    columns = np.flatnonzero((framed > 100).any(axis=0))
    assert columns[-1] - columns[0] >= 9


def test_a_soft_dark_patch_on_the_paper_is_no_ink():
    patch = 1 - 0.4 * np.exp(-(((Y - 190) / 22) ** 2) - ((X - 50) / 22) ** 2)
    with_patch = frame(photographed(drawing(*SEVEN), patch))
    assert_the_same_digit(with_patch, frame(photographed(drawing(*SEVEN))))


def test_a_heavy_frame_does_not_make_faint_ink_look_light():
    rim = np.where((X < 6) | (Y < 6) | (X >= SIDE - 6) | (Y >= SIDE - 6), 0.2, 1.0)
    faint = photographed((drawing(*SEVEN) * 0.35).astype(np.uint8), rim)
    assert_the_same_digit(frame(faint), frame(photographed(drawing(*SEVEN))))
