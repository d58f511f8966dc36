"""Read the weights that an ONNX file keeps in other files beside it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from lenetx_runtime import ArtifactError, InputError
from lenetx_runtime.files import read_bytes
from lenetx_runtime.limits import size_in_words

from ...graph.expression import plain

if TYPE_CHECKING:
    from onnx import TensorProto

__all__ = ["take_in"]

_EXTERNAL = 1
"""``onnx.TensorProto.EXTERNAL``."""


def take_in(tensors: "Iterable[TensorProto]", folder: Path, limit: int) -> tuple[str, ...]:
    """Read tensors' data from other files, in place, and return the names of these files.

    Source: https://onnx.ai/onnx/repo-docs/ExternalData.html.

    Args:
        tensors: those of a model.
        folder: of the model's file. Nothing outside of it is read, not even through links.
        limit: maximum total bytes of the other files.

    Raises:
        ArtifactError: a file is missing or elsewhere, or is shorter than the model says.
        InputError: the files are too large.
    """
    waiting: dict[str, list[TensorProto]] = defaultdict(list)
    for tensor in tensors:
        if tensor.data_location == _EXTERNAL or tensor.external_data:
            waiting[_entries(tensor).get("location", "")].append(tensor)
    left = limit
    for location, some in waiting.items():
        path = _inside(folder, location)
        if path.stat().st_size > left:
            raise InputError(
                f"Its weights in '{plain(location)}' are larger than {size_in_words(limit)}, the most that is read."
            )
        data = read_bytes(path, "file of weights", limit=left)
        left -= len(data)
        for tensor in some:
            _fill(tensor, data, location)
    return tuple(map(plain, waiting))


def _entries(tensor: "TensorProto") -> Mapping[str, str]:
    keys = [entry.key for entry in tensor.external_data]
    if len(set(keys)) < len(keys):
        raise ArtifactError(f"The tensor {plain(tensor.name)} says twice where its data is.")
    return {entry.key: entry.value for entry in tensor.external_data}


def _inside(folder: Path, location: str) -> Path:
    """Return the path of a file below the folder.

    Raises:
        ArtifactError: it is missing, or elsewhere.
    """
    name = PurePosixPath(location.replace("\\", "/"))
    shown = plain(location)
    if not location or "\0" in location or name.is_absolute() or ".." in name.parts or ":" in name.parts[0]:
        raise ArtifactError(
            f"It keeps weights in '{shown}', outside of its folder, where lenetx reads nothing: write it with its "
            "weights inside or beside it."
        )
    path = folder / name
    if path.is_symlink() or folder.resolve() not in path.resolve().parents:
        raise ArtifactError(f"It keeps weights in '{shown}', a link, which lenetx does not follow: put the file there.")
    if not path.is_file():
        raise ArtifactError(f"It keeps weights in '{shown}', which is not beside it: put that file into its folder.")
    return path


def _fill(tensor: "TensorProto", data: bytes, location: str) -> None:
    entries = _entries(tensor)
    try:
        start = int(entries.get("offset", "0"))
        length = int(entries.get("length", str(len(data) - start)))
    except ValueError:
        raise ArtifactError(f"The tensor {plain(tensor.name)} says no number where its data is.") from None
    if start < 0 or length < 0 or start + length > len(data):
        words = f"{start + length:,} bytes or more, and it has {len(data):,}"
        raise ArtifactError(f"Its weights in '{plain(location)}' are cut off: there must be {words}.")
    tensor.raw_data = data[start : start + length]
    del tensor.external_data[:]
    tensor.ClearField("data_location")
