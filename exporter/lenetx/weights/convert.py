"""Convert weights from one kind of file to another, bit for bit."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..data import archive
from ..errors import InputError
from ..files import exists, require_writable, write_atomically
from . import checkpoint_file as checkpoints
from . import safetensors_file
from .load import checkpoint_of, third_party_weights
from .options import WeightsOptions
from .statement import Statement

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["TARGETS", "convert"]

_ARTIFACTS = (".onnx", ".torchscript", ".pt2", ".ort", ".openvino", ".pte", ".c", ".so")
TARGETS = (*checkpoints.SUFFIXES, ".pth")
"""Suffixes of a checkpoint, safetensors and a plain state_dict."""


def convert(
    source: Path,
    target: Path,
    options: WeightsOptions | None = None,
    on_notice: Callable[[str], None] = lambda _: None,
) -> None:
    """Write weights to another kind of file, chosen by the target's suffix.

    ``.pt`` is a checkpoint. ``.safetensors`` is a checkpoint too if the source is one or an architecture is given;
    otherwise it holds the tensors alone, unchanged and of any dtype. ``.pth`` is a state_dict, with the tensors alone.

    Args:
        source: any file that ``lenetx.load_weights`` reads.
        target: the file to write.
        options: how to read the source. No architecture is needed to write the state_dict of a checkpoint.
        on_notice: called with a sentence about anything that was assumed or changed.

    Raises:
        InputError: the suffix is unknown, source and target are the same file, what is stated cannot be stored in
            the target, or as ``lenetx.load_weights``.
        UnknownName: the architecture does not exist.
        CheckpointError: the source cannot be read.
        OutputError: the target cannot be written.
    """
    if target.suffix not in TARGETS:
        known = f"{', '.join(TARGETS)}: a checkpoint, safetensors, a state_dict"
        hint = " Artifacts are made by 'lenetx export'." * (target.suffix in _ARTIFACTS)
        raise InputError(f"'{target}' ends in none of {known}.{hint}")
    if exists(source) and exists(target) and target.samefile(source):
        raise InputError(f"'{target}' would overwrite its own source: name another file.")
    require_writable(target)
    options = options or WeightsOptions()
    architecture = options.architecture
    found = third_party_weights(source, trust_pickle=options.trust_pickle, on_notice=on_notice)
    third_party = found is not None and not found.is_lenetx and found.spec is None
    if architecture is None and target.suffix == ".pth" and (found is None or found.is_lenetx):
        tensors: Mapping[str, Tensor] = checkpoints.read(source).state_dict  # needs no network code
    elif found is None or not third_party or architecture is not None or target.suffix == ".pt":
        checkpoint = checkpoint_of(source, found, options, on_notice)
        if target.suffix != ".pth":
            checkpoints.save(checkpoint, target)
            return
        tensors = checkpoint.state_dict
    else:
        tensors = found.tensors
    if options.stated != Statement():
        raise InputError(f"'{target}' cannot hold what is stated: name the network with --arch.")
    as_bytes = safetensors_file.pack if target.suffix == ".safetensors" else _state_dict
    write_atomically(target, as_bytes(tensors, {"format": "pt"}))


def _state_dict(tensors: "Mapping[str, Tensor]", _: Mapping[str, str]) -> bytes:
    """Return a file like that of ``torch.save(module.state_dict())``, with equal bytes for equal weights."""
    import torch

    buffer = io.BytesIO()
    torch.save(dict(tensors), buffer)
    return archive.pack(archive.normalise(buffer.getvalue()))
