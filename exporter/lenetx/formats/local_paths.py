"""Check that an artifact does not reveal where it was built."""

import re
from collections.abc import Iterable

from ..report import Check

__all__ = ["LOCAL_PATHS", "local_paths"]

LOCAL_PATHS = "local paths"
"""The name of the check."""

_PATH = re.compile(rb"(?:(?<![\w.:/])/[\w.+-]+/[\w./+-]+|\b[A-Za-z]:\\[\w.\\+-]+|site-packages)")


def local_paths(texts: Iterable[bytes]) -> Check:
    """Check that none of an artifact's strings contains a path of the machine that built it."""
    found = sorted({match.decode() for text in texts for match in _PATH.findall(text)})
    problem = f"It holds paths of the machine that built it: {', '.join(found[:3])}." if found else None
    return Check.verdict(LOCAL_PATHS, "all texts in the file", problem, "None.")
