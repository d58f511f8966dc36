"""``lenetx export``."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from . import render
from .options import DataRoot, FollowLinks, Images, Json, Quiet, SkipBad

__all__ = ["export"]


def export(
    checkpoint: Annotated[
        Path | None, typer.Argument(help="What to export. [default: the newest in artifacts/]", show_default=False)
    ] = None,
    format: Annotated[  # noqa: A002  # the option's name
        list[str] | None, typer.Option("--format", "-f", help="onnx or torchscript; may be repeated. [default: both]")
    ] = None,
    batch: Annotated[str, typer.Option("--batch", "-b", help="'dynamic' or the one batch size to take.")] = "dynamic",
    opset: Annotated[int | None, typer.Option("--opset", help="Of the ONNX file. [default: 18]")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder to write to. [default: the checkpoint's]")
    ] = None,
    arch: Annotated[str | None, typer.Option("--arch", help="Insist that the checkpoint is of this one.")] = None,
    data: Annotated[
        str | None, typer.Option("--data", help="Prove on its test split. [default: the checkpoint's own data]")
    ] = None,
    data_root: DataRoot = None,
    images: Images = None,
    skip_bad: SkipBad = False,
    follow_links: FollowLinks = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Export a checkpoint, prove the artifacts and publish them."""
    import lenetx
    from lenetx import formats
    from lenetx.errors import ProofFailed
    from lenetx.locate import newest_checkpoint

    names = list(dict.fromkeys(format or formats.DEFAULT))
    for name in names:
        formats.require(name)
    size = _batch(batch)
    path = checkpoint or newest_checkpoint()
    folder = output or path.parent
    with render.steps(quiet=quiet) as step:
        step(f"reading {path}")
        try:
            reports = lenetx.export(
                lenetx.load(path, architecture=arch),
                names,
                folder=folder,
                stem=path.stem,
                batch=size,
                opset=opset,
                data_name=data,
                data_root=data_root,
                data_options=lenetx.DataOptions(images=images, skip_bad=skip_bad, follow_links=follow_links),
                on_progress=step,
            )
        except ProofFailed as error:
            if json:
                render.exported(folder, error.reports)
            for report in error.reports:
                render.report(report, verbose=False)
            raise
    if json:
        render.exported(folder, reports)
    if not quiet:
        for report in reports:
            render.report(report, verbose=False)
        render.published(folder, reports)


def _batch(text: str) -> int | Literal["dynamic"]:
    if text == "dynamic":
        return "dynamic"
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"'{text}' is neither 'dynamic' nor a number.", param_hint="'--batch'") from None
