"""Define ``lenetx inspect``."""

from pathlib import Path
from typing import Annotated

import typer

from . import render
from .options import Json
from .weights import Weights, reads_weights

__all__ = ["inspect"]


@reads_weights
def inspect(
    file: Annotated[Path, typer.Argument(help="A checkpoint, an artifact, or any file of weights.")],
    *,
    weights: Weights,
    json: Json = False,
) -> None:
    """Print a file's metadata and its parameters."""
    from lenetx.publishing.inspection import inspect as describe

    description = describe(file, weights.options(), render.notices(quiet=False))
    if json:
        render.document(description.to_dict())
    else:
        render.description(description)
