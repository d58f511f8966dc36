"""Compare the recorded names of networks: custom code is known by the digest of its source, not by its file's name."""

__all__ = ["described", "is_same"]


def is_same(recorded: str, named: str) -> bool:
    """Return whether two names refer to the same network.

    Custom code is the same if its class and the digest of its source are; a name recorded without a digest is compared
    as it is.
    """
    if "@" not in recorded:
        return recorded == named.partition("@")[0]
    return _code(recorded) == _code(named)


def described(name: str) -> str:
    """Return a network's name, and the digest of its source if there is one, for a message."""
    title, _, digest = name.partition("@")
    return f"{title} (digest of its source: {digest})" if digest else title


def _code(name: str) -> str:
    """Return ``FACTORY@DIGEST``, without the file's name."""
    return name.rpartition(":")[2]
