"""Define a tensor subclass that looks like float32 to user code but holds float64 values."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._mode_utils import no_dispatch
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["Carrier", "Watch", "carried", "follow_shape", "looks_of", "native", "wide", "writes"]

_WIDE = {
    torch.float16: torch.float64,
    torch.bfloat16: torch.float64,
    torch.float32: torch.float64,
    torch.complex32: torch.complex128,
    torch.complex64: torch.complex128,
}
_COMPLEX = {torch.float16: torch.complex32, torch.float32: torch.complex64, torch.float64: torch.complex128}
_LSTM = 2
"""The mode of ``mkldnn_rnn_layer`` that torch uses."""


def wide(dtype: torch.dtype) -> torch.dtype:
    """Return the double-precision counterpart of a floating-point or complex dtype; others unchanged."""
    return _WIDE.get(dtype, dtype)


class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Dispatch mode that passes every operator to a function."""

    def __init__(self, call: Callable[[Any, Any, Any], Any]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._call = call

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Pass an operator to the function."""
        return self._call(func, args, kwargs or {})


class Carrier(Tensor):
    """A tensor that reports the dtype that user code expects and holds double precision.

    Args:
        exact: the values, of the wide dtype.
        looks: the dtype that user code sees.
    """

    exact: Tensor

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls: type["Carrier"], exact: Tensor, looks: torch.dtype) -> "Carrier":
        """Create the wrapper tensor, which has no storage."""
        made: Carrier = Tensor._make_wrapper_subclass(
            cls, exact.shape, exact.stride(), exact.storage_offset(), dtype=looks, device=exact.device
        )
        made.exact = exact
        return made

    def __dlpack__(self, *_: Any, **__: Any) -> Any:
        """Reject access by another library, which would read memory that does not exist."""
        raise RuntimeError("DLPack is not supported here: compute with torch alone")

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        """Raise RuntimeError: the tensor is used outside the forward pass or in another thread."""
        raise RuntimeError("a value of the network was used outside of its forward pass")


def carried(result: Any, looks: Callable[[torch.dtype], torch.dtype]) -> Any:
    """Wrap a tensor in a carrier; return anything else unchanged."""
    return Carrier(result, looks(result.dtype)) if isinstance(result, Tensor) else result


def looks_of(leaves: Sequence[Any]) -> Callable[[torch.dtype], torch.dtype]:
    """Return a function that maps the wide dtype of an operator's result to its dtype without carriers.

    Args:
        leaves: all arguments of the operator, flattened.
    """
    tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor) and (leaf.is_floating_point() or leaf.is_complex())]
    dtypes = [each.dtype for each in tensors if each.ndim] or [each.dtype for each in tensors] or [torch.float32]
    asked = (leaf for leaf in leaves if isinstance(leaf, torch.dtype) and leaf.is_floating_point)
    found = next(asked, None) or functools.reduce(torch.promote_types, (dtype.to_real() for dtype in dtypes))

    def looks(dtype: torch.dtype) -> torch.dtype:
        if dtype == torch.complex128:
            return _COMPLEX.get(found, dtype)
        return found if dtype == torch.float64 else dtype

    return looks


def writes(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the arguments that an operator modifies."""
    for place, argument in enumerate(func._schema.arguments):
        if argument.is_write:
            yield args[place] if place < len(args) else kwargs.get(argument.name)


def follow_shape(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Apply an operator that changes a tensor's shape in place to the carrier as well as to its values."""
    if torch.Tag.inplace_view in func.tags and isinstance(args[0], Carrier):
        with no_dispatch():
            func(*args, **kwargs)


def native(func: Any) -> Callable[..., Any]:
    """Return the operator, or its replacement if it does not support float64."""
    found: Callable[..., Any] = _lstm_layer if func._schema.name == "aten::mkldnn_rnn_layer" else func
    return found


def _lstm_layer(*args: Any) -> tuple[Tensor, ...]:
    """Compute one direction of one LSTM layer, for which torch uses oneDNN in float32."""
    values, *weights, hidden, cell, reverse, _, mode, _, _, biased = args[:13]
    assert mode == _LSTM, "torch has oneDNN compute no other recurrent layer"
    ordered = values.flip(0) if reverse else values
    weights = weights if biased else weights[:2]
    state = [each.reshape(1, -1, each.shape[-1]) for each in (hidden, cell)]
    output, hidden, cell = torch.lstm(ordered, state, weights, biased, 1, 0.0, False, False, False)
    return (output.flip(0) if reverse else output), hidden[0], cell[0], output.new_empty(0)
