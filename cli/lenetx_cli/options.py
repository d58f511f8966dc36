"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["DataRoot", "Device", "FollowLinks", "Images", "Json", "Quiet", "SkipBad"]

DataRoot = Annotated[
    Path | None,
    typer.Option("--data-root", help="Folder of the data set's files; else LENETX_DATA, else a cache folder."),
]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda or cuda:N; never replaced by another one.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
Images = Annotated[
    Path | None, typer.Option("--images", help="Folder that the paths of a CSV file start from. [default: the file's]")
]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Leave out rows that cannot be used; they are named.")]
FollowLinks = Annotated[
    bool, typer.Option("--follow-links", help="Read pictures outside the set's folder too: by links, '..' or '/'.")
]
