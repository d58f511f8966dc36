"""Adapt a torch module to the runtime's ``Backend`` protocol, for eager checkpoints, TorchScript and ``.pt2`` alike."""

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from lenetx_runtime import Classifier

from .errors import ArtifactError
from .execution.devices import torch_device
from .execution.host import standard_settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .weights.checkpoint import Checkpoint

__all__ = ["TorchBackend", "classifier"]


class TorchBackend:
    """Run a torch module in float32 without TF32.

    Args:
        module: the module, in eval mode and on ``device``; maps float32[N, C, H, W] to float32[N, K] logits.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        guard: returns a context manager around calls of the module, for user code; optional.
    """

    def __init__(
        self, module: Any, device: str, guard: "Callable[[], AbstractContextManager[None]]" = contextlib.nullcontext
    ) -> None:
        self._module, self._device, self._guard = module, torch_device(device), guard

    @property
    def device(self) -> str:
        """The device that the module runs on."""
        return str(self._device)

    def run(self, batch: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """Return float32[N, K] logits for float32[N, C, H, W].

        Raises:
            ArtifactError: torch cannot run the module on this batch.
        """
        import torch

        try:
            with standard_settings(), torch.inference_mode(), self._guard():
                images = torch.tensor(batch, device=self._device)  # a copy: the module may modify its input
                logits: NDArray[np.float32] = self._module(images).cpu().numpy()
        except (RuntimeError, AssertionError) as error:  # torch.export checks shapes with assertions
            lines = str(error).strip().splitlines() or [type(error).__name__]
            reason = lines[-1]  # the lines above are a trace of the module's code
            raise ArtifactError(f"torch cannot run the model on {batch.shape}: {reason}") from None
        return logits


def classifier(checkpoint: "Checkpoint", *, device: str = "cpu") -> Classifier:
    """Open a checkpoint in eager PyTorch as the runtime's ``Classifier``.

    Raises:
        DeviceUnavailable: the device is not available.
    """
    module = checkpoint.module().to(torch_device(device))
    return Classifier.from_backend(checkpoint.spec, TorchBackend(module, device, checkpoint.guard))
