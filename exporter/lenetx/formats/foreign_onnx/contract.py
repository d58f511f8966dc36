"""Find the input and output axes of a foreign file, and check that they are the network's."""

import dataclasses
import math
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Literal

from lenetx_runtime import InputError, ModelSpec
from lenetx_runtime.layout import LAYOUTS, axes_of, is_row

from .precision import FLOAT32, precision_of
from .read import texts

if TYPE_CHECKING:
    from onnx import ModelProto, ValueInfoProto

__all__ = [
    "BATCH",
    "ELSEWHERE",
    "FLOAT",
    "are_rows",
    "axes_of_value",
    "fit_axes",
    "listed",
    "require_classifier",
    "require_one",
    "shown",
    "size_of",
    "spec_for",
]

BATCH = "batch"
"""Name given to a batch axis of any size."""
ELSEWHERE = "judge it by its numbers: 'lenetx verify --write-inputs' and '--logits'"
"""Advice for programs that lenetx cannot run."""
FLOAT = 1
"""``onnx.TensorProto.FLOAT``."""
_SHOWN = 4
_CHANNELS = (1, 3)
_TO_CHANNELS_FIRST = [0, 3, 1, 2]


def require_classifier(model: "ModelProto") -> None:
    """Check that a file has one float32 input and one float32 output, and computes in float32.

    Raises:
        InputError: it does not; the message says what to do.
    """
    require_one("input", model.graph.input)
    require_one("output", model.graph.output)
    kinds = [value.type.tensor_type.elem_type for value in (*model.graph.input, *model.graph.output)]
    precision = precision_of(model)
    if precision != FLOAT32:
        raise InputError(
            f"It computes in {precision}, and what lenetx proves are limits for float32: verify the float32 file that "
            f"it was made from, or adopt that; what {precision} changes is a question of accuracy, not of proof."
        )
    if kinds != [FLOAT, FLOAT]:
        what, value = ("output", model.graph.output[0]) if kinds[0] == FLOAT else ("input", model.graph.input[0])
        raise InputError(
            f"Its {what} {texts(value.name)} is {shown(value)}, not float32: export the network without what comes "
            f"before or after it, or {ELSEWHERE}."
        )


def require_one(what: str, values: "Sequence[ValueInfoProto]") -> None:
    """Check that a file has one input, or one output.

    Raises:
        InputError: it has another number.
    """
    if len(values) != 1:
        raise InputError(
            f"It has {len(values)} {what}s ({listed(values)}), and lenetx proves classifiers with one {what}: export "
            f"it with one, or {ELSEWHERE}."
        )


def listed(values: "Collection[ValueInfoProto]") -> str:
    """Return the names, types and axes of the first values as text."""
    words = ", ".join(f"{texts(value.name)}: {shown(value)}" for value in [*values][:_SHOWN])
    return words + f" and {len(values) - _SHOWN} more" * (len(values) > _SHOWN)


def spec_for(model: "ModelProto", spec: ModelSpec, layout: str | None = None) -> ModelSpec:
    """Return the network's spec with the names and axes of the file.

    Args:
        model: the file.
        spec: of the network.
        layout: of the file's input, one of ``lenetx_runtime.layout.LAYOUTS``; found by its axes if ``None``.

    Raises:
        InputError: the axes are not the network's.
    """
    (given,), (wanted,) = model.graph.input, model.graph.output
    axes, rows = axes_of_value(given), axes_of_value(wanted)
    found = layout or _layout(model, axes, spec)
    if found is None or not _fits(axes, found, spec):
        raise _other_input(given, spec, layout, _layout(model, axes, spec))
    if rows is not None and not are_rows(rows, len(spec.labels)):
        numbers = rows[1] if len(rows) == 2 else " × ".join(map(str, rows[1:]))
        raise InputError(
            f"Its output {texts(wanted.name)} is {shown(wanted)}, {numbers} numbers for an image; the network has "
            f"{len(spec.labels)} classes: name the weights that it was made from, with --against."
        )
    first = axes[0] if axes else 0
    batch: int | Literal["dynamic"] = first if isinstance(first, int) and first > 0 else "dynamic"
    return dataclasses.replace(
        spec,
        input_name=given.name,
        output_name=wanted.name,
        layout=found,
        batch=batch,
        content_sha256=None,
        selftest=None,
    )


