"""Compare an ORT file with the ONNX file of the same weights: opening, and the run of one image.

python benchmarks/ort.py [NETWORK …]

Networks are lenet5, the reference model, and torchvision's by name with random weights; both by default.
"""

import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # lenetx_runtime sets it too

import numpy as np
import onnxruntime
import torch
from _measure import alternate, heading, spread, table, verdict

import lenetx
from lenetx import models
from lenetx.formats import export
from lenetx.formats.network import Network
from lenetx.weights.checkpoint import Checkpoint
from lenetx_runtime import Classifier

REFERENCE = Path(__file__).parents[1] / "artifacts" / "reference" / "lenet5.pt"
NETWORKS = ("lenet5", "resnet18", "mobilenet_v2")
SHAPE = (3, 64, 64)
ROUNDS, CALLS = 101, 20
AIM = 0.7


def main() -> None:
    heading("ORT files against ONNX files")
    rows = []
    for name in sys.argv[1:] or NETWORKS:
        checkpoint = checkpoint_of(name)
        files = {kind: export(kind, Network(checkpoint)) for kind in ("onnx", "ort")}
        rounds = ROUNDS if name == "lenet5" else ROUNDS // 4
        for what, target, measure in (
            ("session", AIM, opening(session)),
            ("Classifier", None, opening(lambda data: Classifier(data, device="cpu", threads=1))),
            ("run of one image", None, running(checkpoint.spec.input_shape)),
        ):
            rows.append([name, what, *row({kind: measure(data) for kind, data in files.items()}, rounds, target)])
    table(["network", "what", "onnx, ms", "ort, ms", "ort ÷ onnx", "target"], rows)


def checkpoint_of(name: str) -> Checkpoint:
    if name == "lenet5":
        return lenetx.load(REFERENCE)
    torch.manual_seed(0)
    module = models.build(f"torchvision:{name}", SHAPE, 10).eval()
    return Checkpoint.of(module, input_shape=SHAPE)


def session(data: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def opening(make: Callable[[bytes], object]) -> Callable[[bytes], Callable[[], float]]:
    """Return a measure of the milliseconds to open a file's contents; what is opened lives until the time is taken."""

    def measure(data: bytes) -> Callable[[], float]:
        def once() -> float:
            began = time.perf_counter()
            made = make(data)
            seconds = time.perf_counter() - began
            del made
            return 1000 * seconds

        return once

    return measure


def running(shape: tuple[int, ...]) -> Callable[[bytes], Callable[[], float]]:
    """Return a measure of the milliseconds to run one image."""
    image = np.random.default_rng(0).random((1, *shape), np.float32)

    def measure(data: bytes) -> Callable[[], float]:
        opened = session(data)
        run = partial(opened.run, None, {opened.get_inputs()[0].name: image})

        def block() -> float:
            began = time.perf_counter()
            for _ in range(CALLS):
                run()
            return 1000 * (time.perf_counter() - began) / CALLS

        return block

    return measure


def row(measures: dict[str, Callable[[], float]], rounds: int, target: float | None) -> list[str]:
    """Return the medians, and that of the ratios within each round."""
    times = alternate(measures, rounds, warm_up=3)
    ratio = median(ort / onnx for onnx, ort in zip(times["onnx"], times["ort"], strict=True))
    aim = "" if target is None else f"≤ {target} ×: {verdict(ratio <= target)}"
    return [spread(times["onnx"], 3), spread(times["ort"], 3), f"{ratio:.2f} ×", aim]


if __name__ == "__main__":
    main()
