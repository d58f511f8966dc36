"""Write C text: names, numbers, arrays and indented blocks."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Code", "Names", "array", "commentable", "number", "offset", "plus", "quoted"]

_WIDEST = 116
_TAKEN = re.compile(
    "run|logits|levels|labels|normalise|predict_(frame|image)|selftest|golden_(frames|least|most)|clear|rounded|quantized|"
    "next|least|most|(load|store|all|pick|max|min|relu|leaky|[vumn])(16|8|4|1)|frame_.*|"
    "lanes|scalar|h|ok|channels|height|width|classes|scratch_bytes|weights_sha256|error_.*"
)
"""What every file has, after the prefix and in small letters: a prefix in capitals makes names of macros."""


class Code:
    """Lines of C with their indentation."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._depth = 0

    def __call__(self, *lines: str) -> None:
        """Add lines at the current indentation."""
        self.lines += [f"{'    ' * self._depth}{line}" if line else "" for line in lines]

    @contextmanager
    def block(self, head: str, *, is_open: bool = True) -> Iterator[None]:
        """Put what follows into a block with braces; nothing is added if ``is_open`` is false."""
        if not is_open:
            yield
            return
        self(f"{head} {{" if head else "{")
        self._depth += 1
        yield
        self._depth -= 1
        self("}")

    @contextmanager
    def loops(self, *heads: tuple[str, int]) -> Iterator[None]:
        """Nest a loop for each (variable, number of rounds); a single round needs none, and its variable is 0."""
        depth = 0
        for variable, rounds in heads:
            if rounds == 1:
                continue
            self(f"for (int {variable} = 0; {variable} < {rounds}; ++{variable}) {{")
            self._depth += 1
            depth += 1
        yield
        for _ in range(depth):
            self._depth -= 1
            self("}")


class Names:
    """C identifiers for names from a graph, each once.

    Args:
        prefix: with which each begins.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix, self._found, self._used = prefix, dict[str, str](), set[str]()

    def of(self, name: str, kind: str = "") -> str:
        """Return the identifier of a name, the same each time; another one for each kind of thing."""
        key = f"{kind} {name}"
        if key not in self._found:
            plain = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:60] or "value"
            plain = f"the_{plain}" if _TAKEN.fullmatch(plain.lower()) else plain
            candidate, count = f"{self._prefix}_{plain}", 1
            while candidate in self._used:
                count += 1
                candidate = f"{self._prefix}_{plain}_{count}"
            self._used.add(candidate)
            self._found[key] = candidate
        return self._found[key]


def number(value: float) -> str:
    """Return a number as a hexadecimal literal of float32, exactly; it must be finite."""
    import numpy as np

    return _hexadecimal(float(np.float32(value)))


def _hexadecimal(value: float) -> str:
    mantissa, _, exponent = value.hex().partition("p")
    return f"{mantissa.rstrip('0').rstrip('.')}p{exponent.removeprefix('+')}f"


def array(name: str, kind: str, values: "NDArray[Any]", lines: "Sequence[str] | None" = None) -> list[str]:
    """Return the definition of a constant array: float32 in hexadecimal, whole numbers in decimal."""
    flat = values.ravel().tolist()
    if kind == "float":
        flat = [_hexadecimal(value) for value in flat]
    head = f"static const {kind} {name}[{len(flat)}] = {{"
    return [head, *(lines or wrapped(f"{value}," for value in map(str, flat))), "};"]


def wrapped(words: Iterable[str], indent: str = "    ") -> list[str]:
    """Return words in lines of a readable length."""
    lines, line = [], indent.rstrip("\n")
    for word in words:
        if len(line) + len(word) + 1 > _WIDEST and line.strip():
            lines.append(line.rstrip())
            line = indent
        line += f"{word} "
    return [*lines, line.rstrip()] if line.strip() else lines


def offset(*terms: tuple[str, int], start: int = 0) -> str:
    """Return an index such as ``3 + y * 32 + x`` from (variable, factor) terms; an empty variable is always 0."""
    parts = [str(start)] if start else []
    parts += [
        variable if factor == 1 else f"{variable} * {factor}" for variable, factor in terms if variable and factor
    ]
    return " + ".join(parts) or "0"


def commentable(words: str) -> str:
    """Return words that cannot end a comment."""
    plain = "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in words)
    return plain.replace("*/", "* /").replace("/*", "/ *").replace("??", "? ?")


def plus(index: str) -> str:
    """Return an index as what is added to a pointer; nothing for 0."""
    return "" if index == "0" else f" + {index}"


def quoted(text: str) -> str:
    """Return text as a C string literal of ASCII letters; others are octal escapes of UTF-8."""
    plain = "".join(
        chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?' else f"\\{byte:03o}" for byte in text.encode()
    )
    return f'"{plain}"'
