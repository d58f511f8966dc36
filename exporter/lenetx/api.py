"""The library: what the commands do, as functions."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lenetx_runtime import Classifier
from lenetx_runtime.spec import UNKNOWN

from . import checkpoint as checkpoints
from . import conversion, data, eager, foreign, formats
from .checkpoint import SUFFIXES, Checkpoint
from .data import DataOptions
from .data.test_frames import with_test_frames
from .errors import ArtifactError, DataMissing, InputError
from .formats import Batch
from .manifest import MANIFEST, entry_of
from .models import file_stem
from .publish import publish
from .report import Check, Report
from .statement import Statement
from .verification import Reference, prove

__all__ = ["classifier", "convert", "export", "load", "load_weights", "reference", "save", "verify"]

PathLike = str | Path

_LARGEST_BATCH = 10_000


def load(path: PathLike, *, architecture: str | None = None) -> Checkpoint:
    """Read a checkpoint; see :func:`lenetx.checkpoint.load`."""
    return checkpoints.load(Path(path), architecture=architecture)


def load_weights(
    path: PathLike,
    *,
    architecture: str | None = None,
    arguments: Mapping[str, object] | None = None,
    stated: Statement | None = None,
    trust_pickle: bool = False,
    on_notice: Callable[[str], None] = lambda _: None,
) -> Checkpoint:
    """Read a checkpoint, or make one of weights from elsewhere; see :func:`lenetx.foreign.load_weights`."""
    return foreign.load_weights(
        Path(path),
        architecture=architecture,
        arguments=arguments,
        stated=stated,
        trust_pickle=trust_pickle,
        on_notice=on_notice,
    )


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
    """Write weights to another kind of file; see :func:`lenetx.conversion.convert`."""
    conversion.convert(
        Path(source),
        Path(target),
        architecture=architecture,
        arguments=arguments,
        stated=stated,
        trust_pickle=trust_pickle,
        on_notice=on_notice,
    )


def save(checkpoint: Checkpoint, path: PathLike) -> None:
    """Write a checkpoint; see :func:`lenetx.checkpoint.save`."""
    checkpoints.save(checkpoint, Path(path))


def reference(
    checkpoint: Checkpoint,
    *,
    data_name: str | None = None,
    data_root: PathLike | None = None,
    data_options: DataOptions | None = None,
) -> Reference:
    """Make what artifacts of a checkpoint are compared with, to be used for several of them.

    Args:
        checkpoint: the weights.
        data_name: whose test split to use. By default the checkpoint's own data set, if it is on this machine;
            if it is not, the real-data checks are ``not_run`` and say so.
        data_root: folder of the data set's files, see :func:`lenetx.data.load`.
        data_options: how to read a set of one's own.

    Raises:
        UnknownName, DataError: the data set that was asked for is not there, or cannot be used.
        InputError: its labels are not the checkpoint's.
    """
    name = data_name or checkpoint.config["data"]
    if name is None:
        return Reference(
            checkpoint, None, "No real images were seen: the weights came without a data set; name one with --data."
        )
    if checkpoint.spec.framing == UNKNOWN:
        raise InputError(f"The weights do not say how images of {name} become inputs: state it with --framing.")
    root, options = Path(data_root) if data_root else None, data_options or DataOptions()
    labels = checkpoint.spec.labels
    if data_name is None and name not in data.SOURCES:
        why = f"It was trained on '{name}', a set of its user's own: name its place with --data."
        return Reference(checkpoint, None, f"No real images were seen. {why}")
    try:
        dataset = data.load(name, root, download=data_name is not None, options=options, class_names=labels)
    except DataMissing as error:
        return Reference(checkpoint, None, f"No real images were seen. {error}")
    if dataset.class_names != checkpoint.spec.labels:
        raise InputError(
            f"The labels of {name} are {', '.join(dataset.class_names)}; "
            f"those of the checkpoint are {', '.join(checkpoint.spec.labels)}."
        )
    return Reference(checkpoint, with_test_frames(dataset, checkpoint.spec, options))


def export(
    checkpoint: Checkpoint | PathLike,
    formats: Sequence[str] = formats.DEFAULT,
    *,
    folder: PathLike | None = None,
    stem: str | None = None,
    batch: Batch = "dynamic",
    opset: int | None = None,
    data_name: str | None = None,
    data_root: PathLike | None = None,
    data_options: DataOptions | None = None,
    on_progress: Callable[[str], None] = lambda _: None,
) -> list[Report]:
    """Export a checkpoint and publish what was proven; the artifacts are named ``STEM.FORMAT``.

    Args:
        checkpoint: the weights, or the path of a checkpoint.
        formats: names among ``lenetx.formats.FORMATS``.
        folder: where to write: the checkpoint's folder, or ``artifacts`` for one that is not a file.
        stem: file name without its ending: the checkpoint's, or the architecture for one that is not a file.
        batch: ``"dynamic"``, or the one batch size that the artifact shall take.
        opset: of the ONNX file; 18 by default.
        data_name: on whose test split to prove, see :func:`reference`.
        data_root: folder of its files.
        data_options: how to read a set of one's own.
        on_progress: told what goes on, a few words at a time.

    Returns:
        One passed report per format.

    Raises:
        ProofFailed: an artifact was wrong; nothing was published, what stood there stands.
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
    if isinstance(formats, str) or not formats:
        raise InputError(f"Formats are a list of names, not {formats!r}.")
    if opset is not None and "onnx" not in formats:
        raise InputError(f"The opset {opset} means nothing to {', '.join(formats)}: it is for onnx.")
    return publish(
        reference(checkpoint, data_name=data_name, data_root=data_root, data_options=data_options),
        Path(folder or "artifacts"),
        stem or file_stem(checkpoint.spec.architecture),
        formats,
        batch=batch,
        opset=opset,
        on_progress=on_progress,
    )


