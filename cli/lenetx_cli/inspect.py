"""Define ``lenetx inspect``."""

from pathlib import Path
from typing import Annotated

import typer

from . import render
from .options import Json

__all__ = ["inspect"]


def inspect(
    file: Annotated[Path, typer.Argument(help="A checkpoint or an artifact.")],
    json: Json = False,
) -> None:
    """Print a file's metadata and its parameters."""
    from lenetx.publishing.inspection import inspect as describe

    description = describe(file)
    if json:
        render.document(description.to_dict())
    else:
        render.description(description)
