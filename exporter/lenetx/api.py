"""Define the public functions behind the commands."""

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenetx_runtime import Classifier
from lenetx_runtime.spec import FLOAT32

from . import eager, formats
from .bounds.selftest import with_possible_self_test
from .data import DataOptions
from .errors import InputError
from .execution.host import standard_settings
from .execution.notices import warn
from .formats import DEFAULT, Batch, require_options, require_precision
from .formats.c.source import require_identifier
from .models import file_stem
from .models.in_memory import is_module
from .publishing.publish import Refusal, publish
from .publishing.reference import reference
from .quantization.precision import Precision, named_stem
from .report import Report
from .weights import checkpoint_file as checkpoints
from .weights import convert as conversion
from .weights import load as weights_load
from .weights.checkpoint import Checkpoint
from .weights.in_memory import MODULE
from .weights.options import WeightsOptions
from .weights.stated_spec import stated_spec
from .weights.statement import Statement

if TYPE_CHECKING:
    from torch import nn

__all__ = ["classifier", "convert", "export", "load", "load_weights", "save"]

PathLike = str | Path

_LARGEST_BATCH = 10_000


@standard_settings()
def load(path: PathLike, *, architecture: str | None = None) -> Checkpoint:
    """Load a checkpoint; see ``lenetx.weights.checkpoint_file.load``."""
    return checkpoints.load(Path(path), architecture=architecture)


@standard_settings()
def load_weights(
    path: PathLike,
    *,
    architecture: str | None = None,
    arguments: Mapping[str, object] | None = None,
    stated: Statement | None = None,
    trust_pickle: bool = False,
    weights_options: WeightsOptions | None = None,
    on_notice: Callable[[str], None] = lambda _: None,
) -> Checkpoint:
    """Load a checkpoint, or build one from third-party weights; see ``lenetx.weights.load.load_weights``.

    How to read the file is given as ``weights_options`` or as its fields; all errors are those of ``load_weights``.
    """
    options = WeightsOptions.of(
        weights_options, architecture=architecture, arguments=arguments, stated=stated, trust_pickle=trust_pickle
    )
    return weights_load.load_weights(Path(path), options, on_notice)


@standard_settings()
def convert(
    source: PathLike,
    target: PathLike,
    *,
    architecture: str | None = None,
    arguments: Mapping[str, object] | None = None,
    stated: Statement | None = None,
    trust_pickle: bool = False,
    weights_options: WeightsOptions | None = None,
    on_notice: Callable[[str], None] = lambda _: None,
) -> None:
    """Write weights to another file format; see ``lenetx.weights.convert.convert``.

    How to read the source is given as ``weights_options`` or as its fields.
    """
    options = WeightsOptions.of(
        weights_options, architecture=architecture, arguments=arguments, stated=stated, trust_pickle=trust_pickle
    )
    conversion.convert(Path(source), Path(target), options, on_notice)


@standard_settings()
def save(checkpoint: Checkpoint, path: PathLike) -> None:
    """Write a checkpoint; see ``lenetx.weights.checkpoint_file.save``.

    One of a module in memory gets a self-test, by which ``load`` finds out whether the network that it is given is the
    same.
    """
    if MODULE in checkpoint.config and checkpoint.spec.selftest is None:
        checkpoint = with_possible_self_test(checkpoint, warn)
    checkpoints.save(checkpoint, Path(path))


