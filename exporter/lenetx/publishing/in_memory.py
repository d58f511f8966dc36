"""Make the checkpoint with which artifacts are compared of a module in memory."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .. import formats
from ..errors import InputError
from ..formats.foreign_onnx import is_foreign
from ..formats.foreign_onnx.input_shape import input_shape_in, shape_of
from ..weights.checkpoint import Checkpoint
from ..weights.in_memory import checkpoint_of_module
from ..weights.statement import Statement

if TYPE_CHECKING:
    from torch import nn

__all__ = ["module_against"]


def module_against(
    module: "nn.Module",
    artifact: Path | None,
    axes: Sequence[object] | None,
    input_shape: Sequence[int] | None,
    output: int | str | None,
    on_notice: Callable[[str], None] | None,
) -> Checkpoint:
    """Make a checkpoint of a module that an artifact or a program is compared with.

    Args:
        module: the module, which is never changed.
        artifact: supplies the input shape and, if lenetx wrote it, preprocessing, labels and the network's name.
        axes: of the input of a program in memory.
        input_shape: see ``Checkpoint.of``; by default that of the artifact, else the module's own.
        output: see ``Checkpoint.of``; by default that of the artifact.
        on_notice: see ``Checkpoint.of``.

    Raises:
        InputError: see ``Checkpoint.of``, or ``input_shape`` is not the artifact's.
        ArtifactError: the artifact is damaged.
    """
    stated = Statement.of_values(output=output)
    if artifact is None or is_foreign(artifact):
        shape = input_shape or (shape_of(axes) if artifact is None else input_shape_in(artifact))
        return checkpoint_of_module(module, input_shape=shape, stated=stated, on_notice=on_notice)
    spec = formats.open_artifact(artifact).artifact.spec
    if input_shape is not None and tuple(input_shape) != spec.input_shape:
        shown = "×".join(map(str, spec.input_shape))
        raise InputError(f"'{artifact}' says that its input is {shown}, and `input_shape` contradicts it: omit it.")
    stated.require_agreement(spec, artifact.name)
    return checkpoint_of_module(module, stated=stated, like=spec, on_notice=on_notice)
