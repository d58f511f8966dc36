"""Write the C file and its header."""

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lenetx_runtime import ArtifactError, InputError, ModelSpec
from lenetx_runtime.preprocess import lookup_table
from lenetx_runtime.spec import FLOAT32, INT8, UNKNOWN

from .int8.program import IntegerProgram, integer_program
from .int8.simulation import quantized
from .int8.steps import Quantization
from .int8.words import INTEGER_HEAD
from .interface import header_text, interface
from .listing import GRAPH, SPEC, arrays_in, commented, graph_of, model_of, record_in, with_weights
from .program import Program, program
from .steps import Packing
from .text import array, quoted
from .vectors import helpers

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto

__all__ = [
    "Source",
    "found_bytes",
    "header",
    "of_one_image",
    "program_text",
    "read",
    "require_name",
    "values_of",
    "written",
]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FLOAT_HEAD = ("   fast, and GNU modes (-std=gnu99, the default) let GCC fuse multiplications with additions.",)
_KINDS = {"float32": "float", "int8": "int8_t", "int32": "int32_t", "int64": "int64_t"}
_INCLUDE = re.compile(r'^#include "(\w+)\.h"$', re.MULTILINE)


def require_name(name: str) -> None:
    """Check the name of the C file.

    Raises:
        InputError: it is not an identifier of C.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"'{name}' is not an identifier of C: letters, digits and _, and no digit first.")


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """A C file.

    Attributes:
        name: with which every identifier begins.
        spec: of the network.
        model: its ONNX graph, with the weights.
        program: its functions.
        text: the file.
    """

    name: str
    spec: ModelSpec
    model: "ModelProto"
    program: Program | IntegerProgram
    text: str


def written(model: "ModelProto", spec: ModelSpec, name: str) -> Source:
    """Return the C file of a graph.

    Args:
        model: float32 or int8, with a batch axis that comes first.
        spec: goes into the file.
        name: of the file and in front of every identifier.

    Raises:
        InputError: an operator, or a use of one, has no C; it names the node.
    """
    require_name(name)
    found = _program(model, spec, name)
    first = found.integers.first if isinstance(found, IntegerProgram) else None
    packed = frozenset(each.weight for each in found.arrays.values() if isinstance(each, Packing))
    values = values_of(model)
    body = [*found.functions, "", *interface(spec, name, found.input_at, first)]
    lines = [
        *_head(spec, name),
        "",
        *commented(SPEC, _plain_spec(spec)),
        "",
        *commented(GRAPH, graph_of(model, packed)),
        "",
        f'#include "{name}.h"',
        *program_text(found, values, name, _tables(spec, name, first), body),
    ]
    return Source(name, spec, model, found, "\n".join(lines) + "\n")


def program_text(
    found: Program | IntegerProgram,
    values: "Mapping[str, NDArray[Any]]",
    name: str,
    tables: Sequence[str],
    body: Sequence[str],
) -> list[str]:
    """Return the tables, the shared functions and the body of a C file.

    Args:
        found: the program.
        values: the tensors of its graph, by name.
        name: with which every identifier begins.
        tables: what comes after the weights.
        body: the functions.
    """
    text = "\n".join(body)
    return [
        *["#include <math.h>"] * any(word in text for word in ("expf(", "logf(", "tanhf(")),
        "",
        "/* 1. Weights and tables */",
        "",
        *_arrays(found, values),
        *tables,
        "",
        "/* 2. Program */",
        "",
        *helpers(text, name),
        "",
        *body,
    ]


def read(text: str) -> Source:
    """Read a C file and check that lenetx writes the same.

    Raises:
        ArtifactError: it was not written by lenetx, or was changed.
    """
    spec = _read_spec(text)
    bare = model_of(record_in(text, GRAPH), spec)
    include = _INCLUDE.search(text)
    if include is None:
        raise ArtifactError("It was not made by lenetx: it includes no header of its own.")
    try:
        packings = _program(bare, spec, include[1]).arrays
        model = with_weights(bare, packings, arrays_in(text))
        found = written(model, spec, include[1])
    except InputError as error:
        raise ArtifactError(f"It was not written by lenetx. {error}") from None
    if found.text != text:
        raise ArtifactError(f"It was changed, or written by another version of lenetx: {_difference(found.text, text)}")
    return found


def _program(model: "ModelProto", spec: ModelSpec, name: str) -> Program | IntegerProgram:
    if spec.precision not in (FLOAT32, INT8):
        raise InputError(f"A C file computes in float32 or int8, not in {spec.precision}.")
    single = of_one_image(model)
    return integer_program(single, name) if spec.precision == INT8 else program(single, name)


def _difference(ours: str, theirs: str) -> str:
    pairs = zip(ours.split("\n"), theirs.split("\n"), strict=False)
    line = next((place for place, (one, other) in enumerate(pairs, 1) if one != other), None)
    return "its length differs." if line is None else f"line {line} differs from what lenetx writes for its graph."


def _read_spec(text: str) -> ModelSpec:
    return ModelSpec.from_json(json.dumps(record_in(text, SPEC), sort_keys=True, separators=(",", ":")))


def _plain_spec(spec: ModelSpec) -> Any:
    return json.loads(spec.to_json())


def of_one_image(model: "ModelProto") -> "ModelProto":
    """Return a copy for a batch of one."""
    import onnx

    single = onnx.ModelProto()
    single.CopyFrom(model)
    for value in (*single.graph.input, *single.graph.output):
        axis = value.type.tensor_type.shape.dim[0]
        if axis.HasField("dim_param") or axis.dim_value != 1:
            axis.Clear()
            axis.dim_value = 1
    return single


def values_of(model: "ModelProto") -> "dict[str, NDArray[Any]]":
    """Return the tensors of a model.

    Raises:
        InputError: one holds NaN or infinity.
    """
    import numpy as np
    from onnx import numpy_helper

    found = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    for name, values in found.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise InputError(f"The network cannot be written as C: its tensor '{name}' holds NaN or infinity.")
    return found


def _arrays(found: Program | IntegerProgram, values: "Mapping[str, NDArray[Any]]") -> list[str]:
    lines: list[str] = []
    for name, held in found.arrays.items():
        numbers = values[held.weight].ravel()[held.order] if isinstance(held, Packing) else held
        lines += array(name, _KINDS[numbers.dtype.name], numbers)
    return lines


def _head(spec: ModelSpec, name: str) -> list[str]:
    channels, height, width = spec.input_shape
    return [
        f"/* {name}: an image classifier in C99, written by {spec.producer}.",
        "",
        f"   {_comment(spec.architecture)}: float input [{channels}][{height}][{width}], {len(spec.labels)} classes.",
        f"   SHA-256 of the trained weights: {spec.weights_sha256}",
        "",
        "   No memory is allocated and nothing is kept between calls: every function may run in several threads, each",
        "   with scratch memory of its own. Compile it like any C file; -O3 and -march= for your processor make it",
        *(INTEGER_HEAD if spec.precision == INT8 else _FLOAT_HEAD),
        "",
        "   The comments below hold the model's description and its ONNX graph, so that 'lenetx verify' can prove this",
        "   file. They are not needed to compile it. */",
    ]


def _comment(words: str) -> str:
    plain = "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in words)
    return plain.replace("*/", "* /").replace("/*", "/ *").replace("??", "? ?")


def _tables(spec: ModelSpec, name: str, first: Quantization | None) -> list[str]:
    """Return the tables of the preprocessing, of the labels and of the self-test."""
    lines = [
        f"const char *const {name}_labels[{len(spec.labels)}] = {{",
        *(f"    {quoted(label)}," for label in spec.labels),
        "};",
    ]
    if spec.framing == UNKNOWN:
        return lines
    levels: NDArray[Any] = lookup_table(spec)
    levels = levels if first is None else quantized(levels, first)
    lines += array(f"{name}_levels", _KINDS[levels.dtype.name], levels)
    if spec.selftest is not None:
        lines += _golden(spec, name)
    return lines


def _golden(spec: ModelSpec, name: str) -> list[str]:
    """Return the images of the self-test with the smallest and the largest float32 that passes for each logit."""
    import numpy as np

    assert spec.selftest is not None
    frames = np.frombuffer(spec.selftest.images, np.uint8)
    logits, limits = np.array(spec.selftest.logits), np.array(spec.selftest.limits)
    low, high = (logits - limits).astype(np.float32), (logits + limits).astype(np.float32)
    low = np.where(low < logits - limits, np.nextafter(low, np.float32(np.inf)), low)
    high = np.where(high > logits + limits, np.nextafter(high, np.float32(-np.inf)), high)
    return [
        f"/* {len(logits)} images of the self-test, and the least and the largest logit that the proof allows. */",
        *array(f"{name}_golden_frames", "uint8_t", frames),
        *array(f"{name}_golden_least", "float", low),
        *array(f"{name}_golden_most", "float", high),
    ]


def header(source: Source) -> str:
    """Return the header of a C file."""
    return header_text(source.spec, source.name, found_bytes(source.program))


def found_bytes(found: Program | IntegerProgram) -> int:
    """Return the bytes of the scratch memory."""
    return 4 * found.floats
