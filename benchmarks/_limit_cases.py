"""Build the networks that the limits are tested on: the built-in ones, untrained and trained, and ``GapNet``."""

import dataclasses
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import _gap_net
import torch
from _honest import Compiled

import lenetx
from lenetx import Checkpoint, Reference, Statement, models
from lenetx.proof.inputs import GROUPS
from lenetx.proof.reference import Probe
from lenetx.weights.plain_tensors import weights_sha256

__all__ = ["EPOCHS", "GAP", "SEEDS", "Case", "cases"]

SEEDS, EPOCHS = range(5), 3
GAP = "average of 224×224"
_REAL, _REAL_GAP, _GROUP_SIZE_GAP = 128, 8, 8
_BATCH, _BATCH_GAP = 64, 8
_LAYER_ROWS, _LAYER_ROWS_GAP = 32, 2
_STATED = Statement(framing="stretch", mean=(0.16,), std=(0.3,))


@dataclass(frozen=True, slots=True)
class Case:
    """A checkpoint with everything needed to compare programs with it.

    Attributes:
        network: its name and whether it was trained.
        seed: the seed of weights and training.
        checkpoint, reference: the weights, and the reference of the proof.
        compiled: the network under ``torch.compile``.
        layer_rows: number of inputs of each group to compare layer by layer.
    """

    network: str
    seed: int
    checkpoint: Checkpoint
    reference: Reference
    compiled: Compiled
    layer_rows: int

    def probes(self) -> Iterator[Probe]:
        """Yield every group of inputs."""
        for name in GROUPS:
            yield self.reference.synthetic(name)
        assert self.reference.real is not None
        yield self.reference.real


def cases(names: Sequence[str]) -> Iterator[Case]:
    """Yield a case for each named network, seed and training state."""
    for architecture in names:
        if architecture == GAP:
            yield from _averaging()
            continue
        compiled = None
        for seed in SEEDS:
            trained = lenetx.train(lenetx.TrainConfig(architecture=architecture, epochs=EPOCHS, seed=seed))
            compiled = compiled or Compiled(trained, _BATCH)
            for words, checkpoint in (("untrained", _untrained(trained, seed)), ("trained", trained)):
                reference = lenetx.reference(checkpoint, data_name="digits", images=_REAL)
                yield Case(f"{architecture}, {words}", seed, checkpoint, reference, compiled, _LAYER_ROWS)


def _untrained(trained: Checkpoint, seed: int) -> Checkpoint:
    spec = trained.spec
    torch.manual_seed(seed)
    weights = models.build(spec.architecture, spec.input_shape, len(spec.labels)).state_dict()
    spec = dataclasses.replace(spec, weights_sha256=weights_sha256(weights), selftest=None)
    return dataclasses.replace(trained, state_dict=weights, spec=spec)


def _averaging() -> Iterator[Case]:
    compiled = None
    for seed in SEEDS:
        torch.manual_seed(seed)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "gap.pt")
            torch.save(_gap_net.GapNet().state_dict(), path)
            checkpoint = lenetx.load_weights(path, architecture="_gap_net:GapNet", stated=_STATED)
        compiled = compiled or Compiled(checkpoint, _BATCH_GAP)
        reference = lenetx.reference(checkpoint, data_name="digits", images=_REAL_GAP)
        reference.plan = dataclasses.replace(reference.plan, group_size=_GROUP_SIZE_GAP)
        yield Case(GAP, seed, checkpoint, reference, compiled, _LAYER_ROWS_GAP)
