"""A picture of as many pixels as are taken has its frame, or its refusal, in 2 s of processor time and 1 GiB."""

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from lenetx_runtime.preprocess.framing.resize import resize

SCRIPT = Path(__file__).with_name("shapes.py")
LONGEST = 25_000_000
WORST = [("noise", 1, "mnist"), ("photo", LONGEST, "mnist"), ("dots", 892_857, "mnist"), ("noise", 1, "stretch")]
CONTENTS = ("noise", "ramp", "dots", "checks", "photo", "digit", "lines")
EVERY = [(content, height, "mnist") for content in CONTENTS for height in (1, 2, 27, 28, 5000, 892_857, LONGEST)]
EVERY += [("noise", height, "letterbox") for height in (1, 2, 5000, 892_857, LONGEST)]


@pytest.mark.parametrize(
    ("content", "height", "framing"),
    [*WORST, *(pytest.param(*case, marks=pytest.mark.slow) for case in EVERY if case not in WORST)],
)
def test_every_shape_of_the_largest_picture_is_framed_in_time(watched, content, height, framing):
    done = watched(SCRIPT, content, height, framing)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["seconds"] < 2
    assert told["bytes"] < 2**30
    side = {"mnist": [28, 28], "letterbox": [224, 224, 3], "stretch": [224, 224, 3]}[framing]
    assert told["outcome"] == side or "blank" in told["outcome"]
    if content == "digit":
        assert told["outcome"] == side


@pytest.mark.parametrize("shape", [(5119, 40), (40, 5119), (28, 28), (300, 5000)])
def test_a_picture_that_shrinks_to_its_256th_part_at_most_is_resized_as_pillow_does_it(shape):
    levels = np.random.default_rng(3).integers(0, 256, shape, np.uint8)
    expected = PIL.Image.fromarray(levels).resize((20, 20), PIL.Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(resize(levels, 20, 20), np.asarray(expected))


@pytest.mark.parametrize("length", [6000, 100_000, 1_000_003])
def test_a_longer_one_keeps_its_brightness_and_its_places(length):
    levels = np.zeros((1, length), np.uint8)
    levels[:, length // 4 : length // 2] = 200
    found = resize(levels, 1, 20).astype(int)
    expected = np.asarray(PIL.Image.fromarray(levels).resize((20, 1), PIL.Image.Resampling.LANCZOS)).astype(int)
    assert np.abs(found - expected).max() <= 1
