"""Keep the settings of the host program out of what lenetx computes, and leave them as they were."""

import contextlib
import functools
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["own_settings"]

_EXACT, _INHERITED, _SHORT = "ieee", "none", "tf32"
"""Precisions of float32 as torch names them."""
_SMALLEST_NORMAL = sys.float_info.min


@dataclass(frozen=True, slots=True)
class _Setting:
    """A setting of the whole process.

    Attributes:
        read: returns its value.
        write: sets it.
        standard: the value with which lenetx computes.
    """

    read: Callable[[], Any]
    write: Callable[[Any], None]
    standard: Any


class _Process:
    """Put the settings of the whole process aside while any thread computes."""

    def __init__(self) -> None:
        self._lock, self._inside = threading.Lock(), 0
        self._before: list[Any] = []

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._before = [setting.read() for setting in _settings()]
                _write([setting.standard for setting in _settings()])
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                _write(self._before)


_process = _Process()


@contextlib.contextmanager
def own_settings() -> Iterator[None]:
    """Compute in plain float32 with gradients at hand, whatever the host has set; also a decorator.

    Put aside are torch's default dtype and device, autocast, inference and no-grad modes, reduced precision of float32,
    anomaly detection and flushed denormal numbers, and numpy's error state.
    """
    import numpy as np
    import torch

    flushed = _SMALLEST_NORMAL / 2 == 0
    with contextlib.ExitStack() as stack:
        stack.enter_context(_process)
        stack.enter_context(np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"))  # the defaults
        stack.enter_context(torch.inference_mode(mode=False))
        stack.enter_context(torch.enable_grad())
        for device in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device):
                stack.enter_context(torch.autocast(device, enabled=False))
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        if flushed:
            torch.set_flush_denormal(False)  # it takes no keyword
            stack.callback(torch.set_flush_denormal, True)
        yield


def _write(values: list[Any]) -> None:
    """Set what differs: to set a precision to the value that it inherits would make it one of its own."""
    for setting, value in zip(_settings(), values, strict=True):
        if setting.read() != value:
            setting.write(value)


@functools.cache
def _settings() -> list[_Setting]:
    import torch

    def detect_anomalies(value: tuple[bool, bool]) -> None:
        torch.autograd.set_detect_anomaly(value[0], check_nan=value[1])

    return [
        _Setting(torch.get_default_dtype, torch.set_default_dtype, torch.float32),
        _Setting(
            lambda: (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()), detect_anomalies, (False, True)
        ),
        _Setting(_matmul_precision, _set_matmul_precision, "highest"),
        *(_Setting(_reader("mkldnn", work), _writer("mkldnn", work), _EXACT) for work in ("matmul", "conv", "rnn")),
        _Setting(_cudnn, _set_cudnn, (False, _EXACT, _EXACT)),
    ]


def _matmul_precision() -> str | None:
    """Return the precision that the older of torch's two ways has set; ``None`` if the newer way contradicts it."""
    import torch

    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:
        return None


def _set_matmul_precision(value: str | None) -> None:
    import torch

    if value is not None:
        torch.set_float32_matmul_precision(value)


def _reader(engine: str, work: str) -> Callable[[], str]:
    """Return the function that reads the precision of one kind of work of one of torch's engines."""
    import torch

    def read() -> str:
        found: str = torch._C._get_fp32_precision_getter(engine, work)
        return _EXACT if found == _INHERITED else found

    return read


def _writer(engine: str, work: str) -> Callable[[str], None]:
    import torch

    read = _reader(engine, work)

    def write(value: str) -> None:
        torch._C._set_fp32_precision_setter(engine, work, _INHERITED)
        if read() != value:
            torch._C._set_fp32_precision_setter(engine, work, value)

    return write


def _cudnn() -> tuple[bool, str, str]:
    """Return whether cuDNN may use TF32 by the older way, and by the newer one for convolutions and recurrent layers.

    torch tells the older one only if it agrees with the newer ones, which all of its own exporters need.
    """
    import torch

    convolutions, recurrent = (_reader("cuda", work)() for work in ("conv", "rnn"))
    try:
        return torch._C._get_cudnn_allow_tf32(), convolutions, recurrent
    except RuntimeError:
        return convolutions != _SHORT, convolutions, recurrent


def _set_cudnn(value: tuple[bool, str, str]) -> None:
    import torch

    allowed, *precisions = value
    torch._C._set_cudnn_allow_tf32(allowed)
    for work, precision in zip(("conv", "rnn"), precisions, strict=True):
        if _reader("cuda", work)() != precision:
            _writer("cuda", work)(precision)
