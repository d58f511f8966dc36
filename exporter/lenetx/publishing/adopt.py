"""Adopt ONNX files of other programs: prove one, and publish the same graph with a spec, a self-test and a seal."""

import dataclasses
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ModelSpec
from lenetx_runtime.files import naming, read_bytes, require_file
from lenetx_runtime.onnx_file import read_spec
from lenetx_runtime.spec import UNPROVEN

from .. import formats
from ..bounds.selftest import with_possible_self_test
from ..data import DataOptions
from ..errors import InputError
from ..execution.host import standard_settings
from ..execution.notices import warn
from ..files import ARTIFACTS, exists
from ..formats import foreign_onnx
from ..formats.c import adopted as c_adopted
from ..formats.local_paths import LOCAL_PATHS
from ..models.user_network import as_input_shape
from ..proof import Reference
from ..report import Report
from ..weights.checkpoint import Checkpoint
from ..weights.options import WeightsOptions
from ..weights.statement import Statement
from .against import load_against
from .in_memory import against_foreign
from .publish import Job, publish_jobs
from .reference import reference
from .unproven import seal_unproven
from .verify import require_layout

if TYPE_CHECKING:
    from torch import nn

__all__ = ["adopt"]

PathLike = str | Path
Notice = Callable[[str], None]

_ENDING = ".onnx"


@standard_settings()
def adopt(
    path: PathLike,
    *,
    against: "Checkpoint | PathLike | nn.Module | None" = None,
    unproven: bool = False,
    input_shape: Sequence[int] | None = None,
    labels: Sequence[str] | None = None,
    framing: str | None = None,
    mean: float | Sequence[float] | None = None,
    std: float | Sequence[float] | None = None,
    interpolation: str | None = None,
    resize: int | None = None,
    output: int | str | None = None,
    layout: str | None = None,
    folder: PathLike | None = None,
    name: str | None = None,
    also_c: bool = False,
    data_name: str | None = None,
    data_root: PathLike | None = None,
    data_options: DataOptions | None = None,
    weights_options: WeightsOptions | None = None,
    on_progress: Callable[[str], None] = lambda _: None,
    on_notice: Notice | None = None,
) -> Report:
    """Prove an ONNX file of another program, and publish it as ``NAME.onnx`` with what ``lenetx_runtime`` needs.

    The published file has the same nodes and tensors, byte for byte, and a spec, a self-test and a seal; external
    weights are included. Its certificate and the manifest are published with it, all or nothing.

    Args:
        path: the file, which is never changed; or one that was adopted unproven.
        against: the checkpoint, the path of a checkpoint or of any file of weights, or a ``torch.nn.Module``, which is
            never changed.
        unproven: seal the file without weights to compare it with. It gets neither a self-test nor a certificate, its
            spec has the origin ``unproven``, and ``Classifier(..., require_verified=True)`` rejects it.
        input_shape: (channels, height, width) of the input; by default what the file states. This and the next seven
            are for a module in memory and for ``unproven``; see ``Checkpoint.of``.
        labels: class names.
        framing: how images become inputs.
        mean: of the inputs.
        std: of the inputs.
        interpolation: of the framing.
        resize: of the framing.
        output: index or name of the logits among several outputs of a module or of the file. The file's others are left
            out, with what only they need.
        layout: the axes of the file's input, if it does not tell them: ``nchw``, ``nhwc``, ``flat`` or ``nhw``, see
            ``ModelSpec.layout``.
        folder: output folder; ``artifacts`` by default. It cannot be that of the file, unless ``name`` differs.
        name: file name without suffix; the file's by default.
        also_c: write ``NAME.c`` and its header too, from the same graph, and prove it as well.
        data_name: data set whose test split is used for the proof; see ``lenetx.reference``.
        data_root: folder of the data set's files.
        data_options: how to read a custom data set.
        weights_options: how to read the file of weights or, with ``unproven``, what is stated about the file.
        on_progress: called with a few words about the current step.
        on_notice: called with a sentence about anything that was assumed or changed. By default these are warnings for
            a module, and dropped otherwise.

    Returns:
        The passed report; for ``unproven``, one without any check that ran, which has not passed.

    Raises:
        ProofFailed: the file does not compute the network; nothing was written.
        InputError: the file is missing, is not a float32 classifier or lacks the network's axes, or an argument is
            invalid.
        ArtifactError: the file is damaged, or holds something that ``lenetx_runtime`` rejects.
        CheckpointError: the checkpoint cannot be read.
        OutputError: a file cannot be written.
    """
    against = Path(against) if isinstance(against, str | os.PathLike) else against
    in_memory = not isinstance(against, Checkpoint | Path | None)
    path, note = _file(path), on_notice or (warn if in_memory else _drop)
    require_layout(layout)
    target = _target(path, Path(folder or ARTIFACTS), name)
    sealed = _require_adoptable(path)
    said: dict[str, Any] = {
        "labels": labels,
        "framing": framing,
        "mean": mean,
        "std": std,
        "interpolation": interpolation,
        "resize": resize,
        "output": output,
    }
    given = [key for key, value in {"input_shape": input_shape, **said}.items() if value is not None]
    if isinstance(against, Checkpoint) and output is not None:
        given.remove("output")
    if against is None and not unproven:
        raise InputError("Name the weights that it was made from, with --against; --unproven seals it without any.")
    if weights_options is not None and (given or not (unproven or isinstance(against, Path))):
        raise InputError("`weights_options` says how a file of weights is read; give no other statements with it.")
    stated = Statement.of_values(**said)
    if unproven:
        _require_nothing_to_compare(
            against, weights_options, data=data_name, data_root=data_root, images=data_options, also_c=also_c or None
        )
        stated = weights_options.stated if weights_options is not None else _with_shape(stated, input_shape)
        return seal_unproven(path, target, stated, layout, on_progress, note)
    assert against is not None  # checked above
    if given and not in_memory:
        raise InputError(f"`{given[0]}` is for a module in memory; state it of a file with `weights_options`.")
    if sealed is not None and in_memory:
        stated = stated.completed(Statement.of_spec(sealed))
    on_progress(f"reading {against if isinstance(against, Path) else path}")
    checkpoint = _checkpoint(path, against, input_shape, stated, weights_options, note)
    if checkpoint.spec.selftest is None:
        checkpoint = with_possible_self_test(checkpoint, note)
    expected = reference(
        checkpoint,
        data_name=data_name,
        data_root=data_root,
        data_options=data_options,
        file=against.name if isinstance(against, Path) else None,
        on_progress=on_progress,
    )
    chosen = stated if weights_options is None else weights_options.stated
    job = _job(path, target, expected, layout, chosen.network_output, note)
    jobs = [job, *[_c_job(job, expected)] * also_c]
    report, *others = publish_jobs(expected, target.parent, jobs, on_progress)
    _tell(report, others, note)
    return report


