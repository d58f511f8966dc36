"""Return the requested torch device, or raise an error."""

from typing import TYPE_CHECKING

from lenetx_runtime.device import cuda_index

from ..errors import DeviceUnavailable

if TYPE_CHECKING:
    import torch

__all__ = ["torch_device"]


def torch_device(name: str) -> "torch.device":
    """Return torch's device for ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        InputError: the device name is unknown.
        DeviceUnavailable: torch has no CUDA support, or there is no such GPU.
    """
    import torch

    index = cuda_index(name)
    if index is None:
        return torch.device("cpu")
    if index >= torch.cuda.device_count():
        reason = "this torch is a CPU build" if torch.version.cuda is None else "torch sees no such GPU"
        raise DeviceUnavailable(f"{name} was requested, but {reason}: use --device cpu, or install torch for CUDA.")
    return torch.device("cuda", index)
