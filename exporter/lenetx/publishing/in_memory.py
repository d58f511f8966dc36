"""Make a checkpoint from a module in memory, to compare artifacts with."""

import dataclasses
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from .. import formats
from ..errors import InputError
from ..execution.notices import warn
from ..formats.foreign_onnx import input_of, is_foreign, outputs_of
from ..models.architecture import Shape
from ..models.in_memory import is_module
from ..models.user_network import as_input_shape
from ..proof import Reference
from ..weights.checkpoint import Checkpoint
from ..weights.in_memory import checkpoint_of_module
from ..weights.python_words import in_python_words
from ..weights.statement import Statement
from .against import for_output

if TYPE_CHECKING:
    from torch import nn

__all__ = ["against_foreign", "without_modules"]


def without_modules(
    against: "Checkpoint | str | Path | Reference | nn.Module",
    artifact: Path | None,
    axes: Sequence[object] | None,
    input_shape: Sequence[int] | None,
    output: int | str | None,
    on_notice: Callable[[str], None] | None,
) -> Checkpoint | str | Path | Reference:
    """Return what an artifact or a program is compared with; a module in memory as its checkpoint.

    Args:
        against: a module, which is never changed, or anything else.
        artifact: supplies the input shape of a module and, if lenetx wrote it, preprocessing, labels and the network's
            name.
        axes: of the input of a program in memory.
        input_shape: see ``Checkpoint.of``; by default that of the artifact, else the module's own.
        output: see ``Checkpoint.of``; by default that of the artifact. For a foreign file, also one of its outputs.
        on_notice: see ``Checkpoint.of``.

    Raises:
        InputError: see ``Checkpoint.of``, ``input_shape`` is not the artifact's, or an argument does not apply.
        ArtifactError: the artifact is damaged.
    """
    if is_module(against) or not isinstance(against, Checkpoint | Reference | str | PathLike):
        return _module_against(against, artifact, axes, input_shape, output, on_notice)
    of_file = output is not None and artifact is not None and is_foreign(artifact)
    for name, value in (("input_shape", input_shape), ("output", None if of_file else output)):
        if value is not None:
            raise InputError(f"`{name}` is for a module in memory; state it of a file with `weights_options`.")
    return against


@in_python_words()
def _module_against(
    module: "nn.Module",
    artifact: Path | None,
    axes: Sequence[object] | None,
    input_shape: Sequence[int] | None,
    output: int | str | None,
    on_notice: Callable[[str], None] | None,
) -> Checkpoint:
    stated = Statement.of_values(output=output)
    if artifact is not None and is_foreign(artifact):
        return against_foreign(module, artifact, input_shape, stated, on_notice)
    if artifact is None:
        shape = input_shape or _shape_of(axes)
        return checkpoint_of_module(Checkpoint, module, input_shape=shape, stated=stated, on_notice=on_notice)
    spec = formats.describe_artifact(artifact)[0].spec
    if input_shape is not None and tuple(input_shape) != spec.input_shape:
        shown = "×".join(map(str, spec.input_shape))
        raise InputError(f"'{artifact}' says that its input is {shown}, and `input_shape` contradicts it: omit it.")
    stated.require_agreement(spec, artifact.name)
    return checkpoint_of_module(Checkpoint, module, stated=stated, like=spec, on_notice=on_notice)


def against_foreign(
    module: "nn.Module",
    artifact: Path,
    input_shape: Sequence[int] | None,
    stated: Statement,
    on_notice: Callable[[str], None] | None,
) -> Checkpoint:
    """Make the checkpoint of a module that a foreign file is compared with.

    Args:
        module: the module, which is never changed.
        artifact: the file; it supplies the input shape, if none is stated, and the names of its outputs.
        input_shape: see ``Checkpoint.of``.
        stated: preprocessing and labels, and one of the outputs of the module or of the file.
        on_notice: see ``Checkpoint.of``.

    Raises:
        InputError: see ``Checkpoint.of``.
        ArtifactError: the file is damaged.
    """
    shape = input_shape or _shape_in(artifact)

    def make(output: str | None, note: Callable[[str], None]) -> Checkpoint:
        said = dataclasses.replace(stated, network_output=output)
        return checkpoint_of_module(Checkpoint, module, input_shape=shape, stated=said, on_notice=note)

    return for_output(make, stated.network_output, outputs_of(artifact), on_notice or warn)


def _shape_in(artifact: Path) -> Shape | None:
    """Return (channels, height, width) of a foreign file's input, ``None`` if it is ambiguous."""
    size, channels = input_of(artifact)
    return None if size is None or channels is None else (channels, *size)


def _shape_of(axes: Sequence[object] | None) -> Shape | None:
    """Return (channels, height, width) for the axes [N, C, H, W], [N, H, W, C] or [N, H, W]; ``None`` for others."""
    sizes = tuple(size for size in (axes or ())[1:] if isinstance(size, int) and size > 0)
    if axes is None or len(sizes) != len(axes) - 1:
        return None
    if len(sizes) == 2:
        return 1, *sizes
    try:
        return as_input_shape(sizes, "The input")[0]
    except InputError:
        return None
