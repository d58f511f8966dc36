"""Load user-supplied networks from a Python file or an installed package."""

import ast
import contextlib
import hashlib
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from lenetx_runtime.files import read_bytes

from ..errors import InputError, Unavailable, UnknownName
from ..execution.user_code import asks_for_cuda, described, is_installed, no_warning_is_an_error, user_code
from .importing import package_of, roots_of, surroundings
from .packages import distribution_of
from .scripts import GUARD, no_training, trains_on_import

__all__ = ["as_input_shape", "declared_input_shape", "first_on_path", "from_file", "from_package", "own_digest"]

_DIGITS = 16
"""Hexadecimal digits of the source's SHA-256 that a checkpoint records."""
_LARGEST_SOURCE = 2**22
_CHANNELS = (1, 3)


def from_file(path: Path, factory: str) -> tuple[str, Any]:
    """Run a user-supplied Python file and return (the recorded name, the factory).

    The recorded name is ``FILE.py:FACTORY@DIGEST``, with the first 16 digits of the source's SHA-256: it reveals no
    path, and another version of the file is another network.

    Raises:
        InputError: there is no such file, or its code raised an error.
        UnknownName: the file does not define ``factory``.
    """
    source = read_bytes(path, "file of a network", limit=_LARGEST_SOURCE)
    digest = _digest(source)
    name = f"lenetx_network_{digest}"  # depends on the source only, because TorchScript archives contain it
    if name not in sys.modules:
        _run(source, path, name)
    return f"{path.name}:{factory}@{digest}", _member(sys.modules[name], factory, path.name)


def from_package(module: str, factory: str) -> tuple[str, Any]:
    """Import a module, also from the current folder, and return (the recorded name, the factory).

    The recorded name of a module that is not installed ends in the digest of its source, as in ``from_file``.

    Raises:
        InputError: the module's name is invalid, there is no such module, or its code raised an error.
        UnknownName: the module does not define ``factory``.
    """
    if Path(module).is_file() or not all(part.isidentifier() for part in module.split(".")):
        raise InputError(f"'{module}' is neither a Python file nor a module name: name the file, FILE.py:{factory}.")
    here = Path.cwd()
    file = here.joinpath(*module.split(".")).with_suffix(".py")
    with _guarded(list(dict.fromkeys([here, *(roots_of(file) if file.is_file() else [])])), module, module):
        found = importlib.import_module(module)
    return f"{module}:{factory}{own_digest(found)}", _member(found, factory, module)


def declared_input_shape(factory: Any, name: str) -> tuple[tuple[int, int, int] | None, bool]:
    """Return a class's ``input_shape`` as (channels, height, width) or ``None``, and whether it is channels-last.

    Raises:
        InputError: the attribute is neither (channels, height, width) nor (height, width, channels).
    """
    shape = getattr(factory, "input_shape", None)
    return (None, False) if shape is None else as_input_shape(shape, f"The input_shape of {name.split('@')[0]}")


def as_input_shape(shape: object, what: str) -> tuple[tuple[int, int, int], bool]:
    """Return a stated shape as (channels, height, width), and whether it was channels-last.

    Args:
        shape: (channels, height, width) or (height, width, channels).
        what: names it in the message, in the singular.

    Raises:
        InputError: it has another form.
    """
    if not isinstance(shape, tuple | list) or len(shape) != 3 or not all(type(n) is int and n > 0 for n in shape):
        raise InputError(f"{what} is {shape!r}, not (channels, height, width).")
    first, middle, last = shape
    if first in _CHANNELS:
        return (first, middle, last), False
    if last in _CHANNELS:
        return (last, first, middle), True
    raise InputError(f"{what} is {tuple(shape)}, but (channels, height, width) have 1 or 3 channels.")


def _run(source: bytes, path: Path, name: str) -> None:
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module  # dataclasses look up their module
    folders = roots_of(path)
    try:
        with _guarded(folders, str(path), path.name):
            tree = ast.parse(source, str(path))
            _require_no_script(tree, path.name)
            module.__package__ = package_of(path, source)
            if module.__package__:
                _import_package(module.__package__, path)
            with _script_in_words(path):
                exec(compile(tree, str(path), "exec"), module.__dict__)  # noqa: S102  # the user named this file
    except BaseException:
        del sys.modules[name]
        raise


def _import_package(package: str, path: Path) -> None:
    root = path.absolute().parents[package.count(".") + 1]
    with first_on_path(root):
        importlib.import_module(package)


def _require_no_script(tree: ast.Module, name: str) -> None:
    if line := trains_on_import(tree):
        raise InputError(
            f"{name} trains a network when it is imported (line {line}): put what is to run only as a script "
            f"under {GUARD}."
        )


@contextlib.contextmanager
def _guarded(folders: list[Path], program: str, name: str) -> Iterator[None]:
    """Import user code from some folders; convert whatever it raises to one sentence, and stop it if it trains."""
    with (
        surroundings(folders, program),
        user_code(name),
        no_warning_is_an_error(),
        _missing_in_words(name),
        no_training(name),
    ):
        yield


@contextlib.contextmanager
def _script_in_words(path: Path) -> Iterator[None]:
    """Convert what a script raises if its arguments or data are missing to an InputError with a remedy."""
    try:
        yield
    except (SystemExit, OSError, EOFError, RuntimeError) as error:
        if asks_for_cuda(error):
            raise
        what = "reading its arguments" if isinstance(error, SystemExit) else "reading its data"
        raise InputError(
            f"{path.name} raised {described(error).rstrip('.')}: move what only a script does, such as {what}, under "
            f"{GUARD}."
        ) from None


@contextlib.contextmanager
def _missing_in_words(name: str) -> Iterator[None]:
    """Convert a failed import of a package to an Unavailable error with a remedy."""
    try:
        yield
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if not missing or missing == name.partition(".")[0]:
            raise
        where = described(error).rstrip(".")
        raise Unavailable(
            f"{name} raised {where}: install it with 'pip install {distribution_of(missing)}', or run lenetx in the "
            f"folder where its module {missing} lies."
        ) from None


@contextlib.contextmanager
def first_on_path(folder: Path) -> Iterator[None]:
    """Put a folder first on ``sys.path``, as ``python FILE`` does."""
    before = list(sys.path)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path[:] = before


def _digest(source: bytes) -> str:
    return hashlib.sha256(source).hexdigest()[:_DIGITS]


def own_digest(module: ModuleType) -> str:
    """Return "@" and the digest of a module's source; an empty string if it is installed or has no source."""
    file = vars(module).get("__file__")
    if not isinstance(file, str) or is_installed(file) or Path(file).suffix != ".py":
        return ""
    return f"@{_digest(read_bytes(Path(file), 'file of a network', limit=_LARGEST_SOURCE))}"


def _member(module: ModuleType, factory: str, where: str) -> Any:
    known = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
    if not hasattr(module, factory):
        raise UnknownName(f"network in {where}", factory, known)
    found = getattr(module, factory)
    if "state_dict" in dir(found) and not isinstance(found, type):
        kind = type(found).__name__
        raise InputError(
            f"{factory} in {where} is an instance of {kind}: name the class, or a function that returns one."
        )
    if not callable(found):
        raise InputError(f"{factory} in {where} is {type(found).__name__}, not a class or a function.")
    return found
