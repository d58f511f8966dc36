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
        help="Required if the file does not record the network or the network is your code; otherwise checked against "
        "the file.",
    ),
]
ArchArg = Annotated[
    list[str] | None,
    network_option("--arch-arg", help="NAME=VALUE for the network's constructor; may be repeated."),
]
DataRoot = Annotated[
    Path | None,
    data_option("--data-root", help="Folder of the data set's files. [default: LENETX_DATA, or a cache folder]"),
]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda or cuda:N; there is no silent fallback.")]
Json = Annotated[bool, output_option("--json", help="Print one JSON document on stdout.")]
Quiet = Annotated[bool, output_option("--quiet", "-q", help="Print errors only.")]
Framing = Annotated[
    str | None,
    stated_option(
        "--framing", help="How pictures become inputs, if the file does not record it: mnist, stretch, letterbox."
    ),
]
Mean = Annotated[
    str | None,
    stated_option("--mean", help="Mean per channel, of levels scaled to 0..1, as in 0.48,0.46,0.41. [default: 0]"),
]
Std = Annotated[
    str | None,
    stated_option("--std", help="Standard deviation per channel, on the same scale. [default: 1]"),
]
Labels = Annotated[
    str | None,
    stated_option("--labels", help="Class names separated by commas, or a file with one per line. [default: 0,1,2…]"),
]
InputSize = Annotated[
    str | None,
    network_option(
        "--input-size", help="Height and width of the input, as in 32 or 32x48, if the file does not record it."
    ),
]
Channels = Annotated[
    int | None,
    network_option("--channels", help="Channels of the input, 1 or 3, if the file does not record it."),
]
TrustPickle = Annotated[
    bool,
    network_option("--trust-pickle", help="Run the code in a pickle that cannot be read without running it."),
]
Images = Annotated[
    Path | None,
    data_option("--images", help="Folder to which the paths in a CSV file are relative. [default: the file's]"),
]
SkipBad = Annotated[bool, data_option("--skip-bad", help="Skip rows that cannot be used, and list them.")]
FollowLinks = Annotated[
    bool,
    data_option("--follow-links", help="Also read pictures outside the data set's folder: through links, '..' or '/'."),
]
