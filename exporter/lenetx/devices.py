"""The torch device that was asked for, or an error."""

import re
from typing import TYPE_CHECKING

from .errors import DeviceUnavailable, InputError

if TYPE_CHECKING:
    import torch

__all__ = ["torch_device"]


def torch_device(name: str) -> "torch.device":
    """Give torch's device for ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        InputError: no such device name.
        DeviceUnavailable: torch has no CUDA, or no GPU of that number.
    """
    import torch

    if not re.fullmatch(r"cpu|cuda(:\d{1,3})?", name):
        raise InputError(f"There is no device '{name}': give cpu, cuda or cuda:N.")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        reason = "this torch is a CPU build" if torch.version.cuda is None else "torch sees no such GPU"
        raise DeviceUnavailable(f"{name} was asked for, but {reason}: use --device cpu, or install torch for CUDA.")
    return device
