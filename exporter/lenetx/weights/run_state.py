"""Seal and check the state of a training run, and extract the weights that an interrupted run had kept."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import ArtifactError
from . import tensor_file

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["KEY", "kept_weights", "recognises", "require_whole", "sealed"]

KEY = "lenetx_state"
_VERSION = 2
_DIGEST = "sha256"
_AVERAGED = "module."


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content with the version and the digest added."""
    whole = {KEY: _VERSION, **content}
    return whole | {_DIGEST: tensor_file.digest(whole)}


def recognises(content: Any) -> bool:
    """Return whether unpickled contents are the state of a run, of any version."""
    return isinstance(content, dict) and KEY in content


def require_whole(content: Any) -> Mapping[str, Any]:
    """Check that a state is exactly as it was written, and return it without its digest.

    Raises:
        ArtifactError: it is not a state, has another version, or was changed.
    """
    if not recognises(content) or type(content[KEY]) is not int or content[KEY] != _VERSION:
        raise ArtifactError("It is not the state of a run of this lenetx.")
    written = {name: value for name, value in content.items() if name != _DIGEST}
    if content.get(_DIGEST) != tensor_file.digest(written):
        raise ArtifactError("Its contents are not those that lenetx wrote: their digest does not match.")
    return written


def kept_weights(content: Mapping[str, Any]) -> "tuple[Mapping[str, Tensor], int]":
    """Return the weights of the epoch that the run had kept or, before the end of its first epoch, the latest weights.

    Returns:
        Tensors by name, and the number of the epoch; 0 for none.

    Raises:
        ArtifactError: the content is not as lenetx writes it.
    """
    try:
        loop = content["loop"]
        if loop["weights"]:
            return dict(loop["weights"]), int(loop["kept_epoch"])
        stepper = loop["stepper"]
        if stepper["average"] is None:
            return dict(stepper["network"]), 0
        average = stepper["average"].items()
        return {name.removeprefix(_AVERAGED): each for name, each in average if _AVERAGED in name}, 0
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RuntimeError):
        raise ArtifactError("It lacks what the state of a run holds.") from None
