"""What flows where in a straight line of TorchScript: what may be changed in place, and where sizes may be read.

An operator that changes a weight in place would make every answer depend on how many were given before. A size that is
computed with may be a branch on the size of the batch: ``mul(x, 1 + int(size(x, 0) // 1001))`` is ``x`` for each batch
that anyone tries. A size by itself shows in no intermediate result, so it may say nothing but a shape.
"""

import enum
from collections.abc import Iterable, Sequence

__all__ = ["only_known_flows"]

Token = tuple[str, str]

_SHAPES = frozenset(f"torch.{name}" for name in ("view", "reshape", "expand", "unflatten"))
"""They give the values that they take, or fail, whatever the sizes are."""
_COUNTS = frozenset({"torch.floor_divide", "torch.mul", "ops.prim.NumToTensor", "int"})
_AS_INTEGER = frozenset({"ops.prim.NumToTensor", "int"})


class _Kind(enum.Enum):
    """From what a value is computed."""

    CONSTANT = enum.auto()
    INPUT = enum.auto()
    SIZE = enum.auto()


class _ForbiddenFlowError(Exception):
    """Something is changed that was not computed from the input, or a size is used for more than a shape."""


def only_known_flows(argument: str, statements: Iterable[tuple[Sequence[str], Sequence[Token]]]) -> bool:
    """Say whether only what was computed from the input is changed in place, and sizes say nothing but shapes.

    Args:
        argument: the name of the input.
        statements: in their order, the names that each gives a value to and the tokens of that value, which are known
            to be a value of :mod:`lenetx.formats.torchscript_code`. The last is what the code returns.
    """
    kinds = {argument: _Kind.INPUT}
    kind = _Kind.CONSTANT
    try:
        for names, tokens in statements:
            kind, _ = _walk(tokens, 0, kinds)
            kinds |= dict.fromkeys(names, kind)
    except _ForbiddenFlowError:
        return False
    return kind is not _Kind.SIZE


def _walk(tokens: Sequence[Token], place: int, kinds: dict[str, _Kind]) -> tuple[_Kind, int]:
    """Give the kind of the value at ``place`` and the place behind it."""
    text = tokens[place][1]
    call = tokens[place][0] == "name" and place + 1 < len(tokens) and tokens[place + 1][1] == "("
    if not call and text not in ("(", "["):
        return kinds.get(text, _Kind.CONSTANT), place + 1
    end = ")" if call or text == "(" else "]"
    place += 2 if call else 1
    parts: list[_Kind] = []
    while tokens[place][1] != end:
        named = tokens[place][0] == "name" and tokens[place + 1][1] == "="
        kind, place = _walk(tokens, place + 2 if named else place, kinds)
        parts.append(kind)
        place += tokens[place][1] == ","
    return _called(text, parts) if call else _listed(parts), place + 1


def _called(operator: str, arguments: Sequence[_Kind]) -> _Kind:
    """Give the kind of what an operator gives; in TorchScript its first argument is what it may change."""
    first = arguments[0] if arguments else _Kind.CONSTANT
    if operator.endswith("_") and first is not _Kind.INPUT:
        raise _ForbiddenFlowError
    if operator == "torch.size":
        return _Kind.SIZE
    if operator in _AS_INTEGER and _Kind.INPUT in arguments:  # a number of the data, which may be a branch too
        raise _ForbiddenFlowError
    if _Kind.SIZE not in arguments:
        return first
    if operator in _COUNTS and _Kind.INPUT not in arguments:
        return _Kind.SIZE
    if operator in _SHAPES and first is not _Kind.SIZE:
        return first
    raise _ForbiddenFlowError


def _listed(parts: Sequence[_Kind]) -> _Kind:
    kinds = set(parts)
    if _Kind.SIZE in kinds:
        if _Kind.INPUT in kinds:
            raise _ForbiddenFlowError
        return _Kind.SIZE
    return _Kind.INPUT if kinds == {_Kind.INPUT} else _Kind.CONSTANT
