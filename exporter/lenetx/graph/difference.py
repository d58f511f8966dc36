"""Describe where two expressions differ, in one sentence."""

from collections.abc import Container

from .describe import described, place_of
from .expression import Expression, Unknown, ordered

__all__ = ["difference"]

_MOST = 4
"""Maximum number of operators that a sentence lists."""


def difference(expected: Expression, found: Expression | Unknown) -> str | None:
    """Return how an artifact differs from the network's code, or ``None`` if it computes the same.

    Args:
        expected: what the network's code computes.
        found: what the artifact computes; an opaque node differs from everything.
    """
    actual = found.expression if isinstance(found, Unknown) else found
    if actual is None:
        assert isinstance(found, Unknown)
        return f"What the artifact computes cannot be read: {found.reason}."
    if actual.key == expected.key:
        return None
    if not actual.batched:
        return f"What the artifact computes does not depend on its input: {described(actual)}."
    theirs, ours = _steps(actual), _steps(expected)
    known, there = {each.key for each in ours}, {each.key for each in theirs}
    if actual.key in known:
        missing = [each for each in ours if each.key not in there]
        return f"The artifact ends after {place_of(actual)}; the network's code continues: {_listed(missing)}."
    if expected.key in there:
        more = [each for each in theirs if each.key not in known]
        return f"The artifact computes more than the network's code: {_listed(more)}."
    return _parting(_first(ours, there)[0], _first(theirs, known))


def _steps(expression: Expression) -> list[Expression]:
    """Return the parts that depend on the input, in the order of execution."""
    return [each for each in ordered(expression) if each.batched]


def _first(steps: list[Expression], others: Container[bytes]) -> list[Expression]:
    """Return the steps that are missing from the others although the others have all their inputs."""
    return [each for each in steps if each.key not in others and all(read.key in others for read in _reads(each))]


def _reads(expression: Expression) -> list[Expression]:
    return [each for each in expression.arguments if each.batched]


def _parting(wanted: Expression, candidates: list[Expression]) -> str:
    other = max(candidates, key=lambda each: _likeness(wanted, each))
    if wanted.operator == "input":
        return f"The network's code takes {described(wanted)}; the artifact takes {described(other)}."
    want, have = described(wanted), described(other)
    if want == have:
        want, have = (f"{words} of {_sources(each)}" for words, each in ((want, wanted), (have, other)))
    return f"Behind {place_of(_reads(wanted)[0])} the network's code has {want}; the artifact has {have}."


def _likeness(wanted: Expression, other: Expression) -> tuple[bool, bool]:
    sources = {read.key for read in _reads(wanted)}
    return any(read.key in sources for read in _reads(other)), other.operator == wanted.operator


def _sources(expression: Expression) -> str:
    return " and ".join(place_of(each) if each.batched else described(each) for each in expression.arguments)


def _listed(expressions: list[Expression]) -> str:
    words = [described(each) for each in expressions[:_MOST]]
    more = len(expressions) - len(words)
    return f"{'; '.join(words)}{f'; and {more} more' if more else ''}"
