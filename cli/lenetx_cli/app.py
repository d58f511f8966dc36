"""The commands by name, and what becomes of their errors."""

import sys
from typing import Any

import typer
from typer.core import TyperGroup

from lenetx_runtime import LenetxError

from . import render
from .export import export
from .inspect import inspect
from .predict import predict
from .train import train
from .verify import verify

__all__ = ["app", "main"]

INTERRUPTED = 130
"""128 + SIGINT, as shells have it."""


class _Commands(TyperGroup):
    """Ends with the exit code of DESIGN on our own errors; any other exception is a bug and shows its traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except LenetxError as error:
            render.error(str(error))
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt:
            render.error("Interrupted: nothing was written.")
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Train, export and prove LeNet-class image classifiers.",
)


@app.callback(invoke_without_command=True)
def _options(version: bool = typer.Option(False, "--version", help="Print the version and end.")) -> None:
    if version:
        render.version()
        raise typer.Exit


for command in (train, export, verify, predict, inspect):
    app.command()(command)


def main() -> None:
    """Run the command line; an interrupt during start-up ends as quietly as one later."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
