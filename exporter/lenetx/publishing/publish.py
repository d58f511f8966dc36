"""Export to a staging folder, prove, and move into place: only artifacts whose proof passed are published."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenetx_runtime.certificate import certificate_path

from .. import formats
from ..errors import InputError, LenetxError, OutputError, ProofFailed
from ..execution.user_code import described
from ..files import exists, write_atomically
from ..proof import Reference, prove
from ..report import Report
from .certificate import certificate_of, stronger_certificate_note
from .manifest import MANIFEST, merged
from .transaction import lock_and_recover, move_into_place, staging

if TYPE_CHECKING:
    from ..formats import Batch
    from ..formats.artifact import OpenedArtifact

__all__ = ["Job", "Refusal", "publish", "publish_jobs", "reject_folders"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """An artifact that was not published; an existing file in its place is kept.

    Attributes:
        name: the file name.
        format: the file's format.
        reason: why it was not published, in a sentence or two.
        report: the report of the failed proof; ``None`` if an exception came first.
    """

    name: str
    format: str
    reason: str
    report: Report | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One file to prove and publish.

    Attributes:
        format: its format.
        target: its path.
        verb: what ``write`` does, for the progress, such as "exporting".
        write: returns its contents.
        open: opens it, at any path, for a proof.
    """

    format: str
    target: Path
    verb: str
    write: Callable[[], bytes]
    open: "Callable[[Path], OpenedArtifact]"


@dataclass(slots=True)
class _Trial:
    """The outcome of each format.

    Attributes:
        proven: the reports of passed proofs, by staged file.
        refusals: why the other formats are not published.
        errors: the exceptions raised while exporting, opening or proving.
    """

    proven: dict[Path, Report] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)


def publish(
    reference: Reference,
    folder: Path,
    stem: str,
    names: Sequence[str],
    *,
    batch: "Batch" = "dynamic",
    options: Mapping[str, Any] | None = None,
    on_progress: Callable[[str], None] = lambda _: None,
    on_refusal: Callable[[Refusal], None] | None = None,
) -> list[Report]:
    """Export a checkpoint to each format, prove what was written, and move the proven artifacts into place.

    Args:
        reference: the checkpoint with the inputs and their correct logits.
        folder: where the artifacts, their certificates and the manifest go.
        stem: the file name without its suffix.
        names: the formats.
        batch: ``"dynamic"`` or a fixed batch size.
        options: format-specific options, such as ``opset``.
        on_progress: called with a few words on each step.
        on_refusal: called for each format that could not be exported or proven, instead of raising, as long as another
            format is published.

    Returns:
        The reports of the published artifacts.

    Raises:
        ProofFailed: a proof failed, and nothing was published or ``on_refusal`` was omitted. The proven artifacts are
            published; files of the other formats are kept unchanged.
        OutputError: a file could not be written; existing files are kept unchanged.
        InputError: ``stem`` is not a file name.
        UnknownName: there is no such format.
        Exception: an export failed, and nothing was published or ``on_refusal`` was omitted.
    """
    if not stem or Path(stem).name != stem or not stem.isprintable():
        raise InputError(f"'{stem}' is not a file name without its ending.")
    for name in names:
        formats.require(name)
    jobs = [
        Job(
            name,
            folder / f"{stem}{formats.suffix(name)}",
            "exporting",
            partial(formats.export, name, reference.network, batch=batch, options={**(options or {}), "stem": stem}),
            formats.open_artifact,
        )
        for name in names
    ]
    return publish_jobs(reference, folder, jobs, on_progress, on_refusal)


