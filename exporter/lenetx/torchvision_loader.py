"""Import torchvision beside a CPU build of torch.

PyPI's torchvision is built with CUDA operators. Beside a CPU torch its extension cannot load, and the import dies
with ``operator torchvision::nms does not exist``. Its data sets, transforms and models need none of them, so the
missing schemas are declared, without an implementation, and the import is made again.
"""

import functools
import importlib
import sys
from types import ModuleType

__all__ = ["import_torchvision"]

_NMS_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


@functools.cache
def import_torchvision() -> ModuleType:
    """Give the module ``torchvision``, whatever build of torch it stands beside."""
    try:
        return importlib.import_module("torchvision")
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
    _forget_half_imported()
    _declare_missing_operators()
    return importlib.import_module("torchvision")


def _forget_half_imported() -> None:
    for name in [name for name in sys.modules if name == "torchvision" or name.startswith("torchvision.")]:
        del sys.modules[name]


@functools.cache
def _declare_missing_operators() -> object:
    """Cached, so that the library object that owns the declarations stays alive."""
    from torch import library, ops

    declarations = library.Library("torchvision", "FRAGMENT")
    for name in ("nms", "qnms"):
        if not hasattr(ops.torchvision, name):
            declarations.define(name + _NMS_SIGNATURE)
    return declarations
