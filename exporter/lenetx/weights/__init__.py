"""The files that hold weights: one module per kind of file, and a line here; a file is told by what it holds.

Each module has ``recognises(data)`` and ``read(source)``. Nothing in a file is executed, unless it cannot be read
otherwise and the source is trusted.
"""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, cast

from lenetx_runtime.files import read_bytes

from ..errors import ArtifactError, CheckpointError
from .found import Found, Source

__all__ = ["READERS", "Found", "Reader", "read"]

READERS = {
    "safetensors": "lenetx.weights.safetensors_file",
    "another kind": "lenetx.weights.other_files",
    "artifact in torchscript": "lenetx.formats.torchscript.weights_file",
    "torchscript": "lenetx.weights.torchscript_file",
    "torch.save": "lenetx.weights.torch_file",
    "npz": "lenetx.weights.npz_file",
}


class Reader(Protocol):
    """What each module of ``READERS`` is."""

    def recognises(self, data: bytes) -> bool:
        """Return whether these are the contents of such a file, by a look at its start or its list of records."""

    def read(self, source: Source) -> Found:
        """Return the tensors; errors that name no file are completed by ``read``."""


def read(path: Path, *, trust_pickle: bool = False, on_notice: Callable[[str], None] = lambda _: None) -> Found | None:
    """Read the tensors of any file of ``READERS``.

    Prefixes that wrappers leave are taken away: ``module.`` of parallel training where all names have it, and
    ``_orig_mod.`` of ``torch.compile``.

    Args:
        path: the file.
        trust_pickle: run the code of a pickle that cannot be read without.
        on_notice: told what the user should know, a sentence at a time.

    Returns:
        The tensors, or ``None`` where the file is of no kind that is known here.

    Raises:
        InputError: missing or a directory.
        CheckpointError: damaged, holding code, or without weights.
    """
    data = read_bytes(path, "checkpoint")
    for module in READERS.values():
        reader = cast("Reader", importlib.import_module(module))
        if reader.recognises(data):
            try:
                return reader.read(Source(path, data, trust_pickle, on_notice)).cleaned()
            except ArtifactError as error:
                raise CheckpointError(f"'{path}' is not a usable file of weights. {error}") from None
    return None
