"""The networks: the built-in ones, a file each and a line here, torchvision's, and anyone's own."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import CheckpointError, InputError, UnknownName
from .architecture import Architecture, Shape

if TYPE_CHECKING:
    from torch import nn

__all__ = [
    "DEFAULT",
    "NETWORKS",
    "Architecture",
    "build",
    "file_stem",
    "input_shape",
    "is_built_in",
    "is_safe",
    "names",
    "recorded",
    "require_name",
    "resolve",
]

NETWORKS = {
    "lenet5": "lenetx.models.lenet5:LeNet5",
    "lenet5-3x3": "lenetx.models.lenet5_3x3:LeNet5Small",
    "lenet5-1998": "lenetx.models.lenet5_1998:LeNet5Original",
    "lenet5-bn": "lenetx.models.lenet5_bn:LeNet5BatchNorm",
    "lenet5-dropout": "lenetx.models.lenet5_dropout:LeNet5Dropout",
}
DEFAULT = "lenet5"

_TORCHVISION = "torchvision:"
_LARGEST_ARGUMENT, _MOST_ARGUMENTS = 10_000, 100
"""Of what a file says of its network."""


def names() -> tuple[str, ...]:
    """Return the names of the built-in networks."""
    return tuple(NETWORKS)


def resolve(architecture: str, args: Mapping[str, object] | None = None) -> Architecture:
    """Return the network that a user named. The code that the name stands for is imported.

    Args:
        architecture: one of ``names``, ``torchvision:NAME``, ``package.module:FACTORY`` or ``FILE.py:FACTORY``.
        args: for the factory, by name.

    Raises:
        UnknownName: there is no such network.
        InputError: the name or an argument cannot be used, or the named code raised an error.
    """
    require_name(architecture)
    arguments = dict(args or {})
    if architecture.startswith(_TORCHVISION):
        from . import torchvision_zoo

        return torchvision_zoo.architecture(architecture.removeprefix(_TORCHVISION), arguments)
    if ":" not in architecture:
        module, factory = NETWORKS[architecture].split(":")
        network = getattr(importlib.import_module(module), factory)
        return Architecture(architecture, network, arguments, network.input_shape, one_size=True)
    from . import foreign

    where, factory = architecture.rsplit(":", 1)
    path = Path(where)
    name, found = foreign.from_file(path, factory) if path.suffix == ".py" else foreign.from_package(where, factory)
    shape, channels_last = foreign.own_input_shape(found, name)
    return Architecture(name, found, arguments, shape, channels_last=channels_last)


def recorded(architecture: str, args: Mapping[str, object] | None = None) -> Architecture:
    """Return the network that a file names: never one whose code the file would choose.

    Raises:
        CheckpointError: it is someone's own, so that the user must name the code.
        UnknownName, InputError: as ``resolve``.
    """
    if not is_safe(architecture):
        raise CheckpointError(
            f"Its network is '{architecture}', someone's own code, which lenetx does not run because a file says so: "
            f"name it with --arch."
        )
    if args and not _are_modest(args):
        raise CheckpointError(f"The arguments that it records for {architecture} are larger than a network needs.")
    return resolve(architecture, args)


def _are_modest(args: Mapping[str, object]) -> bool:
    """Return whether arguments that a file records are few, short and flat: no file may make a network of any size."""
    flat = [part for value in args.values() for part in (value if isinstance(value, list | tuple) else [value])]
    small = all(abs(part) <= _LARGEST_ARGUMENT for part in flat if isinstance(part, int | float))
    return small and len(flat) <= _MOST_ARGUMENTS and not any(isinstance(part, list | tuple | dict) for part in flat)


def is_safe(architecture: str) -> bool:
    """Return whether a name stands for code of lenetx or torchvision."""
    return ":" not in architecture or architecture.startswith(_TORCHVISION)


def is_built_in(architecture: str) -> bool:
    """Return whether a name stands for one of ``NETWORKS``."""
    return ":" not in architecture


def require_name(architecture: str) -> None:
    """Check the form of a name, importing nothing unless it is unknown.

    Raises:
        UnknownName: there is no built-in network of that name.
        InputError: it has a colon and yet is no ``WHERE:FACTORY``.
    """
    if ":" not in architecture:
        if architecture not in NETWORKS:
            known = [*NETWORKS, "torchvision:NAME", "FILE.py:NAME"]
            raise UnknownName("architecture", architecture, known, near=_meant(architecture))
        return
    where, factory = architecture.rsplit(":", 1)
    if not where or not factory:
        raise InputError(f"'{architecture}' is no network: give FILE.py:NAME, package.module:NAME or torchvision:NAME.")


def _meant(name: str) -> str | None:
    """Return what a name without a colon stands for, if it is a network of torchvision or in a file of that name."""
    path = Path(name)
    if path.suffix == ".py":
        from .scripts import networks_in

        found = networks_in(path)
        return f"{name}:{found[0]}" if found else f"{name}:NAME"
    from . import torchvision_zoo

    known = torchvision_zoo.spelled(name)
    return f"{_TORCHVISION}{known}" if known else None


def file_stem(architecture: str) -> str:
    """Return a file name without its ending for a network: ``nets.py:MyNet`` is ``mynet``."""
    name = architecture.rsplit(":", 1)[-1].split("@")[0]
    return name.lower() if ":" in architecture else name


def build(architecture: str, input_shape: Shape, classes: int) -> "nn.Module":
    """Build a network, see ``Architecture.build``.

    Raises:
        UnknownName: no such architecture.
        InputError: the network does not take inputs of that shape.
    """
    return resolve(architecture).build(input_shape, classes)


def input_shape(architecture: str) -> Shape:
    """Return (channels, height, width) of a built-in network's input.

    Raises:
        UnknownName: no such architecture.
        InputError: it is not a built-in one and has no input of its own.
    """
    shape = resolve(architecture).input_shape
    if shape is None:
        raise InputError(f"{architecture} does not say which input it takes: give --input-size.")
    return shape
