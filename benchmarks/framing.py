"""Measure framing's accuracy and time on MNIST's test images: enlarged, inverted, moved, badly lit, on ruled pages.

LENETX_DATA=FOLDER python benchmarks/framing.py [canvas] [light] [pages]
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import PIL.Image
from _measure import heading, table, verdict
from _pages import PAGES, TINY
from _photos import LIGHTS, Levels, canvas, chalk, mnist_test, photo, spoilt

from lenetx_runtime import Classifier, InputError
from lenetx_runtime.preprocess import decode, frame

MODEL = Path(__file__).parents[1] / "artifacts" / "reference" / "lenet5.onnx"
TARGET, TARGET_MS = 0.3, 15.0
PHOTOS, BLANKS = 1_000, 100
DRAWN, OF_PLAIN = 500, 0.95

Make = Callable[[Levels, np.random.Generator], np.ndarray]
HOW = PIL.Image.Resampling


def main() -> None:
    parts = sys.argv[1:] or ["canvas", "light", "pages"]
    images, labels = mnist_test()
    heading("Framing")
    with Classifier(MODEL) as classifier:
        bench = Bench(classifier, images, labels)
        if "canvas" in parts:
            bench.canvases()
        if "light" in parts:
            bench.lights(len(images) // PHOTOS)
        if "pages" in parts:
            bench.pages(len(images) // DRAWN)


class Bench:
    """The reference model and the test images."""

    def __init__(self, classifier: Classifier, images: Levels, labels: Levels) -> None:
        self.classifier, self.images, self.labels = classifier, images, labels

    def canvases(self) -> None:
        raw = self.right(self.images)
        rows = [self.row("raw", lambda image, _: image, raw)]
        for name in ("NEAREST", "BICUBIC"):
            how = HOW[name]
            rows += [
                self.row(f"×8 ({name.lower()}), alone", lambda image, _, how=how: enlarged(image, how), raw),
                self.row(
                    f"**×8 ({name.lower()}), moved on 640×480, inverted**",
                    lambda image, random, how=how: 255 - canvas(image, random, how),
                    raw,
                ),
            ]
        rows += [
            self.row("the same with noise of 25 levels, cut off at white", noisy, raw),
            self.row("×8 (bicubic), cropped to its ink", cropped, raw, target=None),
            self.row("inverted, alone", lambda image, _: 255 - image, raw),
            self.row("moved by up to 4 pixels, alone", moved, raw),
            self.row("moved on 84×84, alone", scattered, raw),
            self.row("the canvas resized to 28×28, then framed", shrunk, raw, target=None),
            self.row(
                "the canvas resized to 28×28, inverted, not framed",
                lambda image, random: 255 - shrunk(image, random),
                raw,
                target=None,
            ),
        ]
        table(["", "accuracy, %", "points lost", "target", "", "framing, ms: median"], rows)
        print(f"All {len(self.images):,} test images; raw ones pass through unchanged.\n")

    def lights(self, every: int) -> None:
        some = Bench(self.classifier, self.images[::every], self.labels[::every])
        raw = some.right(some.images)
        kinds: dict[str, Make] = {
            name: lambda image, random, light=light: photo(canvas(image, random), light, random)
            for name, light in LIGHTS.items()
        }
        worst = list(LIGHTS.values())[-1]
        kinds |= {
            "all that, noise of 12 levels": lambda i, r: photo(canvas(i, r), worst, r, noise=12),
            "all that, faint ink": lambda i, r: photo(canvas(i, r), worst, r, absorbs=0.4),
            "all that, overexposed": lambda i, r: photo(canvas(i, r), worst, r, gain=1.6),
            "all that, specks and a frame line": lambda i, r: photo(spoilt(canvas(i, r), r), worst, r),
            "all that, chalk on a board": lambda i, r: chalk(canvas(i, r), worst, r),
        }
        rows = [
            [*some.row(name, make, raw, TARGET if name in LIGHTS else None), refused(LIGHTS.get(name))]
            for name, make in kinds.items()
        ]
        table(["photo", "accuracy, %", "points lost", "target", "", "framing, ms: median", "blank refused"], rows)
        print(
            f"{len(some.images):,} test images, every {every}th, of which {raw} are right raw; ×8 (bicubic), dark ink."
        )

    def pages(self, every: int) -> None:
        some = Bench(self.classifier, self.images[::every], self.labels[::every])
        raw, rows = some.right(some.images), []
        for name, make in (PAGES | TINY).items():
            row = some.row(name, make, raw, target=None)
            share = float(row[1]) / 100 * len(some.images) / raw
            rows.append([name, row[1], f"{share:.1%}", f"≥ {OF_PLAIN:.0%}", verdict(share >= OF_PLAIN), row[-1]])
        table(["page, or levels of 28×28 pixels", "accuracy, %", "of plain", "target", "", "framing, ms: median"], rows)
        print(f"{len(some.images):,} test images, every {every}th, of which {raw} are right raw.")

    def right(self, frames: Levels) -> int:
        answers = self.classifier.predict_batch(frames)
        return sum(answer.index == label for answer, label in zip(answers, self.labels, strict=True))

    def row(self, name: str, make: Make, raw: int, target: float | None = TARGET) -> list[str]:
        """Return the table row for one kind of image; a rejected image counts as wrong."""
        random = np.random.default_rng(1998)
        frames, seconds = np.zeros((len(self.images), 28, 28), np.uint8), []
        refused = np.zeros(len(self.images), np.bool_)
        for index, image in enumerate(self.images):
            picture = make(image, random)
            began = time.perf_counter()
            try:
                frames[index] = frame(decode(picture), self.classifier.spec)
            except InputError:
                refused[index] = True
                frames[index] = image
            seconds.append(time.perf_counter() - began)
        answers = np.array([answer.index for answer in self.classifier.predict_batch(frames)])
        right = int(((answers == self.labels) & ~refused).sum())
        lost, ms = 100 * (raw - right) / len(self.images), 1_000 * median(seconds)
        judged = (
            [f"≤ {target}, ≤ {TARGET_MS:.0f} ms", verdict(lost <= target and ms <= TARGET_MS)] if target else ["", ""]
        )
        return [name, f"{100 * right / len(self.images):.2f}", f"{lost:+.2f}", *judged, f"{ms:.2f}"]


def enlarged(image: Levels, how: int) -> Levels:
    return np.asarray(PIL.Image.fromarray(image).resize((224, 224), how))


def noisy(image: Levels, random: np.random.Generator) -> Levels:
    levels = 255 - canvas(image, random) + random.normal(0, 25, (480, 640))
    return np.clip(levels, 0, 255).astype(np.uint8)


def cropped(image: Levels, _: np.random.Generator) -> Levels:
    """Return the enlarged digit with strokes that reach the picture's border."""
    inked = np.argwhere(image >= 64)
    (top, left), (bottom, right) = inked.min(axis=0), inked.max(axis=0) + 1
    picture = PIL.Image.fromarray(image[top:bottom, left:right])
    return np.asarray(picture.resize((8 * picture.width, 8 * picture.height), HOW.BICUBIC))


def moved(image: Levels, random: np.random.Generator) -> Levels:
    """Return the image on 36×36 pixels, moved by up to 4 pixels from the centre."""
    top, left = random.integers(0, 9, 2)
    return np.pad(image, ((top, 8 - top), (left, 8 - left)))


def scattered(image: Levels, random: np.random.Generator) -> Levels:
    top, left = random.integers(0, 57, 2)
    return np.pad(image, ((top, 56 - top), (left, 56 - left)))


def shrunk(image: Levels, random: np.random.Generator) -> Levels:
    """Return the canvas resized without framing: the digit is small and at any position."""
    return np.asarray(PIL.Image.fromarray(255 - canvas(image, random)).resize((28, 28), HOW.BILINEAR))


def refused(light: Callable[[np.random.Generator], np.ndarray] | None) -> str:
    """Return 'rejected / tried' for blank paper in this light."""
    if light is None:
        return ""
    from lenetx_runtime.preprocess.framing import mnist

    random, count = np.random.default_rng(1998), 0
    for _ in range(BLANKS):
        try:
            mnist.frame(photo(np.zeros((480, 640), np.uint8), light, random))
        except InputError:
            count += 1
    return f"{count} / {BLANKS}"


if __name__ == "__main__":
    main()
