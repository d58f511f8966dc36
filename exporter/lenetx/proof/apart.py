"""Ask an engine what may end its process: in a process of its own, so that ours goes on."""

import contextlib
import json
import os
import select
import signal
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .failures import reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lenetx_runtime.backend import Backend

    from ..formats.artifact import OpenedArtifact

__all__ = ["Answer", "Apart", "ask_apart"]

_SECONDS = 60.0
"""After which a process that has not answered is ended: nothing is then known."""
_ENGINE = "optimisation all, 1 thread"
"""A process that was forked has none of the threads that an engine may wait for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one batch.

    Attributes:
        shape: of the logits; ``None`` if there are none.
        refused: why there are none.
    """

    shape: tuple[int, ...] | None = None
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Apart:
    """What became of some batches.

    Attributes:
        answers: by the number of images, as far as it came.
        ended: the number of images that ended the process; ``None`` if none did.
        signal: by which signal, such as ``SIGABRT``.
    """

    answers: dict[int, Answer]
    ended: int | None = None
    signal: str = ""


def ask_apart(opened: "OpenedArtifact", sizes: Sequence[int]) -> Apart | None:
    """Run batches of zeros of some sizes, one after the other, in a forked process.

    Returns:
        What came out; ``None`` where the system or the device cannot fork, or no answer came in time.
    """
    engine = next((each for each in opened.engines if each.name == _ENGINE), None)
    if engine is None or opened.backend.device != "cpu" or not hasattr(os, "fork") or sys.platform == "darwin":
        return None
    shape = opened.artifact.spec.input_shape
    batches = [np.zeros((size, *shape), np.float32) for size in sizes]
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*fork.*", DeprecationWarning)  # Python warns of our threads from 3.12 on
        child = os.fork()
    if not child:
        _answer(engine.open, batches, writing)
    os.close(writing)
    try:
        lines = _lines(reading, time.monotonic() + _SECONDS)
    finally:
        os.close(reading)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)  # it has ended, or has had its time
        status = os.waitpid(child, 0)[1]
    if lines is None:
        return None
    found = [Answer(None if shape is None else tuple(shape), refused) for shape, refused in lines]
    answers = dict(zip(sizes, found, strict=False))
    if len(answers) == len(sizes):
        return Apart(answers)
    return Apart(answers, sizes[len(answers)], _name(status))


def _answer(open_engine: "Callable[[], Backend]", batches: "Sequence[NDArray[np.float32]]", writing: int) -> None:
    """Write a line for each batch and end the process, without what Python does at its end."""
    try:
        _be_silent()
        backend = open_engine()
        for batch in batches:
            try:
                answer: tuple[Sequence[int] | None, str] = (backend.run(batch).shape, "")
            except Exception as error:  # a refusal, in whatever class the engine has for it
                answer = None, reason(error)
            os.write(writing, f"{json.dumps(answer)}\n".encode())
    finally:
        os._exit(0)


def _be_silent() -> None:
    """Keep what an engine says when it aborts from the user's terminal, and its memory from the disk."""
    import faulthandler
    import resource

    faulthandler.disable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (1, 2):
        os.dup2(nowhere, stream)


def _lines(reading: int, until: float) -> list[tuple[list[int] | None, str]] | None:
    """Return what was written before the other end was closed; ``None`` if that took too long."""
    data = b""
    while True:
        left = until - time.monotonic()
        if left <= 0 or not select.select([reading], [], [], left)[0]:
            return None
        part = os.read(reading, 2**16)
        if not part:
            return [tuple(json.loads(line)) for line in data.splitlines()]
        data += part


def _name(status: int) -> str:
    """Return the name of the signal that ended a process."""
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    return signal.Signals(number).name if number else "without a signal"
