"""Every error that this package raises on purpose.

    LenetxError
    ├── InputError (also ValueError)   an image, array or argument that cannot be used
    ├── ArtifactError                  a model file that is unreadable, damaged or not lenetx's
    ├── DeviceUnavailable              the device that was asked for is not there
    └── EngineMissing                  no onnxruntime is installed

``exit_code`` is the status with which the ``lenetx`` command ends on that error.
"""

from typing import ClassVar

__all__ = ["ArtifactError", "DeviceUnavailable", "EngineMissing", "InputError", "LenetxError"]


class LenetxError(Exception):
    """Base of all errors of lenetx. Its text is one sentence that says what to do next."""

    exit_code: ClassVar[int] = 2


class InputError(LenetxError, ValueError):
    """An image, array or argument that cannot be used as it came."""


class ArtifactError(LenetxError):
    """A model file that is unreadable, damaged, tampered with, or not made by lenetx."""

    exit_code = 4


class DeviceUnavailable(LenetxError):
    """The device that was asked for is not there; nothing else was used instead."""

    exit_code = 3


class EngineMissing(LenetxError):
    """onnxruntime is not installed: the first use of a model needs it."""

    exit_code = 3
