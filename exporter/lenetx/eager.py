"""A torch module behind the runtime's seam: eager checkpoints and TorchScript run through the same few lines."""

from typing import TYPE_CHECKING, Any

from lenetx_runtime import Classifier, InputError, ModelSpec

from .devices import torch_device

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from .checkpoint import Checkpoint

__all__ = ["TorchBackend", "classifier"]


class TorchBackend:
    """Runs a torch module that is in eval mode; a fixed batch size is held to, though torch would take any.

    Args:
        module: takes float32[N, C, H, W] and gives float32[N, K], already on ``device``.
        spec: of the artifact.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
    """

    def __init__(self, module: Any, spec: ModelSpec, device: str) -> None:
        self._module, self._spec, self._device = module, spec, torch_device(device)

    @property
    def device(self) -> str:
        """The device on which the module runs."""
        return str(self._device)

    def run(self, batch: "NDArray[np.float32]") -> "NDArray[np.float32]":
        """Take float32[N, C, H, W] and give float32[N, K] logits."""
        import torch

        if self._spec.batch not in ("dynamic", len(batch)):
            raise InputError(f"The artifact takes batches of {self._spec.batch}, not {len(batch)}.")
        with torch.inference_mode():
            logits: NDArray[np.float32] = self._module(torch.from_numpy(batch).to(self._device)).cpu().numpy()
        return logits


def classifier(checkpoint: "Checkpoint", *, device: str = "cpu") -> Classifier:
    """Open a checkpoint in eager PyTorch as the runtime's ``Classifier``.

    Raises:
        DeviceUnavailable: the device is not there.
    """
    module = checkpoint.module().to(torch_device(device))
    return Classifier.from_backend(checkpoint.spec, TorchBackend(module, checkpoint.spec, device))