def publish_jobs(
    reference: Reference,
    folder: Path,
    jobs: Sequence[Job],
    on_progress: Callable[[str], None] = lambda _: None,
    on_refusal: Callable[[Refusal], None] | None = None,
) -> list[Report]:
    """Write, prove and publish files in a folder; arguments, result and errors are those of ``publish``."""
    targets = [job.target for job in jobs]
    reject_folders([*targets, *map(certificate_path, targets), folder / MANIFEST])
    trial = _Trial()
    with staging(folder, on_progress) as staged:
        for job in jobs:
            _try(trial, job, staged / job.target.name, reference, on_progress)
        if not trial.proven:
            raise _failure(trial)
        _move(staged, trial.proven, folder, reference.checkpoint.spec.weights_sha256, on_progress)
    for refusal in trial.refusals:
        if on_refusal is None:
            raise _failure(trial)
        on_refusal(refusal)
    return list(trial.proven.values())


def _try(trial: _Trial, job: Job, path: Path, reference: Reference, on_progress: Callable[[str], None]) -> None:
    """Write and prove one file and add the outcome to ``trial``; a failure does not stop the other files."""
    try:
        on_progress(f"{job.verb} {path.name}")
        contents = job.write()
        write_atomically(path, contents, named=job.target)
        reference.written.add(hashlib.sha256(contents).hexdigest())
        on_progress(f"proving {path.name}")
        report = prove(job.open(path), reference)
    except OutputError:
        raise
    except Exception as error:  # an exporter may raise any exception
        words = str(error) if isinstance(error, LenetxError) else f"Its export raised {described(error)}"
        trial.refusals.append(Refusal(path.name, job.format, words))
        trial.errors.append(error)
        return
    if report.passed:
        trial.proven[path] = report
    else:
        trial.refusals.append(Refusal(path.name, job.format, f"{report.conclusion} {_why(report)}".strip(), report))


def _why(report: Report) -> str:
    return next((failed.detail for failed in report.failures if failed.detail), "")


def _failure(trial: _Trial) -> Exception:
    """Return the error for the unpublished formats: ``ProofFailed`` if a proof failed, else the first exception."""
    there = "".join(f" {report.artifact['name']} is proven and published." for report in trial.proven.values())
    failed = [refusal.report for refusal in trial.refusals if refusal.report is not None]
    if failed:
        reasons = (refusal.report.conclusion if refusal.report else _named(refusal) for refusal in trial.refusals)
        return ProofFailed(
            f"{' '.join(reasons)}{there or ' Nothing was published.'}", (*trial.proven.values(), *failed)
        )
    error = trial.errors[0]
    if isinstance(error, LenetxError) and (there or len({refusal.reason for refusal in trial.refusals}) > 1):
        error.args = (f"{' '.join(map(_named, trial.refusals))}{there}",)
    return error


def _named(refusal: Refusal) -> str:
    return f"{refusal.name} was not published: {refusal.reason}"


def _move(
    staged: Path,
    proven: dict[Path, Report],
    folder: Path,
    weights_sha256: str,
    on_progress: Callable[[str], None],
) -> None:
    """Publish the proven artifacts with their certificates and the updated manifest in one step.

    Certificates move after their artifacts: until then the runtime finds them in the staging folder.
    """
    with lock_and_recover(folder, on_progress):
        names = [path.name for path in proven]
        for path, report in proven.items():
            for name, contents in formats.companions(str(report.artifact["format"]), path).items():
                write_atomically(staged / name, contents, named=folder / name)
                names.append(name)
            place = certificate_path(path)
            if note := stronger_certificate_note(folder / place.name, report):
                on_progress(note)
                continue
            write_atomically(place, certificate_of(report), named=folder / place.name)
            names.append(place.name)
        contents = merged(folder, list(proven.values()), weights_sha256)
        write_atomically(staged / MANIFEST, contents, named=folder / MANIFEST)
        move_into_place(staged, [*names, MANIFEST], folder)


def reject_folders(targets: Iterable[Path]) -> None:
    """Raise OutputError if a directory is where a file is to be published."""
    for target in targets:
        if exists(target) and target.is_dir():
            raise OutputError(f"'{target}' could not be replaced: it is a directory.")
