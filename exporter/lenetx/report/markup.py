"""HTML in which everything is escaped that is not marked as HTML."""

import html

from .words import visible

__all__ = ["Markup", "element", "join"]

_VOID = frozenset({"img", "meta"})


class Markup(str):
    """A text that is HTML already."""

    __slots__ = ()


def element(name: str, /, *children: str, **attributes: str | None) -> Markup:
    """Return an element; texts in it and in its attributes are escaped unless they are ``Markup``.

    Args:
        name: of the element.
        children: what is in it.
        attributes: with ``_`` for ``-`` and after a Python keyword; those that are ``None`` are left out.
    """
    given = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items() if value is not None}
    start = name + "".join(f' {key}="{html.escape(visible(value))}"' for key, value in given.items())
    return Markup(f"<{start}>" if name in _VOID else f"<{start}>{join(*children)}</{name}>")


def join(*children: str) -> Markup:
    """Put HTML and texts, which are escaped, one after the other."""
    return Markup("".join(c if isinstance(c, Markup) else html.escape(visible(c)) for c in children))
