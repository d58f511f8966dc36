"""Run code that a user brought: what it raises becomes one sentence about it, what it prints goes to stderr."""

import contextlib
import sys
import sysconfig
import threading
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import lenetx_runtime

from ..errors import InputError, LenetxError

__all__ = ["described", "no_warning_is_an_error", "place_of", "user_code"]

_INSTALLED = ("/site-packages/", "/dist-packages/")
_NOT_THEIRS = ("lenetx", "lenetx_cli", "lenetx_runtime", "numpy", "onnx", "onnxruntime", "onnxscript", "torch")
_SCRIPT = "The following operation failed in the TorchScript interpreter"
"""How torch begins what a scripted network raises; the reason follows a trace of its code."""
_LONGEST = 300
"""Characters of an exception's text that a sentence quotes."""


class _Aside:
    """Turn stdout aside to stderr for as long as any thread runs code of a user."""

    def __init__(self) -> None:
        self._lock, self._inside = threading.Lock(), 0
        self._stdout: TextIO | None = None

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._stdout, sys.stdout = sys.stdout, sys.stderr
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                sys.stdout = self._stdout  # there may be none, as under pythonw


_aside = _Aside()


@contextlib.contextmanager
def user_code(name: str, doing: str = "") -> Iterator[None]:
    """Raise InputError for whatever the code of a network raises; what it prints goes to stderr.

    Args:
        name: of the network, which begins the sentence.
        doing: what was asked of it, as a clause after the place, such as " in training mode"; optional.
    """
    try:
        with _aside:
            yield
    except (LenetxError, KeyboardInterrupt):
        raise
    except BaseException as error:  # SystemExit, and any class that they derive from BaseException
        raise InputError(f"{name} raised {described(error, doing)}") from None


@contextlib.contextmanager
def no_warning_is_an_error() -> Iterator[None]:
    """Show the warnings that the host has made errors: they are about the user's network, and it runs."""
    with warnings.catch_warnings():
        if any(action == "error" for action, *_ in warnings.filters):
            warnings.simplefilter("default")
        yield


def described(error: BaseException, doing: str = "") -> str:
    """Return the class, place and first line of an exception as the end of a sentence."""
    error = _cause(error)
    kind = type(error).__name__
    if isinstance(error, SyntaxError):
        return f"{kind} in line {error.lineno} of {Path(error.filename or '').name}: {error.msg}."
    words = _text(error)
    return f"{kind}{place_of(traceback.extract_tb(error.__traceback__))}{doing}{words and ': '}{words.rstrip('.')}."


def place_of(frames: "traceback.StackSummary | list[traceback.FrameSummary]") -> str:
    """Return the innermost line of the user's own files among frames, as " in line 7 of net.py", or an empty text.

    A line of an installed package (timm, say) is named only where there is none of a file outside of packages.
    """
    theirs = [frame for frame in frames if _is_theirs(frame.filename)]
    own = [frame for frame in theirs if not _is_installed(frame.filename)] or theirs
    return f" in line {own[-1].lineno} of {Path(own[-1].filename).name}" if own else ""


def _cause(error: BaseException) -> BaseException:
    """Return the first of a chain of exceptions where the later ones are those of torch's exporters about it."""
    while type(error).__module__.startswith(("torch.onnx", "torch._dynamo")) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _text(error: BaseException) -> str:
    """Return the line of an exception's text that says what is wrong; one that cannot say its text has none."""
    try:
        lines = str(error).strip().splitlines()
    except BaseException:  # __str__ is their code too
        return ""
    if not lines:
        return ""
    line = lines[-1] if lines[0].startswith(_SCRIPT) else lines[0]
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def _is_theirs(filename: str) -> bool:
    """Return whether a file is neither Python's nor torch's nor ours."""
    path = filename.replace("\\", "/")
    if path.startswith("<"):
        return False
    if _is_installed(path):
        packages = path.rpartition(next(part for part in _INSTALLED if part in path))[2]
        return packages.partition("/")[0] not in _NOT_THEIRS
    ours = [*(Path(str(each)).parent for each in (__file__, lenetx_runtime.__file__)), sysconfig.get_path("stdlib")]
    return not any(path.startswith(str(each).replace("\\", "/") + "/") for each in ours)


def _is_installed(filename: str) -> bool:
    return any(part in filename.replace("\\", "/") for part in _INSTALLED)
