"""Export a checkpoint to every format in every precision that this machine can make and prove."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from .. import formats
from ..bounds.selftest import with_possible_self_test
from ..data import DataOptions
from ..execution.host import standard_settings
from ..execution.notices import warn
from ..models import file_stem
from ..proof import Reference
from ..quantization.precision import PRECISIONS, Precision, named_stem
from ..report import Report
from ..weights.checkpoint import Checkpoint
from ..weights.load import load_weights
from ..weights.options import WeightsOptions
from .publish import Job, Refusal, publish_jobs
from .reference import reference

__all__ = ["export_all"]


@standard_settings()
def export_all(
    checkpoint: Checkpoint | str | Path,
    *,
    folder: str | Path | None = None,
    name: str | None = None,
    batch: formats.Batch = "dynamic",
    max_drop: float | None = None,
    data_name: str | None = None,
    data_root: str | Path | None = None,
    data_options: DataOptions | None = None,
    weights_options: WeightsOptions | None = None,
    on_progress: Callable[[str], None] = lambda _: None,
    on_notice: Callable[[str], None] = lambda _: None,
    on_refusal: Callable[[Refusal], None] = lambda refusal: warn(f"{refusal.name} was not published: {refusal.reason}"),
) -> list[Report]:
    """Export a checkpoint to every format in every precision, prove each file and publish those that pass.

    Args:
        checkpoint: the weights, or the path of a checkpoint or of any file of weights; of a module in memory, its
            ``Checkpoint.of``.
        folder: output folder; defaults to the checkpoint file's folder, otherwise to ``artifacts``.
        name: file name without suffix; defaults to the checkpoint file's, otherwise to the network's name.
        batch: ``"dynamic"``, or a fixed batch size.
        max_drop: the largest loss of accuracy in reduced precision, see ``Precision``.
        data_name: data set of the proof and of int8's calibration; see ``lenetx.reference``.
        data_root: folder of the data set's files.
        data_options: how to read a custom data set.
        weights_options: how to read the file of weights.
        on_progress: called with a few words about the current step.
        on_notice: called with a sentence about anything that was assumed.
        on_refusal: called for each file that was not published: its engine is missing, the format cannot express the
            network, or its proof failed. By default this is a warning.

    Returns:
        One passed report per published file.

    Raises:
        ProofFailed, LenetxError: nothing was published.
    """
    if not isinstance(checkpoint, Checkpoint):
        path = Path(checkpoint)
        folder, name = folder or path.parent, name or path.stem
        checkpoint = load_weights(path, weights_options, on_notice)
    if checkpoint.spec.selftest is None:
        checkpoint = with_possible_self_test(checkpoint, on_notice)
    expected = reference(
        checkpoint,
        data_name=data_name,
        data_root=data_root,
        data_options=data_options,
        max_drop=max_drop,
        on_progress=on_progress,
    )
    place, stem = Path(folder or "artifacts"), name or file_stem(checkpoint.spec.architecture)
    jobs = [
        Job(
            kind,
            place / f"{named_stem(stem, precision.kind)}{formats.suffix(kind)}",
            "exporting",
            partial(_contents, kind, precision, expected, batch, named_stem(stem, precision.kind)),
            formats.open_artifact,
        )
        for precision in map(Precision, PRECISIONS)
        for kind in formats.FORMATS
        if precision.kind in formats.precisions(kind)
    ]
    return publish_jobs(expected, place, jobs, on_progress, on_refusal)


def _contents(kind: str, precision: Precision, expected: Reference, batch: formats.Batch, stem: str) -> bytes:
    """Return an exported file; here, so that missing calibration images stop only int8."""
    options = precision.options(expected.dataset, expected.missing, expected.pictures)
    return formats.export(kind, expected.network, batch=batch, options={**options, "stem": stem})
