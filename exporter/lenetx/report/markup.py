"""Build HTML; escape all text that is not marked as HTML."""

import html

from .formatting import visible

__all__ = ["Markup", "element", "join"]

_VOID = frozenset({"img", "meta"})


class Markup(str):
    """A string that is HTML already and is not escaped again."""

    __slots__ = ()


def element(name: str, /, *children: str, **attributes: str | None) -> Markup:
    """Return an HTML element; escape attributes, and children unless they are ``Markup``.

    Args:
        name: the tag name.
        children: the element's contents.
        attributes: written with ``_`` for ``-``, and with ``_`` after a Python keyword; ``None`` is left out.
    """
    given = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items() if value is not None}
    start = name + "".join(f' {key}="{html.escape(visible(value))}"' for key, value in given.items())
    return Markup(f"<{start}>" if name in _VOID else f"<{start}>{join(*children)}</{name}>")


def join(*children: str) -> Markup:
    """Concatenate HTML and plain strings; escape the strings."""
    return Markup("".join(c if isinstance(c, Markup) else html.escape(visible(c)) for c in children))
