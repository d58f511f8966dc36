"""Define options that several commands share."""

from functools import partial
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
    "augmentation_option",
    "data_option",
    "fitting_option",
    "network_option",
    "output_option",
]

# One per panel of the help.
data_option = partial(typer.Option, rich_help_panel="Data")
network_option = partial(typer.Option, rich_help_panel="Network")
fitting_option = partial(typer.Option, rich_help_panel="Optimisation")
augmentation_option = partial(typer.Option, rich_help_panel="Augmentation")
output_option = partial(typer.Option, rich_help_panel="Files and output")
stated_option = partial(typer.Option, rich_help_panel="Preprocessing and labels")

Arch = Annotated[
    str | None,
    network_option(
        "--arch",
        help="The network of the weights: needed where no file says it or it is your own code, else it insists.",
    ),
]
ArchArg = Annotated[
    list[str] | None,
    network_option("--arch-arg", help="NAME=VALUE for its constructor; may be repeated."),
]
DataRoot = Annotated[
    Path | None,
    data_option("--data-root", help="Folder of the data set's files; else LENETX_DATA, else a cache folder."),
]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda or cuda:N; never replaced by another one.")]
Json = Annotated[bool, output_option("--json", help="Print one JSON document on stdout.")]
Quiet = Annotated[bool, output_option("--quiet", "-q", help="Print errors only.")]
Framing = Annotated[
    str | None,
    stated_option(
        "--framing", help="How pictures become inputs, where the weights do not say: mnist, stretch, letterbox."
    ),
]
Mean = Annotated[
    str | None,
    stated_option("--mean", help="Of the inputs on a scale of 1, per channel, as in 0.48,0.46,0.41. [default: 0]"),
]
Std = Annotated[
    str | None,
    stated_option("--std", help="The same: what the inputs are divided by. [default: 1]"),
]
Labels = Annotated[
    str | None,
    stated_option("--labels", help="Class names with commas, or a file of lines. [default: 0,1,2…]"),
]
InputSize = Annotated[
    str | None,
    network_option("--input-size", help="Of the network's input, as in 32 or 32x48, where nothing says it."),
]
Channels = Annotated[
    int | None,
    network_option("--channels", help="Of the network's input: 1 or 3, where nothing says it."),
]
TrustPickle = Annotated[
    bool,
    network_option("--trust-pickle", help="Run the code in a file of weights that cannot be read without."),
]
Images = Annotated[
    Path | None,
    data_option("--images", help="Folder that the paths of a CSV file start from. [default: the file's]"),
]
SkipBad = Annotated[bool, data_option("--skip-bad", help="Leave out rows that cannot be used; they are named.")]
FollowLinks = Annotated[
    bool,
    data_option("--follow-links", help="Read pictures outside the set's folder too: by links, '..' or '/'."),
]
