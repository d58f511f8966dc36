"""Prove files, functions and logits computed by other programs: the library's API for the proof."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenetx_runtime.device import cuda_index
from lenetx_runtime.files import require_file
from lenetx_runtime.layout import LAYOUTS
from lenetx_runtime.spec import UNKNOWN

from .. import data, formats
from ..data import DataOptions
from ..data.proof_images import evenly_spaced, with_test_frames
from ..errors import ArtifactError, DataMissing, InputError, OutputError, UnknownName
from ..execution.host import standard_settings
from ..formats.foreign_onnx import is_foreign, open_adopted, open_foreign
from ..proof import Reference, as_artifact, program_of, prove, prove_logits
from ..quantization.precision import require_drop
from ..report import Check, Report
from ..weights.checkpoint import Checkpoint
from ..weights.load import load_weights
from ..weights.options import WeightsOptions
from ..weights.stated_spec import stated_spec
from ..weights.statement import Statement
from .against import load_against
from .in_memory import without_modules
from .manifest import MANIFEST, entry_of
from .transaction import lock_and_recover

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession
    from torch import nn

__all__ = ["QUICK", "reference", "require_layout", "verify", "verify_logits"]

PathLike = str | Path
Function = Callable[["NDArray[np.float32]"], Any]
"""From float32[N, C, H, W], any N ≥ 0, to float32[N, K] logits."""

QUICK = 512
"""Number of test images in a quick proof."""
_NO_FILE = "`weights_options` says how a file is read: give the path of one as `against`."


@standard_settings()
def reference(
    checkpoint: Checkpoint,
    *,
    data_name: str | None = None,
    data_root: PathLike | None = None,
    data_options: DataOptions | None = None,
    images: int | None = None,
    stated: Statement | None = None,
    file: str | None = None,
    max_drop: float | None = None,
    on_progress: Callable[[str], None] = lambda _: None,
    on_notice: Callable[[str], None] = lambda _: None,
) -> Reference:
    """Create the reference that artifacts of a checkpoint are compared with; it can be reused for several artifacts.

    Args:
        checkpoint: the weights.
        data_name: the data set whose test split is used. By default the checkpoint's own data set, if it is on this
            machine; otherwise the real-data checks are ``not_run`` and the report says so.
        data_root: the folder of the data set's files, see ``lenetx.data.load``.
        data_options: how to read a custom data set.
        images: the number of test images to use, evenly spread; all by default, or if there are fewer.
        stated: preprocessing of the images, for weights that do not record it.
        file: the name of the checkpoint's file, for the report.
        max_drop: the largest loss of accuracy of an artifact in reduced precision, in percentage points; by default 0.1
            for int8 and 0.02 for float16.
        on_progress: called with a few words on each step.
        on_notice: called with a sentence if there are fewer images than requested.

    Raises:
        UnknownName, DataError: the requested data set is not available or cannot be used.
        InputError: its labels are not the checkpoint's, ``images`` is less than 1, ``max_drop`` is not 0 to 100, or
            the weights' preprocessing is unknown.
    """
    require_drop(max_drop)
    if images is not None and images < 1:
        raise InputError(f"The number of images is {images}; it must be at least 1.")
    name = data_name or checkpoint.config["data"]
    if name is None:
        why = "the weights came without a data set; name one with --data."
        return Reference(checkpoint, None, f"No real images were seen: {why}", file=file, max_drop=max_drop)
    pictures = stated_spec(Path(file or "weights"), checkpoint.spec, _preprocessing(stated), on_notice)
    if pictures.framing == UNKNOWN:
        raise InputError(f"The weights do not record how images of {name} become inputs: state it with --framing.")
    root, options = Path(data_root) if data_root else None, data_options or DataOptions()
    labels = checkpoint.spec.labels
    if data_name is None and name not in data.SOURCES:
        why = f"It was trained on '{name}', a custom data set: give its path with --data."
        return Reference(checkpoint, None, f"No real images were seen. {why}", file=file, max_drop=max_drop)
    try:
        dataset = data.load(name, root, download=data_name is not None, options=options, class_names=labels)
    except DataMissing as error:
        return Reference(checkpoint, None, f"No real images were seen. {error}", file=file, max_drop=max_drop)
    if dataset.class_names != checkpoint.spec.labels:
        raise InputError(
            f"The labels of {name} are {', '.join(dataset.class_names)}; "
            f"those of the checkpoint are {', '.join(checkpoint.spec.labels)}."
        )
    indices = None
    if images is not None and images < len(dataset.test):
        dataset, indices = evenly_spaced(dataset, images)
    elif images is not None and images > len(dataset.test):
        on_notice(f"There are {len(dataset.test):,} test images of {name}, not {images:,}: all of them are used.")
    framed, usable = with_test_frames(dataset, pictures, options)
    numbers = usable if indices is None else indices[usable]
    spread = indices is not None
    return Reference(
        checkpoint,
        framed,
        numbers=numbers,
        spread=spread,
        pictures=pictures,
        file=file,
        max_drop=max_drop,
        on_progress=on_progress,
    )


def _preprocessing(stated: Statement | None) -> Statement:
    return Statement() if stated is None else stated.of_pictures


@standard_settings()
def verify(
    artifact: "PathLike | Function | InferenceSession | nn.Module",
    *,
    against: "Checkpoint | PathLike | Reference | nn.Module",
    input_shape: Sequence[int] | None = None,
    output: int | str | None = None,
    data_name: str | None = None,
    data_root: PathLike | None = None,
    data_options: DataOptions | None = None,
    images: int | None = None,
    device: str = "cpu",
    name: str | None = None,
    weights_options: WeightsOptions | None = None,
    layout: str | None = None,
    on_progress: Callable[[str], None] = lambda _: None,
    on_notice: Callable[[str], None] | None = None,
) -> Report:
    """Compare an artifact, any ONNX file, or a program in memory, with a checkpoint or a module in memory.

    Args:
        artifact: the path of the file; or a function from float32[N, C, H, W], any N ≥ 0, to float32[N, K] logits, such
            as a binding of your own C++ program; or an ``onnxruntime.InferenceSession``; or a torch module, which runs
            in eval mode. An exception of a program is a failed check.
        against: the checkpoint, the path of a checkpoint or of any file of weights, an existing ``reference``, or a
            ``torch.nn.Module``, which is never changed, see ``Checkpoint.of``.
        input_shape: (channels, height, width) of a module's input; by default what the artifact states, else the
            module's attribute of that name.
        output: index or name of the logits among several outputs of a module; by default what the artifact states.
        data_name: the data set whose test split is used, see ``reference``.
        data_root: the folder of the data set's files.
        data_options: how to read a custom data set.
        images: the number of test images to use, evenly spread; all by default.
        device: where a file runs: ``cpu``, ``cuda`` or ``cuda:N``; does not apply to programs in memory.
        name: a program's name in the report; by default its ``__name__`` or its class.
        weights_options: how to read the file ``against``. What an artifact records is the default.
        layout: the axes of the input of another program's ONNX file, if they do not tell: ``nchw``, ``nhwc``, ``flat``
            or ``nhw``, see ``ModelSpec.layout``.
        on_progress: called with a few words on each step.
        on_notice: called with a sentence about anything that was assumed or changed of a module; by default these are
            warnings.

    Returns:
        The report; ``passed`` is the verdict.

    Raises:
        InputError, ArtifactError, CheckpointError, DeviceUnavailable: the comparison could not start.
    """
    program = program_of(artifact, name)
    path = None if program is not None else _file(artifact, device, name)
    if program is not None and device != "cpu":
        raise InputError(f"`device` does not apply to functions; got '{device}'.")
    axes = None if program is None else program.axes
    known = without_modules(against, path, axes, input_shape, output, on_notice)
    options: dict[str, Any] = {"data_name": data_name, "data_root": data_root, "data_options": data_options}
    require_layout(layout)
    expected = _reference_of(known, path, weights_options, **options, images=images, on_progress=on_progress)
    if program is not None:
        return prove(
            as_artifact(program.run, expected.checkpoint.spec, program.name), expected, on_progress=on_progress
        )
    assert path is not None
    with _locked(path.parent, on_progress):  # the file and the manifest must come from the same publication
        if is_foreign(path):
            opened = open_foreign(path, expected.checkpoint, expected.modules[0], device=device, layout=layout)
            return prove(opened, expected, on_progress=on_progress)
        if layout is not None:
            raise InputError(f"`layout` applies only to ONNX files of other programs; got '{layout}'.")
        opened = formats.open_artifact(path, device=device)
        if opened.artifact.is_foreign:
            opened = open_adopted(path, expected.checkpoint, expected.modules[0], device=device)
        published = _manifest(path, opened.artifact.sha256)
    return prove(opened, expected, also=(published,), on_progress=on_progress)


@standard_settings()
def verify_logits(
    logits: "NDArray[np.float32]",
    inputs: "NDArray[Any]",
    *,
    against: "Checkpoint | PathLike | Reference | nn.Module",
    name: str = "logits",
    weights_options: WeightsOptions | None = None,
) -> Report:
    """Compare logits that another program has computed with a checkpoint's.

    Args:
        logits: float32[N, K].
        inputs: the program's inputs: float32[N, C, H, W], or uint8 frames of the spec's ``frame_size``, [N, h, w] or
            [N, h, w, 3], which the runtime's preprocessing normalises.
        against: the checkpoint, the path of a checkpoint or of any file of weights, an existing ``reference``, or a
            ``torch.nn.Module``, whose input has the shape of ``inputs``.
        name: the program's name in the report.
        weights_options: how to read the file ``against``.

    Raises:
        InputError: the inputs do not fit the network, are not finite, or are not as many as the rows of logits.
        CheckpointError: the checkpoint cannot be used.
    """
    against = without_modules(against, None, getattr(inputs, "shape", None), None, None, None)
    if not isinstance(against, Reference):
        known, file = _loaded(against, None, weights_options)
        against = Reference(known, None, "No data set is asked.", file=file)
    elif weights_options is not None:
        raise InputError(_NO_FILE)
    return prove_logits(logits, inputs, against, name)


def require_layout(layout: str | None) -> None:
    """Check that a layout exists, if one is stated.

    Raises:
        UnknownName: it does not.
    """
    if layout is not None and layout not in LAYOUTS:
        raise UnknownName("layout", layout, LAYOUTS)


def _file(artifact: Any, device: str, name: str | None) -> Path:
    """Return the path of an artifact; what cannot be right is rejected before anything is loaded."""
    cuda_index(device)
    require_file(Path(artifact), "artifact")
    if name is not None:
        raise InputError(f"`name` does not apply to files, which have a name; got '{name}'.")
    return Path(artifact)


def _reference_of(
    against: Checkpoint | PathLike | Reference,
    artifact: Path | None,
    weights_options: WeightsOptions | None,
    **options: Any,
) -> Reference:
    if not isinstance(against, Reference):
        known, file = _loaded(against, artifact, weights_options)
        stated = None if weights_options is None else weights_options.stated
        return reference(known, **options, stated=stated, file=file)
    if weights_options is not None:
        raise InputError(_NO_FILE)
    if given := [name for name, value in options.items() if value is not None and not callable(value)]:
        raise InputError(f"A reference has its images already: {', '.join(given)} cannot be given with it.")
    return against


def _loaded(
    against: Checkpoint | PathLike, artifact: Path | None, options: WeightsOptions | None
) -> tuple[Checkpoint, str | None]:
    """Return a checkpoint, and the name of its file if it came from one."""
    if isinstance(against, Checkpoint):
        if options is not None:
            raise InputError(_NO_FILE)
        return against, None
    path = Path(against)
    loaded = load_weights(path, options) if artifact is None else load_against(path, artifact, options)
    return loaded, path.name


@contextlib.contextmanager
def _locked(folder: Path, on_progress: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of an artifact's folder; if that is not possible, report it and continue without the lock."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(lock_and_recover(folder, on_progress))
        except OutputError as error:
            on_progress(str(error))
        yield


def _manifest(path: Path, sha256: str) -> Check:
    try:
        entry = entry_of(path)
    except ArtifactError as error:
        return Check("manifest", MANIFEST, "failed", detail=str(error))
    if entry is None:
        return Check("manifest", MANIFEST, "not_run", detail=f"There is no {MANIFEST} that lists {path.name}.")
    problem = None if entry.get("sha256") == sha256 else f"The file is not the one that was published: {sha256}."
    return Check.verdict("manifest", MANIFEST, problem, "The file is the one that was published.")
