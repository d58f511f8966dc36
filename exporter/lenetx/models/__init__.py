"""The built-in networks: one file each, and a line here."""

import importlib
from typing import TYPE_CHECKING

from ..errors import InputError, UnknownName

if TYPE_CHECKING:
    from torch import nn

__all__ = ["DEFAULT", "NETWORKS", "build", "input_shape", "names"]

NETWORKS = {
    "lenet5": "lenetx.models.lenet5:LeNet5",
    "lenet5-3x3": "lenetx.models.lenet5_3x3:LeNet5Small",
    "lenet5-1998": "lenetx.models.lenet5_1998:LeNet5Original",
}
DEFAULT = "lenet5"


def names() -> tuple[str, ...]:
    """Give the names that ``build`` takes."""
    return tuple(NETWORKS)


def build(architecture: str, input_shape: tuple[int, int, int], classes: int) -> "nn.Module":
    """Build a freshly initialised network for float32[N, C, H, W] inputs, giving float32[N, classes] logits.

    Raises:
        UnknownName: no such architecture.
        InputError: the network does not take inputs of that shape.
    """
    network = _factory(architecture)
    if input_shape != network.input_shape:
        given, wanted = ("×".join(map(str, shape)) for shape in (input_shape, network.input_shape))
        raise InputError(f"{architecture} takes inputs of {wanted} (channels × height × width), not {given}.")
    module: nn.Module = network(classes)
    return module


def input_shape(architecture: str) -> tuple[int, int, int]:
    """Give (channels, height, width) of the network's input.

    Raises:
        UnknownName: no such architecture.
    """
    shape: tuple[int, int, int] = _factory(architecture).input_shape
    return shape


def _factory(architecture: str):  # type: ignore[no-untyped-def]  # noqa: ANN202  # torch's types load with the module
    if architecture not in NETWORKS:
        raise UnknownName("architecture", architecture, NETWORKS)
    module, name = NETWORKS[architecture].split(":")
    return getattr(importlib.import_module(module), name)
