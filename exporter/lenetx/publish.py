"""Stage, prove, replace: nothing is published unproven."""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lenetx_runtime.certificate import certificate_path

from . import formats
from .certificate import certificate_of, stronger
from .errors import InputError, OutputError, ProofFailed
from .files import exists, make_folder, write_atomically
from .manifest import MANIFEST, merged
from .report import Report
from .verification import Reference, prove

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .formats import Batch

__all__ = ["publish"]


def publish(
    reference: Reference,
    folder: Path,
    stem: str,
    names: Sequence[str],
    *,
    batch: "Batch" = "dynamic",
    opset: int | None = None,
    on_progress: Callable[[str], None] = lambda _: None,
) -> list[Report]:
    """Export a checkpoint to each format, prove what was written, and only then move all of it into place.

    Args:
        reference: the checkpoint and what is right.
        folder: where the artifacts, their certificates and the manifest go.
        stem: file name without its ending.
        names: of the formats.
        batch: ``"dynamic"`` or a fixed batch size.
        opset: of the ONNX file.
        on_progress: told what goes on, a few words at a time.

    Raises:
        ProofFailed: an artifact is wrong; none was published and the old ones stand.
        OutputError: a file could not be written; the old ones stand.
        InputError: ``stem`` is not a file name.
    """
    if not stem or Path(stem).name != stem:
        raise InputError(f"'{stem}' is not a file name without its ending.")
    for name in names:
        formats.require(name)
    targets = [folder / f"{stem}{formats.suffix(name)}" for name in names]
    _refuse_folders([*targets, *map(certificate_path, targets), folder / MANIFEST])
    with _staging(folder) as staging:
        reports, staged = [], []
        for name in dict.fromkeys(names):
            path = staging / f"{stem}{formats.suffix(name)}"
            on_progress(f"exporting {path.name}")
            contents = formats.export(name, reference.checkpoint, batch=batch, opset=opset)
            write_atomically(path, contents, named=folder / path.name)
            reference.written.add(hashlib.sha256(contents).hexdigest())
            on_progress(f"proving {path.name}")
            reports.append(prove(formats.open_artifact(path), reference))
            staged.append(path)
        _require_proof(reports)
        for path, report in zip(tuple(staged), reports, strict=True):
            place = certificate_path(path)
            if note := stronger(folder / place.name, report):
                on_progress(note)
                continue
            write_atomically(place, certificate_of(report), named=folder / place.name)
            staged.append(place)
        contents = merged(folder, reports, reference.checkpoint.spec.weights_sha256)
        write_atomically(staging / MANIFEST, contents, named=folder / MANIFEST)
        _move([*staged, staging / MANIFEST], folder)
    return reports


@contextmanager
def _staging(folder: Path) -> "Iterator[Path]":
    """Make a folder beside the artifacts, on their file system, so that a rename is all that publishing takes."""
    new = [parent for parent in (folder, *folder.parents) if not exists(parent)]
    make_folder(folder)
    try:
        staging = Path(tempfile.mkdtemp(prefix=".lenetx-", dir=folder))
    except OSError as error:
        raise OutputError(f"Nothing can be written to '{folder}': {error.strerror}.") from None
    done = False
    try:
        yield staging
        done = True
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        if not done:
            _remove_if_empty(new)


def _remove_if_empty(folders: list[Path]) -> None:
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return


def _require_proof(reports: list[Report]) -> None:
    failed = [report for report in reports if not report.passed]
    if failed:
        reasons = " ".join(report.conclusion for report in failed)
        raise ProofFailed(f"{reasons} Nothing was published.", tuple(reports))


def _refuse_folders(targets: Iterable[Path]) -> None:
    for target in targets:
        if exists(target) and target.is_dir():
            raise OutputError(f"'{target}' could not be replaced: it is a directory.")


def _move(staged: list[Path], folder: Path) -> None:
    """Replace all or none: a second name keeps what stood there until all are replaced, and is put back if not."""
    aside = Path(tempfile.mkdtemp(dir=staged[0].parent))
    touched: list[tuple[Path, Path | None]] = []
    target = folder
    try:
        for path in staged:
            target = folder / path.name
            touched.append((target, _keep(target, aside)))
            path.replace(target)
    except BaseException as error:  # an interrupt too
        for replaced, kept in touched:
            _put_back(replaced, kept)
        if isinstance(error, OSError):
            raise OutputError(f"'{target}' could not be replaced: {error.strerror}.") from None
        raise


def _keep(target: Path, aside: Path) -> Path | None:
    """Give the old file another name without taking its own away: whoever opens it meanwhile finds it."""
    if not exists(target):
        return None
    kept = aside / target.name
    try:
        kept.hardlink_to(target)
    except OSError:  # a file system without hard links
        shutil.copy2(target, kept)
    return kept


def _put_back(target: Path, kept: Path | None) -> None:
    if kept is None:
        target.unlink(missing_ok=True)
    else:
        kept.replace(target)
