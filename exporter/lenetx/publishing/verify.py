"""Prove files, functions and logits computed by other programs: the library's API for the proof."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenetx_runtime.device import cuda_index
from lenetx_runtime.files import require_file
from lenetx_runtime.layout import LAYOUTS

from .. import formats
from ..data import DataOptions
from ..errors import InputError, OutputError, UnknownName
from ..execution.host import standard_settings
from ..formats.c import adopted as c_adopted
from ..formats.foreign_onnx import is_foreign, open_adopted, open_foreign
from ..proof import Reference, as_artifact, program_of, prove, prove_logits
from ..report import Report
from ..weights.checkpoint import Checkpoint
from ..weights.load import load_weights
from ..weights.options import WeightsOptions
from .against import load_against
from .in_memory import without_modules
from .manifest import published_check
from .reference import reference
from .transaction import lock_and_recover

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from onnxruntime import InferenceSession
    from torch import nn

__all__ = ["QUICK", "require_layout", "verify", "verify_logits"]

PathLike = str | Path
Function = Callable[["NDArray[np.float32]"], Any]
"""From float32[N, C, H, W], any N ≥ 0, to float32[N, K] logits."""

QUICK = 512
"""Number of test images in a quick proof."""
_NO_FILE = "`weights_options` says how a file is read: give the path of one as `against`."


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
        output: index or name of the logits among several outputs of a module, by default what the artifact states; or
            of another program's ONNX file, by default the one that corresponds to the network's.
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
            if output is None and weights_options is not None:
                output = weights_options.stated.network_output
            opened = open_foreign(
                path,
                expected.checkpoint,
                expected.modules[0],
                device=device,
                layout=layout,
                output=None if output is None else str(output),
            )
            return prove(opened, expected, on_progress=on_progress)
        if layout is not None:
            raise InputError(f"`layout` applies only to ONNX files of other programs; got '{layout}'.")
        opened = formats.open_artifact(path, device=device)
        if opened.artifact.is_foreign:
            again = c_adopted.open_adopted if opened.artifact.format == "c" else open_adopted
            opened = again(path, expected.checkpoint, expected.modules[0], device=device)
        published = published_check(path, opened.artifact.sha256)
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
