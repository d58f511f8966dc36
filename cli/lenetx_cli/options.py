"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Arch", "DataRoot", "Device", "Json", "Quiet"]

Arch = Annotated[
    str | None,
    typer.Option("--arch", help="The checkpoint's network: needed where it is your own code, else it insists on it."),
]
DataRoot = Annotated[
    Path | None,
    typer.Option("--data-root", help="Folder of the data set's files; else LENETX_DATA, else a cache folder."),
]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda or cuda:N; never replaced by another one.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print errors only.")]
