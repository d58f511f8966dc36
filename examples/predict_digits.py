"""Predict test digits that the model never saw and print them beside their true labels.

    python examples/predict_digits.py [MODEL]

Predicting needs only ``lenetx_runtime``; the digits come from lenetx's data sets.
"""

import sys
from pathlib import Path

try:
    import numpy as np

    from lenetx import data
    from lenetx_runtime import Classifier, LenetxError
except ModuleNotFoundError as error:
    sys.exit(f"{error.name} is not installed here. In the clone: pip install -c constraints.txt ./runtime '.[cpu]'")

MODEL = "artifacts/lenet5.onnx"
SHOWN = 8
SHADES = " .:-=+*#%@"


def draw(image: np.ndarray) -> list[str]:
    """Return a grey image as lines of text, two characters per pixel to keep its aspect ratio."""
    levels = image.astype(np.int64) * (len(SHADES) - 1) // 255
    return ["".join(SHADES[level] * 2 for level in row) for row in levels]


def main() -> None:
    """Show eight digits and print the accuracy on the test split; exit with a message if the model is unusable."""
    if len(sys.argv) < 2 and not Path(MODEL).exists():
        sys.exit(f"There is no {MODEL} here: run lenetx train, then lenetx export, or name another model.")
    try:
        test = data.load("digits").test
        images = np.stack([test.levels(row, channels=1) for row in range(len(test))])
        with Classifier(sys.argv[1] if len(sys.argv) > 1 else MODEL) as classifier:
            predictions = classifier.predict_batch(images)
    except LenetxError as error:
        sys.exit(str(error))
    for lines in zip(*(draw(image) for image in images[:SHOWN]), strict=True):
        print(" ".join(lines))
    for title, labels in (("predicted", [p.label for p in predictions]), ("true", test.labels.tolist())):
        print(" ".join(f"{title} {label}".center(16) for label in labels[:SHOWN]))
    right = sum(p.index == label for p, label in zip(predictions, test.labels, strict=True))
    print(f"{right} of {len(test)} test digits are right.")


if __name__ == "__main__":
    main()
