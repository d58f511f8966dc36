"""Write the records of a ``.pt2`` archive from a program and its tensors, and read them back strictly.

torch only gets records that were written here: reading extracts the program and the tensors, rewrites the records from
them, and rejects an archive that differs. So torch unpickles nothing, and the expressions that it evaluates are ours.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ArtifactError

from ...data import archive
from ..torchscript.records import pickled
from .document import Written, payload, read, write
from .program import CHOICES, Count, Held, Meta, Program, contiguous, require_straight
from .rules import require_lawful, require_path

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["MODEL", "packed", "rebuilt", "type_of", "unpacked", "written_here"]

MODEL = "models/model.json"
_WEIGHTS, _CONSTANTS = "data/weights/", "data/constants/"
_SAMPLE = "data/sample_inputs/model.pt"
_SAMPLE_COUNT = 2
_TYPES = {number: name.removeprefix("torch.") for name, number in CHOICES["scalar_type"].items()}
_MALFORMED = (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError)
_RELEASE = re.compile(r"\d{1,4}(?:\.\d{1,4}){1,3}\w{0,10}", re.ASCII)


def packed(program: Program, tensors: "Sequence[Tensor]", written: Written) -> dict[str, bytes]:
    """Return the records that torch reads: contents by name below the root folder."""
    pairs = list(zip(program.held, tensors, strict=True))
    weights = [pair for pair in pairs if pair[0].kind != "constant"]
    constants = [pair for pair in pairs if pair[0].kind == "constant"]
    return {
        ".data/version": b"6\n",
        "archive_format": b"pt2",
        "archive_version": b"0",
        "byteorder": b"little",
        MODEL: write(program, written),
        _SAMPLE: _sample(program.input),
        **_payload(_WEIGHTS, "model_weights_config.json", "weight_", weights),
        **_payload(_CONSTANTS, "model_constants_config.json", "tensor_", constants),
    }


def unpacked(records: Mapping[str, bytes], given: Meta) -> "tuple[Program, list[Tensor], Written]":
    """Return the program, the tensors and the versions in an archive's records.

    Args:
        records: contents by name below the root folder.
        given: the type of the input.

    Raises:
        ArtifactError: ``packed`` would write other records, or a call does more than compute tensors from tensors.
    """
    try:
        program, written = read(records[MODEL])
        if program.input != given or len(records[_SAMPLE]) < _sample_size(given):
            raise ValueError("its input is not the one that its spec states")
        require_straight(program)
        for held in program.held:
            require_path(held.path)
        for call in program.calls:
            require_lawful(call)
        _require_versions(written)
        tensors = _tensors(program.held, records)
        anew = packed(program, tensors, written)
    except _MALFORMED as error:
        raise _foreign(error) from None
    wrong = sorted(name for name in anew.keys() | records.keys() if anew.get(name) != records.get(name))
    if wrong:
        raise ArtifactError(f"It holds what lenetx never writes: {wrong[0]}.")
    return program, tensors, written


def rebuilt(document: bytes, contents: Callable[[int, Held], bytes], given: Meta) -> dict[str, bytes]:
    """Return the records of an archive whose tensors are elsewhere; ``unpacked`` checks them.

    Args:
        document: the record ``MODEL``.
        contents: returns the bytes of a tensor, given its place among those of the program.
        given: the type of the input.

    Raises:
        ArtifactError: the document is none that lenetx writes, or a tensor has another size.
    """
    try:
        program, written = read(document)
        if program.input != given:
            raise ValueError("its input is not the one that its spec states")
        tensors = [_tensor(held, bytearray(contents(place, held))) for place, held in enumerate(program.held)]
        return packed(program, tensors, written)
    except _MALFORMED as error:
        raise _foreign(error) from None


def _foreign(error: Exception) -> ArtifactError:
    reason = error if type(error) is ValueError else "it has another form"
    return ArtifactError(f"Its program is not that of a network that lenetx wrote: {reason}.")


@cache
def written_here() -> Written:
    """Return the versions of this torch; builds of one release write the same."""
    import torch
    from torch._export.serde.schema import SCHEMA_VERSION

    operators: int = torch._C._get_max_operator_version()
    return Written(torch.__version__.partition("+")[0], operators, (SCHEMA_VERSION[0], SCHEMA_VERSION[1]))


def _require_versions(written: Written) -> None:
    """Raise ValueError if this torch reads the document differently."""
    here = written_here()
    if not _RELEASE.fullmatch(written.torch) or min(written.operators, *written.schema) < 0:
        raise ValueError("it states no version")
    if written.schema[0] != here.schema[0] or written.operators > here.operators:
        raise ValueError(f"torch {written.torch} wrote it, and torch {here.torch} cannot read that")


def _payload(folder: str, listing: str, prefix: str, pairs: "Sequence[tuple[Held, Tensor]]") -> dict[str, bytes]:
    contents = {f"{folder}{prefix}{place}": tensor.numpy().tobytes() for place, (_, tensor) in enumerate(pairs)}
    return {f"{folder}{listing}": payload([held for held, _ in pairs], prefix), **contents}


def _sample(given: Meta) -> bytes:
    """Return an example of the input as ``torch.save`` writes it: zeros; torch needs one to compile the program."""
    records = {
        "data.pkl": pickled([("FloatStorage", _sample_shape(given))], as_arguments=True),
        "byteorder": b"little",
        "data/0": bytes(_sample_size(given)),
        "version": b"3\n",
    }
    return archive.pack(records)


def _sample_shape(given: Meta) -> tuple[int, ...]:
    return tuple(_SAMPLE_COUNT if isinstance(size, Count) else size for size in given.sizes)


def _sample_size(given: Meta) -> int:
    return 4 * math.prod(_sample_shape(given))


def _tensors(held: Sequence[Held], records: Mapping[str, bytes]) -> "list[Tensor]":
    contents = []
    places = {"weight_": 0, "tensor_": 0}
    for each in held:
        folder, prefix = (_CONSTANTS, "tensor_") if each.kind == "constant" else (_WEIGHTS, "weight_")
        contents.append(records[f"{folder}{prefix}{places[prefix]}"])
        places[prefix] += 1
    return [_tensor(each, bytearray(some)) for each, some in zip(held, contents, strict=True)]


def type_of(held: Held) -> Any:
    """Return torch's dtype of a tensor."""
    import torch

    return getattr(torch, _TYPES[held.meta.dtype])


def _tensor(each: Held, contents: bytearray) -> "Tensor":
    import torch

    dtype = type_of(each)
    shape = [size for size in each.meta.sizes if type(size) is int and size >= 0]
    if len(shape) < len(each.meta.sizes) or math.prod(shape) * dtype.itemsize != len(contents):
        raise ValueError(f"{each.path} has another size")
    if each.meta.strides != contiguous(shape):
        raise ValueError(f"{each.path} is not contiguous")
    flat = torch.frombuffer(contents, dtype=dtype) if contents else torch.empty(0, dtype=dtype)
    return flat.reshape(shape)
