"""A tensor that looks like float32 to the code that uses it and holds float64."""

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
    """Return the dtype of double precision for one of fractions, any other as it is."""
    return _WIDE.get(dtype, dtype)


class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Let a function call every operator."""

    def __init__(self, call: Callable[[Any, Any, Any], Any]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._call = call

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call an operator."""
        return self._call(func, args, kwargs or {})


class Carrier(Tensor):
    """A tensor of the dtype that the code expects.

    Args:
        exact: what it holds, of the wide dtype.
        looks: the dtype that the code sees.
    """

    exact: Tensor

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls: type["Carrier"], exact: Tensor, looks: torch.dtype) -> "Carrier":
        """Make the tensor that has no memory of its own."""
        made: Carrier = Tensor._make_wrapper_subclass(
            cls, exact.shape, exact.stride(), exact.storage_offset(), dtype=looks, device=exact.device
        )
        made.exact = exact
        return made

    def __dlpack__(self, *_: Any, **__: Any) -> Any:
        """Refuse to show numbers to another library, which would read memory that is not there."""
        raise RuntimeError("DLPack is not supported here: compute with torch alone")

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        """Refuse to be used when the network has ended, or in a thread of its own."""
        raise RuntimeError("a value of the network was used outside of its forward pass")


def carried(result: Any, looks: Callable[[torch.dtype], torch.dtype]) -> Any:
    """Return a tensor in a carrier, anything else as it is."""
    return Carrier(result, looks(result.dtype)) if isinstance(result, Tensor) else result


def looks_of(leaves: Sequence[Any]) -> Callable[[torch.dtype], torch.dtype]:
    """Return what gives the dtype that an operator's results would have without carriers, from that which they have.

    Args:
        leaves: all arguments.
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
    """Return the arguments that an operator changes."""
    for place, argument in enumerate(func._schema.arguments):
        if argument.is_write:
            yield args[place] if place < len(args) else kwargs.get(argument.name)


def follow_shape(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
    """Return a carrier the new shape of what it holds, where an operator has changed that in place."""
    if torch.Tag.inplace_view in func.tags and isinstance(args[0], Carrier):
        with no_dispatch():
            func(*args, **kwargs)


def native(func: Any) -> Callable[..., Any]:
    """Return the operator, or one that float64 has in its place."""
    found: Callable[..., Any] = _lstm_layer if func._schema.name == "aten::mkldnn_rnn_layer" else func
    return found


def _lstm_layer(*args: Any) -> tuple[Tensor, ...]:
    """Compute one direction of one layer of an LSTM, which torch has oneDNN do for float32."""
    values, *weights, hidden, cell, reverse, _, mode, _, _, biased = args[:13]
    assert mode == _LSTM, "torch has oneDNN compute no other recurrent layer"
    ordered = values.flip(0) if reverse else values
    weights = weights if biased else weights[:2]
    state = [each.reshape(1, -1, each.shape[-1]) for each in (hidden, cell)]
    output, hidden, cell = torch.lstm(ordered, state, weights, biased, 1, 0.0, False, False, False)
    return (output.flip(0) if reverse else output), hidden[0], cell[0], output.new_empty(0)
