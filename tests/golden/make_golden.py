"""Draw the golden pictures and write what the runtime makes of them.

Run ``python tests/golden/make_golden.py [FOLDER]`` after a change of preprocessing that is meant, look at the new
frames, and say in the commit why they changed. Every digit is drawn here, with lines; none comes from a data set.
"""

import sys
from pathlib import Path

import numpy as np
import PIL.Image
import PIL.ImageDraw

from lenetx_runtime import ModelSpec
from lenetx_runtime.preprocess import decode, frame, normalise

SPEC = ModelSpec(
    architecture="golden",
    channels=1,
    height=32,
    width=32,
    padding=2,
    scale=1 / 255,
    mean=(0.1307,),
    std=(0.3081,),
    labels=tuple("0123456789"),
    weights_sha256="0" * 64,
    producer="tests/golden/make_golden.py",
)

# Strokes of every digit as corners (x, y) in a box of 6×8.
STROKES = {
    0: [[(2, 0), (4, 0), (6, 2), (6, 6), (4, 8), (2, 8), (0, 6), (0, 2), (2, 0)]],
    1: [[(1, 2), (3, 0), (3, 8)], [(1, 8), (5, 8)]],
    2: [[(0, 2), (2, 0), (4, 0), (6, 2), (0, 8), (6, 8)]],
    3: [[(0, 0), (6, 0), (3, 3), (6, 5), (6, 7), (4, 8), (0, 7)]],
    4: [[(4, 8), (4, 0), (0, 5), (6, 5)]],
    5: [[(6, 0), (0, 0), (0, 3), (4, 3), (6, 5), (4, 8), (0, 8)]],
    6: [[(5, 0), (1, 3), (0, 6), (2, 8), (5, 7), (5, 5), (1, 5)]],
    7: [[(0, 0), (6, 0), (2, 8)], [(2, 4), (5, 4)]],
    8: [[(3, 4), (1, 2), (3, 0), (5, 2), (3, 4), (0, 6), (3, 8), (6, 6), (3, 4)]],
    9: [[(6, 3), (2, 4), (0, 2), (3, 0), (6, 1), (5, 8)]],
}


def draw(digit, size, corner, unit, width):
    """Return an L image of ``size`` with the digit in white on black, its box at ``corner``, ``unit`` pixels a step."""
    image = PIL.Image.new("L", size)
    pen = PIL.ImageDraw.Draw(image)
    for stroke in STROKES[digit]:
        pen.line([(corner[0] + unit * x, corner[1] + unit * y) for x, y in stroke], fill=255, width=width)
    return image


def painted(mask, ink, paper):
    """Return an image in the mode of the colours: ``ink`` where the mask is white, ``paper`` elsewhere."""
    mode = {2: "LA", 3: "RGB", 4: "RGBA"}[len(ink)]
    image = PIL.Image.new(mode, mask.size, paper)
    image.paste(ink, (0, 0), mask)
    return image


def pictures():
    """Return every (file name, image, options of save): each mode and format, polarity, size and place once."""
    lossless = {"lossless": True, "exact": True}
    ready = draw(0, (28, 28), (8, 6), 2, 3)
    small = draw(1, (12, 12), (3, 2), 1, 1).point(lambda level: 255 - level)
    wide = draw(4, (90, 40), (60, 5), 4, 5)
    deep = PIL.Image.fromarray(np.asarray(wide).astype(np.uint16) * 180 + 9_000)
    pale = painted(draw(6, (64, 80), (10, 9), 7, 9), (250, 240, 90), (20, 60, 110)).quantize(8)
    clear = draw(8, (50, 70), (8, 8), 5, 7).quantize(2)
    return [
        ("zero_ready.png", ready, {}),
        ("one_dark_on_light.png", small, {}),
        ("two_colour.png", painted(draw(2, (60, 50), (9, 6), 4, 6), (200, 30, 40), (240, 235, 220)), {}),
        ("three_transparent.png", painted(draw(3, (56, 56), (10, 8), 5, 6), (10, 20, 90, 200), (0, 0, 0, 0)), {}),
        ("four_16_bit.png", deep, {}),
        ("five_one_bit.png", draw(5, (28, 45), (5, 10), 3, 3).convert("1"), {}),
        ("six_palette.png", pale, {}),
        ("seven_grey_alpha.png", painted(draw(7, (40, 44), (6, 6), 4, 5), (255, 230), (90, 30)), {}),
        ("eight_palette_transparent.gif", clear, {"transparency": clear.getpixel((0, 0))}),
        ("nine.webp", painted(draw(9, (70, 60), (20, 4), 6, 8), (250, 250, 250), (70, 20, 60)), lossless),
        ("nine_transparent.webp", painted(draw(9, (48, 64), (9, 8), 5, 4), (255, 210, 0, 255), (0, 0, 0, 0)), lossless),
        ("two.bmp", painted(draw(2, (33, 90), (4, 20), 4, 5), (30, 30, 30), (180, 200, 170)), {}),
    ]


def main(folder):
    """Write the pictures, the spec and the expected arrays into a folder."""
    files = {name: (image, options) for name, image, options in sorted(pictures(), key=lambda picture: picture[0])}
    for name, (image, options) in files.items():
        image.save(folder / name, **options)
    frames = np.stack([frame(decode(folder / name), SPEC) for name in files])
    inputs = normalise(frames, SPEC)
    np.savez_compressed(folder / "expected.npz", names=list(files), frames=frames, inputs=inputs)
    (folder / "spec.json").write_text(SPEC.to_json(), encoding="ascii")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
