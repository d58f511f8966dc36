"""Compare the runtime with bare onnxruntime (same options) and other engines: on one image, on many, and on files.

LENETX_DATA=FOLDER python benchmarks/runtime.py [latency] [batch] [stream]

OpenVINO is included if it is installed. Without LENETX_DATA the images are scikit-learn's digits, framed.
"""

import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from statistics import median

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # lenetx_runtime sets it too

import numpy as np
import onnxruntime
import PIL.Image
from _measure import alternate, heading, spread, table, verdict

import lenetx
from lenetx import data
from lenetx_runtime import Classifier, ModelSpec
from lenetx_runtime.preprocess import normalise

REFERENCE = Path(__file__).parents[1] / "artifacts" / "reference"
MODEL = REFERENCE / "lenet5.onnx"
THREADS = (1, 2)
CALLS, BLOCKS = 500, 31
BATCH, BATCH_ROUNDS = 1024, 31
FILES, FILE_ROUNDS = 10_000, 5
LIMITS = {"logits": 1.10, "predict": 1.8}
AIM = 1.5


def main() -> None:
    parts = sys.argv[1:] or ["latency", "batch", "stream"]
    heading("The runtime")
    spec = Classifier(MODEL).spec
    dataset = data.load("mnist" if os.environ.get("LENETX_DATA") else "digits")
    frames = dataset.test.framed(spec).images
    for part in parts:
        {"latency": latency, "batch": batch, "stream": stream}[part](spec, frames)


