"""Make a checkpoint from a module in memory."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from lenetx_runtime.layout import DEFAULT_LAYOUT
from lenetx_runtime.spec import EXPORTED

from ..errors import InputError
from ..execution.notices import warn
from ..graph.output import output_of
from ..models import Architecture
from ..models.architecture import Shape
from ..models.in_memory import architecture_of, network_in
from ..models.module_copy import require_apart
from . import matching
from .plain_tensors import plain, weights_sha256
from .preprocessing import with_preprocessing
from .python_words import in_python_words
from .stated_spec import stated_spec, unknown_spec
from .statement import Statement

if TYPE_CHECKING:
    from torch import Tensor, nn

    from lenetx_runtime import ModelSpec

__all__ = ["MODULE", "checkpoint_of_module"]

C = TypeVar("C")
MODULE = "module"
"""Key of ``Checkpoint.config``: a description, if the checkpoint was made from a module in memory."""
_COPY = "a copy of one in memory"
_LIKE = f"{_COPY}; it states no preprocessing and labels, and those of the artifact are taken"
_EXAMPLE = "input_shape=(1, 28, 28)"


@in_python_words()
def checkpoint_of_module(
    make: Callable[..., C],
    module: "nn.Module",
    *,
    input_shape: Sequence[int] | None = None,
    stated: Statement | None = None,
    like: "ModelSpec | None" = None,
    on_notice: Callable[[str], None] | None = None,
) -> C:
    """Make a checkpoint from a copy of a module; see ``Checkpoint.of``.

    Args:
        make: the class ``Checkpoint``.
        module: the module, which is never changed.
        input_shape: see ``Checkpoint.of``.
        stated: preprocessing and labels.
        like: the spec of an artifact that lenetx wrote, whose input shape, preprocessing, labels and network's name
            the checkpoint takes, since a module states none.
        on_notice: see ``Checkpoint.of``.

    Raises:
        InputError: see ``Checkpoint.of``.
    """
    note, stated = on_notice or warn, stated or Statement()
    network = architecture_of(module, like.input_shape if like else input_shape, note)
    shape = _known_shape(network)
    labels = like.labels if like else stated.labels
    output = stated.network_output or (like.network_output if like else None)
    network = dataclasses.replace(network, one_size=True, output=output)
    built, classes = matching.build(network, shape, None if labels is None else len(labels), {}, note)
    require_apart(built, network_in(module), network.title, shape)
    tensors = _tensors(built, network.title)
    config: dict[str, Any] = {
        "data": None,
        "architecture": network.name,
        "architecture_args": {},
        MODULE: _COPY,
    }
    kind, digest = output_of(built, network, shape), weights_sha256(tensors)
    if like is None:
        stated = with_preprocessing(stated, network, shape, note)
        spec = unknown_spec(network.name, shape, classes, digest)
        spec = dataclasses.replace(spec, output=kind, network_output=output)
        return make(stated_spec(network.title, spec, stated, note), tensors, {}, config, (), network)
    spec = dataclasses.replace(
        like,
        weights_sha256=digest,
        output=kind,
        network_output=output,
        batch="dynamic",
        content_sha256=None,
        selftest=None,
        input_name="image",
        output_name="logits",
        layout=DEFAULT_LAYOUT,
        origin=EXPORTED,
    )
    return make(spec, tensors, {}, config | {MODULE: _LIKE}, (), network)


def _known_shape(network: Architecture) -> Shape:
    if network.input_shape is None:
        raise InputError(f"The input shape of {network.title} is unknown: pass it as in {_EXAMPLE}.")
    return network.input_shape


def _tensors(module: "nn.Module", title: str) -> "dict[str, Tensor]":
    import torch

    state = module.state_dict()
    for name, value in state.items():
        if not isinstance(value, torch.Tensor) or value.is_quantized or value.layout != torch.strided:
            raise InputError(f"{title} has '{name}' in its state_dict, which is no dense tensor of plain numbers.")
    return {name: plain(tensor) for name, tensor in state.items()}
