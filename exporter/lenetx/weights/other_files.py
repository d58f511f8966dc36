"""Recognise files that may be mistaken for weights, and advise how to get weights from them."""

import re

from ..data import archive
from ..errors import ArtifactError
from .found import Found, Source

__all__ = ["not_fetched", "read", "recognises"]

_DOWNLOADS = (
    (rb"\x1f\x8b\x08", "It is compressed with gzip: unpack it first, with 'gunzip {name}'."),
    (rb"BZh[1-9]1AY", "It is compressed with bzip2: unpack it first, with 'bunzip2 {name}'."),
    (rb"\xfd7zXZ\x00", "It is compressed with xz: unpack it first, with 'unxz {name}'."),
    (rb"\x28\xb5\x2f\xfd", "It is compressed with Zstandard: unpack it first, with 'unzstd {name}'."),
    (rb"version https://git-lfs", "It is a pointer of Git LFS, not the file itself: fetch it with 'git lfs pull'."),
    (rb"\s*<(!DOCTYPE|!doctype|html|HTML|\?xml)", "It is a web page: the download was not the file itself."),
)
"""What a file of any kind may be before it is fetched or unpacked."""
_KINDS = (
    *_DOWNLOADS,
    (rb"\x89HDF\r\n\x1a\n", "It is an HDF5 file, as Keras writes them: save PyTorch's model.state_dict() instead."),
    (
        rb"\x08[\x01-\x0f][\x12\x1a\x22\x2a\x3a\x42]",
        "It is an ONNX model, not a file of PyTorch weights: give the one that it was made from.",
    ),
    (rb"\x93NUMPY", "It is a single numpy array: save weights by name, as in np.savez('weights.npz', **weights)."),
    (
        rb"\x80[\x02-\x05](?!\x8a\x0a).*\.\Z",
        "It is a pickle that torch.save did not write: load it where it was made, and save the weights with "
        "torch.save(state_dict, 'weights.pth').",
    ),
)
_TAR = b"ustar"
_TAR_AT = 257
_LISTED = 5


def recognises(data: bytes) -> bool:
    """Return whether the contents are of a known kind that cannot be read as weights."""
    return _advice(data) is not None


def read(source: Source) -> Found:
    """Raise ArtifactError with advice; these files are never read."""
    advice = _advice(source.data)
    assert advice is not None, "it was recognised"
    raise ArtifactError(advice.format(name=source.path.name))


def not_fetched(data: bytes, name: str) -> str | None:
    """Return advice if a file's contents are compressed, a web page or a pointer instead of the file itself."""
    words = _of_kind(data, _DOWNLOADS)
    return None if words is None else words.format(name=name)


def _of_kind(data: bytes, kinds: tuple[tuple[bytes, str], ...]) -> str | None:
    return next((words for start, words in kinds if re.match(start, data, re.DOTALL)), None)


def _advice(data: bytes) -> str | None:
    if words := _of_kind(data, _KINDS):
        return words
    if data[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR:
        return "It is a tar archive: unpack it, with 'tar xf {name}', and give the file that holds the weights."
    names = archive.names(data)
    if names and "archive_format" in names:
        return "It is a program of torch.export: save the state_dict of what torch.export.load('{name}') returns."
    if names and "data.pkl" not in names and not all(name.endswith(".npy") for name in names):
        listed = ", ".join(sorted(names)[:_LISTED]).replace("{", "{{").replace("}", "}}")
        return f"It is a zip archive of other files ({listed}): unpack it and give the one that holds the weights."
    return None
