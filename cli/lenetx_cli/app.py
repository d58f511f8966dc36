"""The commands by name, and what becomes of their errors."""

import contextlib
import difflib
import logging
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperGroup

from lenetx_runtime import LenetxError
from lenetx_runtime.streams import silence

from . import render
from .convert import convert
from .doctor import doctor
from .exit_codes import INTERNAL_ERROR, INTERRUPTED, NOT_READ, TERMINATED
from .export import export
from .inspect import inspect
from .predict import predict
from .train import train
from .verify import verify

__all__ = ["app", "main"]


class _Commands(TyperGroup):
    """Ends with the exit code of DESIGN on our own errors; any other exception is a bug and shows its traceback."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with _in_one_sentence():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with _in_one_sentence():
            return super().invoke(ctx)


@contextlib.contextmanager
def _in_one_sentence() -> Iterator[None]:
    try:
        yield
    except LenetxError as error:
        render.error(str(error))
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        render.error("Interrupted.")
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:  # as of head: it has what it wants
        silence(sys.stdout)
        raise typer.Exit(NOT_READ) from None
    except Exception as error:  # typer's own errors have another base in each of its versions
        _keep_the_likeliest(error)
        raise


def _keep_the_likeliest(error: Any) -> None:
    """Leave one suggestion for a mistyped option: the help names the others."""
    if possible := getattr(error, "possibilities", None):
        error.possibilities = difflib.get_close_matches(str(getattr(error, "option_name", "")), possible, 1)


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Train, export and prove LeNet-class image classifiers.",
)


@app.callback(invoke_without_command=True)
def _options(version: bool = typer.Option(False, "--version", help="Print the version and end.")) -> None:
    if version:
        render.version()
        raise typer.Exit


for command in (train, export, verify, predict, inspect, convert, doctor):
    app.command()(command)


def main() -> None:
    """Run the command line; it ends with the exit code."""
    _tidy_up_when_terminated()
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # without a home folder it warns, and works
    warnings.filterwarnings("ignore", "Image size .* could be decompression bomb")  # our own limit speaks
    try:
        app()
    except OSError as error:  # stdout is full or closed
        silence(sys.stdout)
        render.error(f"The output could not be written: {error.strerror}.")
        sys.exit(LenetxError.exit_code)
    except Exception:  # a fault of lenetx itself: shown whole, and never mistaken for a failed proof
        traceback.print_exc()
        sys.exit(INTERNAL_ERROR)


def _tidy_up_when_terminated() -> None:
    """Let SIGTERM leave no staging folder; torchrun's processes and ignored signals stay as they are."""
    if "WORLD_SIZE" not in os.environ and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminate)


def _terminate(*_: object) -> None:
    """End at once: an exception would have to pass through torch, where it can abort the process."""
    publication = sys.modules.get("lenetx.publishing.transaction")  # nothing is published by who has not imported it
    if publication is not None:
        publication.tidy_up()
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        render.error("Terminated.")
    os._exit(TERMINATED)
