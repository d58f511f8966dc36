"""Define every error that this package raises on purpose.

    LenetxError
    ├── InputError (also ValueError)   an image, array or argument that cannot be used
    ├── ArtifactError                  a model file that is unreadable, damaged or not made by lenetx
    ├── DeviceUnavailable              the requested device is not available
    └── EngineMissing                  onnxruntime is not installed

``exit_code`` is the exit code of the command ``lenetx`` for that error.
"""

from typing import ClassVar

__all__ = ["ArtifactError", "DeviceUnavailable", "EngineMissing", "InputError", "LenetxError"]


class LenetxError(Exception):
    """Base of all lenetx errors. The message says what to do next."""

    exit_code: ClassVar[int] = 2


class InputError(LenetxError, ValueError):
    """An image, array or argument that cannot be used."""


class ArtifactError(LenetxError):
    """A model file that is unreadable, damaged, tampered with, or not made by lenetx."""

    exit_code = 4


class DeviceUnavailable(LenetxError):
    """The requested device is not available; no other device was used instead."""

    exit_code = 3


class EngineMissing(LenetxError):
    """onnxruntime is not installed; the first use of a model needs it."""

    exit_code = 3
