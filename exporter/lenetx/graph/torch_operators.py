"""Read PyTorch's operators into canonical form.

Layers, pooling and resizing are here, the rest in ``attention``, ``torch_numbers`` and ``torch_shapes``.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from . import arithmetic, attention, windows
from . import layer_forms as layers
from .expression import FRONT, Expression, Unsupported
from .shapes import reshape, transpose
from .torch_call import Call
from .torch_numbers import NUMBERS
from .torch_shapes import SHAPES

if TYPE_CHECKING:
    Operator = Callable[[Call], Expression | list[Expression]]

__all__ = ["OPERATORS"]


def _convolution(call: Call) -> Expression:
    inputs, weight, bias = call.value("input"), call.value("weight"), call.optional("bias")
    count = len(inputs.axes) - 1
    padding = call.wholes("padding", count)
    strides, dilations = call.wholes("stride", count), call.wholes("dilation", count)
    if call.flag("transposed"):
        raise Unsupported("transposed")
    call.drop("output_padding", "benchmark", "deterministic", "cudnn_enabled", "allow_tf32")
    return layers.convolution(inputs, weight, bias, strides, padding * 2, dilations, call.whole("groups"))


def _addmm(call: Call) -> Expression:
    return layers.linear(call.value("mat1"), call.value("mat2"), call.value())


def _mm(call: Call) -> Expression:
    return layers.linear(call.value(), call.value("mat2"))


def _linear(call: Call) -> Expression:
    return layers.linear(call.value("input"), transpose(call.value("weight"), (1, 0)), call.optional("bias"))


def _bmm(call: Call) -> Expression:
    return layers.matmul(call.value(), call.value("mat2"))


def _batch_norm(call: Call) -> Expression:
    call.drop("momentum")
    inputs, epsilon, trains = call.value("input"), call.scalar("eps"), call.flag("training")
    given = [call.optional(name) for name in ("weight", "bias", "running_mean", "running_var")]
    if not trains:
        return layers.batch_norm(inputs, given, epsilon)
    if inputs.batch != (1, 1, 2) or inputs.axes[0] != 1 or given[2:] != [None, None]:  # not an instance norm
        raise Unsupported("in training mode")
    found = layers.standardised(reshape(inputs, inputs.axes[1:], FRONT), 1, epsilon)
    return reshape(arithmetic.per_channel(found, *given[:2]), inputs.axes, inputs.batch)


def _group_norm(call: Call) -> Expression:
    call.drop("N", "C", "HxW")
    inputs, weight, bias = call.value("input"), call.optional("weight"), call.optional("bias")
    return arithmetic.group_norm(inputs, weight, bias, call.whole("group"), call.scalar("eps"))


def _layer_norm(call: Call) -> Expression:
    axes = len(call.wholes("normalized_shape"))
    inputs, weight, bias = call.value("input"), call.optional("weight"), call.optional("bias")
    return layers.layer_norm(inputs, weight, bias, axes, call.scalar("eps"))


def _max_pool(call: Call) -> Expression:
    inputs = call.value()
    kernel, strides, padding = _window(call, inputs)
    dilations = call.wholes("dilation", len(kernel))
    return windows.max_pool(inputs, kernel, strides, padding * 2, dilations, call.flag("ceil_mode"))


def _average_pool(call: Call) -> Expression:
    inputs = call.value()
    kernel, strides, padding = _window(call, inputs)
    include = call.flag("count_include_pad")
    return windows.average_pool(inputs, kernel, strides, padding * 2, call.flag("ceil_mode"), include)


def _window(call: Call, inputs: Expression) -> tuple[list[int], list[int], list[int]]:
    count = len(inputs.axes) - 1
    kernel = call.wholes("kernel_size", count)
    return kernel, call.wholes("stride", count) or kernel, call.wholes("padding", count)


def _adaptive(greatest: bool) -> "Operator":
    return lambda call: windows.adaptive(call.value(), call.wholes("output_size", 2), greatest=greatest)


def _unfold(call: Call) -> Expression:
    kernel, dilations, padding, strides = (
        call.wholes(name, 2) for name in ("kernel_size", "dilation", "padding", "stride")
    )
    return windows.unfold(call.value(), kernel, dilations, padding, strides)


def _resize(mode: str) -> "Operator":
    def read(call: Call) -> Expression:
        sizes, scales = call.wholes("output_size"), [call.optional_scalar(f"scales_{axis}") for axis in "hw"]
        corners = mode != "nearest" and call.flag("align_corners")
        how = "asymmetric" if mode == "nearest" else "align_corners" if corners else "half_pixel"
        return windows.resize(call.value(), mode, how, sizes, scales)

    return read


OPERATORS: "Mapping[str, Operator]" = {
    "convolution": _convolution,
    "_convolution": _convolution,
    "addmm": _addmm,
    "mm": _mm,
    "linear": _linear,
    "bmm": _bmm,
    "_native_multi_head_attention": attention.of_heads,
    "_scaled_dot_product_flash_attention_for_cpu": attention.scaled,
    "native_group_norm": _group_norm,
    "avg_pool3d": _average_pool,
    "max_pool3d_with_indices": _max_pool,
    "im2col": _unfold,
    "upsample_bilinear2d": _resize("linear"),
    "upsample_bicubic2d": _resize("cubic"),
    "upsample_nearest2d": _resize("nearest"),
    "native_batch_norm": _batch_norm,
    "native_layer_norm": _layer_norm,
    "max_pool2d_with_indices": _max_pool,
    "avg_pool2d": _average_pool,
    "_adaptive_avg_pool2d": _adaptive(greatest=False),
    "adaptive_max_pool2d": _adaptive(greatest=True),
    **NUMBERS,
    **SHAPES,
}
