"""Read the weights of ``.pt2`` artifacts that lenetx wrote; one of ``lenetx.weights.READERS``."""

from lenetx_runtime.spec import METADATA_KEY

from ...data import archive
from ...weights.found import Found, Source
from . import open as open_artifact

__all__ = ["read", "recognises"]


def recognises(data: bytes) -> bool:
    """Return whether lenetx wrote this ``.pt2`` archive."""
    return archive.has(data, "archive_format") and archive.has(data, f"extra/{METADATA_KEY}.json")


def read(source: Source) -> Found:
    """Read the weights, by their names in the checkpoint."""
    import torch

    opened = open_artifact(source.path)
    assert opened.weights is not None
    tensors = {name: torch.from_numpy(array.copy()) for name, array in opened.weights.items()}
    return Found("pt2", source.require_plain(tensors), opened.artifact.spec)
