"""Where two expressions part, in one sentence."""

from .expression import Expression, Unknown, ordered
from .words import described, place_of

__all__ = ["difference"]

_MOST = 4
"""Operators that are listed."""


def difference(expected: Expression, found: Expression | Unknown) -> str | None:
    """Say where an artifact does something else than the network's code, or ``None`` if it does the same.

    Args:
        expected: what the network's code does.
        found: what the artifact does; where that is not known, it is something else.
    """
    actual = found.expression if isinstance(found, Unknown) else found
    if actual is None:
        assert isinstance(found, Unknown)
        return f"What the artifact computes cannot be read: {found.reason}."
    if actual.key == expected.key:
        return None
    theirs, ours = list(ordered(actual)), list(ordered(expected))
    known = {each.key for each in ours}
    there = {each.key for each in theirs}
    if actual.key in known:
        missing = [each for each in ours if each.key not in there]
        return f"The artifact stops at {place_of(actual)}; the network's code goes on: {_listed(missing)}."
    first = [each for each in theirs if each.key not in known and all(read.key in known for read in each.arguments)]
    if expected.key in there:
        more = [each for each in theirs if each.key not in known and each.batched]
        return f"The artifact computes more than the logits of the network's code: {_listed(more)}."
    wanted = next(each for each in ours if each.key not in there)
    return _parting(wanted, _counterpart(wanted, first))


def _parting(wanted: Expression, other: Expression) -> str:
    if wanted.operator == "input":
        return f"The network's code takes {described(wanted)}, the artifact {_input_of(other)}."
    if not wanted.batched:
        return f"The artifact does not read {described(wanted)}: in its place it has {described(other)}."
    place = place_of(next(each for each in wanted.arguments if each.batched))
    want, have = described(wanted), described(other)
    if want == have:
        want, have = (f"{words} of {_sources(each)}" for words, each in ((want, wanted), (have, other)))
    return f"Behind {place} the network's code has {want.rstrip(',')}, the artifact {have.rstrip(',')}."


def _counterpart(wanted: Expression, first: list[Expression]) -> Expression:
    """Choose, of what only the artifact has, what stands where ``wanted`` should."""

    def likeness(each: Expression) -> tuple[bool, bool, bool]:
        reads = {read.key for read in wanted.arguments if read.batched}
        same = any(read.key in reads for read in each.arguments)
        return each.batched == wanted.batched, same, each.operator == wanted.operator

    return max(first, key=likeness)


def _sources(expression: Expression) -> str:
    return " and ".join(place_of(each) if each.batched else described(each) for each in expression.arguments)


def _input_of(expression: Expression) -> str:
    return next((described(each) for each in ordered(expression) if each.operator == "input"), "none")


def _listed(expressions: list[Expression]) -> str:
    words = [described(each).rstrip(",") for each in expressions[:_MOST]]
    more = len(expressions) - len(words)
    return f"{'; '.join(words)}{f'; and {more} more' if more > 0 else ''}"
