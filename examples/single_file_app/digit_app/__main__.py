"""Label pictures with the model inside the app: ``python digits.pyz PICTURE…``."""

import sys
from collections.abc import Sequence
from importlib import resources, util

from lenetx_runtime import Classifier, InputError, LenetxError

PACKAGES = {"numpy": "numpy", "PIL": "pillow", "onnxruntime": "onnxruntime"}
"""Packages that the app needs in the Python that runs it: the name to install, by module name."""


def main() -> None:
    """Run the self-test, print a line for each picture, and exit with 1 if one could not be used, else 0."""
    if len(sys.argv) < 2:
        print("Usage: python digits.pyz PICTURE…", file=sys.stderr)
        sys.exit(2)
    if missing := [name for module, name in PACKAGES.items() if not util.find_spec(module)]:
        sys.exit(f"Not installed in this Python: {', '.join(missing)}. Do it with: pip install {' '.join(missing)}")
    model = resources.files("digit_app").joinpath("model.onnx").read_bytes()
    try:
        with Classifier(model) as classifier:
            if not classifier.self_test().passed:
                sys.exit("The model fails its self-test on this machine.")
            failures = label_all(classifier, sys.argv[1:])
    except LenetxError as error:
        sys.exit(str(error))
    sys.exit(1 if failures else 0)


def label_all(classifier: Classifier, pictures: Sequence[str]) -> int:
    """Print the label of each picture, or why it has none, and return the number of pictures without a label."""
    failures = 0
    for picture in pictures:
        try:
            answer = classifier.predict(picture)
        except InputError as error:
            failures += 1
            print(error, file=sys.stderr)
        else:
            print(f"{picture}: {answer.label} ({answer.probability:.1%})")
    return failures


if __name__ == "__main__":
    main()
