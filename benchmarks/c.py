"""Time lenet5 as C against onnxruntime and emx-onnx-cgen, and measure its size, scratch memory and export.

python benchmarks/c.py [--without-emx]

Every engine is called from Python on one thread with memory that was bound before: onnxruntime by an I/O binding, C by
ctypes, which costs about half a microsecond per call and is counted. emx-onnx-cgen is installed by pip into a folder
under build/, and gets the same compiler and options; it computes one image per call.
"""

import ctypes
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import numpy as np
import onnx
import onnxruntime
import torch
from _measure import alternate, heading, python, spread, table, verdict

import lenetx
from lenetx.formats import c, export
from lenetx.formats.c.compile import build, compilers, write_sources
from lenetx.formats.c.reading import read
from lenetx.formats.c.source import Source, found_bytes
from lenetx.formats.network import Network

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "artifacts" / "reference" / "lenet5.pt"
EMX = ROOT / "build" / "emx"
EMX_PACKAGES = ("emx-onnx-cgen==1.4.0", "emx-regex-cgen==0.2.0", "jinja2", "markupsafe")
NATIVE, PORTABLE = ("-O3", "-march=native"), ("-O3", "-march=x86-64-v3")
ROUNDS, CALLS = 41, 2000
SHARED = ("-shared", "-fPIC")


def main() -> None:
    heading("lenet5 as C")
    network = Network(lenetx.load(REFERENCE))
    source = read(c.export(network).decode())
    model = export("onnx", network)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write_sources(place, source)
        with_emx = "--without-emx" not in sys.argv and emx(place, model)
        for count in (1, 1024):
            times(place, source, model, count, with_emx and count == 1)
        sizes(place, source)
    exporting()


def times(place: Path, source: Source, model: bytes, count: int, with_emx: bool) -> None:
    """Time batches of a size, in turns, and print microseconds per image."""
    inputs = np.random.default_rng(0).random((count, *source.spec.input_shape), np.float32)
    functions = {"onnxruntime": ort(model, inputs)}
    expected = eager(inputs)
    for compiler in compilers():
        for flags in (NATIVE, PORTABLE) if count == 1 else (NATIVE,):
            functions[f"lenetx, {compiler} {' '.join(flags)}"] = ours(place, source, compiler, flags, inputs, expected)
        if with_emx:
            functions[f"emx-onnx-cgen, {compiler} {' '.join(NATIVE)}"] = theirs(place, compiler, inputs, expected)
    calls = max(5, CALLS // count)
    found = alternate({name: partial(seconds, call, calls) for name, call in functions.items()}, ROUNDS)
    per_image = {name: [1e6 * value / count for value in values] for name, values in found.items()}
    rows = []
    for name, values in per_image.items():
        ratio = median([mine / base for mine, base in zip(values, per_image["onnxruntime"], strict=True)])
        rows.append([name, spread(values), f"{ratio:.2f}", aim(name, count, ratio, values, per_image)])
    print(f"Batches of {count}, one thread, {ROUNDS} rounds in turns.\n")
    table(["engine", "µs per image", "÷ onnxruntime", "target"], rows)


def aim(name: str, count: int, ratio: float, values: list[float], found: dict[str, list[float]]) -> str:
    """Return the target of a row and whether it is met."""
    if not name.startswith("lenetx"):
        return ""
    limit = 1.0 if "v3" in name else 0.5 if count == 1 else 0.65
    words = [f"≤ {limit}: {verdict(ratio <= limit)}"]
    rival = found.get(name.replace("lenetx", "emx-onnx-cgen"))
    if rival:
        against = median([mine / base for mine, base in zip(values, rival, strict=True)])
        words.append(f"{against:.2f} × emx (≤ 0.2: {verdict(against <= 0.2)})")
    return "; ".join(words)


def seconds(call: Callable[[], object], calls: int) -> float:
    began = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - began) / calls


