"""The command ``lenetx``, and ``python -m lenetx_cli``."""

import signal
import sys

from lenetx_runtime.streams import make_safe, silence

from . import render
from .exit_codes import INTERRUPTED

__all__ = ["main"]


def main() -> None:
    """Run the command line; an interrupt while its modules are imported ends it as one later does."""
    make_safe()
    try:
        from .app import main as run
    except KeyboardInterrupt:
        render.error("Interrupted.")
        sys.exit(INTERRUPTED)
    try:
        run()
    finally:  # all is said: to interrupt how torch cleans up would only print its traceback
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _flush()


def _flush() -> None:
    """Write what others have printed, or drop it: it must not change the exit code."""
    try:
        sys.stdout.flush()
    except OSError:
        silence(sys.stdout)


if __name__ == "__main__":
    main()
