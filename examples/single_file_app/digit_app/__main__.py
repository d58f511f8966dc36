"""Label pictures with the model that lies inside the app: ``python digits.pyz PICTURE…``."""

import sys
from collections.abc import Sequence
from importlib import resources, util

from lenetx_runtime import Classifier, InputError, LenetxError

PACKAGES = {"numpy": "numpy", "PIL": "pillow", "onnxruntime": "onnxruntime"}
"""What the app needs of the Python that runs it: by the name of the module, the name to install."""


def main() -> None:
    """Print a line for each picture, after the model has proven itself on this machine; 1 if one could not be used."""
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
    """Print the label of each picture, or the sentence that says why it has none, and count those."""
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
