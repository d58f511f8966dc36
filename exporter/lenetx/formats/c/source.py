"""Write the C file and its header."""

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lenetx_runtime import InputError, ModelSpec
from lenetx_runtime.preprocess import lookup_table
from lenetx_runtime.spec import FLOAT32, INT8, UNKNOWN

from .int8.program import IntegerProgram, integer_program
from .int8.simulation import quantized
from .int8.steps import Quantization
from .int8.words import INTEGER_HEAD
from .interface import header_text, interface
from .listing import GRAPH, SPEC, commented, graph_of
from .program import Program, program
from .steps import Packing
from .text import array, commentable, quoted
from .vectors import helpers

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto

__all__ = ["SEAL", "STEM", "Source", "header", "identifier", "require_identifier", "require_stem", "sealed", "written"]

STEM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}")
_KEYWORDS = (
    "auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum", "extern",
    "float", "for", "goto", "if", "inline", "int", "long", "register", "restrict", "return", "short", "signed",
    "sizeof", "static", "struct", "switch", "typedef", "union", "unsigned", "void", "volatile", "while",
)  # fmt: skip
_FLOAT_HEAD = ("   fast, and GNU modes (-std=gnu99, the default) let GCC fuse multiplications with additions.",)
_KINDS = {"float32": "float", "int8": "int8_t", "int32": "int32_t", "int64": "int64_t"}
_MOST_NODES = 2**12
SEAL = "/* SHA-256 of the lines above: "


def require_stem(stem: str) -> None:
    """Check the name of a C file without its suffix.

    Raises:
        InputError: a C file cannot include a header of this name, or no identifier can be made of it.
    """
    if not STEM.fullmatch(stem):
        raise InputError(
            f"'{stem}' is not a name for a C file: choose letters, digits and _ with --name (Python: name=…)."
        )


def require_identifier(name: str) -> None:
    """Check a name that a user chose for a C file.

    Raises:
        InputError: it is not a C identifier.
    """
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise InputError(
            f"The name of a C file is a C identifier: letters, digits and _, no digit first; not '{name}'."
        )


def identifier(stem: str) -> str:
    """Return the C identifier for the name of a file, with which every identifier in it begins."""
    plain = re.sub(r"[^A-Za-z0-9_]", "_", stem)
    return f"net_{plain}" if plain[0].isdigit() or plain.startswith("_") or plain in _KEYWORDS else plain


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """A C file.

    Attributes:
        stem: its name without the suffix, which is its header's too.
        spec: of the network.
        model: its ONNX graph, with the weights.
        program: its functions.
        text: the file.
        with_framing: whether it takes pictures of any size.
    """

    stem: str
    spec: ModelSpec
    model: "ModelProto"
    program: Program | IntegerProgram
    text: str
    with_framing: bool = True

    @property
    def name(self) -> str:
        """With which every identifier begins."""
        return identifier(self.stem)


def written(model: "ModelProto", spec: ModelSpec, stem: str, *, with_framing: bool = True) -> Source:
    """Return the C file of a graph.

    Args:
        model: float32 or int8, with a batch axis that comes first.
        spec: goes into the file.
        stem: the name of the file without its suffix.
        with_framing: whether it takes pictures of any size, if the spec's framing is offered in C.

    Raises:
        InputError: an operator, or a use of one, has no C; it names the node.
    """
    require_stem(stem)
    name = identifier(stem)
    found = program_of(model, spec, name)
    first = found.integers.first if isinstance(found, IntegerProgram) else None
    packed = frozenset(each.weight for each in found.arrays.values() if isinstance(each, Packing))
    values = values_of(model)
    body = [*found.functions, "", *interface(spec, name, found.input_at, with_framing=with_framing, first=first)]
    lines = [
        *_head(spec, stem),
        "",
        *commented(SPEC, _plain_spec(spec)),
        "",
        *commented(GRAPH, graph_of(model, packed)),
        "",
        f'#include "{stem}.h"',
        *program_text(found, values, name, _tables(spec, name, first), body),
    ]
    return Source(stem, spec, model, found, sealed("\n".join(lines) + "\n\n"), with_framing)


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
        *["#include <stddef.h>"] * ("ptrdiff_t" in text),
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


def program_of(model: "ModelProto", spec: ModelSpec, name: str) -> Program | IntegerProgram:
    """Return the program of a graph in the precision of its spec.

    Raises:
        InputError: an operator, or a use of one, has no C (it names the node), or there are too many nodes.
    """
    if spec.precision not in (FLOAT32, INT8):
        raise InputError(f"A C file computes in float32 or int8, not in {spec.precision}.")
    if (count := len(model.graph.node)) > _MOST_NODES:
        raise InputError(
            f"The network cannot be written as C: its graph has {count:,} nodes; at most {_MOST_NODES:,} are possible."
        )
    single = of_one_image(model)
    return integer_program(single, name) if spec.precision == INT8 else program(single, name)


def sealed(text: str) -> str:
    """Return a text with its digest behind it."""
    return f"{text}{SEAL}{hashlib.sha256(text.encode()).hexdigest()} */\n"


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


def _head(spec: ModelSpec, stem: str) -> list[str]:
    channels, height, width = spec.input_shape
    shape = f"float input [{channels}][{height}][{width}], {len(spec.labels)} classes"
    return [
        f"/* {stem}.c: an image classifier in C99, written by {commentable(spec.producer)}.",
        "",
        f"   {commentable(spec.architecture)}: {shape}.",
        f"   SHA-256 of the trained weights: {spec.weights_sha256}",
        "",
        "   No memory is allocated and nothing is kept between calls: every function may run in several threads, each",
        "   with scratch memory of its own. Compile it like any C file; -O3 and -march= for your processor make it",
        *(INTEGER_HEAD if spec.precision == INT8 else _FLOAT_HEAD),
        "",
        "   The comments below hold the model's description and its ONNX graph, so that 'lenetx verify' can prove this",
        "   file. They are not needed to compile it. */",
    ]


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
    return header_text(
        source.spec, source.stem, source.name, found_bytes(source.program), with_framing=source.with_framing
    )


def found_bytes(found: Program | IntegerProgram) -> int:
    """Return the bytes of the scratch memory."""
    return 4 * found.floats
