"""Find the defaults for commands called without arguments: the newest checkpoint and the artifacts beside it."""

from pathlib import Path

from lenetx_runtime.files import require_file
from lenetx_runtime.spec import FLOAT32

from .. import formats
from ..errors import InputError
from ..files import exists, newest
from ..quantization.precision import PRECISIONS, named_stem, plain_stem

__all__ = ["artifacts_of", "checkpoint_beside", "newest_checkpoint"]

_ENDINGS = (".pt", ".safetensors", ".pth", ".ckpt", ".npz")
"""Of files of weights, in the order of preference."""


def newest_checkpoint() -> Path:
    """Return the most recently written checkpoint in ``artifacts``.

    Raises:
        InputError: there is no checkpoint.
    """
    return newest(".pt", "checkpoint")


def artifacts_of(checkpoint: Path) -> list[Path]:
    """Return the artifacts beside a checkpoint that share its file name stem, in every precision and with raw input.

    Raises:
        InputError: there is no artifact.
    """
    stems = [named_stem(checkpoint.stem, precision) for precision in PRECISIONS.values()]
    stems.append(named_stem(checkpoint.stem, FLOAT32, raw_input=True))
    candidates = (checkpoint.parent / f"{stem}{formats.suffix(name)}" for stem in stems for name in formats.FORMATS)
    found = [path for path in candidates if exists(path)]
    if not found:
        raise InputError(f"There is no artifact of '{checkpoint}': run 'lenetx export' first, or name one.")
    return found


def checkpoint_beside(artifact: Path) -> Path:
    """Return the checkpoint beside an artifact that shares its file name stem, or else other weights that do.

    Raises:
        InputError: the checkpoint or the artifact does not exist.
    """
    require_file(artifact, "artifact")
    stems = dict.fromkeys((artifact.stem, plain_stem(artifact)))
    beside = [artifact.parent / f"{stem}{ending}" for stem in stems for ending in _ENDINGS]
    found = next(filter(exists, beside), None)
    if found is None:
        missing = artifact.parent / f"{plain_stem(artifact)}{_ENDINGS[0]}"
        raise InputError(f"There is no checkpoint '{missing}' to compare '{artifact}' with: name one with --against.")
    return found
