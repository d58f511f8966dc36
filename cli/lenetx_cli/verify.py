"""Define ``lenetx verify``."""

from collections.abc import Sequence
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lenetx_runtime.device import cuda_index

from . import render
from .exit_codes import PROOF_FAILED
from .options import DataRoot, Device, FollowLinks, Json, MaxDrop, Quiet, SkipBad
from .weights import Weights, reads_weights

if TYPE_CHECKING:
    from lenetx import Report

__all__ = ["verify"]

_DOCUMENTS = (".json", ".html")


@reads_weights
def verify(
    artifacts: Annotated[
        list[Path] | None,
        typer.Argument(help="Files to verify. [default: those of the newest checkpoint]", show_default=False),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against", help="Checkpoint or weights to compare with. [default: the checkpoint of the same name]"
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", help="Data set whose test split is used. [default: the checkpoint's]")
    ] = None,
    data_root: DataRoot = None,
    *,
    weights: Weights,
    images: Annotated[
        list[str] | None,
        typer.Option(
            "--images",
            help="Number of test images, evenly spread; or the folder to which a CSV file's paths are relative.",
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Use 512 test images; same as --images 512.")] = False,
    skip_bad: SkipBad = False,
    follow_links: FollowLinks = False,
    logits: Annotated[
        Path | None,
        typer.Option(
            "--logits",
            help="Verify the logits in this .npy, float32[N, K], that another program computed for --inputs.",
        ),
    ] = None,
    inputs: Annotated[
        Path | None,
        typer.Option("--inputs", help="That program's inputs: a .npy of float32[N, C, H, W] or of uint8 frames."),
    ] = None,
    write_inputs: Annotated[
        Path | None,
        typer.Option("--write-inputs", help="Only write the inputs for your own program to this .npy."),
    ] = None,
    device: Device = "cpu",
    layout: Annotated[
        str | None,
        typer.Option("--layout", help="nchw, nhwc, flat or nhw: the input of another program's ONNX file."),
    ] = None,
    max_drop: MaxDrop = None,
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
    from lenetx.publishing import verify_files as files

    documents = report or []
    for path in documents:
        _require(path, _DOCUMENTS, "--report")
    count, folder = _images(images or [], quick=quick)
    cuda_index(device)
    note = render.notices(quiet=quiet)
    options = weights.options()
    reading: dict[str, Any] = {
        "data_name": data,
        "data_root": data_root,
        "data_options": DataOptions(images=folder, skip_bad=skip_bad, follow_links=follow_links),
        "images": count,
        "max_drop": max_drop,
    }
    if write_inputs is not None:
        problem = "nothing is judged: no artifact, logits, inputs, report, document or device goes with it."
        _alone("--write-inputs", problem, artifacts, logits, inputs, report, json, device != "cpu")
        _require(write_inputs, (".npy",), "--write-inputs")
        with render.steps(quiet=quiet) as step:
            written = files.write_inputs(
                write_inputs, against, weights=options, data=reading, on_progress=step, on_notice=note
            )
        render.inputs_written(write_inputs, *written, weights.words(), quiet=quiet)
        return
    if logits is not None or inputs is not None:
        problem = "logits are judged on --inputs alone: no data set, number of images or device goes with them."
        _alone("--logits", problem, data, data_root, images, quick, skip_bad, follow_links, device != "cpu")
        if logits is None or inputs is None or artifacts:
            problem = "--logits and --inputs go together, and without artifacts."
            raise typer.BadParameter(problem, param_hint="'--logits'")
        with render.steps(quiet=quiet) as step:
            found = files.verify_logits_file(logits, inputs, against, weights=options, on_progress=step, on_notice=note)
    else:
        with render.steps(quiet=quiet) as step:
            found = files.verify_files(
                artifacts,
                against,
                weights=options,
                data=reading,
                device=device,
                layout=layout,
                on_progress=step,
                on_notice=note,
            )
    _show(found.reports, documents, verbose=verbose, quiet=quiet, json=json)
    for error in found.problems[1:]:
        render.error(str(error))
    if found.problems:
        raise found.problems[0]
    if not all(one.passed for one in found.reports):
        raise typer.Exit(PROOF_FAILED)


def _alone(option: str, problem: str, *others: object) -> None:
    if any(others):
        raise typer.BadParameter(problem, param_hint=f"'{option}'")


def _require(path: Path, endings: tuple[str, ...], option: str) -> None:
    """Check, before the work, that a file has one of the suffixes and can be written."""
    from lenetx.files import require_writable

    if path.suffix not in endings:
        raise typer.BadParameter(f"'{path}' does not end in {' or '.join(endings)}.", param_hint=f"'{option}'")
    require_writable(path)


def _images(given: Sequence[str], *, quick: bool) -> tuple[int | None, Path | None]:
    """Split the values of ``--images`` into a number of images and a folder; either may be ``None``."""
    from lenetx.files import exists
    from lenetx.publishing.verify import QUICK

    counts = [int(text) for text in given if text.isdecimal()]
    folders = [Path(text) for text in given if not text.isdecimal()]
    strange = [text for text in given if not (int(text) if text.isdecimal() else exists(Path(text)))]
    if strange:
        meanings = "a number of test images, 1 or more, nor the folder that the paths of a CSV file start from"
        raise typer.BadParameter(f"'{strange[0]}' is neither {meanings}.", param_hint="'--images'")
    if len(counts) > 1 or len(folders) > 1 or (quick and counts):
        problem = "give one number and one folder at most, and no number with --quick."
        raise typer.BadParameter(problem, param_hint="'--images'")
    count = counts[0] if counts else None
    return (QUICK if quick else count), (folders[0] if folders else None)


def _show(reports: "Sequence[Report]", documents: Sequence[Path], *, verbose: bool, quiet: bool, json: bool) -> None:
    """Write the reports to files, and print them as JSON or as tables."""
    from lenetx.files import write_atomically
    from lenetx.report import advice, to_html, to_json

    for path in documents:
        write = partial(to_html, date=date.today().isoformat()) if path.suffix == ".html" else to_json
        write_atomically(path, write(reports).encode())
    if json:
        render.text(to_json(reports))
        for one in reports:
            if not one.passed and not one.is_unreadable:
                render.error(f"{one.conclusion} {advice(one)}")
        return
    shown = [one for one in reports if not one.is_unreadable and (not one.passed or not quiet)]
    render.reports(shown, verbose=verbose)
