"""Define ``lenetx adopt``."""

from pathlib import Path
from typing import Annotated

import typer

from . import render
from .options import DataRoot, FollowLinks, Images, Json, Quiet, SkipBad, require_no_folder
from .weights import Weights, reads_weights

__all__ = ["adopt"]


@reads_weights
def adopt(
    file: Annotated[Path, typer.Argument(help="An ONNX file that another program wrote.")],
    against: Annotated[
        Path | None, typer.Option("--against", help="Checkpoint or weights that it was made from.")
    ] = None,
    unproven: Annotated[
        bool, typer.Option("--unproven", help="Seal it without weights to compare it with; the file says so.")
    ] = False,
    layout: Annotated[
        str | None, typer.Option("--layout", help="nchw, nhwc, flat or nhw: the file's input, if it does not tell.")
    ] = None,
    also_c: Annotated[
        bool,
        typer.Option("--also-c", help="Also write and prove NAME.c, in C, from the same graph."),
    ] = False,
    folder: Annotated[
        Path | None, typer.Option("--folder", "-o", help="Folder to write to. [default: artifacts]")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="File name without its ending. [default: that of the file]")
    ] = None,
    *,
    weights: Weights,
    data: Annotated[
        str | None, typer.Option("--data", help="Data set whose test split the proof uses. [default: the checkpoint's]")
    ] = None,
    data_root: DataRoot = None,
    images: Images = None,
    skip_bad: SkipBad = False,
    follow_links: FollowLinks = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Prove an ONNX file of another program and publish it with what the runtime needs: spec, self-test and seal."""
    import lenetx
    from lenetx.errors import ProofFailed
    from lenetx.files import ARTIFACTS

    require_no_folder(weights.network_output, of_file=True)
    reading = lenetx.DataOptions(images=images, skip_bad=skip_bad, follow_links=follow_links)
    folder = folder or ARTIFACTS
    with render.steps(quiet=quiet) as step:
        try:
            report = lenetx.adopt(
                file,
                against=against,
                unproven=unproven,
                layout=layout,
                folder=folder,
                name=name,
                also_c=also_c,
                data_name=data,
                data_root=data_root,
                data_options=None if reading == lenetx.DataOptions() else reading,
                weights_options=weights.options(),
                on_progress=step,
                on_notice=render.notices(quiet=quiet),
            )
        except ProofFailed as error:
            if json:
                render.exported(folder, error.reports)
            else:
                render.reports(error.reports)
            raise
    if json:
        render.exported(folder, [report])
    elif not quiet:
        render.reports([report] if report.passed else [])
        render.published(folder, [report], unproven=unproven)