def fit_axes(model: "ModelProto", spec: ModelSpec) -> None:
    """Write the spec's axes into the model's input and output, in place; the model's own axes were checked before."""
    from onnx import helper

    batch: int | str = BATCH if spec.batch == "dynamic" else spec.batch
    (given,), (wanted,) = model.graph.input, model.graph.output
    rows = axes_of_value(wanted) or [0, len(spec.labels)]
    classes = len(spec.labels)
    spare = [1 if size == 1 else classes for size in rows[1:]]
    given.CopyFrom(helper.make_tensor_value_info(given.name, FLOAT, [batch, *axes_of(spec.layout, spec.input_shape)]))
    wanted.CopyFrom(helper.make_tensor_value_info(wanted.name, FLOAT, [batch, *spare]))


def axes_of_value(value: "ValueInfoProto") -> list[int | str] | None:
    """Return the axes of a value: sizes, names, and 0 for what is not known; ``None`` without a shape."""
    kind = value.type.tensor_type
    if not kind.HasField("shape"):
        return None
    return [axis.dim_param or axis.dim_value for axis in kind.shape.dim]


def are_rows(axes: "list[int | str]", classes: int) -> bool:
    """Return whether the axes of an output can be those of N rows of logits, apart from axes of size 1."""
    known = [size for size in axes[1:] if isinstance(size, int) and size > 0]
    return is_row(known, classes) if len(known) == len(axes) - 1 else len(axes) == 2


def size_of(given: "ValueInfoProto") -> tuple[tuple[int, int] | None, int | None]:
    """Return the (height, width) and the channels that an input states, ``None`` for either if it is not stated."""
    axes = [size if isinstance(size, int) else 0 for size in (axes_of_value(given) or [0])[1:]]
    if len(axes) == 1:
        sides = [(channels, math.isqrt(axes[0] // channels)) for channels in _CHANNELS]
        fitting = [(channels, side) for channels, side in sides if side and channels * side * side == axes[0]]
        return ((fitting[0][1],) * 2, fitting[0][0]) if len(fitting) == 1 else (None, None)
    if len(axes) == 2:
        channels, height, width = 1, *axes
    elif len(axes) == 3 and axes[0] not in _CHANNELS and axes[2] in _CHANNELS:
        height, width, channels = axes
    elif len(axes) == 3:
        channels, height, width = axes
    else:
        return None, None
    return (height, width) if height and width else None, channels if channels in _CHANNELS else None


def shown(value: "ValueInfoProto") -> str:
    """Return the type and axes of a value as text, such as float32[N, 1, 28, 28]."""
    from onnx import helper

    number = value.type.tensor_type.elem_type
    try:
        kind = str(helper.tensor_dtype_to_np_dtype(number))
    except Exception:  # KeyError and others for what is not a tensor
        kind = value.type.WhichOneof("value") or "unknown"
    axes = axes_of_value(value)
    sizes = "of any shape" if axes is None else f"[{', '.join(texts(str(size or '?')) for size in axes)}]"
    return f"{kind}{' ' if axes is None else ''}{sizes}"


def _layout(model: "ModelProto", axes: "list[int | str] | None", spec: ModelSpec) -> str | None:
    """Return the first layout that fits; if two do, the one that the first operator requires."""
    fitting = [name for name in LAYOUTS if _fits(axes, name, spec)]
    if {"nchw", "nhwc"} <= set(fitting):
        name = model.graph.input[0].name
        reader = next((node for node in model.graph.node if name in node.input), None)
        orders = [list(each.ints) for each in reader.attribute if each.name == "perm"] if reader else []
        return "nhwc" if orders == [_TO_CHANNELS_FIRST] else "nchw"
    return fitting[0] if fitting else None


def _fits(axes: "list[int | str] | None", layout: str, spec: ModelSpec) -> bool:
    if layout == "nhw" and spec.channels != 1:
        return False
    wanted = axes_of(layout, spec.input_shape)
    if axes is None:
        return True
    known = [size if isinstance(size, int) and size > 0 else None for size in axes[1:]]
    return len(known) == len(wanted) and all(size in (None, own) for size, own in zip(known, wanted, strict=True))


def _other_input(given: "ValueInfoProto", spec: ModelSpec, layout: str | None, fitting: str | None) -> InputError:
    """Return the error for an input that is not of the network's axes, in the stated layout or in any."""
    numbers = math.prod(spec.input_shape)
    wanted = ", ".join(f"{name} [N, {', '.join(map(str, axes_of(name, spec.input_shape)))}]" for name in LAYOUTS[:2])
    if layout and fitting:
        return InputError(
            f"Its input {texts(given.name)} is {shown(given)}, which is not the network's in the layout {layout}, but "
            f"in the layout {fitting}: omit --layout."
        )
    stated = f" in the layout {layout}" if layout else ""
    return InputError(
        f"Its input {texts(given.name)} is {shown(given)}, which is not the network's{stated}: {wanted} or flat "
        f"[N, {numbers}]; state another size of the network with --input-size and --channels."
    )
