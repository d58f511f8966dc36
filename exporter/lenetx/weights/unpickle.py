"""The only calls of ``torch.load``: pickles are programs, and here they are read without being run.

torch's restricted unpickler makes tensors and plain containers. An object of any class that is let in becomes a
:class:`StandIn`, which has the object's attributes and no code: not even ``__setstate__`` of a known class runs.
"""

import io
import re
from collections.abc import Iterable
from typing import Any

from ..errors import ArtifactError

__all__ = ["OtherClass", "StandIn", "inert", "trusted"]

_REFUSED = re.compile(r"GLOBAL ([\w.<>]+)|Only (persistent_load) of storage is allowed, but got <class 'str'>")


class StandIn:
    """An object of a pickle without its class: attributes only."""


class OtherClass(ArtifactError):
    """A pickle asks for a class or function that is not let in.

    Attributes:
        name: of it, with its module.
    """

    def __init__(self, name: str) -> None:
        super().__init__(
            f"It asks for {name}, which is not to be had without running its code, and nothing was executed: "
            "save model.state_dict() instead or, if you would run a program of whoever made it, add --trust-pickle."
        )
        self.name = name


def inert(data: bytes, classes: Iterable[str] = (), values: Iterable[str] = ()) -> Any:
    """Read what ``torch.save`` wrote, running nothing of it.

    Args:
        data: the file's contents.
        classes: names, with their modules, of classes whose objects become stand-ins.
        values: names of functions that only give their first argument back.

    Raises:
        OtherClass: it asks for something else.
        ArtifactError: it is damaged, or not what ``torch.save`` writes.
    """
    import torch

    known: list[Any] = [*((StandIn, name) for name in classes), *((_first, name) for name in values)]
    try:
        with torch.serialization.safe_globals(known):
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)  # noqa: TID251  # the one reader
    except Exception as error:  # the unpickler trips over a hostile or damaged stream in many ways
        if asked := _REFUSED.search(str(error)):
            raise OtherClass(asked[1] or "a whole module in the form of before torch 1.6") from None
        reason = f"they are not what lenetx writes ({type(error).__name__})"  # torch's own words tell how to trust it
        raise ArtifactError(f"Its contents were refused and not executed: {reason}.") from None


def trusted(data: bytes) -> Any:
    """Read what ``torch.save`` wrote, running whatever code is in it: only for who has said so.

    Raises:
        ArtifactError: its code fails, or its classes cannot be imported here.
    """
    import torch

    try:
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=False)  # noqa: TID251  # trusted
    except Exception as error:  # it is anyone's code
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ArtifactError(
            f"Its own code failed ({reason}): its classes must be importable here under the names that they had."
        ) from None


def _first(value: Any, *_: Any) -> Any:
    return value
