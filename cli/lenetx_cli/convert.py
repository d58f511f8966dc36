"""Define ``lenetx convert``."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from . import render
from .options import Json, Quiet
from .weights import Weights, reads_weights

__all__ = ["convert"]


@reads_weights
def convert(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="A checkpoint, state_dict, safetensors, module or TorchScript file.")
    ],
    target: Annotated[
        Path | None, typer.Argument(metavar="OUT", help="A .pt (checkpoint), .safetensors or .pth (state_dict) file.")
    ] = None,
    *,
    weights: Weights,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Write weights to another kind of file, bit for bit."""
    import lenetx

    if target is None:
        raise lenetx.InputError(
            "The file to write is missing: name a .pt (checkpoint), .safetensors or .pth (state_dict) file, as in "
            f"'{shlex.join(['lenetx', 'convert', str(source), f'{source.stem}-new.safetensors'])}'."
        )
    lenetx.convert(
        source,
        target,
        weights_options=weights.options(),
        on_notice=render.notices(quiet=quiet),
    )
    if json:
        render.document({"source": str(source), "target": str(target)})
    elif not quiet:
        render.converted(source, target)
