"""Register the commands and convert their errors to messages and exit codes."""

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
from .adopt import adopt
from .bench import bench
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
    """Exit with the documented code on errors of lenetx; any other exception is a bug and shows its traceback."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._help_mode, self.rich_markup_mode = self.rich_markup_mode, None  # errors are plain sentences

    def format_help(self, ctx: Any, formatter: Any) -> None:
        self.rich_markup_mode = self._help_mode
        super().format_help(ctx, formatter)

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
    except BrokenPipeError:  # such as head, which stops reading early
        silence(sys.stdout)
        raise typer.Exit(NOT_READ) from None
    except Exception as error:  # the base class of typer's own errors depends on its version
        _keep_the_likeliest(error)
        raise


def _keep_the_likeliest(error: Any) -> None:
    """Keep only the best suggestion for a mistyped option."""
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


for command in (train, export, verify, adopt, bench, predict, inspect, convert, doctor):
    app.command()(command)


def main() -> None:
    """Run the command line and exit."""
    _tidy_up_when_terminated()
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it warns if there is no home folder, but works
    warnings.filterwarnings("ignore", "Image size .* could be decompression bomb")  # we enforce our own limit
    try:
        app()
    except OSError as error:  # stdout is full or closed
        silence(sys.stdout)
        render.error(f"The output could not be written: {error.strerror}.")
        sys.exit(LenetxError.exit_code)
    except Exception:  # a bug in lenetx: its exit code must differ from a failed proof's
        traceback.print_exc()
        sys.exit(INTERNAL_ERROR)


def _tidy_up_when_terminated() -> None:
    """Remove staging folders on SIGTERM, except under torchrun or if the signal is already handled or ignored."""
    if "WORLD_SIZE" not in os.environ and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminate)


def _terminate(*_: object) -> None:
    """Exit immediately: an exception raised inside torch can abort the process."""
    publication = sys.modules.get("lenetx.publishing.transaction")  # if not imported, nothing is being published
    if publication is not None:
        publication.tidy_up()
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        render.error("Terminated.")
    os._exit(TERMINATED)
