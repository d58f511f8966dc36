"""Seal and publish another program's ONNX file without a proof."""

from collections.abc import Callable
from pathlib import Path

from lenetx_runtime.certificate import certificate_path

from .. import formats
from ..files import write_atomically
from ..formats import foreign_onnx
from ..proof import about_artifact, environment
from ..report import Check, Report
from ..weights.statement import Statement
from .manifest import MANIFEST, merged
from .publish import reject_folders
from .transaction import lock_and_recover, move_into_place, staging

__all__ = ["seal_unproven"]

_NOTHING = "It was sealed without weights to compare it with."


def seal_unproven(
    path: Path,
    target: Path,
    stated: Statement,
    layout: str | None,
    on_progress: Callable[[str], None],
    on_notice: Callable[[str], None],
) -> Report:
    """Publish a foreign file with a spec that says that nothing was proven; no certificate is written.

    Args:
        path: the file.
        target: the path to publish to.
        stated: preprocessing, labels and input shape.
        layout: of the file's input; found by its axes if ``None``.
        on_progress: called with a few words about the current step.
        on_notice: called with a sentence about anything that was assumed.

    Returns:
        A report without any check that ran.

    Raises:
        InputError, ArtifactError: see ``foreign_onnx.unproven``.
        OutputError: a file cannot be written; existing files are kept unchanged.
    """
    folder = target.parent
    reject_folders([target, certificate_path(target), folder / MANIFEST])
    on_progress(f"sealing {target.name}")
    contents = foreign_onnx.unproven(path, stated, layout, on_notice)
    with staging(folder, on_progress) as staged:
        place = staged / target.name
        write_atomically(place, contents, named=target)
        opened = formats.open_artifact(place)
        check = Check("proof", "no weights", "not_run", detail=_NOTHING)
        report = Report((check,), environment(opened.backend.device), about_artifact(opened), {})
        with lock_and_recover(folder, on_progress):
            manifest = merged(folder, [report], opened.artifact.spec.weights_sha256)
            write_atomically(staged / MANIFEST, manifest, named=folder / MANIFEST)
            move_into_place(staged, [target.name, MANIFEST], folder)
    return report
