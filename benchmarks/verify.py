"""Measure time and memory of a proof: all of MNIST's test split, ``--quick``, and vgg16 at 224×224.

LENETX_DATA=FOLDER python benchmarks/verify.py [full] [quick] [vgg16]
"""

import sys
import tempfile
from pathlib import Path
from statistics import median

from _measure import Run, heading, python, run_process, spread, table, verdict

LENETX = str(Path(sys.executable).with_name("lenetx"))
ROUNDS = 3
MINUTE = 60.0

MAKE_VGG16 = """
import numpy as np, torch
from lenetx import models
torch.manual_seed(0)
network = models.build("torchvision:vgg16", (3, 224, 224), 10)
torch.save(network.state_dict(), "vgg16.pth")
random = np.random.default_rng(0)
coarse = random.integers(0, 256, (160, 7, 7, 3), np.uint8)
images = coarse.repeat(32, axis=1).repeat(32, axis=2)
np.savez("pictures.npz", images=images, labels=np.arange(160) % 10)
"""


def main() -> None:
    parts = sys.argv[1:] or ["full", "quick", "vgg16"]
    heading("The proof")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if {"full", "quick"} & set(parts):
            run_process(
                [LENETX, "train", "--data", "mnist", "--recipe", "fast", "--quiet", "-o", "lenet5.pt"], folder=folder
            )
            run_process([LENETX, "export", "--quiet", "-f", "onnx", "-f", "torchscript", "lenet5.pt"], folder=folder)
        rows = []
        for what, target_s, target_gib, options in (
            ("full", 60.0, 2.0, []),
            ("quick", 8.0, 2.0, ["--quick"]),
        ):
            if what in parts:
                for artifact in ("lenet5.onnx", "lenet5.torchscript"):
                    runs = [verify(folder, artifact, "lenet5.pt", *options) for _ in range(ROUNDS)]
                    rows.append(row(f"`lenetx verify {' '.join([artifact, *options])}`", runs, target_s, target_gib))
        if "vgg16" in parts:
            rows.append(row("`lenetx verify vgg16.onnx --images 16`", [vgg16(folder)], 5 * MINUTE, 8.0))
        table(["", "wall, s: median (range)", "CPU, s", "peak, GiB", "targets", ""], rows)
    print(f"Each from the start of a process, {ROUNDS} times (vgg16 once). `full` asks 10,000 test images of MNIST.")


def verify(folder: Path, artifact: str, checkpoint: str, *options: str) -> Run:
    return run_process([LENETX, "verify", artifact, "--against", checkpoint, "--quiet", *options], folder=folder)


def vgg16(folder: Path) -> Run:
    """Verify an untrained vgg16; the values of the weights do not affect the time."""
    run_process(python("-c", MAKE_VGG16), folder=folder)
    said = ["--arch", "torchvision:vgg16", "--input-size", "224", "--channels", "3", "--framing", "stretch"]
    run_process([LENETX, "convert", "vgg16.pth", "vgg16.pt", *said], folder=folder)
    run_process([LENETX, "export", "vgg16.pt", "-f", "onnx", "--quiet"], folder=folder)
    return verify(folder, "vgg16.onnx", "vgg16.pt", "--data", "./pictures.npz", "--images", "16")


def row(what: str, runs: list[Run], seconds: float, gib: float) -> list[str]:
    walls, peak = [run.wall for run in runs], max(run.peak_mib for run in runs) / 1024
    met = median(walls) <= seconds and peak <= gib
    cpu = f"{median([run.cpu for run in runs]):.1f}"
    return [what, spread(walls), cpu, f"{peak:.2f}", f"≤ {seconds:.0f} s, ≤ {gib:.0f} GiB", verdict(met)]


if __name__ == "__main__":
    main()
