"""From a TorchScript archive to an expression."""

from collections.abc import Mapping

from .expression import Expression, Unknown
from .tape import of_tape

__all__ = ["of_torchscript"]

_BATCH = 2
"""Of an archive that takes any: with one image, its axis would look like others of one place."""


def of_torchscript(
    data: bytes, shape: tuple[int, int, int], batch: int | None, aliases: Mapping[str, str] | None = None
) -> Expression | Unknown:
    """Give what an archive of lenetx computes in canonical form: it runs once, on zeros.

    Args:
        data: the archive.
        shape: (channels, height, width) of its input.
        batch: its size, or ``None`` if it is any.
        aliases: the name under which a tensor is compared, for those that have several, see :func:`aliases`.

    Raises:
        ArtifactError: its code is not that of a network, or libtorch cannot open it.
    """
    import torch

    from ..bounds import record
    from ..formats.torchscript import named_constants

    module, constants = named_constants(data)
    names = {id(constant): name for name, constant in constants if name}
    try:
        tape = record(module, torch.zeros(batch or _BATCH, *shape), names)
    except RuntimeError as error:
        return Unknown(f"torch cannot run it: {str(error).strip().splitlines()[-1].removeprefix('RuntimeError: ')}")
    return of_tape(tape, aliases)
