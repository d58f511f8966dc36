"""Which values of a straight line of TorchScript are computed from the input: only they may be changed in place.

An operator that changes a weight in place would make every answer depend on how many were given before.
"""

from collections.abc import Iterable, Sequence

__all__ = ["changes_only_its_own"]

Token = tuple[str, str]


def changes_only_its_own(argument: str, statements: Iterable[tuple[Sequence[str], Sequence[Token]]]) -> bool:
    """Say whether no operator changes anything in place but what was computed from the input.

    Args:
        argument: the name of the input.
        statements: in their order, the names that each gives a value to and the tokens of that value, which are known
            to be a value of :mod:`lenetx.formats.torchscript_code`.
    """
    own = {argument}
    for names, tokens in statements:
        is_own, place = _walk(tokens, 0, own)
        if place < 0:
            return False
        own = own | set(names) if is_own else own - set(names)
    return True


def _walk(tokens: Sequence[Token], place: int, own: set[str]) -> tuple[bool, int]:
    """Say whether the value at ``place`` is computed from the input, by its first argument, and give the place behind.

    The place is −1 where something else is changed in place.
    """
    kind, text = tokens[place]
    call = kind == "name" and place + 1 < len(tokens) and tokens[place + 1][1] == "("
    if not call and text not in ("(", "["):
        return kind == "name" and text in own, place + 1
    end = ")" if call or text == "(" else "]"
    place += 2 if call else 1
    parts: list[bool] = []
    while tokens[place][1] != end:
        named = tokens[place][0] == "name" and tokens[place + 1][1] == "="
        is_own, place = _walk(tokens, place + 2 if named else place, own)
        if place < 0:
            return False, -1
        parts.append(is_own)
        place += tokens[place][1] == ","
    if call and text.endswith("_") and not (parts and parts[0]):
        return False, -1
    return (parts[:1] == [True] if call else bool(parts) and all(parts)), place + 1
