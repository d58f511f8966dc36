"""Seal a model file: write the digest of the whole file into the spec in it, and check that digest.

``content_sha256`` in the embedded spec is the SHA-256 of the whole file with those 64 digits themselves written as
zeros: it covers the graph, the weights, the opset and the spec. Equal digits elsewhere are hashed as they are.

The digest detects damage, not malice: anyone can seal a file with any graph in it. A graph's memory is bounded,
its run time is not.
"""

from collections.abc import Iterable
from itertools import islice

from .errors import ArtifactError
from .spec import METADATA_KEY, ModelSpec

__all__ = ["KEY", "SEVERAL", "Place", "filled", "only_spec"]

KEY = METADATA_KEY.encode()
SEVERAL = "It has more than one lenetx spec."
_FIELD = b'"content_sha256":"'
_NO_DIGEST = b"0" * 64

Place = tuple[int, bytes]
"""The offset of a spec in the file, and its JSON text."""


def only_spec(data: bytes, places: Iterable[Place], foreign: str) -> ModelSpec:
    """Return the only spec of a file after checking the file against its digest.

    Args:
        data: the file.
        places: its specs.
        foreign: the error if there is none.

    Raises:
        ArtifactError: none or several specs, an invalid one, or the digest does not match.
    """
    found = [*islice(places, 2)]
    if len(found) != 1:
        raise ArtifactError(SEVERAL if found else foreign)
    [(start, text)] = found
    try:
        spec = ModelSpec.from_json(text.decode("ascii"))
    except UnicodeDecodeError:
        raise ArtifactError("Its lenetx spec is not readable text.") from None
    written = str(spec.content_sha256).encode()
    place = start + text.find(_FIELD + written) + len(_FIELD)
    if text.count(_FIELD + written) != 1 or _digest(data, place) != written:
        raise ArtifactError("It is damaged or was changed after lenetx made it: its digest does not match.")
    return spec


def filled(data: bytes, places: Iterable[Place]) -> bytes:
    """Return a file with its digest filled in; its spec has ``content_sha256`` written as 64 zeros.

    Raises:
        ValueError: it does not hold exactly one such spec.
    """
    empty = _FIELD + _NO_DIGEST
    found = [start + text.find(empty) for start, text in places if empty in text]
    if len(found) != 1:
        raise ValueError("the file must hold exactly one empty content_sha256")
    place = found[0] + len(_FIELD)
    return data[:place] + _digest(data, place) + data[place + len(_NO_DIGEST) :]


def _digest(data: bytes, place: int) -> bytes:
    import hashlib

    digest, view = hashlib.sha256(), memoryview(data)
    for part in (view[:place], _NO_DIGEST, view[place + len(_NO_DIGEST) :]):
        digest.update(part)
    return digest.hexdigest().encode()
