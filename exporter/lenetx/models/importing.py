"""Set up the environment in which user code is imported: ``sys.path``, its package and ``sys.argv``."""

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
"""Entries that mark the root folder of a repository."""
_MOST_LEVELS = 8
"""Number of parent folders to search for the root."""
_INSTALLED = ("site-packages", "dist-packages")

_imported: dict[Path, dict[str, ModuleType]] = {}
"""Imported modules, by the user's folder that they came from; two folders may have modules of the same name."""


def roots_of(path: Path) -> list[Path]:
    """Return the folders from which a file may import, nearest first.

    They are the file's own folder and those above it, up to its repository's root or, if that is higher, to the current
    folder.
    """
    folder = path.absolute().parent
    above = [folder, *folder.parents][:_MOST_LEVELS]
    root = next((level for level, each in enumerate(above) if any((each / mark).exists() for mark in _MARKS)), 0)
    here = above.index(Path.cwd()) if Path.cwd() in above else 0
    return above[: max(root, here) + 1]


def package_of(path: Path, source: bytes) -> str | None:
    """Return the package that a file's relative imports start from; ``None`` if it has none.

    The package's name consists of the file's folder and those above it, as many as the imports need or while there is
    an ``__init__.py``.
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
    """Make the modules in some folders importable, as ``python FILE`` does, with an empty command line.

    ``sys.path`` and ``sys.argv`` are restored afterwards. Modules imported from the folders stay until code from
    another folder is imported; they are removed then, because that folder may have modules of the same names.

    Args:
        folders: the user's folders, nearest first.
        name: the program name that the code sees in ``sys.argv``.
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
    """Replace the modules of all other folders by those of one folder in ``sys.modules``."""
    for other, modules in _imported.items():
        for name, module in modules.items():
            if other != folder and sys.modules.get(name) is module:
                del sys.modules[name]
    sys.modules.update(_imported.get(folder, {}))


def _lies_in(module: ModuleType, folders: list[Path]) -> bool:
    """Return whether a module came from one of the user's folders, and not from a package installed there."""
    own = vars(module)  # not getattr: some modules create any attribute on request
    places = [own.get("__file__"), *own.get("__path__", ())]
    return any(
        Path(place).is_relative_to(folder) and not set(_INSTALLED) & set(Path(place).parts)
        for place in places
        if isinstance(place, str)
        for folder in folders
    )
