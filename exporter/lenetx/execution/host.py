"""Isolate lenetx's computations from the numeric settings of the host program, and restore those afterwards."""

import contextlib
import functools
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["standard_settings"]

_EXACT, _INHERITED, _SHORT = "ieee", "none", "tf32"
"""Precisions of float32 as torch names them."""
_SMALLEST_NORMAL = sys.float_info.min


@dataclass(frozen=True, slots=True)
class _Setting:
    """A process-wide setting.

    Attributes:
        read: returns the current value.
        write: sets the value.
        standard: the value that lenetx computes with.
    """

    read: Callable[[], Any]
    write: Callable[[Any], None]
    standard: Any


class _Process:
    """Replace the process-wide settings while any thread is inside."""

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
def standard_settings() -> Iterator[None]:
    """Compute in plain float32 with gradients available, whatever the host's settings; also usable as a decorator.

    This overrides torch's default dtype and device, autocast, inference and no-grad modes, reduced float32 precision,
    anomaly detection and flushing of denormals, and numpy's error state.
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
            torch.set_flush_denormal(False)  # positional: it accepts no keyword
            stack.callback(torch.set_flush_denormal, True)
        yield


def _write(values: list[Any]) -> None:
    """Write only settings that differ: writing a precision, even its inherited value, would end the inheritance."""
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
    """Return the precision set with torch's older API; ``None`` if the newer API contradicts it."""
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
    """Return a function that reads the precision of one operation in one of torch's backends."""
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
    """Return cuDNN's TF32 flag of the older API, and the newer API's precisions of convolutions and recurrent layers.

    torch returns the older flag only if it agrees with the newer settings, and torch's own exporters read it.
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
