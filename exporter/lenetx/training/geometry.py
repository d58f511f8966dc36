"""Choose the input shape of a network and the framing that converts a data set's images to it."""

from lenetx_runtime.spec import MNIST_SIDE

from ..data import Dataset
from ..errors import InputError
from ..models import Architecture
from ..models.architecture import Shape
from .config import TrainConfig

__all__ = ["framing_of", "settle_input"]

_MOST_PADDING = 4
"""Pixels on each side of a 28×28 digit; with more padding the digit would be lost in a large input."""


def settle_input(config: TrainConfig, network: Architecture, dataset: Dataset) -> Shape:
    """Return (channels, height, width) of the input: from the configuration, else the network, else the images.

    Raises:
        InputError: none of them determines it.
    """
    if config.input_size and config.channels:
        return config.channels, *config.input_size
    own = network.input_shape or _of_data(config, dataset)
    height, width = config.input_size or own[1:]
    return config.channels or own[0], height, width


def framing_of(config: TrainConfig, dataset: Dataset, shape: Shape) -> tuple[str, str | None]:
    """Return the framing for an input shape, and a note if it differs from the data set's own framing.

    The framing ``mnist`` yields grey 28×28 digits with a little padding; for any other input shape, the images of a
    data set with that framing are stretched.

    Raises:
        InputError: the configuration requests ``mnist``, which does not fit the input shape.
    """
    channels, height, width = shape
    padding = (height - MNIST_SIDE) // 2
    fits = channels == 1 and height == width == MNIST_SIDE + 2 * padding and 0 <= padding <= _MOST_PADDING
    size = "×".join(map(str, shape))
    if config.framing == "mnist" and not fits:
        raise InputError(
            f"The framing mnist gives {MNIST_SIDE}×{MNIST_SIDE} grey pixels, which do not fit the input {size} of "
            f"{config.architecture}: choose --framing stretch or letterbox."
        )
    if config.framing or dataset.framing != "mnist" or fits:
        return config.framing or dataset.framing, None
    return "stretch", (
        f"The images of {dataset.name} are stretched to {size}: pictures to predict must look like them, light on dark."
    )


def _of_data(config: TrainConfig, dataset: Dataset) -> Shape:
    if (config.framing or dataset.framing) == "mnist":
        return 1, MNIST_SIDE, MNIST_SIDE
    images = getattr(dataset.train, "images", None)  # images in files may differ in size
    if images is None:
        raise InputError(f"The images of {dataset.name} may differ in size: give --input-size and --channels.")
    height, width = images.shape[1:3]
    return 3 if images.ndim == 4 else 1, height, width
