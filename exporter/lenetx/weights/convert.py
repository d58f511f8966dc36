"""Between the files that hold weights: bit for bit."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..data import archive
from ..errors import InputError
from ..files import exists, require_writable, write_atomically
from . import checkpoint_file as checkpoints
from . import safetensors_file
from .load import checkpoint_of, foreign_weights
from .statement import Statement

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["TARGETS", "convert"]

_ARTIFACTS = (".onnx", ".torchscript")
TARGETS = (*checkpoints.SUFFIXES, ".pth")
"""Of a checkpoint, safetensors and a plain state_dict."""


def convert(
    source: Path,
    target: Path,
    *,
    architecture: str | None = None,
    arguments: Mapping[str, object] | None = None,
    stated: Statement | None = None,
    trust_pickle: bool = False,
    on_notice: Callable[[str], None] = lambda _: None,
) -> None:
    """Write weights to another kind of file, which the ending of its name says.

    ``.pt`` is a checkpoint, and so is ``.safetensors`` where the source is one or the architecture is given; without
    it tensors of any dtype are passed on as they are. ``.pth`` is a state_dict, which holds the tensors alone.

    Args:
        source: any file that ``lenetx.load_weights`` reads.
        target: the file to write.
        architecture: as for ``lenetx.load_weights``, and so are all that follow; a state_dict is taken out of any
            checkpoint without it.
        arguments: for the network's factory, by name.
        stated: preprocessing and labels.
        trust_pickle: run the code of a pickle that cannot be read without.
        on_notice: told what was assumed or changed.

    Raises:
        InputError: an ending that says nothing, the same file twice, or as for ``lenetx.load_weights``.
        CheckpointError, OutputError: the source or the disk refuses.
    """
    if target.suffix not in TARGETS:
        known = f"{', '.join(TARGETS)}: a checkpoint, safetensors, a state_dict"
        hint = " Artifacts are made by 'lenetx export'." * (target.suffix in _ARTIFACTS)
        raise InputError(f"'{target}' ends in none of {known}.{hint}")
    if exists(source) and exists(target) and target.samefile(source):
        raise InputError(f"'{target}' would be overwritten by what is made of it: name another file.")
    require_writable(target)
    found = foreign_weights(source, trust_pickle=trust_pickle, on_notice=on_notice)
    foreign = found is not None and not found.ours and found.spec is None
    if architecture is None and target.suffix == ".pth" and (found is None or found.ours):
        tensors: Mapping[str, Tensor] = checkpoints.read(source).state_dict  # which needs no code of a network
    elif found is None or not foreign or architecture is not None or target.suffix == ".pt":
        checkpoint = checkpoint_of(source, found, architecture, arguments, stated or Statement(), on_notice)
        if target.suffix != ".pth":
            checkpoints.save(checkpoint, target)
            return
        tensors = checkpoint.state_dict
    else:
        tensors = found.tensors
    if stated not in (None, Statement()):
        raise InputError(f"'{target}' would have no place for what is stated: name the network with --arch.")
    as_bytes = safetensors_file.pack if target.suffix == ".safetensors" else _state_dict
    write_atomically(target, as_bytes(tensors, {"format": "pt"}))


def _state_dict(tensors: "Mapping[str, Tensor]", _: Mapping[str, str]) -> bytes:
    """Return what ``torch.save(module.state_dict())`` writes, the same bytes for the same weights."""
    import torch

    buffer = io.BytesIO()
    torch.save(dict(tensors), buffer)
    return archive.pack(archive.normalise(buffer.getvalue()))
