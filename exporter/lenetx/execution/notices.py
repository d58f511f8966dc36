"""Warn about what a function assumed or changed, if its caller does not accept notices."""

import contextlib
import sys
import warnings
from pathlib import Path

__all__ = ["warn"]

_BETWEEN = (str(Path(__file__).parents[1]), str(contextlib.__file__))


def warn(sentence: str) -> None:
    """Raise a ``UserWarning`` that names the line of the program that called lenetx."""
    frame, level = sys._getframe(), 1
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_BETWEEN):
        frame, level = frame.f_back, level + 1
    warnings.warn(sentence, stacklevel=level)