def _checkpoint(
    path: Path,
    against: "Checkpoint | Path | nn.Module",
    input_shape: Sequence[int] | None,
    stated: Statement,
    options: WeightsOptions | None,
    on_notice: Notice,
) -> Checkpoint:
    """Return the checkpoint that a file is compared with."""
    if isinstance(against, Checkpoint):
        return against
    if isinstance(against, Path):
        return load_against(against, path, options, on_notice)
    return against_foreign(against, path, input_shape, stated, on_notice)


def _job(
    path: Path, target: Path, expected: Reference, layout: str | None, output: str | None, on_notice: Notice
) -> Job:
    checkpoint, built = expected.checkpoint, expected.modules[0]
    return Job(
        "onnx",
        target,
        "adopting",
        partial(foreign_onnx.adopted, path, checkpoint.spec, built, layout, output, on_notice),
        partial(foreign_onnx.open_adopted, checkpoint=checkpoint, built=built, named=path),
    )


def _tell(report: Report, others: Sequence[Report], on_notice: Notice) -> None:
    """Pass on what a user should know of files that were published."""
    for other in others:
        on_notice(other.conclusion)
    for check in report.checks:
        if check.name == LOCAL_PATHS and check.status != "passed":
            on_notice(check.detail)


def _c_job(onnx: Job, expected: Reference) -> Job:
    """Return the job of the C file beside the ONNX file of another."""
    target = onnx.target.with_suffix(formats.suffix("c"))
    opening = partial(c_adopted.open_adopted, checkpoint=expected.checkpoint, built=expected.modules[0], named=target)
    return Job("c", target, "writing", lambda: c_adopted.adopted(onnx.write(), target.stem), opening)


def _file(path: object) -> Path:
    """Return the path of a file.

    Raises:
        InputError: it is a program in memory, or something else.
    """
    if isinstance(path, str | os.PathLike):
        return Path(path)
    raise InputError(
        f"Only the path of an ONNX file can be adopted; got {type(path).__name__}. `lenetx.verify` proves "
        "programs in memory."
    )


def _target(path: Path, folder: Path, name: str | None) -> Path:
    """Return the path to publish to.

    Raises:
        InputError: the file is missing or has another suffix, the name is not a file name, or the target is the file.
    """
    require_file(path, "model")
    if path.suffix != _ENDING:
        raise InputError(f"'{path}' does not end in {_ENDING}: 'lenetx adopt' takes ONNX files.")
    stem = path.stem if name is None else name
    if not stem or Path(stem).name != stem:
        raise InputError(f"'{stem}' is not a file name without its ending.")
    target = folder / f"{stem}{_ENDING}"
    if exists(target) and target.samefile(path):
        raise InputError(f"'{target}' is the file itself, which is never overwritten: name another folder with -o.")
    return target


def _require_adoptable(path: Path) -> ModelSpec | None:
    """Return the spec of a file that was adopted unproven, ``None`` for a foreign one.

    Raises:
        InputError: lenetx wrote the file or has proven it.
        ArtifactError: it is not an ONNX model, or is damaged.
    """
    if foreign_onnx.is_foreign(path):
        return None
    with naming(path):
        spec = read_spec(read_bytes(path, "model"))
    if spec.origin != UNPROVEN:
        raise InputError(f"'{path}' has a lenetx spec already, and needs no adoption: 'lenetx verify' proves it.")
    return spec


def _require_nothing_to_compare(against: object, options: WeightsOptions | None, **data: object) -> None:
    """Check that no argument that only a proof needs is given for an adoption without a proof.

    Raises:
        InputError: it does.
    """
    if against is not None:
        raise InputError("--unproven is for files without weights to compare them with; got --against: omit one.")
    if named := [name for name, value in data.items() if value is not None]:
        raise InputError(f"--{named[0].replace('_', '-')} is for the proof, and --unproven makes none.")
    if options is not None and options != WeightsOptions(stated=options.stated):
        raise InputError("--unproven reads no weights: --arch, --arch-arg and permissions do not apply to it.")


def _with_shape(stated: Statement, input_shape: Sequence[int] | None) -> Statement:
    if input_shape is None:
        return stated
    (channels, height, width), _ = as_input_shape(input_shape, "The input_shape")
    return dataclasses.replace(stated, input_size=(height, width), channels=channels)


def _drop(_: str) -> None:
    """Ignore a notice."""
