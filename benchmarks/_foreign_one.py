"""Export one network by lenetx and by both exporters of torch, prove the three files, and print the outcomes as JSON.

python benchmarks/_foreign_one.py ARCHITECTURE [CHANNELS SIZE …]
"""

import json
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import onnxruntime
import torch
from torch import nn
from torch.utils._pytree import tree_leaves

import lenetx
from lenetx import Checkpoint, LenetxError, Statement, models
from lenetx.models.probe import quiet

ATTEMPT = Callable[[], object]
CLOSE = 1e-3
"""Largest difference between the answers of a sound network in two batches, relative to the largest answer."""
PROVEN = "proven"


def main() -> None:
    architecture, *sizes = sys.argv[1:]
    channels = int(sizes[0]) if sizes else 1
    warnings.simplefilter("ignore")
    result: dict[str, object] = {"architecture": architecture}
    for size in map(int, sizes[1:] or ["28"]):
        shape = (channels, size, size)
        try:
            network = build(architecture)
            if problem := unsound(network, shape):
                raise ValueError(problem)
        except Exception as error:
            result |= {"unsound": one_line(error)}
            continue
        result.pop("unsound", None)
        result |= {"input": list(shape), "parameters": sum(each.numel() for each in network.parameters())}
        with tempfile.TemporaryDirectory() as folder:
            result |= outcomes(architecture, network, shape, Path(folder))
        break
    print(json.dumps(result))


def arguments_of(architecture: str) -> dict[str, object]:
    """Return the factory's arguments: torchvision's networks get 10 outputs, as the time of a proof grows with them."""
    return {"num_classes": 10} if architecture.startswith("torchvision:") else {}


def build(architecture: str) -> nn.Module:
    torch.manual_seed(0)
    network = models.resolve(architecture, arguments_of(architecture))
    module: nn.Module = network.factory(**network.arguments).eval()
    with torch.no_grad():
        for each in module.buffers():  # batch norms with statistics of their own
            if each.dtype == torch.float32 and each.ndim == 1:
                each.add_(0.1 * torch.rand_like(each))
    return module


def unsound(network: nn.Module, shape: tuple[int, int, int]) -> str:
    """Return why a network is no classifier of single images, judged by eager PyTorch alone; empty if it is one."""
    images = torch.randn(4, *shape)
    with torch.no_grad():
        once, again, first = (logits(network(given)) for given in (images, images, images[:1]))
    if not once or not again or not first:
        return "it returns no float32[N, …]"
    for one, other, alone in zip(once, again, first, strict=True):
        scale = float(one.abs().max()) or 1.0
        if not torch.equal(one, other):
            return "it answers the same images in two ways"
        if not float((one[:1] - alone).abs().max()) <= CLOSE * scale:
            return "its answer to an image depends on the others"
    return ""


def logits(outputs: object) -> list[torch.Tensor]:
    found = [each for each in tree_leaves(outputs) if isinstance(each, torch.Tensor) and each.is_floating_point()]
    return [each for each in found if each.ndim >= 2]


def outcomes(architecture: str, network: nn.Module, shape: tuple[int, int, int], folder: Path) -> dict[str, str]:
    """Return 'proven' or the reason for each of the three files."""
    weights = folder / "weights.pth"
    torch.save(network.state_dict(), weights)
    stated = Statement(input_size=shape[1:], channels=shape[0])
    found: dict[str, str] = {}
    try:
        arguments = arguments_of(architecture)
        checkpoint = lenetx.load_weights(weights, architecture=architecture, arguments=arguments, stated=stated)
    except LenetxError as error:
        return dict.fromkeys(("lenetx", "dynamo", "tracing"), f"weights not read: {one_line(error)}")
    found["lenetx"] = attempt(lambda: lenetx.export(checkpoint, ["onnx"], folder=folder / "ours"))
    for name, dynamo in (("dynamo", True), ("tracing", False)):
        path = folder / f"{name}.onnx"
        try:
            write(network, shape, path, dynamo=dynamo)
        except Exception as error:
            found[name] = f"torch wrote no file: {one_line(error)}"
            continue
        found[name] = attempt(lambda path=path: prove(path, checkpoint))
        if wrong := wrong_by_itself(path, network, shape):
            found[name] = f"wrong file, {'PROVEN' if found[name] == PROVEN else 'not proven'}: {wrong}"
    return found


def wrong_by_itself(path: Path, network: nn.Module, shape: tuple[int, int, int]) -> str:
    """Return how a file is wrong beside eager PyTorch, with onnxruntime alone; empty if it is right."""
    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        (name,) = (each.name for each in session.get_inputs())
        for count in (1, 2, 5):
            images = torch.randn(count, *shape)
            with torch.no_grad():
                right = tree_leaves(network(images))[0]
            found = torch.from_numpy(session.run(None, {name: images.numpy()})[0])
            if found.shape != right.shape:
                return f"{list(found.shape)} instead of {list(right.shape)} for {count} images"
            if not float((found - right).abs().max()) <= CLOSE * float(right.abs().max()):
                return f"other numbers for {count} images"
    except Exception as error:
        return one_line(error)
    return ""


def write(network: nn.Module, shape: tuple[int, int, int], path: Path, *, dynamo: bool) -> None:
    """Export as torch's documentation shows it, with a dynamic batch axis."""
    images = (torch.zeros(2, *shape),)
    with quiet():
        if dynamo:
            batch = ({0: torch.export.Dim.DYNAMIC},)
            torch.onnx.export(network, images, path, dynamo=True, dynamic_shapes=batch, verbose=False)
        else:
            names = {"input_names": ["input"], "output_names": ["output"]}
            axes = {"input": {0: "batch"}, "output": {0: "batch"}}
            torch.onnx.export(network, images, path, dynamo=False, dynamic_axes=axes, **names)


def prove(path: Path, checkpoint: Checkpoint) -> None:
    lenetx.verify(path, against=checkpoint).raise_if_failed()


def attempt(work: ATTEMPT) -> str:
    try:
        work()
    except LenetxError as error:
        return one_line(error)
    return PROVEN


def one_line(error: BaseException) -> str:
    return " ".join(f"{'' if isinstance(error, LenetxError) else type(error).__name__ + ': '}{error}".split())[:400]


if __name__ == "__main__":
    main()
