"""Hold what an artifact in reduced precision computes, for its proof."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ..quantization.calibration import Calibration, Sample
    from ..quantization.program import Program
    from ..quantization.widen import Activation, Stored
    from .network import Network

__all__ = ["Reduced"]


@dataclass(frozen=True, slots=True)
class Reduced:
    """What an artifact in float16 or int8 computes.

    Attributes:
        program: its graph in float64.
        stored: the integers of its weights, by name; empty for float16.
        activations: how tensors are quantized on the way, by name; empty for float16.
        integers: runs float32[N, C, H, W] without optimisation, and returns the int8[N, …] numbers of each quantized
            tensor, by name.
        calibration: the images from which the ranges were taken; ``None`` if the file does not record them.
        quantized_anew: quantizes a network's new export with the given images.
    """

    program: "Program"
    stored: "Mapping[str, Stored]"
    activations: "Mapping[str, Activation]"
    integers: "Callable[[NDArray[np.float32]], Mapping[str, NDArray[np.int8]]]"
    calibration: "Calibration | None"
    quantized_anew: "Callable[[Network, Sample], tuple[Mapping[str, Stored], Mapping[str, Activation]]]"
