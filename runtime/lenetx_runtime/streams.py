"""Keep a command alive if its standard streams are closed, full or missing."""

import io
import os
import sys
from typing import Any

__all__ = ["make_safe", "silence"]


def make_safe() -> None:
    """Open closed standard streams, and ignore failures of standard error.

    Otherwise the next file opened gets the descriptor of a closed stream, and receives what is printed. Writing to a
    closed standard output raises OSError, as for a full one; what cannot be written to standard error is lost.
    """
    modes = {"stdin": os.O_RDONLY, "stdout": os.O_RDONLY, "stderr": os.O_WRONLY}
    for number, mode in enumerate(modes.values()):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, mode), True)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            stream = os.fdopen(os.open(os.devnull, modes[name]), "w")
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
    for each in (sys.stdout, sys.stderr):
        if isinstance(each, io.TextIOWrapper):
            each.reconfigure(errors="backslashreplace")  # file names may hold anything
    if isinstance(sys.stderr, io.TextIOWrapper) and sys.stderr is sys.__stderr__:
        sys.stderr = _Lossy(sys.stderr.buffer, sys.stderr.encoding, "backslashreplace", line_buffering=True)


def silence(stream: Any) -> None:
    """Discard what a stream has buffered and all later output: otherwise Python reports an error at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


class _Lossy(io.TextIOWrapper):
    """Wrap standard error; drop what cannot be written."""

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError:
            silence(self)
            return len(text)
