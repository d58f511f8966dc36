"""Label pictures with the model that lies inside the app: ``python digits.pyz PICTURE…``."""

import sys
from importlib import resources

from lenetx_runtime import Classifier, LenetxError


def main() -> None:
    """Print a line for each picture, after the model has proven itself on this machine."""
    model = resources.files("digit_app").joinpath("model.onnx").read_bytes()
    try:
        with Classifier(model) as classifier:
            if not classifier.self_test().passed:
                sys.exit("The model fails its self-test on this machine.")
            for picture in sys.argv[1:]:
                answer = classifier.predict(picture)
                print(f"{picture}: {answer.label} ({answer.probability:.1%})")
    except LenetxError as error:
        sys.exit(str(error))
    except ModuleNotFoundError as error:
        sys.exit(f"{error.name} is not installed here: pip install numpy pillow onnxruntime")


if __name__ == "__main__":
    main()
