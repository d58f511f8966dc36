"""Record what an archive of torch computes, operator by operator: it calls the same operators as eager PyTorch."""

import contextlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ModelSpec
from lenetx_runtime.backend import batches

from ..bounds.affine_layers import weight_of
from ..execution.devices import torch_device
from ..execution.host import standard_settings
from ..graph import Expression, Unknown, of_tape
from ..graph.tape import Tape, record, unread

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["ArchiveRecorder", "expression_of", "layers_of"]

_BATCHES = (2, 3)
"""Batch sizes for a dynamic batch axis. A batch axis of size 1 would look like any other axis of size 1, and two batch
sizes reveal sizes in the code that fit only one of them."""


@dataclass(frozen=True, slots=True)
class ArchiveRecorder:
    """An archive whose operators are recorded.

    Attributes:
        load: returns the module, and the names of its tensors by ``id``.
        spec: the embedded spec.
        device: where it runs.
        around: returns a context manager in which the module runs.
    """

    load: Callable[[], tuple[Any, Mapping[int, str]]]
    spec: ModelSpec
    device: str
    around: Callable[[], AbstractContextManager[None]] = contextlib.nullcontext

    def record(self, inputs: "NDArray[np.float32]") -> Tape:
        """Run float32[N, C, H, W], N fitting the spec's batch size, and return the recorded operators."""
        import torch

        device = torch_device(self.device)
        module, own = self.load()
        with standard_settings(), self.around():
            return record(module, torch.from_numpy(inputs).to(device), own)

    def record_zeros(self) -> list[Tape]:
        """Run zeros, with two batch sizes if the batch axis is dynamic, and return the recordings."""
        import numpy as np

        sizes = _BATCHES if self.spec.batch == "dynamic" else (self.spec.batch,)
        return [self.record(np.zeros((size, *self.spec.input_shape), np.float32)) for size in sizes]


def layers_of(
    recorder: ArchiveRecorder, inputs: "NDArray[np.float32]"
) -> "tuple[dict[str, list[NDArray[np.float32]]], NDArray[np.float32]]":
    """Return each affine layer's outputs, by weight name, and the float32[N, K] logits for float32[N, C, H, W]."""
    import numpy as np

    parts, logits = [], []
    for part, count in batches(inputs, recorder.spec):
        tape = recorder.record(part)
        parts.append([(weight_of(step), step.results[0][:count].cpu().numpy()) for step in tape.steps])
        logits.append(tape.values[tape.output][:count].cpu().numpy())
    found: dict[str, list[NDArray[np.float32]]] = {}
    for same in zip(*parts, strict=True):
        name = same[0][0]
        if name is not None:
            found.setdefault(name, []).append(np.concatenate([each for _, each in same]))
    return found, np.concatenate(logits)


def expression_of(recorder: ArchiveRecorder, aliases: Mapping[str, str]) -> Expression | Unknown:
    """Return the archive's computation in canonical form, given each tensor's canonical name."""
    try:
        tapes = recorder.record_zeros()
    except RuntimeError as error:  # a traceback of the code precedes the message's last line
        return Unknown(f"torch cannot run it: {str(error).strip().splitlines()[-1].removeprefix('RuntimeError: ')}")
    if beside := unread(tapes[0]):
        return Unknown(f"it computes what no operator is seen to read ({beside[0]})")
    found = [of_tape(tape, aliases) for tape in tapes]
    kinds = {each.key for each in found if isinstance(each, Expression)}
    if len(kinds) > 1 or (kinds and any(isinstance(each, Unknown) for each in found)):
        return Unknown("it behaves differently for another number of images")
    return found[0]
