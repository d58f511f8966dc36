"""Parse device names, and hold the options for CUDA."""

from typing import NamedTuple

from .errors import InputError

__all__ = ["DEFAULT_CUDA", "MOST_THREADS", "CudaOptions", "cuda_index", "is_device"]

MOST_THREADS = 1024
"""Maximum number of threads: each is an OS thread with its own stack."""
_DIGITS = 3


def cuda_index(device: str) -> int | None:
    """Return ``None`` for ``cpu``, 0 for ``cuda`` and N for ``cuda:N``.

    Raises:
        InputError: unknown device name.
    """
    if not is_device(device):
        raise InputError(f"There is no device '{device}': give cpu, cuda or cuda:N.")
    return None if device == "cpu" else int(device.partition(":")[2] or 0)


def is_device(name: str) -> bool:
    """Return whether a name is ``cpu``, ``cuda`` or ``cuda:N``."""
    number = name.removeprefix("cuda:")
    is_number = number.isascii() and number.isdecimal() and len(number) <= _DIGITS
    return name in ("cpu", "cuda") or (is_number and name == f"cuda:{int(number)}")


class CudaOptions(NamedTuple):
    """Options for CUDA.

    Attributes:
        tf32: round factors to 10-bit mantissas, which is faster but not what was proven.
        graphs: capture a CUDA graph for each repeated batch size, and replay it. A graph is used only if its logits
            equal those of a plain run bit for bit.
    """

    tf32: bool = False
    graphs: bool = False

    def settings(self, index: int) -> dict[str, str]:
        """Return onnxruntime's settings: full float32 unless ``tf32``, and convolutions as direct sums."""
        settings = {"device_id": str(index), "use_tf32": str(int(self.tf32)), "cudnn_conv_algo_search": "DEFAULT"}
        return settings | ({"enable_cuda_graph": "1"} if self.graphs else {})


DEFAULT_CUDA = CudaOptions()
