"""Verify files by name: artifacts, the logits of another program, and the inputs that such a program needs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lenetx_runtime import LenetxError
from lenetx_runtime.files import require_file

from ..data.array_files import read_array, write_array
from ..errors import ArtifactError, CheckpointError, InputError, OutputError
from ..proof import Reference
from ..report import Report
from ..weights.load import load_weights
from .certificate import certify
from .inspection import inspect
from .locate import artifacts_of, checkpoint_beside, newest_checkpoint
from .verify import load_against, reference, verify, verify_logits

__all__ = ["Verified", "verify_files", "verify_logits_file", "write_inputs"]

Step = Callable[[str], None]
Options = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Verified:
    """What came out for some files.

    Attributes:
        reports: one for each file that was judged or could not be opened.
        problems: why the others could not be judged, such as a device that is not there.
    """

    reports: tuple[Report, ...]
    problems: tuple[LenetxError, ...] = ()


def verify_files(
    artifacts: Sequence[Path] | None,
    against: Path | None,
    *,
    network: Options,
    data: Options,
    device: str,
    on_progress: Step,
    on_notice: Step,
) -> Verified:
    """Compare artifacts with their checkpoints, and certify those that pass; no problem of one loses another's report.

    Args:
        artifacts: the files; those of ``against``, or of the newest checkpoint, by default.
        against: the checkpoint or weights; by default the checkpoint of each artifact's name beside it.
        network: arguments of ``lenetx.load_weights`` beside the path.
        data: arguments of ``lenetx.reference`` beside the checkpoint.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        on_progress: told what goes on, a few words at a time.
        on_notice: told what the user should know, a sentence at a time.

    Raises:
        LenetxError: there is no report at all.
    """
    references: dict[Path, Reference] = {}
    reports: list[Report] = []
    problems: list[LenetxError] = []
    for path in artifacts or artifacts_of(against or newest_checkpoint()):
        try:
            require_file(path, "artifact")
            checkpoint = against or _beside(path)
            if checkpoint not in references:
                on_progress(f"reading {checkpoint}")
                known = load_against(checkpoint, path, **network, on_notice=on_notice)
                references[checkpoint] = reference(
                    known, **data, file=checkpoint.name, on_progress=on_progress, on_notice=on_notice
                )
            on_progress(f"proving {path.name}")
            report = verify(path, against=references[checkpoint], device=device, on_progress=on_progress)
        except LenetxError as error:
            problems.append(error)
            if not isinstance(error, ArtifactError) or isinstance(error, CheckpointError):
                continue
            report = Report.unreadable(path.name, str(error))
        _certify(path, report, on_notice)
        reports.append(report)
    if not reports:
        raise problems[0]
    return Verified(tuple(reports), tuple(problems))


def _beside(artifact: Path) -> Path:
    """Return the checkpoint of an artifact by its name; without one, whether the artifact is damaged comes first."""
    try:
        return checkpoint_beside(artifact)
    except InputError:
        inspect(artifact)
        raise


def _certify(path: Path, report: Report, on_notice: Step) -> None:
    """Write or remove the certificate; a folder that cannot be written to changes no verdict."""
    try:
        if kept := certify(path, report):
            on_notice(kept)
    except (OutputError, InputError) as error:
        on_notice(str(error))


def verify_logits_file(
    logits: Path, inputs: Path, against: Path | None, *, network: Options, on_progress: Step, on_notice: Step
) -> Verified:
    """Compare the logits in a .npy file with a checkpoint's for the inputs in another; nothing is certified.

    Args:
        logits: float32[N, K].
        inputs: float32[N, C, H, W], or uint8 frames.
        against: the checkpoint or weights; the newest checkpoint by default.
        network: arguments of ``lenetx.load_weights`` beside the path.
        on_progress: told what goes on, a few words at a time.
        on_notice: told what the user should know, a sentence at a time.
    """
    theirs, values = read_array(logits), read_array(inputs)  # what is wrong with them is found soonest
    checkpoint = against or newest_checkpoint()
    on_progress(f"reading {checkpoint}")
    known = load_weights(checkpoint, **network, on_notice=on_notice)
    judge = Reference(known, None, "No data set is asked.", file=checkpoint.name)
    on_progress(f"proving {logits.name}")
    return Verified((verify_logits(theirs, values, against=judge, name=logits.name),))


def write_inputs(
    path: Path, against: Path | None, *, network: Options, data: Options, on_progress: Step, on_notice: Step
) -> tuple[Path, tuple[int, ...], int]:
    """Write all inputs of a proof to a .npy file, float32[N, C, H, W].

    Returns:
        The checkpoint, the shape of the inputs, and the number of logits that each needs.
    """
    checkpoint = against or newest_checkpoint()
    on_progress(f"reading {checkpoint}")
    known = load_weights(checkpoint, **network, on_notice=on_notice)
    judge = reference(known, **data, file=checkpoint.name, on_progress=on_progress, on_notice=on_notice)
    values = judge.inputs()
    write_array(path, values)
    return checkpoint, values.shape, len(known.spec.labels)
