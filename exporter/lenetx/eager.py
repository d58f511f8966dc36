"""A torch module behind the runtime's seam: eager checkpoints and TorchScript run through the same few lines."""

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from lenetx_runtime import Classifier

from .errors import ArtifactError
from .execution.devices import torch_device
from .execution.host import own_settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .weights.checkpoint import Checkpoint

__all__ = ["TorchBackend", "classifier"]


class TorchBackend:
    """Runs a torch module that is in eval mode, in float32 without TF32.

    Args:
        module: takes float32[N, C, H, W] and gives float32[N, K], already on ``device``.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        guard: runs the module's own code, where that is a user's.
    """

    def __init__(
        self, module: Any, device: str, guard: "Callable[[], AbstractContextManager[None]]" = contextlib.nullcontext
    ) -> None:
        self._module, self._device, self._guard = module, torch_device(device), guard

    @property
    def device(self) -> str:
        """The device on which the module runs."""
        return str(self._device)

    def run(self, batch: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """Take float32[N, C, H, W] and give float32[N, K] logits.

        Raises:
            ArtifactError: torch cannot run the module on this batch.
        """
        import torch

        try:
            with own_settings(), torch.inference_mode(), self._guard():
                images = torch.tensor(batch, device=self._device)  # a copy: its code may change its input
                logits: NDArray[np.float32] = self._module(images).cpu().numpy()
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]  # above it stands a trace of the module's code
            raise ArtifactError(f"torch cannot run the model on {batch.shape}: {reason}") from None
        return logits


def classifier(checkpoint: "Checkpoint", *, device: str = "cpu") -> Classifier:
    """Open a checkpoint in eager PyTorch as the runtime's ``Classifier``.

    Raises:
        DeviceUnavailable: the device is not there.
    """
    module = checkpoint.module().to(torch_device(device))
    return Classifier.from_backend(checkpoint.spec, TorchBackend(module, device, checkpoint.guard))
