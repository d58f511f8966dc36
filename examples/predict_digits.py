"""Predict test digits that the model never saw and print them beside their true labels.

    python examples/predict_digits.py [MODEL]

The predicting needs ``lenetx_runtime`` alone; the digits to show come from lenetx's data sets.
"""

import sys

import numpy as np

from lenetx import data
from lenetx_runtime import Classifier

SHOWN = 8
SHADES = " .:-=+*#%@"


def draw(image: np.ndarray) -> list[str]:
    """Give the lines of a grey picture in characters, two a pixel wide, so that it keeps its shape."""
    levels = image.astype(np.int64) * (len(SHADES) - 1) // 255
    return ["".join(SHADES[level] * 2 for level in row) for row in levels]


def main() -> None:
    """Show eight digits, then count the whole test split."""
    test = data.load("digits").test
    with Classifier(sys.argv[1] if len(sys.argv) > 1 else "artifacts/lenet5.onnx") as classifier:
        predictions = classifier.predict_batch(test.images)
    for lines in zip(*(draw(image) for image in test.images[:SHOWN]), strict=True):
        print(" ".join(lines))
    for title, labels in (("predicted", [p.label for p in predictions]), ("true", test.labels.tolist())):
        print(" ".join(f"{title} {label}".center(16) for label in labels[:SHOWN]))
    right = sum(p.index == label for p, label in zip(predictions, test.labels, strict=True))
    print(f"{right} of {len(test)} test digits are right.")


if __name__ == "__main__":
    main()
