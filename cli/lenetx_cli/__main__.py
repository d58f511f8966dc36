"""Run ``lenetx`` and ``python -m lenetx_cli``."""

import os
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
    code: object = None
    try:
        run()
    except SystemExit as ended:
        code = ended.code
        raise
    finally:  # the work is done: an interrupt during torch's clean-up would only print a traceback
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _flush()
        if isinstance(code, int) and code and "WORLD_SIZE" in os.environ:
            sys.stderr.flush()
            os._exit(code)  # torch's threads that wait for a process that died would abort this one in its clean-up


def _flush() -> None:
    """Flush what other code printed; drop it if that fails, so that the exit code does not change."""
    try:
        sys.stdout.flush()
    except OSError:
        silence(sys.stdout)


if __name__ == "__main__":
    main()
