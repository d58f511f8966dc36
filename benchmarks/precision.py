"""Measure size and accuracy of ONNX files in float16 and int8, and choose how int8 is calibrated.

python benchmarks/precision.py [SEEDS]    # MNIST; lenet5, lenet5-1998 and lenet5-bn; 3 seeds by default
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import onnxruntime
from _measure import heading, table, verdict

import lenetx
from lenetx import data, formats
from lenetx.formats.network import Network
from lenetx.quantization.calibration import Sample, sample
from lenetx.quantization.reduce import METHODS
from lenetx.weights.checkpoint import Checkpoint
from lenetx_runtime.preprocess import normalise
from lenetx_runtime.spec import FLOAT16, INT8

ARCHITECTURES = ("lenet5", "lenet5-1998", "lenet5-bn")
IMAGES = (100, 1000, 5000)
SIZES = {FLOAT16: 0.55, INT8: 0.30}
"""Largest size ÷ that of the float32 file."""
LOST = {FLOAT16: 0.02, INT8: 0.1}
"""Largest loss of accuracy in percentage points."""


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    heading("Precisions of ONNX files on MNIST's 10,000 test images")
    dataset = data.load("mnist")
    rows: dict[tuple[str, str], list[tuple[float, float, int]]] = {}
    for architecture in ARCHITECTURES:
        for seed in range(seeds):
            config = lenetx.TrainConfig(data="mnist", architecture=architecture, seed=seed, epochs=3)
            measure(lenetx.train(config), dataset, architecture, rows)
    report(rows)


def measure(
    checkpoint: Checkpoint,
    dataset: data.Dataset,
    architecture: str,
    rows: dict[tuple[str, str], list[tuple[float, float, int]]],
) -> None:
    """Add (size ratio, points lost, labels that differ) of each precision and calibration of one checkpoint."""
    network = Network(checkpoint)
    inputs = normalise(dataset.test.framed(checkpoint.spec).images, checkpoint.spec)
    plain = formats.get("onnx").export(network, batch="dynamic")
    right = labels(plain, inputs)
    accuracy = float((right == dataset.test.labels).mean())

    def add(kind: str, precision: str, images: Sample | None = None) -> None:
        contents = formats.get("onnx").export(network, batch="dynamic", precision=precision, sample=images)
        found = labels(contents, inputs)
        lost = 100 * (accuracy - float((found == dataset.test.labels).mean()))
        rows.setdefault((architecture, kind), []).append(
            (len(contents) / len(plain), lost, int((found != right).sum()))
        )
        print(architecture, kind, f"{len(contents) / len(plain):.3f} {lost:.2f}", file=sys.stderr, flush=True)

    add("fp16", FLOAT16)
    for method in METHODS:
        for count in IMAGES:
            add(f"int8, {method} of {count:,}", INT8, sample(dataset, checkpoint.spec, method=method, images=count))


def labels(contents: bytes, inputs: np.ndarray) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(contents)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (name,) = (each.name for each in session.get_inputs())
    return np.concatenate([session.run(None, {name: part})[0].argmax(1) for part in np.array_split(inputs, 20)])


def report(rows: dict[tuple[str, str], list[tuple[float, float, int]]]) -> None:
    lines = []
    for (architecture, kind), found in rows.items():
        sizes, lost, flips = (np.array(each) for each in zip(*found, strict=True))
        precision = FLOAT16 if kind == "fp16" else INT8
        good = sizes.max() <= SIZES[precision] and lost.max() <= LOST[precision]
        lines.append(
            [
                architecture,
                kind,
                f"{sizes.max():.3f}",
                f"{lost.mean():+.3f}",
                f"{lost.max():+.2f}",
                f"{flips.mean():.1f}",
                f"≤ {SIZES[precision]:g}, ≤ {LOST[precision]:g}",
                verdict(good),
            ]
        )
    table(
        ["network", "precision", "size ÷ fp32", "points lost, mean", "at most", "labels that differ", "target", ""],
        lines,
    )
    print("A negative loss is a gain.\n")


if __name__ == "__main__":
    main()
