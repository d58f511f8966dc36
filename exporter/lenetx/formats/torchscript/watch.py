"""What an archive does, operator by operator: libtorch calls the same ones as eager, so they can be recorded."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ModelSpec
from lenetx_runtime.backend import batches

from ...bounds.affine_layers import weight_of
from ...execution.devices import torch_device
from ...execution.host import own_settings
from ...graph import Expression, Unknown, of_tape
from ...graph.tape import Tape, record, unread
from .engines import as_written
from .graph import constants_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Watched", "expression_of", "layers_of"]

_BATCHES = (2, 3)
"""Of an archive that takes any: with one image, its axis would look like others of one place; and sizes that stand in
the code as they are may fit one number of images only."""


@dataclass(frozen=True, slots=True)
class Watched:
    """An archive that can be loaded again and again.

    Attributes:
        load: gives the module.
        names: those of each of its constants, in their order.
        spec: what it says of itself.
        device: where it runs.
    """

    load: Callable[[], Any]
    names: Sequence[Sequence[str]]
    spec: ModelSpec
    device: str

    def record(self, inputs: "NDArray[np.float32]") -> Tape:
        """Run a batch of a size that it takes."""
        import torch

        device = torch_device(self.device)
        module = self.load()
        own = {id(each): names[0] for names, each in zip(self.names, constants_of(module), strict=True) if names}
        with own_settings(), as_written():
            return record(module, torch.from_numpy(inputs).to(device), own)

    def record_zeros(self) -> list[Tape]:
        """Run a few black images, and another number of them where it takes any."""
        import numpy as np

        sizes = _BATCHES if self.spec.batch == "dynamic" else (self.spec.batch,)
        return [self.record(np.zeros((size, *self.spec.input_shape), np.float32)) for size in sizes]


def layers_of(
    watched: Watched, inputs: "NDArray[np.float32]"
) -> "tuple[dict[str, list[NDArray[np.float32]]], NDArray[np.float32]]":
    """Return what each affine layer gave, by the name of its weight, and the logits."""
    import numpy as np

    parts, logits = [], []
    for part, count in batches(inputs, watched.spec):
        tape = watched.record(part)
        parts.append([(weight_of(step), step.results[0][:count].cpu().numpy()) for step in tape.steps])
        logits.append(tape.values[tape.output][:count].cpu().numpy())
    found: dict[str, list[NDArray[np.float32]]] = {}
    for same in zip(*parts, strict=True):
        name = same[0][0]
        if name is not None:
            found.setdefault(name, []).append(np.concatenate([each for _, each in same]))
    return found, np.concatenate(logits)


def expression_of(watched: Watched, aliases: Mapping[str, str]) -> Expression | Unknown:
    """Return what it computes in canonical form."""
    try:
        tapes = watched.record_zeros()
    except RuntimeError as error:  # above its last line stands a trace of the code
        return Unknown(f"torch cannot run it: {str(error).strip().splitlines()[-1].removeprefix('RuntimeError: ')}")
    if beside := unread(tapes[0]):
        return Unknown(f"it computes what no operator is seen to read ({beside[0]})")
    found = [of_tape(tape, aliases) for tape in tapes]
    kinds = {each.key for each in found if isinstance(each, Expression)}
    if len(kinds) > 1 or (kinds and any(isinstance(each, Unknown) for each in found)):
        return Unknown("it does something else for another number of images")
    return found[0]
