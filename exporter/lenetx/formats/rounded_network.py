"""Round a network's weights to float16; it still computes in float32."""

from typing import TYPE_CHECKING

import numpy as np

from lenetx_runtime import InputError
from lenetx_runtime.selftest import SelfTest

from ..bounds.selftest import golden_answers, rounded_answers
from ..execution.float64 import Float64Network
from ..graph.expression import plain
from ..quantization.reduce import FLOAT16_LARGEST
from .network import Network

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["RoundedNetwork"]

_GOLDEN = 4
"""Images in a self-test: half as many as in float32, since they are a larger share of a smaller file."""


class RoundedNetwork(Network):
    """A network whose weights, batch norms folded, are each rounded once to float16, to nearest, ties to even.

    Args:
        network: in float32; it is not changed. If its weights are rounded already, nothing changes.

    Raises:
        InputError: a weight is beyond the range of float16; the message names its tensor.
    """

    def __init__(self, network: Network) -> None:
        self.checkpoint, self._kept = network.checkpoint, network._kept
        self._weights = network.usage.tensors.keys()
        self._folded = self._rounded(network.module)

    def selftest(self) -> SelfTest | None:
        """Return the self-test of the rounded network; ``None`` if the checkpoint has none or logits are not finite."""
        whole = self.spec.selftest
        if whole is None:
            return None
        frames = whole.frames(self.spec)[:_GOLDEN]
        with self.checkpoint.guard():
            double = Float64Network(self.module, self.checkpoint.title)
            answers = golden_answers(self.module, double, self.spec, frames)
        if not (np.isfinite(answers.exact).all() and np.isfinite(answers.limits).all()):
            return None
        return SelfTest.of(frames, *rounded_answers(answers))

    def _rebuilt(self) -> "nn.Module":
        return self._rounded(super()._rebuilt())

    def _rounded(self, module: "nn.Module") -> "nn.Module":
        """Replace the weights that the network uses, under each of their names, and return the module."""
        own: dict[str, Tensor] = dict(module.named_buffers(remove_duplicate=False))
        own.update(module.named_parameters(remove_duplicate=False))
        rounded = {id(own[name]): _rounded(name, own[name]) for name in self._weights if own[name].is_floating_point()}
        for name, tensor in own.items():
            if id(tensor) in rounded:
                path, _, last = name.rpartition(".")
                setattr(module.get_submodule(path), last, rounded[id(tensor)])
        return module


def _rounded(name: str, tensor: "Tensor") -> "Tensor":
    from torch import nn

    values = tensor.detach()
    largest = float(values.abs().max()) if values.numel() else 0.0
    if largest > FLOAT16_LARGEST:
        raise InputError(
            f"{plain(name)} has a weight of {largest:.6g}, and the largest float16 is {FLOAT16_LARGEST:.0f}: export it "
            "in float32."
        )
    found = values.half().to(values.dtype)
    return nn.Parameter(found, requires_grad=False) if isinstance(tensor, nn.Parameter) else found
