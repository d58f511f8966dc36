"""The names of devices, understood the same everywhere."""

import re

from .errors import InputError

__all__ = ["cuda_index"]

_DEVICE = re.compile(r"cpu|cuda(?::(0|[1-9][0-9]{0,2}))?")


def cuda_index(device: str) -> int | None:
    """Give ``None`` for ``cpu``, 0 for ``cuda`` and N for ``cuda:N``.

    Raises:
        InputError: no such device name.
    """
    match = _DEVICE.fullmatch(device)
    if match is None:
        raise InputError(f"There is no device '{device}': give cpu, cuda or cuda:N.")
    return None if device == "cpu" else int(match.group(1) or 0)
