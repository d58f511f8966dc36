"""Write the records of a TorchScript archive from a program and its constants, and read them back strictly.

libtorch only gets records that were written here: reading extracts the program and the constants, rewrites the records
from them, and rejects an archive that differs.
"""

import math
import pickletools
import struct
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ArtifactError, InputError

from ..leaves import leaves
from .code import Constant, Program, read, write

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["packed", "pickled", "unpacked"]

_STORAGES = {
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}
_LONGEST = 2**21
"""Maximum size of the code in bytes; 300 layers take a twentieth of it."""
_OLDEST = 3
"""The format version that torch writes if no operator needs a later one."""


def packed(program: Program, constants: "Sequence[Tensor]") -> dict[str, bytes]:
    """Return the records that libtorch reads: contents by name below the root folder."""
    path, _, name = program.path.rpartition(".")
    return {
        "byteorder": b"little",
        "version": f"{_version(program)}\n".encode(),
        "data.pkl": b"\x80\x02c%s\n%s\nq\0)\x81}(ubq\1." % (path.encode(), name.encode()),
        f"code/{path.replace('.', '/')}.py": write(program).encode(),
        "constants.pkl": pickled([(_storage(each), tuple(each.shape)) for each in constants]),
        **{f"constants/{place}": each.numpy().tobytes() for place, each in enumerate(constants)},
    }


def unpacked(records: Mapping[str, bytes]) -> Program:
    """Return the program in an archive's records.

    Raises:
        ArtifactError: ``packed`` would write other records for this program and these constants.
    """
    code = [name for name in records if name.startswith("code/")]
    if len(code) != 1:
        raise ArtifactError(
            f"Its code is not that of a network that lenetx wrote: it has {len(code)} files instead of one."
        )
    if len(records[code[0]]) > _LONGEST:
        raise ArtifactError(f"Its code has more than {_LONGEST:,} bytes, which no network here needs.")
    program = read(records[code[0]].decode("latin-1"))
    constants = _constants(records)
    used = {each for call in program.statements for each in leaves(call.values) if isinstance(each, Constant)}
    anew = packed(program, constants)
    wrong = sorted(name for name in anew.keys() | records.keys() if anew.get(name) != records.get(name))
    if wrong or len(used) != len(constants):
        strange = f": {wrong[0]}" if wrong else ""
        raise ArtifactError(f"It holds what lenetx never writes{strange}.")
    return program


def _version(program: Program) -> int:
    """Return the lowest format version in which all operators have their current meaning."""
    import torch

    changed: Mapping[str, Any] = torch._C._get_operator_version_map()
    operators = {statement.operator for statement in program.statements}
    entries = (each for name, many in changed.items() for each in many if _operator(name) in operators)
    return max((each.bumped_at_version for each in entries), default=_OLDEST)


def _operator(name: str) -> str:
    return name.removeprefix("aten::").split(".")[0]


def _storage(tensor: "Tensor") -> str:
    dtype = str(tensor.dtype).removeprefix("torch.")
    try:
        return next(storage for storage, each in _STORAGES.items() if each == dtype)
    except StopIteration:
        raise InputError(
            f"The network computes with a tensor of {dtype}, which TorchScript files do not hold."
        ) from None


def _constants(records: Mapping[str, bytes]) -> "list[Tensor]":
    """Read the constants; their shapes come from the pickle, which is parsed but not run."""
    import torch

    found = []
    try:
        for place, (storage, shape) in enumerate(_sizes(records["constants.pkl"])):
            dtype = getattr(torch, _STORAGES[storage])
            contents = bytearray(records[f"constants/{place}"])
            if math.prod(shape) * dtype.itemsize != len(contents):  # libtorch would read on into other memory
                raise ValueError("a shape of another size")
            flat = torch.frombuffer(contents, dtype=dtype) if contents else torch.empty(0, dtype=dtype)
            found.append(flat.reshape(shape))
    except (KeyError, ValueError, IndexError, OverflowError, RuntimeError):
        raise ArtifactError("Its constants are not as lenetx writes them.") from None
    return found


def _sizes(pickle: bytes) -> list[tuple[str, tuple[int, ...]]]:
    """Return each tensor's storage class and shape from a pickle that ``pickled`` wrote."""
    found: list[tuple[str, tuple[int, ...]]] = []
    memo: dict[int, str] = {}
    named = kind = ""
    numbers: list[int] = []
    tuples: list[tuple[int, ...]] = []
    for opcode, value, _ in pickletools.genops(pickle):
        argument: Any = value
        if opcode.name == "GLOBAL":
            named = str(argument)
        elif opcode.name in ("BINPUT", "LONG_BINPUT"):
            memo[int(argument)], named = named, ""
        elif opcode.name in ("BINGET", "LONG_BINGET"):
            named = memo.get(int(argument), "")
        kind = named.removeprefix("torch ") if named.endswith("Storage") else kind
        if opcode.name in ("BININT", "BININT1", "BININT2", "LONG1"):
            numbers.append(int(argument))
        elif opcode.name == "TUPLE":
            tuples.append(tuple(numbers))
        if opcode.name in ("MARK", "TUPLE"):
            numbers = []
        if opcode.name == "NEWFALSE":  # requires_grad, after the shape and the strides
            found.append((kind, tuples[-2]))
    return found


def pickled(tensors: Sequence[tuple[str, tuple[int, ...]]], *, as_arguments: bool = False) -> bytes:
    """Return the pickle that torch writes for a tuple of tensors that share no storage.

    Args:
        tensors: the storage class and the shape of each.
        as_arguments: write the tuple as the positional arguments of a call without keyword arguments.
    """
    memo: dict[str, int] = {}
    parts = [b"\x80\x02((" if as_arguments else b"\x80\x02("]

    def once(key: str, opcode: bytes) -> None:
        """Write a value, or a reference if it was written before."""
        if key in memo:
            parts.append(_indexed(b"h", b"j", memo[key]))
        else:
            parts.append(opcode)
            remember(key)

    def remember(key: str) -> None:
        memo[key] = len(memo)
        parts.append(_indexed(b"q", b"r", memo[key]))

    for place, (storage, shape) in enumerate(tensors):
        once("rebuild", b"ctorch._utils\n_rebuild_tensor_v2\n")
        parts.append(b"((")
        once("storage", _string("storage"))
        once(storage, f"ctorch\n{storage}\n".encode())
        once(f"key {place}", _string(str(place)))
        once("cpu", _string("cpu"))
        parts.append(_integer(math.prod(shape)) + b"tQ")
        remember(f"persistent {place}")
        strides = tuple(math.prod(max(1, size) for size in shape[axis + 1 :]) for axis in range(len(shape)))
        parts.append(_integer(0) + _tuple(shape) + _tuple(strides) + b"\x89")
        once("hooks", b"ccollections\nOrderedDict\n")
        parts.append(b")RtR")
        remember(f"tensor {place}")
    return b"".join([*parts, b"t}t." if as_arguments else b"t."])


def _indexed(short: bytes, long: bytes, index: int) -> bytes:
    return short + bytes([index]) if index < 256 else long + struct.pack("<I", index)


def _string(text: str) -> bytes:
    return b"X" + struct.pack("<I", len(text)) + text.encode()


def _tuple(numbers: Sequence[int]) -> bytes:
    return b"(" + b"".join(map(_integer, numbers)) + b"t"


def _integer(number: int) -> bytes:
    if number < 2**8:
        return b"K" + bytes([number])
    if number < 2**16:
        return b"M" + struct.pack("<H", number)
    return b"J" + struct.pack("<i", number) if number < 2**31 else b"\x8a\x08" + struct.pack("<q", number)
