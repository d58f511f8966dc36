"""Define ``lenetx convert``."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from . import render
from .options import Arch, ArchArg, Channels, Framing, InputSize, Json, Labels, Mean, Quiet, Std, TrustPickle

__all__ = ["convert"]


def convert(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="A checkpoint, state_dict, safetensors, module or TorchScript file.")
    ],
    target: Annotated[
        Path | None, typer.Argument(metavar="OUT", help="A .pt (checkpoint), .safetensors or .pth (state_dict) file.")
    ] = None,
    arch: Arch = None,
    arch_arg: ArchArg = None,
    framing: Framing = None,
    mean: Mean = None,
    std: Std = None,
    labels: Labels = None,
    input_size: InputSize = None,
    channels: Channels = None,
    trust_pickle: TrustPickle = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Write weights to another kind of file, bit for bit."""
    import lenetx
    from lenetx.models.arguments import parse

    if target is None:
        raise lenetx.InputError(
            "The file to write is missing: name a .pt (checkpoint), .safetensors or .pth (state_dict) file, as in "
            f"'{shlex.join(['lenetx', 'convert', str(source), f'{source.stem}-new.safetensors'])}'."
        )
    lenetx.convert(
        source,
        target,
        architecture=arch,
        arguments=parse(arch_arg or ()),
        stated=lenetx.Statement.of_texts(
            framing=framing, mean=mean, std=std, labels=labels, input_size=input_size, channels=channels
        ),
        trust_pickle=trust_pickle,
        on_notice=render.notices(quiet=quiet),
    )
    if json:
        render.document({"source": str(source), "target": str(target)})
    elif not quiet:
        render.converted(source, target)
