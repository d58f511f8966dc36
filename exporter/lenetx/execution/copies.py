"""Copy networks so that the copies share their tensors but not the state that a module keeps between calls."""

import copy
import types
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["copy_or_rebuild", "copy_sharing_tensors", "deep_copy"]


def copy_sharing_tensors(network: "nn.Module") -> "nn.Module":
    """Return a copy that shares the network's tensors; replacing a tensor of the copy leaves the original unchanged.

    Raises:
        Exception: whatever a custom module raises that holds a lock or an open file.
    """
    return deep_copy(network, {id(tensor): tensor for tensor in _tensors(network)})


def deep_copy(network: "nn.Module", tensors: "Mapping[int, Tensor]") -> "nn.Module":
    """Return a deep copy in which ``tensors`` replace those with these ids.

    Functions stored in a module whose closures hold a part of the network, such as ``lambda x: self.fc(x)``, hold the
    copy's part in the copy; ``copy.deepcopy`` does not change functions.

    Raises:
        Exception: whatever a custom module raises that holds a lock or an open file.
    """
    found = copy.deepcopy(network, dict(tensors))
    twins: dict[int, Any] = dict(zip(map(id, _parts(network)), _parts(found), strict=True))
    for part in found.modules():
        for key, value in vars(part).items():
            if key not in ("_parameters", "_buffers", "_modules"):
                vars(part)[key] = _with_twins(value, twins)
    return found


def copy_or_rebuild(network: "nn.Module", build: "Callable[[], nn.Module]") -> "nn.Module":
    """Return a copy that shares the tensors, or a newly built network if the module cannot be copied."""
    try:
        return copy_sharing_tensors(network)
    except Exception:  # a custom module that holds a lock or an open file may raise anything
        return build()


def _parts(network: "nn.Module") -> "list[nn.Module | Tensor]":
    """Return modules, parameters and buffers, in the same order for a network and its copy."""
    return [*network.modules(), *_tensors(network)]


def _tensors(network: "nn.Module") -> "Iterator[Tensor]":
    """Yield parameters and buffers, once per name."""
    for _, parameter in network.named_parameters(remove_duplicate=False):
        yield parameter
    for _, buffer in network.named_buffers(remove_duplicate=False):
        yield buffer


def _with_twins(value: Any, twins: dict[int, Any]) -> Any:
    """Return a stored value in which functions hold the copies of what they held."""
    from torch.utils._pytree import tree_leaves, tree_map

    if not any(isinstance(leaf, types.FunctionType) for leaf in tree_leaves(value)):
        return value
    return tree_map(lambda leaf: _rebound(leaf, twins), value)


def _rebound(value: Any, twins: dict[int, Any]) -> Any:
    """Return the copy of a module or tensor, a function with the copies of what it holds, or any other value itself."""
    if id(value) in twins or not isinstance(value, types.FunctionType):
        return twins.get(id(value), value)
    twins[id(value)] = value  # it may contain itself
    cells = [_rebound(each, twins) for each in map(_held, value.__closure__ or ())]
    defaults = [_rebound(each, twins) for each in value.__defaults__ or ()]
    before = [*map(_held, value.__closure__ or ()), *(value.__defaults__ or ())]
    if all(new is old for new, old in zip([*cells, *defaults], before, strict=True)):
        return value
    closure = tuple(types.CellType(each) for each in cells)
    found = types.FunctionType(value.__code__, value.__globals__, value.__name__, tuple(defaults), closure)
    found.__kwdefaults__ = value.__kwdefaults__
    twins[id(value)] = found
    return found


def _held(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a variable that has no value yet
        return None
