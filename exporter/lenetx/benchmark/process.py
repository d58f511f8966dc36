"""Start the process of one configuration, ask it, and notice when it ends or hangs."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from types import TracebackType
from typing import Any, Self

from .configuration import Configuration

__all__ = ["EngineFailed", "Process"]

_TO_START, _TO_ANSWER = 300, {"time": 300, "load": 300, "labels": 3600}
"""Seconds until a process counts as hanging."""
_ANSWERS = ('{"ok":', '{"problem":')
"""Starts of the lines that are answers: other modules may print while Python starts."""


class EngineFailed(Exception):
    """An engine could not do what was asked; the message says why."""


class Process:
    """The process of one configuration. It starts at once; ``ready`` waits until it has opened the file.

    Args:
        asked: the configuration.
    """

    def __init__(self, asked: Configuration) -> None:
        self.asked = asked
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  # closed by `close`
        self.is_dead = False
        threads = {} if asked.threads is None else {"OMP_NUM_THREADS": str(asked.threads)}
        self._child = subprocess.Popen(  # noqa: S603  # this Python, with our own module
            [sys.executable, "-P", "-m", f"{__package__}.worker", asked.to_json()],  # -P: not the current folder's
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env={**os.environ, **threads},
            text=True,
            encoding="utf-8",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        self.is_dead = True
        self._child.kill()
        self._child.wait()
        for stream in (self._child.stdin, self._child.stdout, self._errors):
            if stream is not None:
                try:
                    stream.close()
                except OSError:  # an answer that was never read
                    continue

    def ready(self) -> dict[str, Any]:
        """Return ``load``, the seconds of the first opening, and ``peak``, the bytes in use after one call.

        Raises:
            EngineFailed: the engine cannot open the file, or run it.
        """
        try:
            found: dict[str, Any] = self._answer(_TO_START)
        except EngineFailed:
            self.close()
            raise
        return found

    def ask(self, kind: str, **request: Any) -> Any:
        """Return the answer to a request, see ``worker.Session``.

        Raises:
            EngineFailed: the engine raised an error, or its process ended or hung.
        """
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(json.dumps({"kind": kind, **request}) + "\n")
            self._child.stdin.flush()
        except OSError:
            raise self._ended("") from None
        return self._answer(_TO_ANSWER[kind])

    def _answer(self, seconds: int) -> Any:
        assert self._child.stdout is not None
        hung = threading.Event()

        def stop() -> None:
            hung.set()
            self._child.kill()

        timer = threading.Timer(seconds, stop)
        timer.start()
        try:
            line = next((each for each in self._child.stdout if each.startswith(_ANSWERS)), "")
        finally:
            timer.cancel()
        if not line.endswith("\n"):
            raise self._ended(f"It did not answer within {seconds} s." if hung.is_set() else "")
        answer = json.loads(line)
        if "problem" in answer:
            raise EngineFailed(answer["problem"])
        return answer["ok"]

    def _ended(self, reason: str) -> EngineFailed:
        """Return the error about a process that is gone, and close it."""
        code = self._child.wait()
        self._errors.seek(0)
        said = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        self.close()
        end = f"signal {-code}" if code < 0 else f"exit code {code}"
        return EngineFailed(reason or f"Its process ended with {end}{f': {said[-1]}' if said else '.'}")
