"""Define ``lenetx doctor``."""

import typer

from . import render
from .exit_codes import NOT_HERE
from .options import Json

__all__ = ["doctor"]


def doctor(json: Json = False) -> None:
    """Describe what this machine can run and what is in the way."""
    from lenetx.doctor import examine

    found = examine()
    if json:
        render.document(found.to_plain())
    else:
        render.diagnosis(found)
    if not found.can_predict:
        raise typer.Exit(NOT_HERE)
