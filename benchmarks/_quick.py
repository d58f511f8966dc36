"""Time ``lenetx verify FILE --quick`` of torch.onnx's files over that of our own file of the same weights.

The files take turns, each from the start of a process, on 512 random pictures. The target is of CPU seconds, which
other programs on the machine change least.
"""

import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import torch
from _foreign_one import write
from _measure import Run, alternate, run_process, spread, table, verdict

import lenetx
from lenetx import Statement, models

__all__ = ["compare_times"]

Shape = tuple[int, int, int]

NETWORKS: Mapping[str, Shape] = {
    "lenet5": (1, 32, 32),
    "lenet5-bn": (1, 32, 32),
    "torchvision:shufflenet_v2_x0_5": (3, 32, 32),
}
"""Input shapes by network."""
THEIRS = {"torch.onnx, dynamo=True": True, "torch.onnx, dynamo=False": False}
LENETX = str(Path(sys.executable).with_name("lenetx"))
WEIGHTS, PICTURES, OURS = "weights.pt", "./pictures.npz", "lenetx"
IMAGES, CLASSES = 512, 10
ROUNDS = 3
TARGET = 1.2


def compare_times() -> None:
    """Print the ratio for each network and exporter."""
    warnings.simplefilter("ignore")
    rows = []
    for name, shape in NETWORKS.items():
        with tempfile.TemporaryDirectory() as folder:
            rows += _rows(name, shape, Path(folder))
    table(["network", "file", "ours, CPU s: median (range)", "theirs", "÷", "target", "", "wall ÷"], rows)
    print(f"Each from the start of a process, {ROUNDS} times in turns, on {IMAGES} pictures.")


def _rows(name: str, shape: Shape, folder: Path) -> list[list[str]]:
    files = _write_files(name, shape, folder)
    runs = alternate({title: partial(_run, path, folder) for title, path in files.items()}, ROUNDS)
    rows = []
    for title in THEIRS:
        wall = _median(runs[title], "wall") / _median(runs[OURS], "wall")
        ratio = _median(runs[title], "cpu") / _median(runs[OURS], "cpu")
        seconds = [spread([run.cpu for run in runs[which]]) for which in (OURS, title)]
        rows.append(
            [name, title, *seconds, f"{ratio:.2f} ×", f"≤ {TARGET} ×", verdict(ratio <= TARGET), f"{wall:.2f} ×"]
        )
    return rows


def _median(runs: Sequence[Run], what: str) -> float:
    return median(getattr(run, what) for run in runs)


def _write_files(name: str, shape: Shape, folder: Path) -> dict[str, Path]:
    """Write the weights, the pictures, our file and those of torch; return the files' paths by title."""
    torch.manual_seed(0)
    module = models.build(name, shape, CLASSES).eval()
    torch.save(module.state_dict(), folder / "weights.pth")
    stated = Statement(input_size=shape[1:], channels=shape[0], framing="stretch")
    checkpoint = lenetx.load_weights(folder / "weights.pth", architecture=name, stated=stated)
    lenetx.save(checkpoint, folder / WEIGHTS)
    lenetx.export(folder / WEIGHTS, ["onnx"], name="ours", folder=folder)
    random = np.random.default_rng(0)
    axes = shape[1:] if shape[0] == 1 else (*shape[1:], shape[0])
    parts = {"train": CLASSES, "val": CLASSES, "test": IMAGES}
    arrays = {f"x_{part}": random.integers(0, 256, (count, *axes), np.uint8) for part, count in parts.items()}
    labels = {f"y_{part}": np.arange(count) % CLASSES for part, count in parts.items()}
    np.savez(folder / PICTURES, **arrays, **labels)
    files = {OURS: folder / "ours.onnx"}
    for title, dynamo in THEIRS.items():
        files[title] = folder / f"dynamo-{dynamo}.onnx"
        write(module, shape, files[title], dynamo=dynamo)
    return files


def _run(path: Path, folder: Path) -> Run:
    command = [LENETX, "verify", path.name, "--against", WEIGHTS, "--data", PICTURES, "--quick", "--quiet"]
    return run_process(command, folder=folder)
