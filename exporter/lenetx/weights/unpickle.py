"""The only calls of ``torch.load``: pickles are programs, and here they are read without being run.

torch's restricted unpickler makes tensors and plain containers. An object of any class that is let in becomes a
:class:`StandIn`, which has the object's attributes and no code: not even ``__setstate__`` of a known class runs.
"""

import io
import pickletools
import re
import tarfile
from collections.abc import Iterable, Mapping
from typing import Any

from .. import archive
from ..errors import ArtifactError

__all__ = ["OtherClass", "StandIn", "inert", "plain", "trusted"]

_KINDS = ("Byte", "Char", "Short", "Int", "Long", "Half", "Float", "Double", "BFloat16", "Bool")
_REFUSED = re.compile(r"GLOBAL ([\w.<>]+)|Only (persistent_load) of storage is allowed, but got <class 'str'>")

_HUNGRY = frozenset({"bytearray", "Tensor"} | {f"{kind}Tensor" for kind in _KINDS})
"""What torch's restricted unpickler makes of any size that a pickle says."""
_PICKLES = 5
"""One after the other in the older form, before the numbers."""
_READ = re.compile(r"data\.pkl|data/\d+|version|byteorder", re.ASCII)
"""Records that torch reads tensors from."""
_BESIDE = re.compile(r"\.data/(serialization_id|version)|\.format_version|\.storage_alignment", re.ASCII)
"""Records that ``torch.save`` writes beside them."""


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


def inert(source: bytes | Mapping[str, bytes], classes: Iterable[str] = (), values: Iterable[str] = ()) -> Any:
    """Read what ``torch.save`` wrote, running nothing of it.

    Args:
        source: the file's contents, or the records of an archive.
        classes: names, with their modules, of classes whose objects become stand-ins.
        values: names of functions that only give their first argument back.

    Raises:
        OtherClass: it asks for something else.
        ArtifactError: it is damaged, or not what ``torch.save`` writes.
    """
    import torch

    data = plain(source)
    known: list[Any] = [*((StandIn, name) for name in classes), *((_first, name) for name in values)]
    try:
        with torch.serialization.safe_globals(known):
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)  # noqa: TID251  # the one reader
    except Exception as error:  # the unpickler trips over a hostile or damaged stream in many ways
        if asked := _REFUSED.search(str(error)):
            raise OtherClass(asked[1] or "a whole module in the form of before torch 1.6") from None
        reason = f"they are not what lenetx writes ({type(error).__name__})"  # torch's own words tell how to trust it
        raise ArtifactError(f"Its contents were refused and not executed: {reason}.") from None


def plain(source: bytes | Mapping[str, bytes]) -> bytes:
    """Return what torch is given to read: an archive written anew of known records, or a file of the older form.

    Raises:
        ArtifactError: it holds other records, or asks for any amount of memory.
    """
    if isinstance(source, bytes) and not archive.is_archive(source):
        if _is_tar(source):
            raise ArtifactError("It is a tar archive, as torch wrote before 0.1.10: save it anew.")
        _require_modest(source)
        return source
    records = archive.records_of(source) if isinstance(source, bytes) else source
    strange = sorted(name for name in records if not _READ.fullmatch(name) and not _BESIDE.fullmatch(name))
    if strange or "data.pkl" not in records:
        raise ArtifactError(f"It holds {strange[0]!r}, which torch.save never writes." if strange else "It is empty.")
    _require_modest(records["data.pkl"])
    return archive.pack({name: contents for name, contents in records.items() if _READ.fullmatch(name)})


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


def _require_modest(pickles: bytes) -> None:
    """Raise ArtifactError where a few bytes ask for any amount of memory: torch lets these through."""
    stream = io.BytesIO(pickles)
    for _ in range(_PICKLES):
        try:
            asked = {str(argument).split(" ")[-1] for _, argument, _ in pickletools.genops(stream)}
        except Exception:  # damaged, or at its end: the unpickler will say it
            return
        if asked & _HUNGRY:
            raise ArtifactError(f"It asks for a {min(asked & _HUNGRY)} of any size, which no weights need.")


def _is_tar(data: bytes) -> bool:
    """Return whether torch would take it for a tar archive, which it tries before the older form."""
    try:
        tarfile.open(fileobj=io.BytesIO(data), mode="r:").close()
    except tarfile.TarError:
        return False
    return True


def _first(value: Any, *_: Any) -> Any:
    return value
