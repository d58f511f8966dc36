"""Run user-supplied code: convert its exceptions to one sentence, and redirect what it prints to stderr."""

import contextlib
import re
import sys
import sysconfig
import threading
import traceback
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import lenetx_runtime

from ..errors import InputError, LenetxError, Unavailable

__all__ = ["asks_for_cuda", "described", "is_installed", "no_warning_is_an_error", "place_of", "user_code"]

_INSTALLED = ("/site-packages/", "/dist-packages/")
_NOT_THEIRS = ("lenetx", "lenetx_cli", "lenetx_runtime", "numpy", "onnx", "onnxruntime", "onnxscript", "torch")
_SCRIPT = "The following operation failed in the TorchScript interpreter"
"""Start of torch's message for an error in a scripted network; a trace of its code and the reason follow."""
_CUDA = re.compile(
    r"not compiled with CUDA|NVIDIA driver|No CUDA GPUs|CUDA driver|on a CUDA device|torch\.cuda\.\w+Tensor|"
    r"Torch not linked with CUDA|CUDA is not available",
    re.IGNORECASE,
)
"""Messages of torch, and of most programs, on a machine without CUDA."""
_LONGEST = 300
"""Maximum number of characters of an exception's text to quote."""


class _Aside:
    """Redirect stdout to stderr while any thread runs user code."""

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
                sys.stdout = self._stdout  # it may be None, as under pythonw


_aside = _Aside()


@contextlib.contextmanager
def user_code(name: str, doing: str = "") -> Iterator[None]:
    """Convert whatever a network's code raises to an InputError, and redirect what it prints to stderr.

    Args:
        name: name of the network, which begins the message.
        doing: optional circumstances that follow the code's location, such as " in training mode".

    Raises:
        InputError: the code raised any exception other than a ``LenetxError`` or KeyboardInterrupt.
        Unavailable: the code requires CUDA, which this machine does not have.
    """
    try:
        with _aside:
            yield
    except (LenetxError, KeyboardInterrupt):
        raise
    except BaseException as error:  # SystemExit, and user classes derived from BaseException
        if asks_for_cuda(error):
            place = place_of(traceback.extract_tb(error.__traceback__))
            raise Unavailable(
                f"{name} asks for CUDA{place}{doing}, which this machine does not have: let it use the device of its "
                "weights and inputs instead of 'cuda'."
            ) from None
        raise InputError(f"{name} raised {described(error, doing)}") from None


@contextlib.contextmanager
def no_warning_is_an_error() -> Iterator[None]:
    """Show warnings that the host turns into errors: a network that only warns can still run."""
    with warnings.catch_warnings():
        if any(action == "error" for action, *_ in warnings.filters):
            warnings.simplefilter("default")
        yield


def described(error: BaseException, doing: str = "") -> str:
    """Return the class, location and first line of an exception as the end of a sentence."""
    error = _cause(error)
    kind = type(error).__name__
    if isinstance(error, SyntaxError):
        return f"{kind} in line {error.lineno} of {Path(error.filename or '').name}: {error.msg}."
    words = _text(error)
    return f"{kind}{place_of(traceback.extract_tb(error.__traceback__))}{doing}{words and ': '}{words.rstrip('.')}."


def asks_for_cuda(error: BaseException) -> bool:
    """Return whether code failed because it requires CUDA on a machine without it."""
    torch = sys.modules.get("torch")
    return torch is not None and not torch.cuda.is_available() and _CUDA.search(_text(error)) is not None


def place_of(frames: "traceback.StackSummary | list[traceback.FrameSummary]") -> str:
    """Return the innermost frame in the user's files, as " in line 7 of net.py", or an empty string.

    A line in an installed package, such as timm, is used only if no frame is in a file outside of packages.
    """
    theirs = [frame for frame in frames if _is_theirs(frame.filename)]
    own = [frame for frame in theirs if not is_installed(frame.filename)] or theirs
    return f" in line {own[-1].lineno} of {Path(own[-1].filename).name}" if own else ""


def _cause(error: BaseException) -> BaseException:
    """Return the original exception inside those that torch's exporters wrap around it."""
    while type(error).__module__.startswith(("torch.onnx", "torch._dynamo")) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _text(error: BaseException) -> str:
    """Return the line of an exception's text that states the problem; empty if ``str`` of it fails."""
    try:
        lines = str(error).strip().splitlines()
    except BaseException:  # __str__ is user code too
        return ""
    if not lines:
        return ""
    line = lines[-1] if lines[0].startswith(_SCRIPT) else lines[0]
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def _is_theirs(filename: str) -> bool:
    """Return whether a file is user code or a third-party package other than those in ``_NOT_THEIRS``."""
    path = filename.replace("\\", "/")
    if path.startswith("<"):
        return False
    if is_installed(path):
        packages = path.rpartition(next(part for part in _INSTALLED if part in path))[2]
        return packages.partition("/")[0] not in _NOT_THEIRS
    own = Path(__file__).parents[1], Path(str(lenetx_runtime.__file__)).parent
    ours = [*own, sysconfig.get_path("stdlib")]
    return not any(path.startswith(str(each).replace("\\", "/") + "/") for each in ours)


def is_installed(filename: str) -> bool:
    """Return whether a file belongs to an installed package."""
    return any(part in filename.replace("\\", "/") for part in _INSTALLED)
