"""Import torchvision together with a CPU build of torch.

PyPI's torchvision is built with CUDA operators. Its extension cannot load with a CPU build of torch, and the import
fails with ``operator torchvision::nms does not exist``. Its data sets, transforms and models do not need these
operators, so this module declares the missing schemas without an implementation and imports torchvision again.
"""

import functools
import importlib
import importlib.abc
import importlib.util
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

__all__ = ["import_torchvision", "mend_imports"]

_NAME = "torchvision"
_NMS_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def import_torchvision() -> ModuleType:
    """Import and return ``torchvision``, for any build of torch."""
    mend_imports()
    return importlib.import_module(_NAME)


@functools.cache
def mend_imports() -> None:
    """Make ``import torchvision`` succeed in any code from now on, without importing it yet."""
    sys.meta_path.insert(0, _Finder())


class _Finder(importlib.abc.MetaPathFinder):
    """Find torchvision with the other finders and replace only its loader."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name != _NAME:
            return None
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target) if finder is not self else None
            if spec is not None and spec.loader is not None:
                spec.loader = _Loader(spec.loader)
                return spec
        return None


class _Loader(importlib.abc.Loader):
    """Execute torchvision; if operators are missing, declare them and execute it again."""

    def __init__(self, loader: importlib.abc.Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None, "the import system sets it"
        module.__spec__.loader = module.__loader__ = self._loader
        _forget_parts()  # submodules of an earlier, failed import
        try:
            self._loader.exec_module(module)
        except RuntimeError as error:
            if f"operator {_NAME}::" not in str(error):
                raise
            _forget_parts()
            _declare_missing_operators()
            self._loader.exec_module(module)


def _forget_parts() -> None:
    for name in [name for name in sys.modules if name.startswith(f"{_NAME}.")]:
        del sys.modules[name]


@functools.cache
def _declare_missing_operators() -> object:
    """Declare the schemas of missing operators; cached to keep the object that owns the declarations alive."""
    from torch import library, ops

    declarations = library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        if not hasattr(ops.torchvision, name):
            declarations.define(name + _NMS_SIGNATURE)
    return declarations
