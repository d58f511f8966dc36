"""What each operator of PyTorch computes in canonical form: of layers and windows here, of the rest beside it."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from . import layer_forms as layers
from . import windows
from .expression import Expression, Strange
from .shapes import transpose
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
        raise Strange("transposed")
    call.drop("output_padding", "benchmark", "deterministic", "cudnn_enabled", "allow_tf32")
    return layers.convolution(inputs, weight, bias, strides, padding * 2, dilations, call.whole("groups"))


def _addmm(call: Call) -> Expression:
    return layers.linear(call.value("mat1"), call.value("mat2"), call.value())


def _mm(call: Call) -> Expression:
    return layers.linear(call.value(), call.value("mat2"))


def _linear(call: Call) -> Expression:
    return layers.linear(call.value("input"), transpose(call.value("weight"), (1, 0)), call.optional("bias"))


def _batch_norm(call: Call) -> Expression:
    if call.flag("training"):
        raise Strange("in training mode")
    call.drop("momentum")
    names = ("weight", "bias", "running_mean", "running_var")
    return layers.batch_norm(call.value("input"), [call.optional(name) for name in names], call.scalar("eps"))


def _layer_norm(call: Call) -> Expression:
    axes = len(call.wholes("normalized_shape"))
    inputs, weight, bias = call.value("input"), call.optional("weight"), call.optional("bias")
    return layers.layer_norm(inputs, weight, bias, axes, call.scalar("eps"))


def _max_pool(call: Call) -> Expression:
    kernel, strides, padding = _window(call)
    return windows.max_pool(
        call.value(), kernel, strides, padding * 2, call.wholes("dilation", 2), call.flag("ceil_mode")
    )


def _average_pool(call: Call) -> Expression:
    kernel, strides, padding = _window(call)
    include = call.flag("count_include_pad")
    return windows.average_pool(call.value(), kernel, strides, padding * 2, call.flag("ceil_mode"), include)


def _window(call: Call) -> tuple[list[int], list[int], list[int]]:
    kernel = call.wholes("kernel_size", 2)
    return kernel, call.wholes("stride", 2) or kernel, call.wholes("padding", 2)


def _adaptive(greatest: bool) -> "Operator":
    return lambda call: windows.adaptive(call.value(), call.wholes("output_size", 2), greatest=greatest)


OPERATORS: "Mapping[str, Operator]" = {
    "convolution": _convolution,
    "_convolution": _convolution,
    "addmm": _addmm,
    "mm": _mm,
    "linear": _linear,
    "native_batch_norm": _batch_norm,
    "native_layer_norm": _layer_norm,
    "max_pool2d_with_indices": _max_pool,
    "avg_pool2d": _average_pool,
    "_adaptive_avg_pool2d": _adaptive(greatest=False),
    "adaptive_max_pool2d": _adaptive(greatest=True),
    **NUMBERS,
    **SHAPES,
}
