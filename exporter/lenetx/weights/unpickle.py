"""The only calls of ``torch.load``: pickles are programs, and here they are read without being run.

torch's restricted unpickler makes tensors and plain containers. An object of any class that is let in becomes a
``StandIn`` or an ``Opaque``, which has the object's attributes and no code: not even ``__setstate__`` of a
known class runs.
"""

import contextlib
import io
import pickletools
import re
import sys
import tarfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..data import archive
from ..errors import ArtifactError
from ..models.foreign import first_on_path

__all__ = ["Opaque", "OtherClass", "StandIn", "class_of", "inert", "plain", "trusted"]

_KINDS = ("Byte", "Char", "Short", "Int", "Long", "Half", "Float", "Double", "BFloat16", "Bool")
_REFUSED = re.compile(r"GLOBAL ([\w.<>]+)|Only (persistent_load) of storage is allowed, but got <class 'str'>")
_FILLED = re.compile(rf"Can only .* but got <class '(?:{re.escape(__name__)}\.([\w.]+))?")
_HUNGRY = frozenset({"bytearray", "Tensor"} | {f"{kind}Tensor" for kind in _KINDS})
"""What torch's restricted unpickler makes of any size that a pickle says."""
_MOST_NAMES = 1000
"""Of classes and functions: torch looks through all of them at each object."""
_MOST_STEPS = 2**19
"""Of a pickle: a tensor takes 30, and torch and we some microseconds for each."""
_PICKLES = 5
"""One after the other in the older form, before the numbers."""
_ENDLESS = ""
"""Stands among the names of a pickle for more steps than are looked at."""
_READ = re.compile(r"data\.pkl|data/\d+|version|byteorder", re.ASCII)
"""Records that torch reads tensors from."""
_BESIDE = re.compile(r"\.data/(serialization_id|version)|\.format_version|\.storage_alignment", re.ASCII)
"""Records that ``torch.save`` writes beside them."""


_DATA = {"argparse", "collections", "datetime", "decimal", "enum", "fractions", "logging", "pathlib", "random"}
_DATA |= {"re", "time", "uuid", "zoneinfo"}
_BUILTINS = ("set", "frozenset", "complex", "slice", "range", "object", "int", "float", "bool", "str", "bytes", "list")
_VALUES = {"_codecs.encode", "contextlib.nullcontext", "copyreg._reconstructor", "functools.partial"}
_GETATTR = "builtins.getattr"
"""How flags and methods are written; only a program calls what it gives."""
_VALUES |= {_GETATTR, "types.SimpleNamespace"}
_VALUES |= {f"builtins.{name}" for name in (*_BUILTINS, "dict", "tuple")}
"""What of Python's own library stands for data. A pickle that asks for more of it is a program, and is refused."""
_METHODS = frozenset(dir(OrderedDict))
_OF = "class of the pickle"
"""Attribute of a dict that stands for an object."""


class StandIn:
    """An object of a pickle without its class: attributes only."""


class _Calls(type):
    """What a pickle calls becomes an instance, whatever the arguments are."""

    def __call__(cls, *arguments: Any) -> "Opaque":
        made: Opaque = object.__new__(cls)  # type: ignore[arg-type]  # Opaque or below it
        made.arguments, made.state = arguments, None
        return made


class Opaque(metaclass=_Calls):
    """What a class or function of a pickle would have made, which is not known.

    A pickle creates objects of a class by ``__new__``: these are dicts, so that they can be filled as those of a
    subclass of dict are, with the object's attributes as their own.

    Attributes:
        of: name of the class or function, with its module.
        arguments: that it was called with.
        state: that the object was given.
    """

    of = ""
    arguments: tuple[Any, ...]
    state: Any

    def __new__(cls, *_: Any) -> Any:
        """Return the dict that stands for an object."""
        made: OrderedDict[Any, Any] = OrderedDict()
        made.__dict__[_OF] = cls.of
        return made

    def __setstate__(self, state: Any) -> None:
        """Keep the state as it is."""
        self.state = state


def class_of(content: Any) -> str | None:
    """Return the name of the unknown class that an object of a pickle has; ``None`` for torch's and ours."""
    name = content.of if isinstance(content, Opaque) else getattr(content, "__dict__", {}).get(_OF)
    return None if name is None or name.startswith(("torch.", "lenetx.")) else name.rpartition(".")[2]


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


def inert(
    source: bytes | Mapping[str, bytes],
    classes: Iterable[str] = (),
    values: Iterable[str] = (),
    *,
    any_class: bool = False,
) -> Any:
    """Read what ``torch.save`` wrote, running nothing of it.

    Args:
        source: the file's contents, or the records of an archive.
        classes: names, with their modules, of classes whose objects become stand-ins.
        values: names of functions that only give their first argument back.
        any_class: let objects of all other classes in as ``Opaque``, but for what only a program asks for.

    Raises:
        OtherClass: it asks for something else.
        ArtifactError: it is damaged, or not what ``torch.save`` writes.
    """
    import torch

    data, asked_for = plain(source)
    known: list[Any] = [*((StandIn, name) for name in classes), *((_first, name) for name in values)]
    others = sorted(asked_for - {name for _, name in known}) if any_class else []
    if len(others) > _MOST_NAMES:
        raise ArtifactError(f"It asks for {len(others):,} classes and functions, which no weights need.")
    for name in others:
        if _is_program(name):
            raise OtherClass(name)
        known.append((_placeholder(name), name))
    try:
        with torch.serialization.safe_globals(known):
            content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)  # noqa: TID251  # the one reader
    except Exception as error:  # the unpickler trips over a hostile or damaged stream in many ways
        if asked := _REFUSED.search(str(error)):
            raise OtherClass(asked[1] or "a whole module in the form of before torch 1.6") from None
        if filled := _FILLED.search(str(error)):  # in another way than a dict
            unknown = [name for name in others if not name.startswith(("torch.", "collections.OrderedDict"))]
            raise OtherClass(filled[1] or next(iter(unknown), "an object that is no dict")) from None
        if _GETATTR in others:  # what it gave was called
            raise OtherClass(_GETATTR) from None
        reason = f"they are not what lenetx writes ({type(error).__name__})"  # torch's own words tell how to trust it
        raise ArtifactError(f"Its contents were refused and not executed: {reason}.") from None
    _require_own_methods(content)
    return content


