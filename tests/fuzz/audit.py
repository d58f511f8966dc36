"""Open one file as a model or an image and tell what Python opened, ran or loaded meanwhile: ``audit.py KIND FILE``."""

import json
import os
import site
import sys
import sysconfig

import numpy as np
from corpus import images, models

EVENTS = {"open", "pickle.find_class", "subprocess.Popen", "os.system", "os.exec", "socket.connect", "ctypes.dlopen"}
OWN = (*sysconfig.get_paths().values(), *site.getsitepackages(), os.path.dirname(os.__file__))  # noqa: PTH120
PICTURE = np.zeros((28, 28), np.uint8)
PICTURE[6:22, 9:18] = 200


def main(kind, path):
    """Print the outcome and the events as JSON."""
    from lenetx_runtime import Classifier, LenetxError
    from lenetx_runtime.preprocess import decode

    def attempt(given):
        if kind == "image":
            return list(decode(given).shape)
        with Classifier(given, threads=1) as classifier:
            return classifier.predict(PICTURE).label

    attempt((images if kind == "image" else models)().popitem()[1])  # what is imported is not the file's fault
    seen = []

    def watch(event, arguments):
        if event in EVENTS and not str(arguments[0]).startswith(OWN):
            seen.append([event, str(arguments[0])])

    sys.addaudithook(watch)
    try:
        outcome = attempt(path)
    except LenetxError as error:
        outcome = str(error)
    sys.stdout.write(json.dumps({"outcome": outcome, "seen": seen}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
