"""Judge the same ONNX files by lenetx and by Polygraphy at its default tolerance: honest ones and faulty ones.

Polygraphy (``pip install polygraphy``) runs the file and eager PyTorch on its default random inputs, and compares the
logits, as ``polygraphy run --onnxrt`` with saved outputs does.
"""

import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from _faulty import faulty_modules
from _measure import table
from torch import nn

import lenetx
from lenetx import Checkpoint, models
from lenetx.models.probe import quiet

__all__ = ["compare"]

Judged = tuple[str, bool, bool]
"""The kind of file, and whether lenetx and Polygraphy passed it."""
OPSETS = {True: (18, 20), False: (13, 17)}


def compare() -> None:
    """Print how many faults each finds, and how many honest files each fails."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        judged = [each for name in models.names() for each in _judge(name, Path(folder))]
    kinds = Counter(kind for kind, *_ in judged)
    rows = []
    for kind, count in kinds.items():
        ours, theirs = (sum(not each[place] for each in judged if each[0] == kind) for place in (1, 2))
        rows.append([kind, str(count), str(ours), str(theirs)])
    table(["file", "files", "failed by lenetx", "failed by Polygraphy"], rows)


def _judge(name: str, folder: Path) -> Iterator[Judged]:
    torch.manual_seed(0)
    shape = models.input_shape(name)
    network = models.build(name, shape, 10).eval()
    torch.save(network.state_dict(), folder / "weights.pth")
    checkpoint = lenetx.load_weights(folder / "weights.pth", architecture=name)
    module = checkpoint.module()
    for kind, path in (*_honest(module, shape, folder), *_faulty(checkpoint, shape, folder)):
        report = lenetx.verify(path, against=checkpoint)
        yield kind, report.passed, _polygraphy_passes(path, module)


def _honest(module: nn.Module, shape: tuple[int, ...], folder: Path) -> Iterator[tuple[str, Path]]:
    import onnxruntime

    for dynamo, opsets in OPSETS.items():
        for opset in opsets:
            path = _write(module, shape, folder / "honest.onnx", opset, dynamo=dynamo)
            yield f"honest: torch.onnx, dynamo={dynamo}", path
            options = onnxruntime.SessionOptions()
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
            options.optimized_model_filepath = str(folder / "optimised.onnx")
            onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            yield "honest: the same, optimised by onnxruntime", folder / "optimised.onnx"


def _faulty(checkpoint: Checkpoint, shape: tuple[int, ...], folder: Path) -> Iterator[tuple[str, Path]]:
    for kind, _, module in faulty_modules(checkpoint):
        yield kind, _write(module, shape, folder / "faulty.onnx", 17, dynamo=False)


def _write(module: nn.Module, shape: tuple[int, ...], path: Path, opset: int, *, dynamo: bool) -> Path:
    named: Mapping[str, Any] = {"input_names": ["input"], "output_names": ["output"], "opset_version": opset}
    if dynamo:
        axes: Mapping[str, Any] = {"dynamic_shapes": ({0: torch.export.Dim.DYNAMIC},), "external_data": False}
    else:
        axes = {"dynamic_axes": {"input": {0: "batch"}, "output": {0: "batch"}}}
    with quiet():
        torch.onnx.export(module, (torch.zeros(2, *shape),), path, dynamo=dynamo, verbose=False, **named, **axes)
    return path


def _polygraphy_passes(path: Path, module: nn.Module) -> bool:
    from polygraphy.backend.onnxrt import OnnxrtRunner, SessionFromOnnx
    from polygraphy.comparator import CompareFunc, DataLoader, IterationResult
    from polygraphy.logger import G_LOGGER

    G_LOGGER.module_severity = {"": G_LOGGER.CRITICAL}
    with OnnxrtRunner(SessionFromOnnx(str(path))) as runner:
        loader = DataLoader()
        loader.input_metadata = runner.get_input_metadata()
        (feed,) = loader
        found = dict(runner.infer(feed))
    (images,), (name,) = feed.values(), found
    with torch.no_grad():
        right = {name: module(torch.from_numpy(images)).numpy()}
    passed = CompareFunc.simple()(IterationResult(found, "file"), IterationResult(right, "eager"))
    return all(map(bool, passed.values()))
