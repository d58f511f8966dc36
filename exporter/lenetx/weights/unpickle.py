"""Read pickles, which are programs, without running them; no other module calls ``torch.load``.

torch's restricted unpickler makes tensors and plain containers. An object of any other accepted class becomes a
``StandIn`` or an ``Opaque``, which has the object's attributes but no code: not even the ``__setstate__`` of a known
class runs.
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
from ..models.user_network import first_on_path

__all__ = ["Opaque", "OtherClass", "StandIn", "class_of", "load_safely", "load_trusted", "plain"]

_KINDS = ("Byte", "Char", "Short", "Int", "Long", "Half", "Float", "Double", "BFloat16", "Bool")
_REFUSED = re.compile(r"GLOBAL ([\w.<>]+)|Only (persistent_load) of storage is allowed, but got <class 'str'>")
_FILLED = re.compile(rf"Can only .* but got <class '(?:{re.escape(__name__)}\.([\w.]+))?")
_HUNGRY = frozenset({"bytearray", "Tensor"} | {f"{kind}Tensor" for kind in _KINDS})
"""Names with which a pickle makes torch's restricted unpickler allocate any amount of memory."""
_MOST_NAMES = 1000
"""Maximum number of classes and functions in a pickle: torch searches all of them for each object."""
_MOST_STEPS = 2**19
"""Maximum number of opcodes in a pickle: a tensor needs 30, and each takes a few microseconds."""
_PICKLES = 5
"""Number of consecutive pickles in the legacy format, before the tensors' data."""
_ENDLESS = ""
"""Marker among the names of a pickle: it has more than ``_MOST_STEPS`` opcodes."""
_READ = re.compile(r"data\.pkl|data/\d+|version|byteorder", re.ASCII)
"""Records from which torch reads tensors."""
_BESIDE = re.compile(r"\.data/(serialization_id|version)|\.format_version|\.storage_alignment", re.ASCII)
"""Other records that ``torch.save`` writes."""


_DATA = {"argparse", "collections", "datetime", "decimal", "enum", "fractions", "logging", "pathlib", "random"}
_DATA |= {"re", "time", "uuid", "zoneinfo"}
_BUILTINS = ("set", "frozenset", "complex", "slice", "range", "object", "int", "float", "bool", "str", "bytes", "list")
_VALUES = {"_codecs.encode", "contextlib.nullcontext", "copyreg._reconstructor", "functools.partial"}
_GETATTR = "builtins.getattr"
"""Used to pickle flags and methods; only a program calls its result."""
_VALUES |= {_GETATTR, "_operator.or_", "types.SimpleNamespace"}  # or_: combined flags of Python 3.11.2
_VALUES |= {f"builtins.{name}" for name in (*_BUILTINS, "dict", "tuple")}
"""Names in Python's standard library that stand for data. A pickle that uses others is a program and is rejected."""
_METHODS = frozenset(dir(OrderedDict))
_OF = "class of the pickle"
"""Attribute that marks a dict as the placeholder of an object."""


class StandIn:
    """A placeholder for a pickled object: its attributes without its class."""


class _Calls(type):
    """Create an instance, whatever the arguments, when a pickle calls the class."""

    def __call__(cls, *arguments: Any) -> "Opaque":
        made: Opaque = object.__new__(cls)  # type: ignore[arg-type]  # Opaque or below it
        made.arguments, made.state = arguments, None
        return made


class Opaque(metaclass=_Calls):
    """A placeholder for the result of an unknown class or function in a pickle.

    A pickle creates an object by a call, which returns an ``Opaque``, or by ``__new__``, which returns a dict here: the
    pickle can fill it like a subclass of dict, and it keeps the object's attributes.

    Attributes:
        of: name of the class or function, with its module.
        arguments: arguments of the call.
        state: state that the pickle sets on the object.
    """

    of = ""
    arguments: tuple[Any, ...]
    state: Any

    def __new__(cls, *_: Any) -> Any:
        """Return the dict that is the placeholder of an object."""
        made: OrderedDict[Any, Any] = OrderedDict()
        made.__dict__[_OF] = cls.of
        return made

    def __setstate__(self, state: Any) -> None:
        """Store the state unchanged."""
        self.state = state


def class_of(content: Any) -> str | None:
    """Return the name of an object's unknown class; ``None`` for a known class or one of torch or lenetx."""
    name = content.of if isinstance(content, Opaque) else getattr(content, "__dict__", {}).get(_OF)
    return None if name is None or name.startswith(("torch.", "lenetx.")) else name.rpartition(".")[2]


class OtherClass(ArtifactError):
    """Error for a pickle that uses a class or function that is not accepted.

    Attributes:
        name: name of the class or function, with its module.
    """

    def __init__(self, name: str) -> None:
        super().__init__(
            f"It needs {name}, which is available only by running its code; nothing was executed: "
            "save model.state_dict() instead or, if you would run its author's program, add --trust-pickle."
        )
        self.name = name


