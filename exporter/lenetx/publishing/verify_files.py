"""Verify files by path: artifacts, and another program's logits; write the inputs that such a program needs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lenetx_runtime import LenetxError
from lenetx_runtime.files import require_file

from ..data.array_files import read_array, write_array
from ..errors import ArtifactError, CheckpointError, InputError, OutputError
from ..formats.foreign_onnx import is_foreign
from ..proof import Reference
from ..report import Report
from ..weights.load import load_weights
from ..weights.options import WeightsOptions
from .against import load_against
from .certificate import certify
from .inspection import inspect
from .locate import artifacts_of, checkpoint_beside, newest_checkpoint
from .reference import reference
from .verify import verify, verify_logits

__all__ = ["Verified", "verify_files", "verify_logits_file", "write_inputs"]

Step = Callable[[str], None]
Options = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Verified:
    """The outcome of verifying several files.

    Attributes:
        reports: one for each file that was checked or could not be opened.
        problems: the errors raised, such as an unavailable device; also those of files that could not be opened.
    """

    reports: tuple[Report, ...]
    problems: tuple[LenetxError, ...] = ()


def verify_files(
    artifacts: Sequence[Path] | None,
    against: Path | None,
    *,
    weights: WeightsOptions,
    data: Options,
    device: str,
    layout: str | None = None,
    on_progress: Step,
    on_notice: Step,
) -> Verified:
    """Compare artifacts with their checkpoints and certify those that pass; an error in one does not stop the others.

    Args:
        artifacts: the files; by default those of ``against``, or of the newest checkpoint.
        against: the checkpoint or weights; by default the checkpoint beside each artifact with its file name stem.
        weights: how to read the weights.
        data: further arguments of ``lenetx.reference``.
        device: where the artifacts run: ``cpu``, ``cuda`` or ``cuda:N``.
        layout: as for ``lenetx.verify``.
        on_progress: called with a few words on each step.
        on_notice: called with a sentence that the user should read.

    Raises:
        LenetxError: the first error, if there is no report at all.
    """
    references = _References(weights, data, on_progress, on_notice)
    reports: list[Report] = []
    problems: list[LenetxError] = []
    for path in artifacts or artifacts_of(against or newest_checkpoint()):
        try:
            require_file(path, "artifact")
            expected = references.of(against or _beside(path), path)
            on_progress(f"proving {path.name}")
            report = verify(
                path,
                against=expected,
                output=weights.stated.network_output if is_foreign(path) else None,
                device=device,
                layout=layout,
                on_progress=on_progress,
            )
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


class _References:
    """The references of several artifacts; artifacts that complete the weights alike share one."""

    def __init__(self, weights: WeightsOptions, data: Options, on_progress: Step, on_notice: Step) -> None:
        self._weights, self._data, self._on_progress, self._on_notice = weights, data, on_progress, on_notice
        self._known: list[tuple[Path, Reference]] = []
        self._told: set[str] = set()

    def of(self, checkpoint: Path, artifact: Path) -> Reference:
        """Return the reference for an artifact, which supplies what the weights do not record.

        Raises:
            LenetxError: see ``load_against`` and ``lenetx.reference``.
        """
        self._on_progress(f"reading {checkpoint}")
        loaded = load_against(checkpoint, artifact, self._weights, self._tell)
        for path, known in self._known:
            own = known.checkpoint
            if (path, own.spec, own.config) == (checkpoint, loaded.spec, loaded.config):
                return known
        made = reference(
            loaded,
            **self._data,
            stated=self._weights.stated,
            file=checkpoint.name,
            on_progress=self._on_progress,
            on_notice=self._tell,
        )
        self._known.append((checkpoint, made))
        return made

    def _tell(self, sentence: str) -> None:
        """Pass on a notice once."""
        if sentence not in self._told:
            self._told.add(sentence)
            self._on_notice(sentence)


def _beside(artifact: Path) -> Path:
    """Return the checkpoint beside an artifact; if there is none, report a damaged artifact first."""
    try:
        return checkpoint_beside(artifact)
    except InputError:
        inspect(artifact)
        raise


def _certify(path: Path, report: Report, on_notice: Step) -> None:
    """Write or remove the certificate; report errors as notices, since they do not change the verdict."""
    try:
        if kept := certify(path, report):
            on_notice(kept)
    except (OutputError, InputError) as error:
        on_notice(str(error))


def verify_logits_file(
    logits: Path, inputs: Path, against: Path | None, *, weights: WeightsOptions, on_progress: Step, on_notice: Step
) -> Verified:
    """Compare the logits in a .npy file with a checkpoint's for the inputs in another; write no certificate.

    Args:
        logits: a file with float32[N, K].
        inputs: a file with float32[N, C, H, W], or uint8 frames [N, h, w] or [N, h, w, 3].
        against: the checkpoint or weights; the newest checkpoint by default.
        weights: how to read the weights.
        on_progress: called with a few words on each step.
        on_notice: called with a sentence that the user should read.

    Raises:
        LenetxError: a file cannot be read or the inputs do not fit the network.
    """
    theirs, values = read_array(logits), read_array(inputs)  # first, since errors in them are found quickly
    checkpoint = against or newest_checkpoint()
    on_progress(f"reading {checkpoint}")
    known = load_weights(checkpoint, weights, on_notice)
    expected = Reference(known, None, "No data set is asked.", file=checkpoint.name)
    on_progress(f"proving {logits.name}")
    return Verified((verify_logits(theirs, values, against=expected, name=logits.name),))


def write_inputs(
    path: Path, against: Path | None, *, weights: WeightsOptions, data: Options, on_progress: Step, on_notice: Step
) -> tuple[Path, tuple[int, ...], int]:
    """Write all inputs of a proof to a .npy file, float32[N, C, H, W].

    Args:
        path: the file to write.
        against: the checkpoint or weights; the newest checkpoint by default.
        weights: how to read the weights.
        data: further arguments of ``lenetx.reference``.
        on_progress: called with a few words on each step.
        on_notice: called with a sentence that the user should read.

    Returns:
        The checkpoint's path, the shape of the inputs, and the number of logits per input.
    """
    checkpoint = against or newest_checkpoint()
    on_progress(f"reading {checkpoint}")
    known = load_weights(checkpoint, weights, on_notice)
    expected = reference(known, **data, file=checkpoint.name, on_progress=on_progress, on_notice=on_notice)
    values = expected.inputs()
    write_array(path, values)
    return checkpoint, values.shape, len(known.spec.labels)
