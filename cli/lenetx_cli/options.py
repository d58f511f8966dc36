"""Define options that several commands share."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "AllowNative",
    "DataRoot",
    "Device",
    "FollowLinks",
    "Images",
    "Json",
    "MaxDrop",
    "Quiet",
    "SkipBad",
    "augmentation_option",
    "data_option",
    "fitting_option",
    "network_option",
    "output_option",
    "require_no_folder",
    "stated_option",
]

# One per panel of the help.
data_option = partial(typer.Option, rich_help_panel="Data")
network_option = partial(typer.Option, rich_help_panel="Network")
fitting_option = partial(typer.Option, rich_help_panel="Optimisation")
augmentation_option = partial(typer.Option, rich_help_panel="Augmentation")
output_option = partial(typer.Option, rich_help_panel="Files and output")
stated_option = partial(typer.Option, rich_help_panel="Preprocessing and labels")

AllowNative = Annotated[bool, typer.Option("--allow-native", help="Load a native library (.so), which runs its code.")]
DataRoot = Annotated[
    Path | None,
    data_option("--data-root", help="Folder of the data set's files. [default: LENETX_DATA, or a cache folder]"),
]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda or cuda:N; there is no silent fallback.")]
Json = Annotated[bool, output_option("--json", help="Print one JSON document on stdout.")]
Quiet = Annotated[bool, output_option("--quiet", "-q", help="Print errors only.")]
MaxDrop = Annotated[
    float | None,
    typer.Option(
        "--max-drop",
        help="Accuracy that a reduced precision may lose, in percentage points. [default: fp16 0.02, int8 0.1]",
        show_default=False,
    ),
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


def require_no_folder(output: str | None, *, of_file: bool = False) -> None:
    """Check that ``--output``, an output of the network, is not used for ``--folder``.

    Args:
        output: the value.
        of_file: whether it may be an output of an ONNX file, whose name may hold slashes.

    Raises:
        InputError: it is a folder, or looks like one.
    """
    from lenetx.errors import InputError

    if output is not None and (Path(output).is_dir() or (not of_file and Path(output).name != output)):
        raise InputError(f"'{output}' is a folder: --output is an output of the network; --folder or -o is the folder.")