@standard_settings()
def export(
    checkpoint: "Checkpoint | PathLike | nn.Module",
    formats: Sequence[str] | None = None,
    *,
    input_shape: Sequence[int] | None = None,
    labels: Sequence[str] | None = None,
    framing: str | None = None,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
    interpolation: str | None = None,
    resize: int | None = None,
    output: int | str | None = None,
    folder: PathLike | None = None,
    name: str | None = None,
    stem: str | None = None,
    batch: Batch = "dynamic",
    opset: int | None = None,
    march: str | None = None,
    largest_batch: int | None = None,
    precision: Precision | str = "fp32",
    raw_input: bool = False,
    probabilities: bool = False,
    with_framing: bool = True,
    data_name: str | None = None,
    data_root: PathLike | None = None,
    data_options: DataOptions | None = None,
    weights_options: WeightsOptions | None = None,
    on_progress: Callable[[str], None] = lambda _: None,
    on_notice: Callable[[str], None] | None = None,
    on_refusal: Callable[[Refusal], None] | None = None,
) -> list[Report]:
    """Export a checkpoint or a module in memory, prove the artifacts and publish those that pass, as ``NAME.FORMAT``.

    A format that cannot be exported or proven does not prevent others from being published; an existing file of that
    format is kept.

    Args:
        checkpoint: the weights, the path of a checkpoint or of any file of weights, or a ``torch.nn.Module``, which is
            never changed.
        formats: names from ``lenetx.formats.FORMATS``, all of which must be published. By default all formats are
            tried, and at least one must be published.
        input_shape: (channels, height, width) of a module's input; see ``Checkpoint.of``, also for the next seven.
        labels: class names of a module.
        framing: how images become a module's inputs.
        mean: of a module's inputs.
        std: of a module's inputs.
        interpolation: of the framing.
        resize: of the framing.
        output: index or name of the logits among several outputs of a module.
        folder: output folder; defaults to the checkpoint file's folder, otherwise to ``artifacts``.
        name: file name without suffix; defaults to the checkpoint file's, otherwise to the network's name.
        stem: the same as ``name``.
        batch: ``"dynamic"``, or a fixed batch size.
        opset: opset of the ONNX file; 18 by default.
        march: processors of a native library: ``x86-64`` to ``x86-64-v4``; by default the highest that this one has.
        largest_batch: of an ``executorch`` file with a dynamic batch: images per call, 1 to 1,024; 64 by default.
        precision: ``fp32``, ``fp16`` or ``int8``, or a ``Precision`` with more options. A file in reduced precision is
            called like ``NAME.fp16.onnx`` or ``NAME.int8.onnx``.
        raw_input: take uint8 frames, [N, h, w] or [N, h, w, 3], and normalise and pad them in the graph. Only for ONNX
            in ``fp32``; the file is called ``NAME.raw.onnx``.
        probabilities: add the softmax of the logits as a second output ``probabilities``. Only for ONNX in ``fp32``.
        with_framing: C only: take pictures of any size too, if the framing is ``mnist``, ``stretch`` or ``letterbox``.
        data_name: data set whose test split is used for the proof; see ``lenetx.reference``.
        data_root: folder of the data set's files.
        data_options: how to read a custom data set.
        weights_options: how to read the file of weights.
        on_progress: called with a few words about the current step.
        on_notice: called with a sentence about anything that was assumed or changed, or that the artifacts lack. By
            default these are warnings for a module, and dropped otherwise.
        on_refusal: called for each format that was not published although another one was. By default this is a
            warning if ``formats`` was omitted, and an error otherwise.

    Returns:
        One passed report per published format.

    Raises:
        ProofFailed: a requested artifact failed its proof, or by default all artifacts did.
        InputError: an argument is invalid.
        CheckpointError: the checkpoint cannot be read.
        OutputError: a file cannot be written.
    """
    name = name or stem
    if name and "c" in (formats or ()):
        require_identifier(name)
    stated: dict[str, Any] = {
        "labels": labels,
        "framing": framing,
        "mean": mean,
        "std": std,
        "interpolation": interpolation,
        "resize": resize,
        "output": output,
    }
    if is_module(checkpoint) or not isinstance(checkpoint, Checkpoint | str | os.PathLike):
        checkpoint = Checkpoint.of(checkpoint, input_shape=input_shape, **stated, on_notice=on_notice)
        on_notice = on_notice or warn
    elif given := [key for key, value in {"input_shape": input_shape, **stated}.items() if value is not None]:
        raise InputError(f"`{given[0]}` is for a module in memory; state it of a file with `weights_options`.")
    note = on_notice or _drop
    if not isinstance(checkpoint, Checkpoint):
        path = Path(checkpoint)
        folder, name = folder or path.parent, name or path.stem
        checkpoint = weights_load.load_weights(path, weights_options, note)
    elif weights_options is not None:
        raise InputError("`weights_options` says how a file is read: give the path of one as `checkpoint`.")
    _require_batch(batch)
    if formats is not None and (isinstance(formats, str) or not formats):
        raise InputError(f"Formats are a list of names, not {formats!r}.")
    precision = Precision(precision) if isinstance(precision, str) else precision
    stated_options = {"opset": opset, "march": march, "largest_batch": largest_batch}
    options: dict[str, Any] = {option: value for option, value in stated_options.items() if value is not None}
    options |= {name: True for name, on in (("raw_input", raw_input), ("probabilities", probabilities)) if on}
    options |= {} if with_framing else {"with_framing": False}
    names = list(formats or (DEFAULT if precision.kind == FLOAT32 and not {*options} - {"opset"} else DEFAULT[:1]))
    require_options(names, options)
    require_precision(names, precision.kind)
    if formats is None and on_refusal is None:
        on_refusal = _warn
    if checkpoint.spec.selftest is None:
        checkpoint = with_possible_self_test(checkpoint, note)
    expected = reference(
        checkpoint,
        data_name=data_name,
        data_root=data_root,
        data_options=data_options,
        max_drop=precision.max_drop,
        on_progress=on_progress,
    )
    options |= precision.options(expected.dataset, expected.missing, expected.pictures)
    return publish(
        expected,
        Path(folder or "artifacts"),
        named_stem(name or file_stem(checkpoint.spec.architecture), precision.kind, raw_input=raw_input),
        names,
        batch=batch,
        options=options,
        on_progress=on_progress,
        on_refusal=on_refusal,
    )


