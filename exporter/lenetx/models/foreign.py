"""Anyone's own network: code that the user named, from a file or an installed package."""

import contextlib
import hashlib
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from lenetx_runtime.files import read_bytes

from ..errors import InputError, UnknownName
from ..user_code import no_warning_is_an_error, user_code

__all__ = ["from_file", "from_package", "own_input_shape"]

_DIGITS = 16
"""Of a source's SHA-256, in hexadecimal, that a checkpoint records."""
_LARGEST_SOURCE = 2**22


def from_file(path: Path, factory: str) -> tuple[str, Any]:
    """Run a file of Python that the user named and give its name as recorded, and what it calls ``factory``.

    The recorded name is ``FILE.py:FACTORY@DIGEST``, with the first 16 digits of the source's SHA-256: where the file
    lies is nobody's business, and another version of it is another network.

    Raises:
        InputError: there is no such file, or its code raised an error.
        UnknownName: the file has no such name.
    """
    source = read_bytes(path, "file of a network", limit=_LARGEST_SOURCE)
    digest = hashlib.sha256(source).hexdigest()[:_DIGITS]
    name = f"lenetx_network_{digest}"  # the same for the same source: it stands in TorchScript archives
    if name not in sys.modules:
        _run(source, path, name)
    return f"{path.name}:{factory}@{digest}", _member(sys.modules[name], factory, path.name)


def from_package(module: str, factory: str) -> tuple[str, Any]:
    """Import a module that the user named, from the current folder too, and give what it calls ``factory``.

    Raises:
        InputError: there is no such module, or its code raised an error.
        UnknownName: the module has no such name.
    """
    with _first_on_path(Path.cwd()), user_code(module), no_warning_is_an_error():
        found = importlib.import_module(module)
    return f"{module}:{factory}", _member(found, factory, module)


def own_input_shape(factory: Any, name: str) -> tuple[int, int, int] | None:
    """Give the attribute ``input_shape`` of a class, or ``None`` where there is none.

    Raises:
        InputError: it is not (channels, height, width).
    """
    shape = getattr(factory, "input_shape", None)
    if shape is None:
        return None
    if not isinstance(shape, tuple | list) or len(shape) != 3 or not all(type(n) is int and n > 0 for n in shape):
        raise InputError(f"The input_shape of {name} is {shape!r}, not (channels, height, width).")
    return shape[0], shape[1], shape[2]


def _run(source: bytes, path: Path, name: str) -> None:
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # data classes look their own module up
    try:
        with _first_on_path(path.absolute().parent), user_code(path.name), no_warning_is_an_error():
            exec(compile(source, str(path), "exec"), module.__dict__)  # noqa: S102  # the user named this file
    except BaseException:
        del sys.modules[name]
        raise


@contextlib.contextmanager
def _first_on_path(folder: Path) -> Iterator[None]:
    """Let what lies beside be imported, as ``python FILE`` does."""
    before = list(sys.path)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path[:] = before


def _member(module: ModuleType, factory: str, where: str) -> Any:
    known = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
    if not hasattr(module, factory):
        raise UnknownName(f"network in {where}", factory, known)
    found = getattr(module, factory)
    if not callable(found):
        raise InputError(f"{factory} in {where} is {type(found).__name__}, not a class or a function.")
    return found
