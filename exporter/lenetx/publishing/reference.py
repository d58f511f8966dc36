"""Create the reference that artifacts are compared with: a checkpoint with the images of its data set."""

from collections.abc import Callable
from pathlib import Path

from lenetx_runtime.spec import UNKNOWN

from .. import data
from ..data import DataOptions
from ..data.proof_images import evenly_spaced, with_test_frames
from ..errors import DataMissing, InputError
from ..execution.host import standard_settings
from ..proof import Reference
from ..quantization.precision import require_drop
from ..weights.checkpoint import Checkpoint
from ..weights.stated_spec import stated_spec
from ..weights.statement import Statement

__all__ = ["reference"]


@standard_settings()
def reference(
    checkpoint: Checkpoint,
    *,
    data_name: str | None = None,
    data_root: str | Path | None = None,
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
