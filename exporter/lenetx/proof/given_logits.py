"""Check logits that another program has computed for user-supplied inputs."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lenetx_runtime.preprocess import normalise
from lenetx_runtime.spec import UNKNOWN

from ..errors import InputError
from ..report import Check, Report
from .compare import compare, wrong_shape
from .function import as_float32
from .inputs import beyond_pictures
from .prove import about_reference, environment
from .real_data import certificate, flips
from .reference import Probe, Reference, counted

if TYPE_CHECKING:
    from lenetx_runtime import ModelSpec

__all__ = ["prove_logits"]

_GROUP = "end to end"
"""Group of all checks, of labels too, because user-supplied inputs need not be real images."""


def prove_logits(logits: NDArray[Any], inputs: NDArray[Any], reference: Reference, name: str) -> Report:
    """Compare another program's logits with the checkpoint's for the same inputs.

    Args:
        logits: float32[N, K]; float64 is rounded to float32.
        inputs: float32[N, C, H, W], or uint8 frames of the spec's ``frame_size``, [N, h, w] or [N, h, w, 3].
        reference: the checkpoint.
        name: the program's name in the report.

    Raises:
        InputError: the inputs do not fit the network, are not finite, or are not as many as the rows of logits.
    """
    spec, logits = reference.checkpoint.spec, as_float32(np.asarray(logits))
    values = _inputs(np.asarray(inputs), spec)
    if logits.ndim and len(logits) != len(values):
        raise InputError(
            f"There are {counted(len(logits), 'row')} of logits and {counted(len(values), 'input')}: each input "
            "needs its row, in the same order."
        )
    extreme = beyond_pictures(spec, values)
    probe = reference.given(values, extreme)
    checks = [compare("given inputs", _GROUP, probe, logits, extreme=extreme)]
    usable = np.flatnonzero(np.isfinite(probe.eager).all(axis=1))
    if wrong_shape(probe, logits) is None and len(usable):
        probe = probe.take(usable, counted(len(usable), "given input"))
        checks += [_labels(probe, logits[usable], spec), certificate(probe, _GROUP)]
    about: dict[str, str | int] = {"name": name, "format": "logits", "precision": "float32"}
    return Report(tuple(checks), environment("of its own"), about, about_reference(reference))


def _labels(probe: Probe, logits: NDArray[np.float32], spec: "ModelSpec") -> Check:
    names = spec.labels
    found = [names[column] for column in np.nan_to_num(logits, nan=-np.inf).argmax(axis=1)]
    right = [names[column] for column in probe.exact.argmax(axis=1)]
    return flips(probe, found, right, names, {}, _GROUP)


def _inputs(inputs: NDArray[Any], spec: "ModelSpec") -> NDArray[np.float32]:
    """Return the inputs as float32[N, C, H, W].

    Raises:
        InputError: their type or shape is wrong, or they are not finite.
    """
    inputs = inputs.astype(inputs.dtype.newbyteorder("="), copy=False)
    frames = spec.frame_shape
    if inputs.dtype == np.uint8 and inputs.shape[1:] == frames and len(inputs):
        if spec.framing == UNKNOWN:
            raise InputError("The weights do not record how pictures become inputs: give the inputs as float32.")
        return normalise(inputs, spec)
    if inputs.dtype != np.float32 or inputs.shape[1:] != spec.input_shape or not len(inputs):
        wanted = f"float32[N, {', '.join(map(str, spec.input_shape))}] or uint8[N, {', '.join(map(str, frames))}]"
        raise InputError(f"The inputs are {inputs.dtype}{list(inputs.shape)}; they must be {wanted}, N at least 1.")
    if not np.isfinite(inputs).all():
        raise InputError("The inputs hold NaN or infinity, of which nothing can be proven.")
    return np.ascontiguousarray(inputs)