def verify(
    artifact: PathLike,
    *,
    against: Checkpoint | PathLike | Reference,
    data_name: str | None = None,
    data_root: PathLike | None = None,
    data_options: DataOptions | None = None,
    device: str = "cpu",
) -> Report:
    """Compare a published artifact with a checkpoint.

    Args:
        artifact: path of the file.
        against: the checkpoint, its path, or a :func:`reference` made of it before.
        data_name: on whose test split, see :func:`reference`.
        data_root: folder of its files.
        data_options: how to read a set of one's own.
        device: where the artifact runs: ``cpu``, ``cuda`` or ``cuda:N``.

    Returns:
        The report, whose ``passed`` says what came out.

    Raises:
        InputError, ArtifactError, CheckpointError, DeviceUnavailable: it could not be compared at all.
    """
    if not isinstance(against, Reference):
        known = against if isinstance(against, Checkpoint) else load(against)
        against = reference(known, data_name=data_name, data_root=data_root, data_options=data_options)
    path = Path(artifact)
    opened = formats.open_artifact(path, device=device)
    return prove(opened, against, also=(_manifest(path, opened.artifact.sha256),))


def classifier(path: PathLike, *, device: str = "cpu", architecture: str | None = None) -> Classifier:
    """Open an artifact of any format, or a checkpoint in eager PyTorch, as the runtime's ``Classifier``.

    Args:
        path: the file.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        architecture: of a checkpoint, see :func:`load`.

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


def _manifest(path: Path, sha256: str) -> Check:
    try:
        entry = entry_of(path)
    except ArtifactError as error:
        return Check("manifest", MANIFEST, "failed", detail=str(error))
    if entry is None:
        return Check("manifest", MANIFEST, "not_run", detail=f"There is no {MANIFEST} that lists {path.name}.")
    problem = None if entry.get("sha256") == sha256 else f"The file is not the one that was published: {sha256}."
    return Check.verdict("manifest", MANIFEST, problem, "The file is the one that was published.")
