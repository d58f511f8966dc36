"""Run ``lenetx`` and ``python -m lenetx_cli``."""

import signal
import sys

from lenetx_runtime.streams import make_safe, silence

from . import render
from .exit_codes import INTERRUPTED

__all__ = ["main"]


def main() -> None:
    """Run the command line; an interrupt during the imports is handled like a later one."""
    make_safe()
    try:
        from .app import main as run
    except KeyboardInterrupt:
        render.error("Interrupted.")
        sys.exit(INTERRUPTED)
    try:
        run()
    finally:  # the work is done: an interrupt during torch's clean-up would only print a traceback
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _flush()


def _flush() -> None:
    """Flush what other code printed; drop it if that fails, so that the exit code does not change."""
    try:
        sys.stdout.flush()
    except OSError:
        silence(sys.stdout)


if __name__ == "__main__":
    main()
