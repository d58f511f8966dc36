"""Install the built runtime wheel alone in an empty environment, and predict a digit drawn with Pillow there.

    python tools/check_wheel.py dist artifacts/reference/lenet5.onnx

It fails if torch, onnx or lenetx were installed as well, or if the wheel is too large.
"""

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

TARGET_KIB, LARGEST_KIB = 60, 112

PROGRAM = """
import importlib.util, sys
from PIL import Image, ImageDraw
from lenetx_runtime import Classifier
import lenetx_runtime
strangers = [name for name in ("torch", "onnx", "lenetx", "lenetx_cli") if importlib.util.find_spec(name)]
assert not strangers, f"installed with the runtime: {strangers}"
assert lenetx_runtime.__file__.startswith(sys.prefix), lenetx_runtime.__file__
page = Image.new("L", (200, 300), 255)
ImageDraw.Draw(page).line([(60, 60), (150, 60), (90, 240)], fill=0, width=18, joint="curve")
answer = Classifier(sys.argv[1]).predict(page)
print(f"drew a 7, predicted {answer.label} ({answer.probability:.1%}) with lenetx-runtime {lenetx_runtime.__version__}")
assert answer.label == "7", answer
"""


def main() -> None:
    """Create the environment and run the program in it; raise CalledProcessError if it fails."""
    folder, model = Path(sys.argv[1]), Path(sys.argv[2]).resolve()
    (wheel,) = folder.glob("lenetx_runtime-*.whl")
    size = wheel.stat().st_size / 1024
    print(f"{wheel.name}: {size:.1f} KiB, target {TARGET_KIB} KiB: {'met' if size <= TARGET_KIB else 'MISSED'}")
    if size > LARGEST_KIB:
        sys.exit(f"The wheel of the runtime is larger than {LARGEST_KIB} KiB.")
    constraints = Path(__file__).parent.parent / "constraints.txt"
    with tempfile.TemporaryDirectory() as empty:
        venv.create(empty, with_pip=True)
        python = Path(empty, "bin", "python")
        install = [python, "-m", "pip", "install", "--quiet", "-c", constraints.resolve(), f"{wheel.resolve()}[cpu]"]
        subprocess.run(install, check=True)
        subprocess.run([python, "-c", PROGRAM, model], check=True, cwd=empty)


if __name__ == "__main__":
    main()
