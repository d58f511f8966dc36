"""Turn exceptions of engines and user-supplied programs into sentences for a report."""

from ..errors import LenetxError

__all__ = ["WrongAnswer", "could_not_run", "reason"]


class WrongAnswer(Exception):
    """A user-supplied program did not return logits; the message is a full sentence that says what it did instead."""


def could_not_run(error: Exception) -> str:
    """Return a sentence that says why there are no logits."""
    return str(error) if isinstance(error, WrongAnswer) else f"It could not run: {reason(error)}"


def reason(error: Exception) -> str:
    """Return an exception's message in one line; those of other packages are preceded by the class name."""
    words = " ".join(str(error).split())
    if isinstance(error, LenetxError | WrongAnswer):
        return words
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
