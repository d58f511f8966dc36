"""Pictures of as many pixels as are taken, in every shape: run as a program, it frames one and says what that took."""

import contextlib
import json
import sys
import time

import numpy as np
from peak import peak_bytes

PIXELS = 25_000_000
HEIGHTS = (1, 2, 27, 28, 500, 5000, 50_000, 892_857, PIXELS)
CONTENTS = ("noise", "ramp", "dots", "checks", "photo", "digit", "lines")
FRAMINGS = {"mnist": (1, 28), "stretch": (3, 224), "letterbox": (3, 224)}
"""Each with its channels and the side of its frame."""


def picture(content, height):
    """Return uint8[height, PIXELS // height]."""
    random = np.random.default_rng(7)
    shape = height, PIXELS // height
    if content == "noise":
        return random.integers(0, 256, shape, np.uint8)
    levels = np.zeros(shape, np.uint8)
    rows, columns = shape
    if content == "ramp":
        levels[:] = np.linspace(0, 255, columns).astype(np.uint8)
    elif content == "dots":
        levels.reshape(-1)[random.integers(0, levels.size, levels.size // 1000)] = 255
    elif content == "checks":
        levels[::2, ::2] = levels[1::2, 1::2] = 255
    elif content == "lines":
        levels[:, ::40] = 200
        levels[::40] = 200
    else:
        levels[rows // 4 : -(-rows * 3 // 4), columns // 2 : -(-columns * 5 // 8)] = 255
        levels[rows // 4 : -(-rows // 3), columns // 4 : -(-columns * 5 // 8)] = 255
        if content == "photo":
            levels = 200 - levels // 2
            levels += random.integers(0, 24, shape, np.uint8)
    return levels


def main(content, height, framing):
    """Frame one picture and print what came of it as JSON."""
    from lenetx_runtime import InputError, ModelSpec
    from lenetx_runtime.preprocess import decode, frame

    channels, side = FRAMINGS[framing]
    numbers = {"mean": (0.0,) * channels, "std": (1.0,) * channels, "scale": 1 / 255, "padding": 0}
    polarity = "light_on_dark" if framing == "mnist" else "as_is"
    spec = ModelSpec(
        "net", channels, side, side, **numbers, labels=("a", "b"), weights_sha256="0" * 64, producer="tests",
        framing=framing, polarity=polarity,
    )  # fmt: skip
    given = picture(content, height)
    with contextlib.suppress(InputError):  # what is imported is not the picture's fault
        frame(decode(picture("digit", 50)[:, :50], channels), spec)
    start = time.process_time()
    try:
        outcome = list(frame(decode(given, channels), spec).shape)
    except InputError as error:
        outcome = str(error)
    seconds = time.process_time() - start
    sys.stdout.write(json.dumps({"outcome": outcome, "seconds": seconds, "bytes": peak_bytes()}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
