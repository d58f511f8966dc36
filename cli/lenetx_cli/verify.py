"""``lenetx verify``."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lenetx_runtime import ArtifactError, InputError, LenetxError
from lenetx_runtime.device import cuda_index
from lenetx_runtime.files import require_file

from . import render
from . import verify_own as own
from .exit_codes import PROOF_FAILED
from .options import Arch, ArchArg, DataRoot, Device, FollowLinks, Json, Quiet, SkipBad, TrustPickle

if TYPE_CHECKING:
    from lenetx import Report

__all__ = ["verify"]

_DOCUMENTS = (".json", ".html")


def verify(
    artifacts: Annotated[
        list[Path] | None,
        typer.Argument(help="Files to judge. [default: those of the newest checkpoint]", show_default=False),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option("--against", help="Checkpoint or weights to compare with. [default: the one of that name]"),
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", help="Whose test split to use. [default: the checkpoint's own data]")
    ] = None,
    data_root: DataRoot = None,
    arch: Arch = None,
    arch_arg: ArchArg = None,
    trust_pickle: TrustPickle = False,
    images: Annotated[
        list[str] | None,
        typer.Option("--images", help="How many test images, evenly spread; or the folder of a CSV file's paths."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="512 test images: the same as --images 512.")] = False,
    skip_bad: SkipBad = False,
    follow_links: FollowLinks = False,
    logits: Annotated[
        Path | None, typer.Option("--logits", help="Judge this .npy of float32[N, K], computed elsewhere on --inputs.")
    ] = None,
    inputs: Annotated[
        Path | None, typer.Option("--inputs", help="The .npy of float32[N, C, H, W], or of uint8 frames, that it had.")
    ] = None,
    write_inputs: Annotated[
        Path | None,
        typer.Option("--write-inputs", help="Judge nothing: write the inputs for a program of yours to this .npy."),
    ] = None,
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
    from lenetx.models.arguments import parse

    documents = report or []
    for path in documents:
        _require(path, _DOCUMENTS, "--report")
    count, folder = _images(images or [], quick=quick)
    cuda_index(device)
    note = render.notices(quiet=quiet)
    network = {"architecture": arch, "arguments": parse(arch_arg or ()), "trust_pickle": trust_pickle}
    options: dict[str, Any] = {
        "data_name": data,
        "data_root": data_root,
        "data_options": DataOptions(images=folder, skip_bad=skip_bad, follow_links=follow_links),
        "images": count,
        "on_notice": note,
    }
    if write_inputs is not None:
        problem = "nothing is judged: no artifact, logits, inputs, report, document or device goes with it."
        _alone("--write-inputs", problem, artifacts, logits, inputs, report, json, device != "cpu")
        _require(write_inputs, (".npy",), "--write-inputs")
        with render.steps(quiet=quiet) as step:
            written = own.write_inputs(write_inputs, against, network, options, step)
        given = _texts("--arch", [arch] if arch else []) + _texts("--arch-arg", arch_arg or [])
        given += ["--trust-pickle"] * trust_pickle
        render.inputs_written(write_inputs, *written, given, quiet=quiet)
        return
    judged: list[tuple[Path | None, Report]]
    problems: list[LenetxError] = []
    if logits is not None or inputs is not None:
        problem = "logits are judged on --inputs alone: no data set, number of images or device goes with them."
        _alone("--logits", problem, data, data_root, images, quick, skip_bad, follow_links, device != "cpu")
        if logits is None or inputs is None or artifacts:
            problem = "--logits and --inputs go together, and without artifacts."
            raise typer.BadParameter(problem, param_hint="'--logits'")
        with render.steps(quiet=quiet) as step:
            judged = [own.judge_logits(logits, inputs, against, network, step)]
    else:
        with render.steps(quiet=quiet) as step:
            judged, problems = _judge(artifacts, against, network, options, device, step)
    _certify(judged, note)
    _show([one for _, one in judged], documents, verbose=verbose, quiet=quiet, json=json)
    for error in problems[1:]:
        render.error(str(error))
    if problems:
        raise problems[0]
    if not all(one.passed for _, one in judged):
        raise typer.Exit(PROOF_FAILED)


def _texts(option: str, values: Sequence[str]) -> list[str]:
    return [text for value in values for text in (option, value)]


def _alone(option: str, problem: str, *others: object) -> None:
    if any(others):
        raise typer.BadParameter(problem, param_hint=f"'{option}'")


def _require(path: Path, endings: tuple[str, ...], option: str) -> None:
    """Find out before the work whether a file can be written, and as what."""
    from lenetx.files import require_writable

    if path.suffix not in endings:
        raise typer.BadParameter(f"'{path}' does not end in {' or '.join(endings)}.", param_hint=f"'{option}'")
    require_writable(path)


def _images(given: Sequence[str], *, quick: bool) -> tuple[int | None, Path | None]:
    """Tell a number of images from a folder of them."""
    from lenetx.files import exists
    from lenetx.proving import QUICK

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


def _judge(
    artifacts: list[Path] | None,
    against: Path | None,
    network: dict[str, Any],
    options: dict[str, Any],
    device: str,
    step: render.Step,
) -> "tuple[list[tuple[Path | None, Report]], list[LenetxError]]":
    """Give each artifact with its report, and why some could not be judged.

    Those that could not be opened have failed reports. Whatever else is in the way of one, such as a device that is not
    there, loses no report of another.

    Raises:
        LenetxError: there is no report at all.
    """
    import lenetx
    from lenetx.foreign import load_against
    from lenetx.locate import artifacts_of, newest_checkpoint

    paths = artifacts or artifacts_of(against or newest_checkpoint())
    references: dict[Path, lenetx.Reference] = {}
    judged: list[tuple[Path | None, Report]] = []
    problems: list[LenetxError] = []
    for path in paths:
        try:
            require_file(path, "artifact")
            checkpoint = against or _beside(path)
            if checkpoint not in references:
                step(f"reading {checkpoint}")
                known = load_against(checkpoint, path, **network, on_notice=options["on_notice"])
                references[checkpoint] = lenetx.reference(known, **options, file=checkpoint.name, on_progress=step)
            step(f"proving {path.name}")
            report = lenetx.verify(path, against=references[checkpoint], device=device, on_progress=step)
        except LenetxError as error:
            problems.append(error)
            if isinstance(error, ArtifactError) and not isinstance(error, lenetx.CheckpointError):
                judged.append((path, lenetx.Report.unreadable(path.name, str(error))))
        else:
            judged.append((path, report))
    if not judged:
        raise problems[0]
    return judged, problems


def _beside(artifact: Path) -> Path:
    """Return the checkpoint of an artifact by its name; without one, whether the artifact is damaged comes first."""
    from lenetx.inspection import inspect
    from lenetx.locate import checkpoint_beside

    try:
        return checkpoint_beside(artifact)
    except InputError:
        inspect(artifact)
        raise


def _certify(judged: "Sequence[tuple[Path | None, Report]]", note: render.Step) -> None:
    """Write or remove the certificates; a folder that cannot be written to changes no verdict."""
    import lenetx

    for path, report in judged:
        if path is not None:
            try:
                if kept := lenetx.certify(path, report):
                    note(kept)
            except (lenetx.OutputError, lenetx.InputError) as error:
                note(str(error))


def _show(reports: "Sequence[Report]", documents: Sequence[Path], *, verbose: bool, quiet: bool, json: bool) -> None:
    """Write the reports to files, print them for machines and for people."""
    from lenetx.files import write_atomically
    from lenetx.report import to_json
    from lenetx.reporting import to_html

    for path in documents:
        write = to_html if path.suffix == ".html" else to_json
        write_atomically(path, write(reports).encode())
    if json:
        render.text(to_json(reports))
    for one in reports:
        if not one.is_unreadable and (not one.passed or not quiet):
            render.report(one, verbose=verbose)
