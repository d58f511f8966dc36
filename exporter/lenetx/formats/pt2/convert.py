"""Convert torch's exported program to a ``Program``, with the sizes that its operators really give."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..leaves import leaves
from .program import (
    CHOICES,
    Call,
    Choice,
    Count,
    Held,
    Kind,
    Meta,
    Name,
    Program,
    contiguous,
    numbers_at_once,
    require_straight,
)
from .rules import operator_of, require_lawful

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["program_of"]

_COUNTS = (5, 7)
"""Batch sizes of two runs without data, which show the sizes that depend on the number of images."""
_MOST = 2**28
"""Maximum number of elements of a value, for the larger of these batches."""
_MOST_AT_ONCE, _MOST_COUNTED = 2**27, 4
"""Maximum number of elements of all values in memory at once, per image, and for how many images of a fixed batch it is
multiplied. The largest of torchvision's networks need a fourth: ``vit_h_14`` at 518 pixels and ``efficientnet_b7`` at
600."""
_RESHAPES = ("view.default", "reshape.default", "_unsafe_view.default")
_IDENTITIES = ("detach.default", "alias.default", "lift_fresh_copy.default")
_DROPOUTS = ("dropout.default", "feature_dropout.default", "alpha_dropout.default", "feature_alpha_dropout.default")
_BATCH_NORM = "batch_norm.default"
_LEFT_OUT = ("pin_memory", "layout")
"""Arguments that make no difference here."""


def program_of(
    exported: Any, shape: tuple[int, int, int], batch: int | str, image: str
) -> "tuple[Program, list[Tensor]]":
    """Return what an exported program computes, and its tensors.

    Args:
        exported: torch's ``ExportedProgram``.
        shape: (channels, height, width) of the input.
        batch: ``"dynamic"`` or a fixed batch size.
        image: the name to give to the input.

    Raises:
        ValueError: an archive cannot represent it; the message says why.
    """
    counts = _COUNTS if batch == "dynamic" else (int(batch),)
    return _Converter(exported, shape, counts, image).converted()


class _Converter:
    def __init__(self, exported: Any, shape: tuple[int, int, int], counts: Sequence[int], image: str) -> None:
        signature, self._nodes = exported.graph_signature, {node.name: node for node in exported.graph.nodes}
        (outputs,) = exported.graph.output_node().args
        if len(signature.user_inputs) != 1 or len(signature.output_specs) != 1 or not _is_node(outputs[0]):
            raise ValueError("it does not only turn one tensor into another")
        self._counts, self._image, self._exported = counts, image, exported
        self._given = signature.user_inputs[0]
        self._output = outputs[0].name
        self._inputs = [each for each in signature.input_specs if each.arg.name != self._given]
        self._runs = [_values(exported, (count, *shape), self._given) for count in counts]
        self._names: dict[str, Any] = {self._given: Name(image)}
        for each in self._inputs:
            self._names[each.arg.name] = Name(self._free(each.arg.name))

    def converted(self) -> "tuple[Program, list[Tensor]]":
        calls = [self._call(node) for node in self._exported.graph.nodes if node.op == "call_function"]
        output = self._names.get(self._output)
        if isinstance(output, ValueError):
            raise output
        if not isinstance(output, Name):
            raise ValueError("its output does not depend on the image")
        wanted, live = {output.text}, []
        for call in reversed([each for each in calls if each is not None]):
            if wanted & {name for name, _ in call.results}:
                require_lawful(call)
                live.append(call)
                wanted |= {value.text for value in leaves(call.values) if isinstance(value, Name)}
        specs = [each for each in self._inputs if self._names[each.arg.name].text in wanted]
        tensors = [self._tensor(each.target) for each in specs]
        held = tuple(self._held(each, tensor) for each, tensor in zip(specs, tensors, strict=True))
        program = Program(self._image, self._meta(self._given), held, tuple(live[::-1]), output.text)
        require_straight(program)
        self._require_modest(program)
        return program, tensors

    def _require_modest(self, program: Program) -> None:
        images = 1 if len(self._counts) > 1 else min(self._counts[0], _MOST_COUNTED)
        if (found := numbers_at_once(program)) > (most := images * _MOST_AT_ONCE):
            raise ValueError(f"its values have {found:,} numbers at once, more than {most:,}")

    def _free(self, name: str) -> str:
        return f"{name}_" if name == self._image else name

    def _tensor(self, path: str) -> "Tensor":
        state = self._exported.state_dict
        tensor: Tensor = state[path] if path in state else self._exported.constants[path]
        return tensor.detach().cpu().contiguous()

    def _held(self, spec: Any, tensor: "Tensor") -> Held:
        kinds: Mapping[str, Kind] = {"PARAMETER": "parameter", "BUFFER": "buffer", "CONSTANT_TENSOR": "constant"}
        if spec.kind.name not in kinds:
            raise ValueError("it holds an object that is not a tensor")
        sizes = tuple(tensor.shape)
        meta = Meta(_number_of(tensor.dtype), sizes, contiguous(sizes))
        return Held(self._names[spec.arg.name].text, spec.target, kinds[spec.kind.name], meta)

    def _call(self, node: Any) -> Call | None:
        """Return a node's call; ``None`` if it computes no tensor, or nothing."""
        import torch

        found, target = self._runs[0][node.name], node.target
        operator = str(target).removeprefix("aten.")
        if getattr(target, "__name__", "") == "getitem" or not isinstance(found, torch.Tensor | list | tuple):
            return None
        if operator in _IDENTITIES or (operator in _DROPOUTS and node.args[-1] is False):
            self._names[node.name] = self._names.get(node.args[0].name)
            return None
        try:
            return self._operator(node, operator, found)
        except ValueError as error:  # matters only if the output depends on it
            self._names |= dict.fromkeys([node.name, *(user.name for user in node.users)], error)
            return None

    def _operator(self, node: Any, operator: str, found: Any) -> Call:
        import torch

        if not isinstance(node.target, torch._ops.OpOverload) or node.target.namespace != "aten":
            raise ValueError(f"its code has {getattr(node.target, '__name__', node.target)}, which no file holds")
        operator, args = self._plain(node, operator)
        known = [each.name for each in operator_of(operator)._schema.arguments]
        values = {known[place]: self._value(each) for place, each in enumerate(args)}
        values |= {name: True for name in values if name == "cudnn_enabled"}  # a setting of the host
        keywords = tuple((key, self._value(each)) for key, each in node.kwargs.items() if key not in _LEFT_OUT)
        results = self._results(node, found)
        if operator == _BATCH_NORM:
            results = results[:1]
        name = results[0][0] if len(results) == 1 and not isinstance(found, list) else self._free(node.name)
        return Call(name, operator, tuple(values.items()), keywords, results, isinstance(found, list))

    def _results(self, node: Any, found: Any) -> tuple[tuple[str, Meta], ...]:
        if not isinstance(found, list | tuple):
            name = self._free(node.name)
            self._names[node.name] = Name(name)
            return ((name, self._meta(node.name)),)
        users = {user.args[1]: user.name for user in node.users}
        results = []
        for place in range(len(found)):
            name = users.get(place, f"{node.name}_unused_{place}")
            self._names[name] = Name(self._free(name))
            results.append((self._free(name), self._meta(node.name, place)))
        return tuple(results)

    def _plain(self, node: Any, operator: str) -> tuple[str, Sequence[Any]]:
        """Return operator and positional arguments; sizes that depend on the number of images are left to it."""
        args = list(node.args)
        if operator in _RESHAPES and any(_is_node(each) for each in args[1]):
            sizes = self._meta(node.name).sizes
            if sum(isinstance(each, Count) for each in sizes) > 1:
                raise ValueError("it computes with the number of images")
            args[1] = [-1 if isinstance(each, Count) else each for each in sizes]
        if operator == "squeeze.default":  # would also remove the batch axis of a single image
            sizes = self._meta(args[0].name).sizes
            operator, args = "squeeze.dims", [args[0], [axis for axis, size in enumerate(sizes) if size == 1]]
        if operator == "_native_batch_norm_legit_no_training.default":  # what torch makes of it elsewhere
            operator, args = _BATCH_NORM, [*args[:5], False, *args[5:], True]
        return operator, args

    def _value(self, value: Any) -> Any:
        import torch

        if _is_node(value):
            return self._read(value)
        if isinstance(value, list | tuple):
            return tuple(map(self._value, value))
        if isinstance(value, torch.dtype | torch.memory_format):
            return _choice(value)
        if isinstance(value, torch.device):
            return Choice("device", 0)
        if value is None or type(value) in (bool, int, float, str):
            return value
        raise ValueError(f"it has an argument of the type {type(value).__name__}")

    def _read(self, node: Any) -> Any:
        found = self._names.get(node.name)
        if isinstance(found, ValueError):
            raise found
        if found is not None:
            return found
        values = [run.get(node.name) for run in self._runs]
        if all(type(each) in (int, float, bool) for each in values):
            return self._dimension(values)
        raise ValueError(f"it reads a number of a tensor ({node.name})")

    def _dimension(self, values: Sequence[Any]) -> Any:
        """Return a size, or a number computed from sizes, from its values in the runs."""
        if len(set(values)) == 1:
            return values[0]
        factor = int(values[0] // self._counts[0])
        if [factor * count for count in self._counts] != list(values):
            raise ValueError("it computes with the number of images")
        return Count(factor)

    def _meta(self, name: str, place: int | None = None) -> Meta:
        found = [run[name] if place is None else run[name][place] for run in self._runs]
        if any(each.numel() > _MOST for each in found):
            raise ValueError(f"{name} has more than {_MOST:,} numbers")
        sizes = tuple(map(self._dimension, zip(*(each.shape for each in found), strict=True)))
        try:
            strides = tuple(map(self._dimension, zip(*(each.stride() for each in found), strict=True)))
        except ValueError:
            strides = contiguous(sizes)
        return Meta(_number_of(found[0].dtype), sizes, strides)


def _values(exported: Any, shape: tuple[int, ...], given: str) -> dict[str, Any]:
    """Run an exported program without data, and return the value of each node, by name."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    mode = FakeTensorMode()
    inputs = []
    for spec in exported.graph_signature.input_specs:
        if spec.arg.name == given:
            with mode:
                inputs.append(torch.empty(shape))
            continue
        state = exported.state_dict
        inputs.append(mode.from_tensor(state[spec.target] if spec.target in state else exported.constants[spec.target]))
    interpreter = torch.fx.Interpreter(exported.graph_module, garbage_collect_values=False)
    with mode, torch.no_grad():
        interpreter.run(*inputs)
    return {node.name: value for node, value in interpreter.env.items()}


def _is_node(value: Any) -> bool:
    import torch

    return isinstance(value, torch.fx.Node)


def _number_of(dtype: Any) -> int:
    return _choice(dtype).number


def _choice(value: Any) -> Choice:
    """Return the number that ``torch.export`` gives to a dtype or a memory format."""
    for kind, numbers in CHOICES.items():
        if str(value) in numbers:
            return Choice(kind, numbers[str(value)])
    raise ValueError(f"it computes with {value}, which no file holds")
