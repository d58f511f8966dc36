"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "Arch",
    "ArchArg",
    "Channels",
    "DataRoot",
    "Device",
    "FollowLinks",
    "Framing",
    "Images",
    "InputSize",
    "Json",
    "Labels",
    "Mean",
    "Quiet",
    "SkipBad",
    "Std",
    "TrustPickle",
]

Arch = Annotated[
    str | None,
    typer.Option(
        "--arch",
        help="The network of the weights: needed where no file says it or it is your own code, else it insists.",
        rich_help_panel="Network",
    ),
]
ArchArg = Annotated[
    list[str] | None,
    typer.Option("--arch-arg", help="NAME=VALUE for its constructor; may be repeated.", rich_help_panel="Network"),
]
DataRoot = Annotated[
    Path | None,
    typer.Option(
        "--data-root",
        help="Folder of the data set's files; else LENETX_DATA, else a cache folder.",
        rich_help_panel="Data",
    ),
]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda or cuda:N; never replaced by another one.")]
Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout.", rich_help_panel="Files and output")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.", rich_help_panel="Files and output")]
Framing = Annotated[
    str | None,
    typer.Option(
        "--framing",
        help="How pictures become inputs, where the weights do not say: mnist, stretch, letterbox.",
        rich_help_panel="Preprocessing and labels",
    ),
]
Mean = Annotated[
    str | None,
    typer.Option(
        "--mean",
        help="Of the inputs on a scale of 1, per channel, as in 0.48,0.46,0.41. [default: 0]",
        rich_help_panel="Preprocessing and labels",
    ),
]
Std = Annotated[
    str | None,
    typer.Option(
        "--std",
        help="The same: what the inputs are divided by. [default: 1]",
        rich_help_panel="Preprocessing and labels",
    ),
]
Labels = Annotated[
    str | None,
    typer.Option(
        "--labels",
        help="Class names with commas, or a file of lines. [default: 0,1,2…]",
        rich_help_panel="Preprocessing and labels",
    ),
]
InputSize = Annotated[
    str | None,
    typer.Option(
        "--input-size",
        help="Of the network's input, as in 32 or 32x48, where nothing says it.",
        rich_help_panel="Network",
    ),
]
Channels = Annotated[
    int | None,
    typer.Option(
        "--channels", help="Of the network's input: 1 or 3, where nothing says it.", rich_help_panel="Network"
    ),
]
TrustPickle = Annotated[
    bool,
    typer.Option(
        "--trust-pickle",
        help="Run the code in a file of weights that cannot be read without.",
        rich_help_panel="Network",
    ),
]
Images = Annotated[
    Path | None,
    typer.Option(
        "--images", help="Folder that the paths of a CSV file start from. [default: the file's]", rich_help_panel="Data"
    ),
]
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Leave out rows that cannot be used; they are named.", rich_help_panel="Data")
]
FollowLinks = Annotated[
    bool,
    typer.Option(
        "--follow-links",
        help="Read pictures outside the set's folder too: by links, '..' or '/'.",
        rich_help_panel="Data",
    ),
]
