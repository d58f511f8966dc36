"""Name keyword arguments instead of command-line options in the errors of functions that only Python can call."""

import contextlib
import re
from collections.abc import Iterator

from ..errors import InputError

__all__ = ["in_python_words"]

_SIZE = re.compile(r" \((--channels \d+|--input-size \d+| )+\)")
"""The options after a sentence that has stated the shape."""
_OPTION = re.compile(r"--(framing|interpolation|labels|mean|output|resize|std)\b( (?=[A-Z\d]))?")
"""An option, with the space before its value."""


@contextlib.contextmanager
def in_python_words() -> Iterator[None]:
    """Convert an InputError that names options, such as ``--output 1``, to one that names arguments: ``output=1``."""
    try:
        yield
    except InputError as error:
        words = _OPTION.sub(r"\1=", _SIZE.sub("", str(error)))
        if words == str(error):
            raise
        raise InputError(words) from None
