"""Stage, prove, replace: nothing is published unproven."""

import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import formats
from .errors import InputError, OutputError, ProofFailed
from .files import make_folder, write_atomically
from .report import Report
from .verification import Reference, prove

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .checkpoint import Checkpoint
    from .formats import Batch

__all__ = ["MANIFEST", "manifest_entry", "publish"]

MANIFEST = "manifest.json"
_MANIFEST_VERSION = 1


def publish(
    reference: Reference,
    folder: Path,
    stem: str,
    names: Sequence[str],
    *,
    batch: "Batch" = "dynamic",
    opset: int | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> list[Report]:
    """Export a checkpoint to each format, prove what was written, and only then move all of it into place.

    Args:
        reference: the checkpoint and what is right.
        folder: where the artifacts and the manifest go.
        stem: file name without its ending.
        names: of the formats.
        batch: ``"dynamic"`` or a fixed batch size.
        opset: of the ONNX file.
        report: told what goes on, a few words at a time.

    Raises:
        ProofFailed: an artifact is wrong; none was published and the old ones stand.
        OutputError: a file could not be written; the old ones stand.
        InputError: ``stem`` is not a file name.
    """
    if not stem or Path(stem).name != stem:
        raise InputError(f"'{stem}' is not a file name without its ending.")
    exporters = {name: formats.get(name) for name in names}
    with _staging(folder) as staging:
        reports, staged = [], []
        for name, exporter in exporters.items():
            path = staging / f"{stem}{formats.suffix(name)}"
            report(f"exporting {path.name}")
            write_atomically(path, exporter.export(reference.checkpoint, batch=batch, opset=opset))
            report(f"proving {path.name}")
            reports.append(prove(formats.open_artifact(path), reference))
            staged.append(path)
        _require_proof(reports)
        write_atomically(staging / MANIFEST, _manifest(folder, reports, reference.checkpoint))
        _move([*staged, staging / MANIFEST], folder)
    return reports


def manifest_entry(path: Path) -> Mapping[str, Any] | None:
    """Give what the manifest beside an artifact says of it, ``None`` where there is nothing."""
    try:
        entry = json.loads((path.parent / MANIFEST).read_bytes())["artifacts"].get(path.name)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return entry if isinstance(entry, dict) else None


@contextmanager
def _staging(folder: Path) -> "Iterator[Path]":
    """Make a folder beside the artifacts, on their file system, so that a rename is all that publishing takes."""
    new = [parent for parent in (folder, *folder.parents) if not parent.exists()]
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


def _move(staged: list[Path], folder: Path) -> None:
    """Replace all or nothing, as far as can be known before: everything is written, only names are still to change."""
    for path in staged:
        if (folder / path.name).is_dir():
            raise OutputError(f"'{folder / path.name}' could not be replaced: it is a directory.")
    for path in staged:
        try:
            path.replace(folder / path.name)
        except OSError as error:
            raise OutputError(f"'{folder / path.name}' could not be replaced: {error.strerror}.") from None


def _manifest(folder: Path, reports: list[Report], checkpoint: "Checkpoint") -> bytes:
    """Add the artifacts to the folder's manifest, keeping what it says of others that are still there."""
    try:
        entries = json.loads((folder / MANIFEST).read_bytes())["artifacts"]
        kept = {name: entry for name, entry in entries.items() if (folder / name).exists()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        kept = {}
    for report in reports:
        entry = {key: value for key, value in report.artifact.items() if key != "name"}
        entry |= {"weights_sha256": checkpoint.spec.weights_sha256, "conclusion": report.conclusion}
        kept[str(report.artifact["name"])] = entry
    document = {"manifest_version": _MANIFEST_VERSION, "artifacts": dict(sorted(kept.items()))}
    return (json.dumps(document, indent=2) + "\n").encode()
