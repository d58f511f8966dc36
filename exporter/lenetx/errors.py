"""Every error that the exporter raises on purpose, beside the runtime's.

lenetx_runtime.LenetxError
├── lenetx_runtime.InputError
│   ├── UnknownName       a format, data set or architecture that does not exist
│   └── DataError         a data set that was asked for and is not there, or cannot be read
│       └── DataMissing   nobody named its place and it is not on this machine
├── lenetx_runtime.ArtifactError
│   └── CheckpointError   a checkpoint that is unreadable, damaged or of another architecture
├── OutputError           a file that could not be written; what stood there before stands
└── ProofFailed           an artifact that is not what its checkpoint computes
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
    "UnknownName",
]


class UnknownName(InputError):
    """A name that is in no registry; the nearest one is suggested, never used instead."""

    def __init__(self, kind: str, name: str, known: Iterable[str], near: str | None = None) -> None:
        known = list(known)
        near = near or next(iter(difflib.get_close_matches(name.lower(), known, n=1)), None)
        hint = f"Did you mean '{near}'? " if near else ""
        super().__init__(f"There is no {kind} '{name}'. {hint}There are: {', '.join(known)}.")


class DataError(InputError):
    """A data set that is not there or cannot be read."""


class DataMissing(DataError):
    """A data set is not on this machine, and no folder was named that should have held it."""


class CheckpointError(ArtifactError):
    """A checkpoint that is unreadable, damaged, hostile, or of another architecture than it should be."""


class OutputError(LenetxError):
    """A file that could not be written. Nothing half-written is left and what stood there before stands."""


class ProofFailed(LenetxError):
    """An artifact does not compute what its checkpoint computes.

    Attributes:
        reports: the ``lenetx.Report`` of every artifact of the export, at least one of them failed.
    """

    exit_code = 1

    def __init__(self, message: str, reports: tuple[Any, ...]) -> None:
        super().__init__(message)
        self.reports = reports
