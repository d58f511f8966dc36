"""Run one configuration in a process of its own: read one JSON request per line on stdin, answer on stdout.

    python -P -m lenetx.benchmark.worker CONFIGURATION

The answers to the requests are ``{"ok": …}`` or ``{"problem": "a sentence"}``.
"""

import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from .configuration import Configuration
from .engines import Run, prepare

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Session", "main"]

_LONGEST = 2_000
"""Calls of one turn, at most."""
_PATIENCE = 10
"""How many times as long as asked a turn may take to reach its fewest calls: large networks take seconds per call."""
_FIRST = 2
"""Calls at the start of each turn that do not count: caches, and threads that went to sleep."""


class Session:
    """Answer requests about one opened configuration.

    Args:
        asked: the configuration.
    """

    def __init__(self, asked: Configuration) -> None:
        from lenetx_runtime import ModelSpec

        self.spec = ModelSpec.from_json(asked.spec)
        self._open = prepare(asked)
        began = time.perf_counter()
        self._run: Run = self._open()
        self.load_seconds = time.perf_counter() - began
        self._run(self._inputs(asked.batch or 1))
        self.peak_bytes = peak_memory()

    def answer(self, request: dict[str, Any]) -> Any:
        """Return the answer to one request, ready for JSON."""
        kinds: dict[str, Callable[..., Any]] = {"time": self.timed, "load": self.load, "labels": self.labels}
        return kinds[request.pop("kind")](**request)

    def timed(self, batch: int, seconds: float, least: int) -> list[int]:
        """Return nanoseconds of single calls, in order.

        Args:
            batch: images per call.
            seconds: how long to go on.
            least: number of calls, even if they take longer, up to ``_PATIENCE`` times.
        """
        inputs, run, times = self._inputs(batch), self._run, list[int]()
        clock = time.perf_counter_ns
        now = clock()
        for _ in range(_FIRST):
            if clock() <= now + _PATIENCE * 1e9 * seconds:
                run(inputs)
        now = clock()
        end, latest = (now + int(1e9 * times_as_long * seconds) for times_as_long in (1, _PATIENCE))
        while not times or (len(times) < least and now < latest) or (now < end and len(times) < _LONGEST):
            run(inputs)
            after = clock()
            times.append(after - now)
            now = after
        return times

    def load(self) -> int:
        """Return the nanoseconds of opening the file again."""
        began = time.perf_counter_ns()
        self._open()
        return time.perf_counter_ns() - began

    def labels(self, frames: str, batch: int) -> list[int]:
        """Return the label index of each frame in a .npy file, uint8[N, h, w] or uint8[N, h, w, 3].

        Args:
            frames: path of the file.
            batch: the only batch size that the artifact accepts, or one that it does accept.
        """
        import numpy as np

        from lenetx_runtime.preprocess import normalise

        every, found = np.load(frames, mmap_mode="r"), list[int]()
        for start in range(0, len(every), batch):
            part = normalise(np.asarray(every[start : start + batch]), self.spec)
            missing = batch - len(part)  # a file with a fixed batch size takes no smaller one
            padded = np.concatenate([part, np.zeros((missing, *part.shape[1:]), np.float32)]) if missing else part
            found += self._run(padded)[: len(part)].argmax(axis=1).tolist()
        return found

    def _inputs(self, batch: int) -> "NDArray[np.float32]":
        import numpy as np

        return np.random.default_rng(0).standard_normal((batch, *self.spec.input_shape), np.float32)


def peak_memory() -> int:
    """Return the largest resident memory of this process so far, in bytes.

    On Linux ``ru_maxrss`` starts with the memory of the process that started this one; ``VmHWM`` does not.
    """
    with suppress(OSError):
        for line in Path("/proc/self/status").read_text("ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    try:
        import resource
    except ImportError:  # Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    """Answer requests until stdin ends."""
    warnings.simplefilter("ignore")
    out = _private_stdout()
    session: Session | None = None
    try:
        session = Session(Configuration.from_json(sys.argv[1]))
    except Exception as error:  # an engine may raise any exception
        _send(out, {"problem": _sentence(error)})
        return
    _send(out, {"ok": {"load": session.load_seconds, "peak": session.peak_bytes}})
    for line in sys.stdin:
        try:
            found = {"ok": session.answer(json.loads(line))}
        except Exception as error:  # an engine may raise any exception
            found = {"problem": _sentence(error)}
        _send(out, found)


def _private_stdout() -> TextIO:
    """Return a stream to stdout, which from now on nothing else writes to: engines print there."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return out


def _send(out: TextIO, answer: dict[str, Any]) -> None:
    out.write(json.dumps(answer) + "\n")
    out.flush()


def _sentence(error: Exception) -> str:
    """Return an error in one line: lenetx's own as they are, others with their class."""
    from lenetx_runtime import LenetxError

    lines = str(error).strip().splitlines() or [""]
    return lines[0] if isinstance(error, LenetxError) else f"{type(error).__name__}: {lines[-1]}".rstrip(": ")


if __name__ == "__main__":
    main()
