"""Pack a single-file app that contains the model and lenetx_runtime.

    python examples/single_file_app/build.py artifacts/reference/lenet5.onnx digits.pyz
    python digits.pyz examples/seven.png

numpy, Pillow and onnxruntime are compiled and do not run from a zip, so the Python that runs the app must have them.
"""

import shutil
import sys
import tempfile
import zipapp
from pathlib import Path

import lenetx_runtime

APP = Path(__file__).parent / "digit_app"
RUNTIME = Path(lenetx_runtime.__file__).parent


def main() -> None:
    """Open the model, so that no app is built around a broken one, and write the app."""
    if len(sys.argv) != 3:
        sys.exit("Usage: python build.py MODEL APP")
    model, target = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        lenetx_runtime.Classifier(model, device="cpu").close()
    except lenetx_runtime.LenetxError as error:
        sys.exit(str(error))
    with tempfile.TemporaryDirectory() as name:
        content = Path(name)
        for package in (APP, RUNTIME):
            shutil.copytree(package, content / package.name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(model, content / APP.name / "model.onnx")
        start = f"{APP.name}.__main__:main"
        try:
            zipapp.create_archive(content, target, "/usr/bin/env python3", start, compressed=True)
        except OSError as error:
            sys.exit(f"{target}: {error.strerror}.")
    print(f"Wrote {target}, {target.stat().st_size / 1024:.0f} KiB.")


if __name__ == "__main__":
    main()
