"""Compare a model that takes uint8 frames with the one that takes normalised float32: from a uint8 array to a label.

python benchmarks/raw_input.py [FILE.pt]

Both are exported from the same checkpoint and called in turns, on the images of its self-test. Without a checkpoint it
is the reference model.
"""

import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from _measure import alternate, heading, spread, table, verdict

import lenetx
from lenetx.formats import get
from lenetx.formats.network import Network
from lenetx_runtime import Classifier
from lenetx_runtime.selftest import require_selftest

CHECKPOINT = Path(__file__).parents[1] / "artifacts" / "reference" / "lenet5.pt"
SIZES = {1: 300, 32: 20, 1024: 1}
"""Images per call, and calls per block."""
ROUNDS = 41
LIMIT = 1.0
"""Largest median of raw ÷ float, to two digits."""


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else CHECKPOINT
    heading(f"Frames into {path.name}")
    network = Network(lenetx.load(path))
    raw, floats = (Classifier(get("onnx").export(network, raw_input=on), threads=1) for on in (True, False))
    golden = require_selftest(raw.spec).frames(raw.spec)
    frames = np.resize(golden, (max(SIZES), *golden.shape[1:]))
    rows = []
    for size, calls in SIZES.items():
        calling = {name: partial(block, run_of(model, frames[:size]), calls) for name, model in named(raw, floats)}
        times = alternate(calling, ROUNDS, warm_up=3)
        ratios = [ours / theirs for ours, theirs in zip(times["raw"], times["float"], strict=True)]
        fastest = min(times["raw"]) / min(times["float"])
        met = verdict(round(median(ratios), 2) <= LIMIT)
        rows.append([f"{size:,}", *(spread(times[name], 1) for name in times), spread(ratios), f"{fastest:.2f}", met])
    table(["images", "raw, µs of CPU", "float32, µs of CPU", "raw ÷ float32", "of the fastest", f"≤ {LIMIT:.2f}"], rows)


def named(raw: Classifier, floats: Classifier) -> list[tuple[str, Classifier]]:
    return [("raw", raw), ("float", floats)]


def run_of(model: Classifier, frames: np.ndarray) -> Callable[[], object]:
    return partial(model.predict, frames[0]) if len(frames) == 1 else partial(model.predict_batch, frames)


def block(run: Callable[[], object], calls: int) -> float:
    """Return microseconds of CPU time per call: on one thread, waiting for a busy machine is not part of it."""
    began = time.process_time()
    for _ in range(calls):
        run()
    return (time.process_time() - began) / calls * 1e6


if __name__ == "__main__":
    main()
