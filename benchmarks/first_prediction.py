"""Measure the time from process start to the label of one image: lenetx_runtime against bare numpy and onnxruntime.

python benchmarks/first_prediction.py
"""

import json
import resource
import tempfile
from functools import partial
from pathlib import Path
from statistics import median

from _measure import Run, alternate, heading, python, run_installed, run_process, spread, table, verdict

HERE = Path(__file__).parent
REFERENCE = HERE.parent / "artifacts" / "reference" / "lenet5.onnx"
ROUNDS = 21
WALL_TARGET, MEMORY_TARGET = 1.2, 1.15

WRITE_IMAGES = """
import numpy as np, PIL.Image
from lenetx import data
from lenetx_runtime.preprocess.framing import mnist
image = mnist.frame(data.load("digits").test.images[0])
np.save("digit.npy", image)
PIL.Image.fromarray(image).save("digit.png")
"""


def main() -> None:
    heading("First prediction of a fresh process")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = REFERENCE if REFERENCE.exists() else make_model(folder)
        run_process(python("-c", WRITE_IMAGES), folder=folder)
        for image in ("digit.npy", "digit.png"):
            report(image, compare(model, folder / image))
    print(f"{ROUNDS} processes each, in turn; wall time from fork to exit, with the machine's other load in it.")


def make_model(folder: Path) -> Path:
    lenetx = partial(python, "-m", "lenetx_cli")
    run_process(lenetx("train", "--quiet", "--epochs", "5", "-o", "lenet5.pt"), folder=folder)
    run_process(lenetx("export", "--quiet", "-f", "onnx", "lenet5.pt"), folder=folder)
    return folder / "lenet5.onnx"


def compare(model: Path, image: Path) -> dict[str, list[Run]]:
    inspected = run_process(python("-m", "lenetx_cli", "inspect", "--json", model)).output
    spec = json.loads(inspected)["spec"]
    mean, std = (str(spec[field][0]) for field in ("mean", "std"))
    runs = alternate(
        {
            "ours": partial(run_installed, HERE / "our_first_prediction.py", model, image),
            "bare": partial(run_installed, HERE / "bare_first_prediction.py", model, image, mean, std),
        },
        ROUNDS,
    )
    labels = {run.output for some in runs.values() for run in some}
    assert len(labels) == 1, f"the two disagree: {labels}"
    mine = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert mine < min(run.peak_mib for some in runs.values() for run in some), "this process hides their memory"
    return runs


def report(image: str, runs: dict[str, list[Run]]) -> None:
    rows = []
    for unit, field, digits in (("wall, s", "wall", 3), ("CPU, s", "cpu", 3), ("peak memory, MiB", "peak_mib", 1)):
        ours, bare = ([getattr(run, field) for run in runs[name]] for name in ("ours", "bare"))
        ratios = [a / b for a, b in zip(ours, bare, strict=True)]
        target = {"wall": WALL_TARGET, "peak_mib": MEMORY_TARGET}.get(field)
        judged = [f"≤ {target}", verdict(median(ratios) <= target)] if target else ["", ""]
        rows.append([unit, spread(ours, digits), spread(bare, digits), spread(ratios), *judged])
    table([image, "ours", "bare", "ratio: median (range)", "target", ""], rows)


if __name__ == "__main__":
    main()
