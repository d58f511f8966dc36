"""Run batches that may crash the engine in a forked process, so that ours survives."""

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

from lenetx_runtime.preprocess import input_of

from .failures import reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lenetx_runtime.backend import Backend

    from ..formats.artifact import OpenedArtifact

__all__ = ["BatchOutcome", "ForkedOutcome", "run_forked"]

_SECONDS = 60.0
"""Time after which a process that has not answered is killed; the result is then unknown."""
_RUN = "optimisation all, 1 thread"
"""The run to use; a forked process has none of the threads that an engine may wait for."""


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """The outcome of one batch.

    Attributes:
        shape: the shape of the logits; ``None`` if the engine raised an error.
        error: the error.
    """

    shape: tuple[int, ...] | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class ForkedOutcome:
    """The outcome of several batches.

    Attributes:
        outcomes: the outcomes before any crash, by batch size.
        crashed_at: the batch size that crashed the process; ``None`` if none did.
        signal: the signal that ended the process, such as ``SIGABRT``.
    """

    outcomes: dict[int, BatchOutcome]
    crashed_at: int | None = None
    signal: str = ""


def run_forked(opened: "OpenedArtifact", sizes: Sequence[int]) -> ForkedOutcome | None:
    """Run batches of black images, one after the other, in a forked process.

    Args:
        opened: the artifact.
        sizes: the batch sizes.

    Returns:
        The outcome; ``None`` if forking is not possible on this system or device, or no answer came in time.
    """
    run = next((each for each in opened.runs if each.name == _RUN), None)
    if run is None or opened.backend.device != "cpu" or not hasattr(os, "fork") or sys.platform == "darwin":
        return None
    spec = opened.artifact.spec
    batches = [input_of(np.zeros((size, *spec.frame_shape), np.uint8), spec) for size in sizes]
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*fork.*", DeprecationWarning)  # from 3.12, if the process has threads
        child = os.fork()
    if not child:
        _run_batches(run.open, batches, writing)
    os.close(writing)
    try:
        lines = _lines(reading, time.monotonic() + _SECONDS)
    finally:
        os.close(reading)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)  # it has ended, or it timed out
        status = os.waitpid(child, 0)[1]
    if lines is None:
        return None
    found = [BatchOutcome(None if shape is None else tuple(shape), error) for shape, error in lines]
    outcomes = dict(zip(sizes, found, strict=False))
    if len(outcomes) == len(sizes):
        return ForkedOutcome(outcomes)
    return ForkedOutcome(outcomes, sizes[len(outcomes)], _name(status))


def _run_batches(open_run: "Callable[[], Backend]", batches: "Sequence[NDArray[np.float32]]", writing: int) -> None:
    """Write one line per batch and exit the process without Python's cleanup."""
    try:
        _be_silent()
        backend = open_run()
        for batch in batches:
            try:
                answer: tuple[Sequence[int] | None, str] = (backend.run(batch).shape, "")
            except Exception as error:  # an engine may raise any exception
                answer = None, reason(error)
            os.write(writing, f"{json.dumps(answer)}\n".encode())
    finally:
        os._exit(0)


def _be_silent() -> None:
    """Silence output and disable core dumps: a crashing engine must not write to the user's terminal or disk."""
    import faulthandler
    import resource

    faulthandler.disable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (1, 2):
        os.dup2(nowhere, stream)


def _lines(reading: int, until: float) -> list[tuple[list[int] | None, str]] | None:
    """Return the lines written before the pipe was closed; ``None`` if that took too long."""
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