def eager(inputs: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return lenetx.load(REFERENCE).module()(torch.from_numpy(inputs)).numpy()


def ort(model: bytes, inputs: np.ndarray) -> Callable[[], object]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    binding, logits = session.io_binding(), np.empty((len(inputs), 10), np.float32)
    binding.bind_cpu_input("image", inputs)
    binding.bind_output("logits", "cpu", 0, np.float32, logits.shape, logits.ctypes.data)
    call = partial(session.run_with_iobinding, binding)
    call.kept = logits
    return call


def ours(
    place: Path, source: Source, compiler: str, flags: tuple[str, ...], inputs: np.ndarray, expected: np.ndarray
) -> Callable[[], object]:
    name = f"{compiler}-{flags[-1]}.so"
    library = ctypes.CDLL(str(build(place, compiler, (*flags, *SHARED), (f"{source.stem}.c", "wrapper.c"), name)))
    logits, scratch = np.empty((len(inputs), 10), np.float32), np.empty(source.program.floats, np.float32)
    given = [ctypes.c_void_p(each.ctypes.data) for each in (inputs, logits, scratch)]
    call = partial(library.lenetx_run, given[0], given[1], len(inputs), given[2])
    assert call() == 0
    assert np.abs(logits - expected).max() < 1e-3
    call.kept = (logits, scratch)
    return call


def emx(place: Path, model: bytes) -> bool:
    """Write emx-onnx-cgen's C for a batch of one."""
    if not EMX.is_dir():
        command = python("-m", "pip", "install", "--quiet", "--no-deps", "--target", EMX, *EMX_PACKAGES)
        subprocess.run(command, check=True)
    single = onnx.load_from_string(model)
    del single.metadata_props[:]
    for value in (*single.graph.input, *single.graph.output):
        axis = value.type.tensor_type.shape.dim[0]
        axis.Clear()
        axis.dim_value = 1
    onnx.save(single, place / "one.onnx")
    options = ("--large-weight-threshold", "0", "--large-temp-threshold", "0", "--restrict-arrays")
    command = python("-m", "emx_onnx_cgen", "compile", "one.onnx", "emx.c", *options)
    environment = os.environ | {"PYTHONPATH": str(EMX)}
    subprocess.run(command, cwd=place, env=environment, check=True, capture_output=True)
    return True


def theirs(place: Path, compiler: str, inputs: np.ndarray, expected: np.ndarray) -> Callable[[], object]:
    library = ctypes.CDLL(str(build(place, compiler, (*NATIVE, *SHARED), ("emx.c",), f"emx-{compiler}.so")))
    logits = np.empty((1, 10), np.float32)
    call = partial(library.model, *(ctypes.c_void_p(each.ctypes.data) for each in (inputs, logits)))
    call()
    assert np.abs(logits - expected[:1]).max() < 1e-3
    call.kept = logits
    return call


def sizes(place: Path, source: Source) -> None:
    """Print the scratch memory and the size of the machine code without constants."""
    rows = [
        [
            "scratch",
            f"{found_bytes(source.program):,} bytes",
            f"≤ 8,192: {verdict(found_bytes(source.program) <= 8192)}",
        ]
    ]
    for compiler in compilers():
        subprocess.run([compiler, "-O2", "-c", f"{source.stem}.c", "-o", "net.o"], cwd=place, check=True)
        told = subprocess.run(["size", "-A", "net.o"], cwd=place, check=True, capture_output=True, text=True).stdout
        code = sum(int(line.split()[1]) for line in told.splitlines() if line.startswith(".text"))
        rows.append([f"machine code, {compiler} -O2", f"{code:,} bytes", f"≤ 12,288: {verdict(code <= 12288)}"])
    table(["size", "bytes", "target"], rows)


def exporting() -> None:
    """Time ``lenetx export -f c`` in a new process, with its proof."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(python("-m", "lenetx_cli", "train", "-q", "-o", f"{folder}/lenet5.pt"), check=True)
        found = []
        for _ in range(3):
            began = time.perf_counter()
            command = python("-m", "lenetx_cli", "export", "-q", f"{folder}/lenet5.pt", "-f", "c")
            subprocess.run(command, check=True, capture_output=True)
            found.append(time.perf_counter() - began)
    table(
        ["export", "s", "target"],
        [["lenetx export -f c, digits, with the proof", spread(found), f"≤ 10: {verdict(median(found) <= 10)}"]],
    )


if __name__ == "__main__":
    main()
