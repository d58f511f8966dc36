"""What an engine or someone's own program raised, as a sentence of a report."""

from ..errors import LenetxError

__all__ = ["WrongAnswer", "could_not_run", "reason"]


class WrongAnswer(Exception):
    """Someone's own program gave no logits; the text is a whole sentence that says what it did instead."""


def could_not_run(error: Exception) -> str:
    """Return the sentence of an answer that did not come."""
    return str(error) if isinstance(error, WrongAnswer) else f"It could not run: {reason(error)}"


def reason(error: Exception) -> str:
    """Return the text of an exception in one line: of ours a sentence, of any other after the name of its type."""
    words = " ".join(str(error).split())
    if isinstance(error, LenetxError | WrongAnswer):
        return words
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
