"""Try, in a separate process, things that may crash, hang or print anything."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from ..errors import EngineMissing

__all__ = ["Step", "attempt", "report"]

Step = tuple[str, dict[str, Any] | None]
"""Name of a step, and its outcome as plain values; ``None`` when it begins."""

_LONGEST = 120
"""Maximum seconds of all steps."""
_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[2:]; from lenetx_runtime.doctor.trials import report; report(sys.argv[1])"
)

_STEP = b"lenetx step: "


def attempt(steps: str, *, seconds: float = _LONGEST) -> dict[str, dict[str, Any]]:
    """Run a generator of ``Step`` until it ends or dies.

    Args:
        steps: its ``module:function``.
        seconds: maximum time.

    Returns:
        The outcomes by name; ``{"died": how}`` for the step that ended the process, and none after it. In a frozen
        program, which has no separate Python, the steps run in this process.

    Raises:
        EngineMissing: no step was begun.
    """
    if getattr(sys, "frozen", False) or not sys.executable:
        return {name: outcome for name, outcome in _run(steps) if outcome is not None}
    command = [sys.executable, "-c", _PROGRAM, steps, *sys.path]
    try:
        done = subprocess.run(command, capture_output=True, timeout=seconds, check=False)  # noqa: S603  # our own program
        output, death = done.stdout, _death(done.returncode, done.stderr)
    except subprocess.TimeoutExpired as late:
        output, death = late.stdout or b"", f"it did not end in {seconds:g} seconds"
    except OSError as error:
        output, death = b"", str(error.strerror)
    outcomes = {}
    whole = output[: output.rfind(b"\n") + 1]  # a crash may leave part of a line
    for line in whole.splitlines():
        if not line.startswith(_STEP):  # printed by custom startup code
            continue
        name, outcome = json.loads(line.removeprefix(_STEP))
        outcomes[name] = {"died": death or "it ended the process"} if outcome is None else outcome
    if death is not None and not outcomes:
        raise EngineMissing(f"A second Python cannot be started to try what is installed: {death}.")
    return outcomes


def report(steps: str) -> None:
    """Run the steps and write each as a line of JSON to the original stdout; all other output goes to stderr."""
    import os

    with os.fdopen(os.dup(1), "wb", buffering=0) as out:
        os.dup2(2, 1)
        for step in _run(steps):
            out.write(_STEP + json.dumps(step).encode() + b"\n")


def _run(steps: str) -> Iterator[Step]:
    module, _, function = steps.partition(":")
    found: Iterator[Step] = getattr(import_module(module), function)()
    return found


def _death(status: int, errors: bytes) -> str | None:
    if not status:
        return None
    if status < 0:
        names = {int(each): each.name for each in signal.Signals}
        return f"it ended the process ({names.get(-status, f'signal {-status}')})"
    last = errors.decode(errors="replace").strip().rpartition("\n")[2]
    return f"it ended the process with status {status}: {last}".rstrip(".: ")
