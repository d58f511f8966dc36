"""Define the errors that the exporter raises on purpose, in addition to the runtime's.

lenetx_runtime.LenetxError
├── lenetx_runtime.InputError
│   ├── UnknownName       a format, data set or architecture that does not exist
│   ├── Unavailable       a package or device that user code needs and this machine does not have
│   └── DataError         a requested data set that is missing or cannot be read
│       └── DataMissing   a data set that is not on this machine; no folder was named for it
├── lenetx_runtime.ArtifactError
│   └── CheckpointError   a checkpoint that is unreadable, damaged or of another architecture
├── OutputError           a file that could not be written; an existing file is kept
└── ProofFailed           an artifact that does not compute what its checkpoint computes
"""

import difflib
from collections.abc import Iterable
from typing import Any

from lenetx_runtime import ArtifactError, DeviceUnavailable, EngineMissing, InputError, LenetxError

__all__ = [
    "ArtifactError",
    "CheckpointError",
    "DataError",
    "DataMissing",
    "DeviceUnavailable",
    "EngineMissing",
    "InputError",
    "LenetxError",
    "OutputError",
    "ProofFailed",
    "Unavailable",
    "UnknownName",
]


class UnknownName(InputError):
    """A name is not registered; the message suggests the closest one, which is never used silently."""

    def __init__(self, kind: str, name: str, known: Iterable[str], near: str | None = None) -> None:
        known = list(known)
        near = near or next(iter(difflib.get_close_matches(name.lower(), known, n=1)), None)
        hint = f"Did you mean '{near}'? " if near else ""
        super().__init__(f"There is no {kind} '{name}'. {hint}There are: {', '.join(known)}.")


class Unavailable(InputError):
    """User code needs a package or a device that this machine does not have."""

    exit_code = 3


class DataError(InputError):
    """A data set is missing or cannot be read."""


class DataMissing(DataError):
    """A data set is not on this machine, and no folder was named for it."""


class CheckpointError(ArtifactError):
    """A checkpoint is unreadable, damaged, malicious or of the wrong architecture."""


class OutputError(LenetxError):
    """A file could not be written; no partial file is left, and an existing file is kept."""


class ProofFailed(LenetxError):
    """An artifact does not compute what its checkpoint computes.

    Attributes:
        reports: the ``lenetx.Report`` of every artifact of the export, at least one of which failed.
    """

    exit_code = 1

    def __init__(self, message: str, reports: tuple[Any, ...]) -> None:
        super().__init__(message)
        self.reports = reports
