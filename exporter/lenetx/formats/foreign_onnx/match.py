"""Find a network's tensors among the initializers of a foreign file, by their bits."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...graph.fold import terms
from ...graph.onnx_names import name_constants, restore_weights
from ..network import Network
from .protobuf import replace
from .simplify import drop_unread

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto
    from torch import nn

    from ...weights.checkpoint import Checkpoint

__all__ = ["Matched", "matched"]

Array = NDArray[Any]
Weights = Mapping[str, Array]

_FLOAT = 1
_ROUNDINGS = 16 * 2.0**-24
"""Maximum error of a program that folds batch norms in float32, relative to the terms of each number."""
_CLOSE = 0.01
"""Maximum change of a number in an intentionally changed or rounded weight, relative to the weight's largest number."""
_SURE = 4
"""Number of tests that find a weight by its numbers."""
_NEUTRAL = "tensor:"


@dataclass(frozen=True, slots=True)
class Matched:
    """A file whose tensors have the names of a network's.

    Attributes:
        model: the file, in the form of ``simplified``, with the network's names.
        network: the network, with the batch norms folded that are folded in the file.
        slack: how far each number of a folded tensor may be from lenetx's, by name.
        placed: the names of tensors that were found only by their position.
    """

    model: "ModelProto"
    network: Network
    slack: "Mapping[str, NDArray[np.float64]]"
    placed: frozenset[str]


def matched(model: "ModelProto", checkpoint: "Checkpoint", built: "nn.Module") -> Matched:
    """Rename the tensors of a file as the network's, in place.

    Tensors with equal bits come first, unchanged, transposed or reshaped; then those that differ as little as another
    program's folding of a batch norm explains; then those of the same name; then those of the same shape, in their
    order. So a changed tensor is compared with the one whose position it has.

    Args:
        model: as ``simplified`` returns it.
        checkpoint: the network's weights.
        built: its module in eval mode, which is not changed.
    """
    _merge_equal(model)
    kept = _unfolded(model, built)
    network = Network(checkpoint, built, kept)
    with checkpoint.guard():
        sizes = terms(built, checkpoint.spec.input_shape, kept)
    weights = {name: tensor.numpy() for name, tensor in network.usage.tensors.items()}
    slack = {name: _ROUNDINGS * sizes[name].numpy() for name in weights.keys() & sizes.keys()}
    placed = _Naming(model, weights, slack).give()
    _drop_zero_biases(model, weights)
    restore_weights(model, weights)
    name_constants(model, weights)
    return Matched(model, network, slack, placed)


def _merge_equal(model: "ModelProto") -> None:
    """Make all readers of equal tensors read the first of them."""
    from onnx import numpy_helper

    firsts: dict[object, str] = {}
    same: dict[str, str] = {}
    kept = []
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        first = firsts.setdefault((tensor.data_type, array.shape, array.tobytes()), tensor.name)
        same[tensor.name] = first
        if first == tensor.name:
            kept.append(tensor)
    for node in model.graph.node:
        node.input[:] = [same.get(name, name) for name in node.input]
    replace(model.graph.initializer, kept)


def _unfolded(model: "ModelProto", built: "nn.Module") -> tuple[str, ...]:
    """Return the names of the network's batch norms that are nodes in the file, by their bits, else by their order."""
    held = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes = [node for node in model.graph.node if node.op_type == "BatchNormalization" and len(node.input) == 5]
    constant = [node.input[1:] for node in nodes if all(map(held.get, node.input[1:]))]
    theirs = {place: [_array(held[name]) for name in names] for place, names in enumerate(constant)}
    left = {
        name: [None if each is None else each.detach().cpu().numpy() for each in _tensors(norm)]
        for name, norm in built.named_modules()
        if getattr(norm, "running_mean", None) is not None
    }
    kept = []
    for equal in (4, 1, 0):  # of the tensors, from the last: all; the variance, which is seldom that of another; none
        for place, found in [*theirs.items()]:
            name = next((name for name, own in left.items() if _agree(found, own, equal)), None)
            if name is not None:
                kept.append(name)
                del theirs[place], left[name]
    return tuple(kept)


def _tensors(norm: Any) -> list[Any]:
    return [norm.weight, norm.bias, norm.running_mean, norm.running_var]


def _agree(found: list[Array], own: "list[Array | None]", equal: int) -> bool:
    """Return whether the last ``equal`` tensors have the same bits, and all have the same shape."""
    pairs = [(one, other) for one, other in zip(found, own, strict=True) if other is not None]
    shapes = all(one.shape == other.shape for one, other in pairs)
    return shapes and all(one.tobytes() == other.tobytes() for one, other in pairs[len(pairs) - equal :] if equal)


def _array(tensor: "TensorProto") -> Array:
    from onnx import numpy_helper

    return numpy_helper.to_array(tensor)


