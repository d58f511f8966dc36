"""Programs that compute a checkpoint's logits: honest ones in many orders of summing, and faulty ones."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from _numpy_lenet import numpy_lenet, shuffled_matmul, term_by_term
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn

from lenetx import Checkpoint, formats

__all__ = ["Program", "faulty", "honest", "onnx_model"]

Floats = NDArray[np.float32]
Program = Callable[[Floats], Floats]
"""Takes float32[N, C, H, W] and gives float32[N, K] logits."""


def honest(checkpoint: Checkpoint, model: onnx.ModelProto) -> dict[str, Program]:
    """Give float32 programs that differ in nothing but the order of their sums, and in what an engine fuses."""
    module = checkpoint.module()
    channels_last = checkpoint.module().to(memory_format=torch.channels_last)
    data = _with_weights(model, checkpoint)
    engines = {
        f"onnxruntime, {name}, {threads} thread{'s'[: threads - 1]}": _onnxruntime(data, level, threads)
        for name, level in (("optimised", "ORT_ENABLE_ALL"), ("not optimised", "ORT_DISABLE_ALL"))
        for threads in (1, 2)
    }
    return {
        **engines,
        "onnxruntime, image by image": _one_by_one(_onnxruntime(data, "ORT_ENABLE_ALL", 1)),
        "TorchScript": _torchscript(checkpoint),
        "eager, image by image": _one_by_one(_eager(module)),
        "eager, channels last": _eager(channels_last),
        "eager, plain convolutions": _without_onednn(module, nnpack=False),
        "eager, NNPACK's Winograd and FFT": _without_onednn(module, nnpack=True),
        "numpy, sums in shuffled order": numpy_lenet(module, shuffled_matmul),
        "numpy, sums term by term": numpy_lenet(module, term_by_term),
    }


def faulty(checkpoint: Checkpoint) -> Iterator[tuple[str, str, Program]]:
    """Give the kind of fault, where it is, and the program."""
    for kind, rounded in (("bfloat16", _bfloat16), ("TF32", _tf32), ("float16", _float16)):
        weights = {name: rounded(tensor) for name, tensor in checkpoint.state_dict.items()}
        yield f"weights rounded to {kind}", "all layers", _eager(_module(checkpoint, weights))
    for name, tensor in checkpoint.state_dict.items():
        if name.endswith("weight"):
            kind, changed = "one layer's weights × (1 + 1e-4)", tensor * (1 + 1e-4)
        else:
            kind, changed = "one bias + 1e-3", tensor.clone()
            changed[0] += 1e-3
        yield kind, name, _eager(_module(checkpoint, {**checkpoint.state_dict, name: changed}))


def onnx_model(checkpoint: Checkpoint) -> onnx.ModelProto:
    """Export once; other weights of the same architecture are written into a copy."""
    return onnx.load_from_string(formats.get("onnx").export(checkpoint, batch="dynamic", opset=None))


def _with_weights(model: onnx.ModelProto, checkpoint: Checkpoint) -> bytes:
    assert {tensor.name for tensor in model.graph.initializer} == set(checkpoint.state_dict)
    for tensor in model.graph.initializer:
        tensor.CopyFrom(numpy_helper.from_array(checkpoint.state_dict[tensor.name].numpy(), tensor.name))
    return model.SerializeToString()


def _onnxruntime(data: bytes, level: str, threads: int) -> Program:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(["logits"], {"image": inputs})[0]


def _torchscript(checkpoint: Checkpoint) -> Program:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.torchscript"
        path.write_bytes(formats.get("torchscript").export(checkpoint, batch="dynamic", opset=None))
        run = formats.open_artifact(path).backend.run
    for _ in range(3):  # libtorch watches the first calls and then optimises
        run(np.zeros((2, *checkpoint.spec.input_shape), np.float32))
    return run


def _module(checkpoint: Checkpoint, weights: dict[str, Tensor]) -> nn.Module:
    module = checkpoint.module()
    module.load_state_dict(weights)
    return module


def _eager(module: nn.Module) -> Program:
    def run(inputs: Floats) -> Floats:
        with torch.inference_mode():
            return module(torch.from_numpy(inputs)).numpy()

    return run


def _without_onednn(module: nn.Module, *, nnpack: bool) -> Program:
    """Use NNPACK's Winograd and FFT convolutions (batches from 16 images on), or torch's own plain ones."""

    def run(inputs: Floats) -> Floats:
        torch.backends.mkldnn.set_flags(_enabled=False)
        try:
            with torch.backends.nnpack.flags(enabled=nnpack):
                return _eager(module)(inputs)
        finally:
            torch.backends.mkldnn.set_flags(_enabled=True)

    return run


def _one_by_one(program: Program) -> Program:
    return lambda inputs: np.concatenate([program(inputs[row : row + 1]) for row in range(len(inputs))])


def _bfloat16(tensor: Tensor) -> Tensor:
    return tensor.bfloat16().float()


def _float16(tensor: Tensor) -> Tensor:
    return tensor.half().float()


def _tf32(tensor: Tensor) -> Tensor:
    """Round to the 10 bits that TF32 keeps of the mantissa's 23, to nearest and ties to even."""
    bits = tensor.numpy().view(np.int32)
    rounded = (bits + 0xFFF + ((bits >> 13) & 1)) & ~0x1FFF
    return torch.from_numpy(rounded.view(np.float32))
