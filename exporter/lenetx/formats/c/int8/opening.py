"""Show an int8 C file to the proof: its QDQ graph, and its integers."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lenetx_runtime import ArtifactError, InputError

from ....graph import of_onnx
from ....quantization.calibration import Calibration, Sample
from ....quantization.program import Program
from ....quantization.rounding import require_known
from ....quantization.widen import activations, stored, widened
from ...onnx.structure import constants, numbers, weights
from ...reduced import Reduced
from ..source import Source, values_of
from .program import IntegerProgram
from .simulation import Simulation

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto

    from ...artifact import Run
    from ...network import Network

__all__ = ["shown"]


def shown(source: Source, runs: "Sequence[Run]", export: "Callable[[Network, Sample], ModelProto]") -> dict[str, Any]:
    """Return what ``OpenedArtifact`` says of an int8 file beside what it says of every C file.

    Args:
        source: the file.
        runs: the compiled programs.
        export: exports a network to an int8 graph again, with the given images.

    Raises:
        ArtifactError: its graph is not one that lenetx writes in int8.
    """
    model, spec = source.model, source.spec
    try:
        program = Program(model)
        require_known(program, spec.input_shape)
    except InputError as error:
        raise ArtifactError(str(error)) from None
    wide = widened(model)
    assert isinstance(source.program, IntegerProgram)
    simulation = Simulation(source.program.integers, values_of(model))

    def quantized_anew(network: "Network", sample: Sample) -> Any:
        again = export(network, sample)
        return stored(again), activations(again)

    return {
        "weights": weights(wide),
        "numbers": numbers(wide),
        "constants": constants(wide),
        "expression": lambda names: of_onnx(wide, names),
        "evaluate": simulation.logits,
        "reduced": Reduced(
            program,
            stored(model),
            activations(model),
            lambda inputs: _integers(simulation, runs, inputs),
            Calibration.from_text(spec.calibration),
            quantized_anew,
        ),
    }


def _integers(
    simulation: Simulation, runs: "Sequence[Run]", inputs: "NDArray[np.float32]"
) -> "dict[str, NDArray[np.int8]]":
    """Return the simulation's integers, after each compiled program has returned the simulation's logits, bit for bit.

    Raises:
        ArtifactError: one returns others.
    """
    expected = simulation.logits(inputs)
    for run in (each for each in runs if not each.missing):
        if run.open().run(inputs).tobytes() != expected.tobytes():
            raise ArtifactError(f"The program of {run.name} differs from the simulation of its integers.")
    return simulation.tensors(inputs)
