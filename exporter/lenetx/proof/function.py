"""Wrap a user-supplied function from inputs to logits as an opened artifact, so that it can be checked."""

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
    """Round float64 logits (numpy's default for lists) to float32; keep other dtypes, which are rejected later.

    The result has this machine's byte order; data from files or the network may have the other one.
    """
    kind = logits.dtype.newbyteorder("=")
    with np.errstate(all="ignore"):  # overflow to infinity fails a check later
        return logits.astype(np.float32 if kind == np.float64 else kind, copy=False)


class _Function:
    device = "of its own"

    def __init__(self, run: "Callable[[NDArray[np.float32]], Any]") -> None:
        self._run = run

    def run(self, batch: "NDArray[np.float32]") -> "NDArray[np.float32]":
        try:
            found = self._run(batch.copy())
        except Exception as error:  # a user-supplied function may raise any exception
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
    """Copy a function's result to an array: the next call may overwrite its memory."""
    what = type(found).__name__
    try:
        array = np.asarray(found.detach().cpu() if hasattr(found, "detach") else found).copy()
    except Exception as error:  # such as nested lists of unequal lengths
        raise WrongAnswer(f"It gave {what}, of which numpy makes no array: {reason(error)}") from error
    if array.dtype.kind not in "fiub":
        raise WrongAnswer(f"It gave {what} instead of an array of logits, float32[N, K].")
    return array


def as_artifact(
    run: "Callable[[NDArray[np.float32]], Any]", spec: "ModelSpec", name: str | None = None
) -> OpenedArtifact:
    """Wrap a function as an opened artifact that exposes nothing but its logits.

    Args:
        run: maps float32[N, C, H, W], any N ≥ 0, to [N, K] logits, float32 or float64 (rounded to float32), as an array
            or anything that ``numpy.asarray`` accepts.
        spec: the spec of the checkpoint that the function should reproduce.
        name: the name in the report; by default the function's name.
    """
    name = name or str(getattr(run, "__name__", type(run).__name__))
    nothing = Check("file", name, "not_applicable", detail="A function has no file.")
    artifact = Artifact(FUNCTION, "float32", Path(name), "", 0, spec)
    return OpenedArtifact(artifact, _Function(run), (nothing,))