def load_safely(
    source: bytes | Mapping[str, bytes],
    classes: Iterable[str] = (),
    values: Iterable[str] = (),
    *,
    any_class: bool = False,
) -> Any:
    """Read the contents of a file that ``torch.save`` wrote, without running any of its code.

    Args:
        source: contents of the file, or the records of an archive.
        classes: names, with their modules, of classes whose objects become stand-ins.
        values: names of functions whose calls are replaced by their first argument.
        any_class: accept all other classes as ``Opaque``, except those that only a program uses.

    Raises:
        OtherClass: the pickle uses a class or function that is not accepted.
        ArtifactError: the file is damaged, or ``torch.save`` did not write it.
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
    except Exception as error:  # a hostile or damaged stream raises many kinds of error
        if asked := _REFUSED.search(str(error)):
            raise OtherClass(asked[1] or "a whole module in the form of before torch 1.6") from None
        if filled := _FILLED.search(str(error)):  # an object was filled, but not like a dict
            unknown = [name for name in others if not name.startswith(("torch.", "collections.OrderedDict"))]
            raise OtherClass(filled[1] or next(iter(unknown), "an object that is no dict")) from None
        if _GETATTR in others:  # its result was called
            raise OtherClass(_GETATTR) from None
        reason = f"they are not what lenetx writes ({type(error).__name__})"  # torch's message advises to trust it
        raise ArtifactError(f"Its contents were rejected and not executed: {reason}.") from None
    _require_own_methods(content)
    return content


def plain(source: bytes | Mapping[str, bytes]) -> tuple[bytes, set[str]]:
    """Return the bytes for torch to read, and the names of the classes and functions that its pickles use.

    The bytes are a new archive of known records only, or an unchanged file in the legacy format.

    Raises:
        ArtifactError: the file holds unknown records, or could make torch allocate any amount of memory.
    """
    if isinstance(source, bytes) and not archive.is_archive(source):
        if _is_tar(source):
            raise ArtifactError("It is a tar archive, as torch wrote before 0.1.10: save it anew.")
        return source, _require_bounded(source)
    records = archive.records_of(source) if isinstance(source, bytes) else source
    strange = sorted(name for name in records if not _READ.fullmatch(name) and not _BESIDE.fullmatch(name))
    if strange or "data.pkl" not in records:
        raise ArtifactError(f"It holds {strange[0]!r}, which torch.save never writes." if strange else "It is empty.")
    asked_for = _require_bounded(records["data.pkl"])
    return archive.pack({name: contents for name, contents in records.items() if _READ.fullmatch(name)}), asked_for


def load_trusted(data: bytes) -> Any:
    """Read a file that ``torch.save`` wrote and run the code in it; call this only if the user trusts the file.

    Classes are also imported from the current folder.

    Raises:
        ArtifactError: the file's code fails, or its classes cannot be imported.
    """
    import torch

    try:
        with first_on_path(Path.cwd()):
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=False)  # noqa: TID251  # trusted
    except Exception as error:  # arbitrary code can raise anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ArtifactError(
            f"Its own code failed ({reason}): its classes must be importable here under the names that they had."
        ) from None


def _require_own_methods(content: Any) -> None:
    """Reject dicts on which a pickle has set attributes that shadow dict methods or forge the class.

    On a dict that is the placeholder of an object, shadowing attributes are removed instead.
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
    """Return whether a name is in Python's standard library and does not stand for data."""
    root = name.partition(".")[0]
    return root in sys.stdlib_module_names and root not in _DATA and name not in _VALUES


def _placeholder(name: str) -> Any:
    if name == "collections.defaultdict":
        return _empty
    return _Calls(name, (Opaque,), {"of": name})


def _empty(*_: Any) -> "OrderedDict[Any, Any]":
    return OrderedDict()


def _require_bounded(pickles: bytes) -> set[str]:
    """Return the names of the classes and functions that pickles use.

    Raises:
        ArtifactError: a few bytes could use any amount of memory or time, which torch does not prevent.
    """
    named = set(_globals(io.BytesIO(pickles)))
    if _ENDLESS in named:
        raise ArtifactError(f"It has more than {_MOST_STEPS:,} steps, which no weights need.")
    if hungry := {name.rpartition(".")[2] for name in named} & _HUNGRY:
        raise ArtifactError(f"It asks for a {min(hungry)} of any size, which no weights need.")
    return named


def _globals(stream: io.BytesIO) -> Iterator[str]:
    """Yield the names that the pickles of a stream use, in Python 3's form, until they end or are damaged."""
    steps = 0
    with contextlib.suppress(Exception):  # the unpickler will report it
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
    """Return whether torch would read the data as a tar archive, which it tries before the legacy format."""
    try:
        tarfile.open(fileobj=io.BytesIO(data), mode="r:").close()
    except tarfile.TarError:
        return False
    return True


def _first(value: Any, *_: Any) -> Any:
    return value