@dataclass(frozen=True, slots=True)
class _Form:
    """One way to read a tensor of the file as a weight.

    Attributes:
        array: the numbers in the shape of the weight.
        node: makes the tensor of the file again, from the name of the weight; ``None`` if it is the weight itself.
    """

    array: Array
    node: "Callable[[str, str], NodeProto] | None" = None


class _Naming:
    """Name the tensors of a file as those of a network."""

    def __init__(self, model: "ModelProto", weights: Weights, slack: "Mapping[str, NDArray[np.float64]]") -> None:
        self._model, self._weights, self._slack = model, weights, slack
        self._left = dict.fromkeys(weights)
        self._found: dict[str, tuple[str, _Form]] = {}
        read = {name: place for place, name in enumerate(name for node in model.graph.node for name in node.input)}
        tensors = [tensor for tensor in model.graph.initializer if tensor.data_type == _FLOAT and tensor.dims]
        self._tensors = {tensor.name: _array(tensor) for tensor in sorted(tensors, key=lambda each: read[each.name])}

    def give(self) -> frozenset[str]:
        """Find the names, most certain first, write them into the model, and return those found only by position."""
        tests: list[Callable[[str, str, _Form], bool]] = [
            lambda old, name, form: old == name and self._has_bits(name, form),
            lambda _, name, form: self._has_bits(name, form),
            lambda _, name, form: self._is_rounded(name, form),
            lambda _, name, form: self._is_close(name, form),
            lambda old, name, _: old == name,
            lambda *_: True,
        ]
        sure: set[str] = set()
        for place, test in enumerate(tests):
            for old, array in self._tensors.items():
                if old not in self._found:
                    self._find(old, array, test)
            if place < _SURE:
                sure = {name for name, _ in self._found.values()}
        self._rename()
        return frozenset(name for name, _ in self._found.values()) - sure

    def _find(self, old: str, array: Array, test: "Callable[[str, str, _Form], bool]") -> None:
        for name in self._left:
            for form in _forms(array, self._weights[name].shape):
                if test(old, name, form):
                    self._found[old] = name, form
                    del self._left[name]
                    return

    def _has_bits(self, name: str, form: _Form) -> bool:
        ours, theirs = self._weights[name], form.array
        first = ours.flat[:1].tobytes() == theirs.flat[:1].tobytes()  # distinguishes most tensors without a copy
        return first and ours.tobytes() == theirs.tobytes()

    def _is_rounded(self, name: str, form: _Form) -> bool:
        if name not in self._slack:
            return False
        return bool((np.abs(form.array.astype(np.float64) - self._weights[name]) <= self._slack[name]).all())

    def _is_close(self, name: str, form: _Form) -> bool:
        """Return whether the numbers are the weight's, except for small changes."""
        ours, theirs = self._weights[name].astype(np.float64), form.array.astype(np.float64)
        return bool(np.abs(theirs - ours).max(initial=0) <= _CLOSE * np.abs(ours).max(initial=0))

    def _rename(self) -> None:
        """Write the names; if a tensor is in another form, add a node that makes it from the weight."""
        from onnx import numpy_helper

        graph = self._model.graph
        renamed = {tensor.name: f"{_NEUTRAL}{place}" for place, tensor in enumerate(graph.initializer)}
        renamed |= {old: name for old, (name, form) in self._found.items() if form.node is None}
        for node in graph.node:
            node.input[:] = [renamed.get(name, name) for name in node.input]
        for tensor in graph.initializer:
            tensor.name = renamed[tensor.name]
        for old, (name, form) in self._found.items():
            if form.node is None:
                continue
            own = renamed[old]
            (tensor,) = (each for each in graph.initializer if each.name == own)
            tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(form.array), name))
            shape = numpy_helper.from_array(np.array(self._tensors[old].shape, np.int64), f"{own}:shape")
            made = form.node(name, own)
            if shape.name in made.input:
                graph.initializer.append(shape)
            place = next(place for place, each in enumerate(graph.node) if own in each.input)
            graph.node.insert(place, made)


def _forms(array: Array, shape: tuple[int, ...]) -> Iterator[_Form]:
    """Yield the ways to read an array as a weight of a shape."""
    from onnx import helper

    if array.shape == shape:
        yield _Form(array)
    if array.ndim == 2 and array.shape[::-1] == shape:
        yield _Form(array.T, lambda name, own: helper.make_node("Transpose", [name], [own], perm=[1, 0]))
    if array.shape != shape and array.size == np.prod(shape):
        yield _Form(array.reshape(shape), lambda name, own: helper.make_node("Reshape", [name, f"{own}:shape"], [own]))


def _drop_zero_biases(model: "ModelProto", weights: Weights) -> None:
    """Drop a bias of zeros that the network does not have."""
    held = {tensor.name: tensor for tensor in model.graph.initializer if tensor.name not in weights}
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm") and len(node.input) == 3 and node.input[2] in held:
            array = _array(held[node.input[2]])
            if array.dtype == np.float32 and not array.any():
                del node.input[2]
    drop_unread(model)
