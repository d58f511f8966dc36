"""Anyone's own implementation, as something that can be judged: a function from inputs to logits."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..formats.artifact import FUNCTION, Artifact, OpenedArtifact
from ..report import Check
from .failures import WrongAnswer, reason

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lenetx_runtime import ModelSpec

__all__ = ["as_artifact", "as_float32"]


def as_float32(logits: "NDArray[Any]") -> "NDArray[np.float32]":
    """Round float64 logits, which numpy makes of lists of numbers; anything else is judged as it is.

    The order of bytes is this machine's afterwards: files and networks have the other one.
    """
    kind = logits.dtype.newbyteorder("=")
    with np.errstate(all="ignore"):  # what becomes infinite is judged
        return logits.astype(np.float32 if kind == np.float64 else kind, copy=False)


class _Function:
    device = "of its own"

    def __init__(self, run: "Callable[[NDArray[np.float32]], Any]") -> None:
        self._run = run

    def run(self, batch: "NDArray[np.float32]") -> "NDArray[np.float32]":
        try:
            found = self._run(batch.copy())
        except Exception as error:  # whatever someone's own code raises
            if len(batch) > 1 and self._takes(batch[:1]):
                wanted = f"float32[N, {', '.join(map(str, batch.shape[1:]))}] of any N ≥ 0"
                refused = "It takes a batch of 1 and not every larger one"
                raise WrongAnswer(f"{refused}, though it must take {wanted}: {reason(error)}") from error
            raise
        return as_float32(_numbers(found))

    def _takes(self, batch: "NDArray[np.float32]") -> bool:
        try:
            self._run(batch.copy())
        except Exception:  # as above
            return False
        return True


def _numbers(found: Any) -> "NDArray[Any]":
    """Return an array of its own: the next call may write to the memory of this one's."""
    what = type(found).__name__
    try:
        array = np.asarray(found.detach().cpu() if hasattr(found, "detach") else found).copy()
    except Exception as error:  # such as a list of lists of several lengths
        raise WrongAnswer(f"It gave {what}, of which numpy makes no array: {reason(error)}") from error
    if array.dtype.kind not in "fiub":
        raise WrongAnswer(f"It gave {what} instead of an array of logits, float32[N, K].")
    return array


def as_artifact(
    run: "Callable[[NDArray[np.float32]], Any]", spec: "ModelSpec", name: str | None = None
) -> OpenedArtifact:
    """Return a function the form of an opened artifact that shows nothing but its logits.

    Args:
        run: takes float32[N, C, H, W] of any N and gives [N, K] logits, float32 or float64 that is rounded, as an array
            or what numpy makes one of.
        spec: of the checkpoint that it claims to compute.
        name: in the report; that of the function by default.
    """
    name = name or str(getattr(run, "__name__", type(run).__name__))
    nothing = Check("file", name, "not_applicable", detail="A function has no file.")
    artifact = Artifact(FUNCTION, "float32", Path(name), "", 0, spec)
    return OpenedArtifact(artifact, _Function(run), (nothing,))
