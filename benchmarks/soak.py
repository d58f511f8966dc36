"""Test whether a Classifier leaks memory, threads or open files over 100,000 predictions and 4,000 openings.

The verdict uses the memory that malloc has handed out and not got back: the median of the last third of 30 samples
minus that of the first third. Resident memory is only shown: if threads come and go, fragmentation of malloc's arenas
moves it by many MiB in either direction; the last row shows that for onnxruntime alone.

python benchmarks/soak.py [MODEL]      on Linux with glibc 2.33 or later
"""

import ctypes
import gc
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import numpy as np
import onnxruntime
from _measure import heading, table, verdict

from lenetx_runtime import Classifier, InputError

MODEL = Path(__file__).parents[1] / "artifacts" / "reference" / "lenet5.onnx"
POINTS = 30
GROWTH_MIB = 0.5
"""Leaking 4 KiB of inputs per prediction would grow by 260 MiB, leaking 1 KiB per opening by 2.6 MiB."""


FIELDS = ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")


class Mallinfo(ctypes.Structure):
    """The result of mallinfo2(3): ``uordblks`` + ``hblkhd`` are the bytes in use in all arenas."""

    _fields_ = [(name, ctypes.c_size_t) for name in FIELDS]


mallinfo = ctypes.CDLL(None).mallinfo2
mallinfo.restype = Mallinfo


def digit() -> np.ndarray:
    image = np.zeros((28, 28), np.uint8)
    image[5:22, 8:20] = np.random.default_rng(0).integers(0, 256, (17, 12))
    return image


def main() -> None:
    model = Path(sys.argv[1]) if len(sys.argv) > 1 else MODEL
    heading("Memory over time")
    image = digit()
    batch, picture = [image] * 200, np.kron(255 - image, np.ones((4, 4), np.uint8))
    inputs = np.zeros((100, 1, 32, 32), np.float32)
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

    def open_bare() -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda part: session.run(None, {"image": part}), [inputs, inputs]))

    for _ in classifier.stream([image] * 1000):  # start all threads that it will ever have
        pass
    rows = [
        row("100,000 × `predict`", predict, 100_000),
        row("10,000 × `predict` of another size", frame_and_predict, 10_000),
        row("500 × `predict_batch` of 200 on threads", share, 500),
        row("10,000 × an image that is refused", refuse, 10_000),
        row("4,000 × open, predict on threads, close", open_and_close, 4_000, 1_000),
        row("4,000 × the same without closing", open_and_forget, 4_000, 1_000),
        row("4,000 × the same in bare onnxruntime", open_bare, 4_000, 1_000),
    ]
    headings = ["", "resident MiB, lowest to highest", "in use, growth in MiB", "threads", "open files", "target", ""]
    table(headings, rows)


def row(what: str, call: Callable[[], None], times: int, before: int = 100) -> list[str]:
    """Sample memory during the calls and return the table row; warm up first, to fill caches and malloc's arenas."""
    for _ in range(before):
        call()
    points = [state()]
    for number in range(1, POINTS):
        for _ in range(times * number // (POINTS - 1) - times * (number - 1) // (POINTS - 1)):
            call()
        points.append(state())
    resident, used, threads, files = zip(*points, strict=True)
    growth = median(used[-POINTS // 3 :]) - median(used[: POINTS // 3])
    flat = growth <= GROWTH_MIB and threads[-1] <= threads[0] and files[-1] <= files[0]
    shown = f"{min(resident):.1f} to {max(resident):.1f}"
    counts = [f"{values[0]}, {values[-1]}" for values in (threads, files)]
    return [what, shown, f"{growth:+.2f}", *counts, f"≤ {GROWTH_MIB:g}, no more threads and files", verdict(flat)]


def state() -> tuple[float, float, int, int]:
    """Return resident MiB, MiB in use, threads and open files."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    resident = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    info = mallinfo()
    used = (info.uordblks + info.hblkhd) / 2**20
    return resident, used, threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))


if __name__ == "__main__":
    main()