def plain(source: bytes | Mapping[str, bytes]) -> tuple[bytes, set[str]]:
    """Return what torch is given to read, and the names of the classes and functions that its pickles ask for.

    It is an archive written anew of known records, or a file of the older form.

    Raises:
        ArtifactError: it holds other records, or asks for any amount of memory.
    """
    if isinstance(source, bytes) and not archive.is_archive(source):
        if _is_tar(source):
            raise ArtifactError("It is a tar archive, as torch wrote before 0.1.10: save it anew.")
        return source, _require_modest(source)
    records = archive.records_of(source) if isinstance(source, bytes) else source
    strange = sorted(name for name in records if not _READ.fullmatch(name) and not _BESIDE.fullmatch(name))
    if strange or "data.pkl" not in records:
        raise ArtifactError(f"It holds {strange[0]!r}, which torch.save never writes." if strange else "It is empty.")
    asked_for = _require_modest(records["data.pkl"])
    return archive.pack({name: contents for name, contents in records.items() if _READ.fullmatch(name)}), asked_for


def trusted(data: bytes) -> Any:
    """Read what ``torch.save`` wrote, running whatever code is in it: only for who has said so.

    Classes are found in the current folder too.

    Raises:
        ArtifactError: its code fails, or its classes cannot be imported here.
    """
    import torch

    try:
        with first_on_path(Path.cwd()):
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=False)  # noqa: TID251  # trusted
    except Exception as error:  # it is anyone's code
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ArtifactError(
            f"Its own code failed ({reason}): its classes must be importable here under the names that they had."
        ) from None


def _require_own_methods(content: Any) -> None:
    """Refuse dicts to which a pickle has given attributes that hide what a dict does, or whose it is.

    Those of dicts that stand for an object are left out.
    """
    waiting, seen = [content], set[int]()
    while waiting:
        each = waiting.pop()
        if id(each) in seen or not isinstance(each, dict | list | tuple | StandIn | Opaque):
            continue
        seen.add(id(each))
        attributes = getattr(each, "__dict__", {})
        if isinstance(each, dict):
            hidden = _METHODS & attributes.keys()
            if (hidden and _OF not in attributes) or not isinstance(attributes.get(_OF, ""), str):
                raise ArtifactError("It holds a dict with attributes that no weights need.")
            for name in hidden:
                del attributes[name]
            waiting.extend(dict.values(each))
        elif isinstance(each, list | tuple):
            waiting.extend(each)
        waiting.extend(attributes.values())


def _is_program(name: str) -> bool:
    """Return whether a name is of Python's own library and stands for no data."""
    root = name.partition(".")[0]
    return root in sys.stdlib_module_names and root not in _DATA and name not in _VALUES


def _placeholder(name: str) -> Any:
    if name == "collections.defaultdict":
        return _empty
    return _Calls(name, (Opaque,), {"of": name})


def _empty(*_: Any) -> "OrderedDict[Any, Any]":
    return OrderedDict()


def _require_modest(pickles: bytes) -> set[str]:
    """Return the names of the classes and functions that pickles ask for.

    Raises:
        ArtifactError: a few bytes ask for any amount of memory: torch lets these through.
    """
    named = set(_globals(io.BytesIO(pickles)))
    if _ENDLESS in named:
        raise ArtifactError(f"It has more than {_MOST_STEPS:,} steps, which no weights need.")
    if hungry := {name.rpartition(".")[2] for name in named} & _HUNGRY:
        raise ArtifactError(f"It asks for a {min(hungry)} of any size, which no weights need.")
    return named


def _globals(stream: io.BytesIO) -> Iterator[str]:
    """Yield what the pickles of a stream name, by today's names, up to where they are damaged or end."""
    steps = 0
    with contextlib.suppress(Exception):  # the unpickler will say it
        for _ in range(_PICKLES):
            for code, argument, _ in pickletools.genops(stream):
                steps += 1
                if steps > _MOST_STEPS:
                    yield _ENDLESS
                    return
                if code.name == "GLOBAL":
                    module, name = str(argument).split(" ", 1)
                    module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
                    yield f"{module}.{name}"


def _is_tar(data: bytes) -> bool:
    """Return whether torch would take it for a tar archive, which it tries before the older form."""
    try:
        tarfile.open(fileobj=io.BytesIO(data), mode="r:").close()
    except tarfile.TarError:
        return False
    return True


def _first(value: Any, *_: Any) -> Any:
    return value
