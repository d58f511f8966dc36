"""The surroundings in which a user's code is imported: its folders, its package, its command line."""

import ast
import contextlib
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from ..torchvision_loader import mend_imports

__all__ = ["package_of", "roots_of", "surroundings"]

_MARKS = (".git", "pyproject.toml", "setup.py", "setup.cfg")
"""What stands in the root folder of a repository."""
_MOST_LEVELS = 8
"""Folders above a file among which the root is looked for."""
_INSTALLED = ("site-packages", "dist-packages")

_imported: dict[Path, dict[str, ModuleType]] = {}
"""Modules by the folder of the user's that they came with. Two folders may have modules of the same name."""


def roots_of(path: Path) -> list[Path]:
    """Return the folders from which a file may import: its own, those above it up to its repository's root.

    Those up to the current folder count too, where the file lies below it.
    """
    folder = path.absolute().parent
    above = [folder, *folder.parents][:_MOST_LEVELS]
    root = next((level for level, each in enumerate(above) if any((each / mark).exists() for mark in _MARKS)), 0)
    here = above.index(Path.cwd()) if Path.cwd() in above else 0
    return above[: max(root, here) + 1]


def package_of(path: Path, source: bytes) -> str | None:
    """Return the package that the relative imports of a file start from; ``None`` if there are none.

    The package is the file's folder with those above it, up to its repository's root, or where no ``__init__.py`` is.
    """
    levels = [node.level for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom) and node.level]
    if not levels:
        return None
    folder = path.absolute().parent
    names = [folder.name]
    above = folder.parent
    while len(names) < max(levels) or (above / "__init__.py").exists():
        if not above.name:
            break
        names.insert(0, above.name)
        above = above.parent
    return None if any("." in name for name in names) else ".".join(names)


@contextlib.contextmanager
def surroundings(folders: list[Path], name: str) -> Iterator[None]:
    """Let what lies in some folders be imported, as ``python FILE`` does, with a command line of no arguments.

    Afterwards ``sys.path`` and ``sys.argv`` are as before. What was imported from the folders stays, until code from
    another folder is imported: then it makes room, since that may have modules of the same names.

    Args:
        folders: the user's own, the nearest first.
        name: what the code takes for the name of the program.
    """
    mend_imports()
    path, arguments = list(sys.path), sys.argv
    _make_room(folders[0])
    others = {each.partition(".")[0] for each in sys.modules.keys() - _imported.get(folders[0], {}).keys()}
    sys.path[:0] = [str(folder) for folder in folders]
    sys.argv = [name]
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:], sys.argv = path, arguments
        fresh = {each: module for each, module in sys.modules.items() if each.partition(".")[0] not in others}
        own = {each: module for each, module in fresh.items() if _lies_in(module, folders)}
        _imported.setdefault(folders[0], {}).update(own)


def _make_room(folder: Path) -> None:
    """Put the modules of a folder in the place of those of all others."""
    for other, modules in _imported.items():
        for name, module in modules.items():
            if other != folder and sys.modules.get(name) is module:
                del sys.modules[name]
    sys.modules.update(_imported.get(folder, {}))


def _lies_in(module: ModuleType, folders: list[Path]) -> bool:
    """Return whether a module came from a folder of the user's, and not from a package that is installed there."""
    own = vars(module)  # some modules make up what they are asked for
    places = [own.get("__file__"), *own.get("__path__", ())]
    return any(
        Path(place).is_relative_to(folder) and not set(_INSTALLED) & set(Path(place).parts)
        for place in places
        if isinstance(place, str)
        for folder in folders
    )
