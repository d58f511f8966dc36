"""``lenetx verify``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lenetx_runtime import ArtifactError

from . import render
from .exit_codes import PROOF_FAILED
from .options import Arch, DataRoot, Device, FollowLinks, Images, Json, Quiet, SkipBad

if TYPE_CHECKING:
    from lenetx import DataOptions, Report

__all__ = ["verify"]


def verify(
    artifacts: Annotated[
        list[Path] | None,
        typer.Argument(help="Files to judge. [default: those of the newest checkpoint]", show_default=False),
    ] = None,
    against: Annotated[
        Path | None, typer.Option("--against", help="Checkpoint to compare with. [default: the one of that name]")
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", help="Whose test split to use. [default: the checkpoint's own data]")
    ] = None,
    data_root: DataRoot = None,
    arch: Arch = None,
    images: Images = None,
    skip_bad: SkipBad = False,
    follow_links: FollowLinks = False,
    device: Device = "cpu",
    report: Annotated[
        list[Path] | None,
        typer.Option("--report", help="Write the reports to this .json or .html file; may be repeated."),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show every check, with its details.")] = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Compare published artifacts with their checkpoint; certify those that pass."""
    from lenetx import DataOptions
    from lenetx.files import require_writable, write_atomically
    from lenetx.report import to_json
    from lenetx.reporting import to_html

    writers = {".json": to_json, ".html": to_html}
    documents = report or []
    for path in documents:
        if path.suffix not in writers:
            raise typer.BadParameter(f"'{path}' does not end in .json or .html.", param_hint="'--report'")
        require_writable(path)
    options = DataOptions(images=images, skip_bad=skip_bad, follow_links=follow_links)
    with render.steps(quiet=quiet) as step:
        judged, unreadable = _judge(artifacts, against, arch, (data, data_root, options), device, step)
    reports = [one for _, one in judged]
    _certify(judged, render.notices(quiet=quiet))
    for path in documents:
        write_atomically(path, writers[path.suffix](reports).encode())
    if json:
        render.text(to_json(reports))
    for one in reports:
        if not one.is_unreadable and (not one.passed or not quiet):
            render.report(one, verbose=verbose)
    for error in unreadable[1:]:
        render.error(str(error))
    if unreadable:
        raise unreadable[0]
    if not all(one.passed for one in reports):
        raise typer.Exit(PROOF_FAILED)


def _judge(
    artifacts: list[Path] | None,
    against: Path | None,
    arch: str | None,
    data: "tuple[str | None, Path | None, DataOptions]",
    device: str,
    step: render.Step,
) -> "tuple[list[tuple[Path, Report]], list[ArtifactError]]":
    """Give each artifact with its report, and why some could not be opened: theirs are failed reports."""
    import lenetx
    from lenetx.locate import artifacts_of, checkpoint_beside, newest_checkpoint

    paths = artifacts or artifacts_of(against or newest_checkpoint())
    name, root, options = data
    references: dict[Path, lenetx.Reference] = {}
    judged: list[tuple[Path, Report]] = []
    unreadable: list[ArtifactError] = []
    for path in paths:
        checkpoint = against or checkpoint_beside(path)
        if checkpoint not in references:
            step(f"reading {checkpoint}")
            known = lenetx.load(checkpoint, architecture=arch)
            references[checkpoint] = lenetx.reference(known, data_name=name, data_root=root, data_options=options)
        step(f"proving {path.name}")
        try:
            judged.append((path, lenetx.verify(path, against=references[checkpoint], device=device)))
        except ArtifactError as error:
            unreadable.append(error)
            judged.append((path, lenetx.Report.unreadable(path.name, str(error))))
    return judged, unreadable


def _certify(judged: "list[tuple[Path, Report]]", note: render.Step) -> None:
    """Write or remove the certificates; a folder that cannot be written to changes no verdict."""
    import lenetx

    for path, report in judged:
        try:
            lenetx.certify(path, report)
        except lenetx.OutputError as error:
            note(str(error))