def _require_batch(batch: Batch) -> None:
    if batch != "dynamic" and batch < 1:
        raise InputError(f"The batch size is {batch}; it must be at least 1, or 'dynamic'.")
    if batch != "dynamic" and batch > _LARGEST_BATCH:
        raise InputError(
            f"The batch size is {batch}; it must be at most {_LARGEST_BATCH}: the proof holds a whole batch in memory."
        )


def _drop(_: str) -> None:
    """Ignore a notice."""


def _warn(refusal: Refusal) -> None:
    warnings.warn(f"{refusal.name} was not published: {refusal.reason}", stacklevel=4)


@standard_settings()
def classifier(
    path: PathLike,
    *,
    device: str = "cpu",
    architecture: str | None = None,
    weights_options: WeightsOptions | None = None,
    allow_native: bool = False,
    on_notice: Callable[[str], None] = lambda _: None,
) -> Classifier:
    """Open an artifact of any format, or any file of weights in eager PyTorch, as the runtime's ``Classifier``.

    Args:
        path: the artifact, checkpoint or file of weights.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        architecture: the network of the weights; see ``load``.
        weights_options: how to read weights, instead of ``architecture``. Its statements also complete an artifact that
            does not record its preprocessing.
        allow_native: load a native library (``.so``), see ``lenetx_runtime.Classifier``.
        on_notice: called with a sentence about anything that was assumed or changed.

    Raises:
        InputError: there is no such file, or an argument does not apply to it or contradicts it.
        ArtifactError: the file is damaged or unsupported.
        DeviceUnavailable: the device is not available.
    """
    path, options = Path(path), WeightsOptions.of(weights_options, architecture=architecture)
    if not formats.is_artifact(path):
        return eager.classifier(weights_load.load_weights(path, options, on_notice), device=device)
    spec, backend = formats.spec_and_backend(path, device=device, allow_native=allow_native)
    options.require_for_artifact(str(path), spec.network_output)
    return Classifier.from_backend(stated_spec(path, spec, options.stated, on_notice), backend)
