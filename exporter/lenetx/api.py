"""The library: what the commands do, as functions."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lenetx_runtime import Classifier

from . import eager, formats
from .bounds.selftest import with_self_test
from .data import DataOptions
from .errors import InputError, LenetxError
from .execution.host import own_settings
from .execution.user_code import described
from .formats import DEFAULT, Batch, require_options
from .models import file_stem
from .publishing.publish import Refusal, publish
from .publishing.verify import reference
from .report import Report
from .weights import checkpoint_file as checkpoints
from .weights import convert as conversion
from .weights import load as foreign
from .weights.checkpoint import Checkpoint
from .weights.checkpoint_file import SUFFIXES
from .weights.statement import Statement

__all__ = ["classifier", "convert", "export", "load", "load_weights", "save"]

PathLike = str | Path

_LARGEST_BATCH = 10_000


@own_settings()
def load(path: PathLike, *, architecture: str | None = None) -> Checkpoint:
    """Read a checkpoint; see ``lenetx.weights.checkpoint_file.load``."""
    return checkpoints.load(Path(path), architecture=architecture)


@own_settings()
def load_weights(
    path: PathLike,
    *,
    architecture: str | None = None,
    arguments: Mapping[str, object] | None = None,
    stated: Statement | None = None,
    trust_pickle: bool = False,
    on_notice: Callable[[str], None] = lambda _: None,
) -> Checkpoint:
    """Read a checkpoint, or make one of weights from elsewhere; see ``lenetx.weights.load.load_weights``."""
    return foreign.load_weights(
        Path(path),
        architecture=architecture,
        arguments=arguments,
        stated=stated,
        trust_pickle=trust_pickle,
        on_notice=on_notice,
    )


@own_settings()
def convert(
    source: PathLike,
    target: PathLike,
    *,
    architecture: str | None = None,
    arguments: Mapping[str, object] | None = None,
    stated: Statement | None = None,
    trust_pickle: bool = False,
    on_notice: Callable[[str], None] = lambda _: None,
) -> None:
    """Write weights to another kind of file; see ``lenetx.weights.convert.convert``."""
    conversion.convert(
        Path(source),
        Path(target),
        architecture=architecture,
        arguments=arguments,
        stated=stated,
        trust_pickle=trust_pickle,
        on_notice=on_notice,
    )


@own_settings()
def save(checkpoint: Checkpoint, path: PathLike) -> None:
    """Write a checkpoint; see ``lenetx.weights.checkpoint_file.save``."""
    checkpoints.save(checkpoint, Path(path))


@own_settings()
def export(
    checkpoint: Checkpoint | PathLike,
    formats: Sequence[str] | None = None,
    *,
    folder: PathLike | None = None,
    stem: str | None = None,
    batch: Batch = "dynamic",
    opset: int | None = None,
    data_name: str | None = None,
    data_root: PathLike | None = None,
    data_options: DataOptions | None = None,
    on_progress: Callable[[str], None] = lambda _: None,
    on_notice: Callable[[str], None] = lambda _: None,
    on_refusal: Callable[[Refusal], None] | None = None,
) -> list[Report]:
    """Export a checkpoint and publish what was proven; the artifacts are named ``STEM.FORMAT``.

    Whatever the formats are, one that cannot be exported or proven keeps no other from being published, and the file
    that stood in its place stands.

    Args:
        checkpoint: the weights, or the path of a checkpoint.
        formats: names among ``lenetx.formats.FORMATS``, each of which has to be published. By default all are tried,
            and it is enough that one can be.
        folder: where to write: the checkpoint's folder, or ``artifacts`` for one that is not a file.
        stem: file name without its ending: the checkpoint's, or the architecture for one that is not a file.
        batch: ``"dynamic"``, or the one batch size that the artifact shall take.
        opset: of the ONNX file; 18 by default.
        data_name: on whose test split to prove, see ``lenetx.reference``.
        data_root: folder of its files.
        data_options: how to read a set of one's own.
        on_progress: told what goes on, a few words at a time.
        on_notice: told what the artifacts lack, a sentence at a time.
        on_refusal: told of each format that was not published although another one was; by default it is a warning
            where the formats are the default ones, and an error where they were named.

    Returns:
        One passed report per format that was published.

    Raises:
        ProofFailed: an artifact was wrong that was named, or all were.
        InputError, CheckpointError, OutputError: an argument, the checkpoint or the disk refuses.
    """
    if not isinstance(checkpoint, Checkpoint):
        path = Path(checkpoint)
        folder, stem = folder or path.parent, stem or path.stem
        checkpoint = load(path)
    if batch != "dynamic" and batch < 1:
        raise InputError(f"The batch size is {batch}; it must be at least 1, or 'dynamic'.")
    if batch != "dynamic" and batch > _LARGEST_BATCH:
        raise InputError(f"The batch size is {batch}; it must be at most {_LARGEST_BATCH}: proving takes the memory.")
    if formats is not None and (isinstance(formats, str) or not formats):
        raise InputError(f"Formats are a list of names, not {formats!r}.")
    names = list(formats or DEFAULT)
    options = {} if opset is None else {"opset": opset}
    require_options(names, options)
    if formats is None and on_refusal is None:
        on_refusal = _warn
    if checkpoint.spec.selftest is None:
        checkpoint = _with_self_test(checkpoint, on_notice)
    return publish(
        reference(
            checkpoint, data_name=data_name, data_root=data_root, data_options=data_options, on_progress=on_progress
        ),
        Path(folder or "artifacts"),
        stem or file_stem(checkpoint.spec.architecture),
        names,
        batch=batch,
        options=options,
        on_progress=on_progress,
        on_refusal=on_refusal,
    )


def _with_self_test(checkpoint: Checkpoint, on_notice: Callable[[str], None]) -> Checkpoint:
    """Make the self-test that a checkpoint lacks; the proof itself tells what is wrong where it cannot be made."""
    try:
        return with_self_test(checkpoint)
    except Exception as error:  # of the user's network, in float32 or float64
        words = str(error) if isinstance(error, LenetxError) else described(error)
        on_notice(f"The artifacts carry no self-test, which could not be made: {words}")
        return checkpoint


def _warn(refusal: Refusal) -> None:
    warnings.warn(f"{refusal.name} was not published: {refusal.reason}", stacklevel=4)


@own_settings()
def classifier(path: PathLike, *, device: str = "cpu", architecture: str | None = None) -> Classifier:
    """Open an artifact of any format, or a checkpoint in eager PyTorch, as the runtime's ``Classifier``.

    Args:
        path: the file.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        architecture: of a checkpoint, see ``load``.

    Raises:
        InputError, ArtifactError, DeviceUnavailable: it cannot be opened.
    """
    path = Path(path)
    if path.suffix in SUFFIXES:
        return eager.classifier(load(path, architecture=architecture), device=device)
    if architecture is not None:
        raise InputError(f"'{path}' holds its network: '{architecture}' means nothing to it.")
    opened = formats.open_artifact(path, device=device)
    return Classifier.from_backend(opened.artifact.spec, opened.backend)
