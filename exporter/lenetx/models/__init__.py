"""Resolve networks by name: built-in (one file each, one line here), of torchvision or timm, or user-supplied."""

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

_TORCHVISION, _TIMM = "torchvision:", "timm:"
_LARGEST_ARGUMENT, _MOST_ARGUMENTS = 10_000, 100
"""Limits on the network arguments that a file may record."""


def names() -> tuple[str, ...]:
    """Return the names of the built-in networks."""
    return tuple(NETWORKS)


def resolve(architecture: str, args: Mapping[str, object] | None = None) -> Architecture:
    """Return the network that a user named; this imports the named code.

    Args:
        architecture: one of ``names``, ``torchvision:NAME``, ``timm:NAME``, ``package.module:FACTORY`` or
            ``FILE.py:FACTORY``.
        args: keyword arguments of the factory.

    Raises:
        UnknownName: there is no such network.
        InputError: the name or an argument is invalid, or the named code raised an error.
    """
    require_name(architecture)
    arguments = dict(args or {})
    if architecture.startswith(_TORCHVISION):
        from . import torchvision_zoo

        return torchvision_zoo.architecture(architecture.removeprefix(_TORCHVISION), arguments)
    if architecture.startswith(_TIMM):
        from . import timm_zoo

        return timm_zoo.architecture(architecture.removeprefix(_TIMM), arguments)
    if ":" not in architecture:
        module, factory = NETWORKS[architecture].split(":")
        network = getattr(importlib.import_module(module), factory)
        return Architecture(architecture, network, arguments, network.input_shape, one_size=True)
    from . import user_network

    where, factory = architecture.rsplit(":", 1)
    path = Path(where)
    name, found = (
        user_network.from_file(path, factory) if path.suffix == ".py" else user_network.from_package(where, factory)
    )
    shape, channels_last = user_network.declared_input_shape(found, name)
    return Architecture(name, found, arguments, shape, channels_last=channels_last)


def recorded(architecture: str, args: Mapping[str, object] | None = None) -> Architecture:
    """Return the network that a file records, without ever running code that the file chooses.

    Raises:
        CheckpointError: the network is custom code, which only the user may name, or its arguments are too large.
        UnknownName, InputError: see ``resolve``.
    """
    if not is_safe(architecture):
        raise CheckpointError(
            f"Its network is '{architecture}', custom code, which lenetx does not run because a file says so: "
            f"name it with --arch."
        )
    if args and not _are_modest(args):
        raise CheckpointError(f"The arguments that it records for {architecture} are larger than a network needs.")
    return resolve(architecture, args)


def _are_modest(args: Mapping[str, object]) -> bool:
    """Return whether recorded arguments are few, small and flat, so that no file can request a huge network."""
    flat = [part for value in args.values() for part in (value if isinstance(value, list | tuple) else [value])]
    small = all(abs(part) <= _LARGEST_ARGUMENT for part in flat if isinstance(part, int | float))
    return small and len(flat) <= _MOST_ARGUMENTS and not any(isinstance(part, list | tuple | dict) for part in flat)


def is_safe(architecture: str) -> bool:
    """Return whether a name refers to code of lenetx, torchvision or timm."""
    return ":" not in architecture or architecture.startswith((_TORCHVISION, _TIMM))


def is_built_in(architecture: str) -> bool:
    """Return whether a name refers to one of ``NETWORKS``."""
    return ":" not in architecture


def require_name(architecture: str) -> None:
    """Check the form of a name; import nothing unless the name is unknown.

    Raises:
        UnknownName: there is no built-in network of that name.
        InputError: the name has a colon but is not ``WHERE:FACTORY``.
    """
    if ":" not in architecture:
        if architecture not in NETWORKS:
            known = [*NETWORKS, "torchvision:NAME", "timm:NAME", "FILE.py:NAME"]
            raise UnknownName("architecture", architecture, known, near=_meant(architecture))
        return
    where, factory = architecture.rsplit(":", 1)
    if not where or not factory:
        raise InputError(
            f"'{architecture}' is not a network: give FILE.py:NAME, package.module:NAME, torchvision:NAME or timm:NAME."
        )


def _meant(name: str) -> str | None:
    """Suggest the full form of a name without a colon: a torchvision network, or a network in a file of that name."""
    path = Path(name)
    if path.suffix == ".py":
        from .scripts import networks_in

        found = networks_in(path)
        return f"{name}:{found[0]}" if found else f"{name}:NAME"
    from . import torchvision_zoo

    known = torchvision_zoo.spelled(name)
    return f"{_TORCHVISION}{known}" if known else None


def file_stem(architecture: str) -> str:
    """Return a file stem for a network: ``nets.py:MyNet`` becomes ``mynet``, ``timm:NAME.TAG`` the name."""
    name = architecture.rsplit(":", 1)[-1].split("@")[0].split(".")[0]
    return name.lower() if ":" in architecture else name


def build(architecture: str, input_shape: Shape, classes: int) -> "nn.Module":
    """Build a network; see ``Architecture.build``.

    Raises:
        UnknownName: there is no such architecture.
        InputError: the network does not take inputs of that shape.
    """
    return resolve(architecture).build(input_shape, classes)


def input_shape(architecture: str) -> Shape:
    """Return the input shape (channels, height, width) of a network.

    Raises:
        UnknownName: there is no such architecture.
        InputError: the network does not define its input shape.
    """
    shape = resolve(architecture).input_shape
    if shape is None:
        raise InputError(f"{architecture} does not define its input size: give --input-size.")
    return shape
