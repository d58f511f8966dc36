"""Does a Classifier leak? Memory, threads and open files over 100,000 predictions and 4,000 openings.

Memory is the median of the last third of 30 looks less that of the first third: where threads come and go, malloc's
arenas make single looks differ by several MiB, in either direction.

python benchmarks/soak.py [MODEL]
"""

import gc
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
from _measure import heading, table, verdict

from lenetx_runtime import Classifier, InputError

MODEL = Path(__file__).parents[1] / "artifacts" / "reference" / "lenet5.onnx"
POINTS = 30
GROWTH_MIB = 2.0
"""One prediction that kept its 4 KiB of inputs would be 260 MiB, an opening that kept 1 KiB 2.6 MiB."""


def main() -> None:
    model = Path(sys.argv[1]) if len(sys.argv) > 1 else MODEL
    heading("Memory over time")
    image = np.zeros((28, 28), np.uint8)
    image[5:22, 8:20] = np.random.default_rng(0).integers(0, 256, (17, 12))
    batch, picture = [image] * 200, np.kron(255 - image, np.ones((4, 4), np.uint8))
    classifier = Classifier(model)

    def predict() -> None:
        classifier.predict(image)

    def frame_and_predict() -> None:
        classifier.predict(picture)

    def share() -> None:
        classifier.predict_batch(batch)

    def refuse() -> None:
        try:
            classifier.predict(np.full((9, 9), 7, np.uint8))
        except InputError:
            return
        raise AssertionError

    def open_and_close() -> None:
        with Classifier(model) as opened:
            opened.predict_batch(batch)

    def open_and_forget() -> None:
        Classifier(model).predict_batch(batch)

    rows = [
        row("100,000 × `predict`", predict, 100_000),
        row("10,000 × `predict` of another size", frame_and_predict, 10_000),
        row("500 × `predict_batch` of 200 on threads", share, 500),
        row("10,000 × an image that is refused", refuse, 10_000),
        row("4,000 × open, predict on threads, close", open_and_close, 4_000, 1_000),
        row("4,000 × the same without closing", open_and_forget, 4_000, 1_000),
    ]
    table(["", "resident MiB, lowest to highest", "growth, MiB", "threads", "open files", "target", ""], rows)


def row(what: str, call: Callable[[], None], times: int, before: int = 100) -> list[str]:
    """Run a few before anything is looked at: caches fill up once, and so do the arenas that malloc gives threads."""
    for _ in range(before):
        call()
    points = [state()]
    for number in range(1, POINTS):
        for _ in range(times * number // (POINTS - 1) - times * (number - 1) // (POINTS - 1)):
            call()
        points.append(state())
    memory, threads, files = zip(*points, strict=True)
    growth = median(memory[-POINTS // 3 :]) - median(memory[: POINTS // 3])
    flat = growth <= GROWTH_MIB and threads[-1] <= threads[0] and files[-1] <= files[0]
    shown = f"{min(memory):.1f} to {max(memory):.1f}"
    counts = [f"{values[0]}, {values[-1]}" for values in (threads, files)]
    return [what, shown, f"{growth:+.2f}", *counts, f"≤ {GROWTH_MIB:g}, no more threads and files", verdict(flat)]


def state() -> tuple[float, int, int]:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    resident = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    return resident, threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))


if __name__ == "__main__":
    main()
