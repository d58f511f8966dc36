"""Read weights from any kind of file; the kind is recognised by the contents.

A reader is one module with ``recognises(data)`` and ``read(source)``, and one line in ``READERS``. Nothing in a file is
executed, unless it cannot be read otherwise and the caller trusts it.
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
    "archive of lenetx": "lenetx.formats.weights_file",
    "another kind": "lenetx.weights.other_files",
    "torchscript": "lenetx.weights.torchscript_file",
    "torch.save": "lenetx.weights.torch_file",
    "npz": "lenetx.weights.npz_file",
}


class Reader(Protocol):
    """The interface of the modules in ``READERS``."""

    def recognises(self, data: bytes) -> bool:
        """Return whether the contents are of this kind of file, judging by the start or the list of records."""

    def read(self, source: Source) -> Found:
        """Return the tensors, or raise an ArtifactError, to which ``weights.read`` adds the file's name."""


def read(path: Path, *, trust_pickle: bool = False, on_notice: Callable[[str], None] = lambda _: None) -> Found | None:
    """Read the tensors of a file of any kind in ``READERS``.

    Args:
        path: the file.
        trust_pickle: run the code of a pickle that cannot be read otherwise.
        on_notice: called with a sentence about anything that the user should know.

    Returns:
        The tensors, or ``None`` if no reader recognises the file.

    Raises:
        InputError: the file is missing or a directory.
        CheckpointError: the file is damaged, contains code, or holds no weights.
    """
    data = read_bytes(path, "checkpoint")
    for module in READERS.values():
        reader = cast("Reader", importlib.import_module(module))
        if reader.recognises(data):
            try:
                return reader.read(Source(path, data, trust_pickle, on_notice))
            except ArtifactError as error:
                raise CheckpointError(f"'{path}' is not a usable file of weights. {error}") from None
    return None