def bare(threads: int) -> Callable[[np.ndarray], np.ndarray]:
    """Return the fastest plain onnxruntime call: a session with the same options, names looked up once."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(str(MODEL), options, providers=["CPUExecutionProvider"])
    outputs, name = [session.get_outputs()[0].name], session.get_inputs()[0].name
    return lambda inputs: session.run(outputs, {name: inputs})[0]


def others() -> Mapping[str, Callable[[np.ndarray], np.ndarray]]:
    """Return calls of other engines with the same weights, each on one thread."""
    import torch

    torch.set_num_threads(1)
    module = lenetx.load(REFERENCE / "lenet5.pt").module()
    script = torch.jit.optimize_for_inference(torch.jit.load(REFERENCE / "lenet5.torchscript"))

    def in_torch(network: Callable[[torch.Tensor], torch.Tensor], inputs: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return network(torch.from_numpy(inputs)).numpy()

    found = {"torch eager": partial(in_torch, module), "TorchScript": partial(in_torch, script)}
    try:
        import openvino
    except ImportError:
        print("OpenVINO is not installed, and not shown.\n")
        return found
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(str(MODEL)), "CPU", {"INFERENCE_NUM_THREADS": 1})
    request = compiled.create_infer_request()
    return found | {f"OpenVINO {openvino.__version__.split('-')[0]}": lambda x: request.infer([x])[compiled.output(0)]}


def latency(spec: ModelSpec, frames: np.ndarray) -> None:
    """Measure one image at a time: blocks of timed calls, alternating between engines, another image per block."""
    classifier, run = Classifier(MODEL, device="cpu"), bare(1)
    numbers = itertools.count()

    def block(call: Callable[[np.ndarray], object], *, of_inputs: bool) -> tuple[float, float]:
        image = frames[next(numbers) % len(frames)]
        given = normalise(image[None], spec) if of_inputs else image
        times = []
        for _ in range(CALLS):
            began = time.perf_counter_ns()
            call(given)
            times.append(time.perf_counter_ns() - began)
        return tuple(np.percentile(times, (50, 99)) / 1000)

    calls = {
        "bare `InferenceSession.run`": partial(block, run, of_inputs=True),
        "`logits`, ready float32": partial(block, classifier.logits, of_inputs=True),
        "`predict`, uint8 28×28": partial(block, classifier.predict, of_inputs=False),
        "`predict` and its probabilities": partial(
            block, lambda x: classifier.predict(x).probabilities, of_inputs=False
        ),
        **{name: partial(block, call, of_inputs=True) for name, call in others().items()},
    }
    found = alternate(calls, BLOCKS, warm_up=2)
    base = found["bare `InferenceSession.run`"]
    rows = []
    for name, times in found.items():
        halves, tails = ([one[i] / other[i] for one, other in zip(times, base, strict=True)] for i in (0, 1))
        limit = next((value for key, value in LIMITS.items() if name.startswith(f"`{key}`,")), None)
        met = "" if limit is None else verdict(median(halves) <= limit and median(tails) <= max(limit, AIM))
        p50, p99 = (f"{median(one[i] for one in times):.1f}" for i in (0, 1))
        rows.append([name, p50, p99, spread(halves), spread(tails), f"≤ {limit}" if limit else "", met])
    table(["one image", "p50, µs", "p99, µs", "p50 ÷ bare", "p99 ÷ bare", "target", ""], rows)


def batch(spec: ModelSpec, frames: np.ndarray) -> None:
    """Measure throughput: the runtime with its default threads, the bare engine with its best number of threads."""
    images = [image.copy() for image in itertools.islice(itertools.cycle(frames), BATCH)]
    inputs = normalise(np.stack(images), spec)
    classifier = Classifier(MODEL, device="cpu")
    calls = {
        **{f"bare, {threads} threads": partial(bare(threads), inputs) for threads in THREADS},
        "`predict_batch`, list of arrays": partial(classifier.predict_batch, images),
        "`predict_batch`, one array": partial(classifier.predict_batch, np.stack(images)),
        "`logits`": partial(classifier.logits, inputs),
        **{f"{name}, 1 thread": partial(call, inputs) for name, call in others().items()},
    }
    found = alternate({name: partial(seconds, call) for name, call in calls.items()}, BATCH_ROUNDS, warm_up=2)
    best = min((f"bare, {threads} threads" for threads in THREADS), key=lambda name: median(found[name]))
    rows = []
    for name, times in found.items():
        ratios = [other / one for one, other in zip(times, found[best], strict=True)]
        target = ["≥ 0.9", verdict(median(ratios) >= 0.9)] if "predict_batch" in name else ["", ""]
        rows.append([name, f"{BATCH / median(times):,.0f}", spread(ratios), *target])
    table([f"{BATCH:,} images", "images/s", f"÷ {best}", "target", ""], rows)


def stream(spec: ModelSpec, frames: np.ndarray) -> None:
    """Measure files: ``stream`` against decoding with Pillow followed by bare inference."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number:05}.png" for number in range(FILES)]
        for path, image in zip(paths, itertools.cycle(frames), strict=False):
            PIL.Image.fromarray(image).save(path)
        inputs = normalise(np.stack([*itertools.islice(itertools.cycle(frames), FILES)]), spec)
        classifier, run = Classifier(MODEL, device="cpu"), bare(1)

        def decode() -> None:
            for path in paths:
                with PIL.Image.open(path) as opened:
                    np.asarray(opened.convert("L"))

        def infer() -> None:
            for start in range(0, FILES, 64):
                run(inputs[start : start + 64])

        calls = {
            "decoding with Pillow": decode,
            "bare inference, batches of 64": infer,
            "`stream`": lambda: [one.label for one in classifier.stream(paths)],
        }
        found = alternate({name: partial(seconds, call) for name, call in calls.items()}, FILE_ROUNDS)
    *parts, ours = found.values()
    ratios = [sum(some) / one for *some, one in zip(*parts, ours, strict=True)]
    rows = [[name, spread(times), "", "", ""] for name, times in found.items()]
    rows[-1][2:] = [spread(ratios), "≥ 0.9", verdict(median(ratios) >= 0.9)]
    table([f"{FILES:,} PNG files", "s", "speed ÷ both parts one after the other", "target", ""], rows)


def seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
