"""A network by name: how it is built, and the check that it fits its input and classes."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import InputError
from ..execution.user_code import user_code
from .form import logits_of, take_channels_first
from .probe import eval_mode, require_logits
from .wrappers import unwrapped

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Architecture", "Shape"]

Shape = tuple[int, int, int]
"""(channels, height, width) of one input."""

_CLASSES = ("num_classes", "classes", "n_classes")
_CHANNELS = ("in_channels", "channels", "in_chans")


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network that can be built for an input and a number of classes.

    Attributes:
        name: as a checkpoint records it; no path of this machine is in it.
        factory: the class or function that gives the ``nn.Module``.
        arguments: for the factory, by name.
        input_shape: (channels, height, width) that the network has of its own, or ``None``.
        one_size: whether it takes no other height and width than those.
        open_ended: whether the factory takes arguments that its signature does not show.
        channels_last: whether the network's own code takes [N, H, W, C].
    """

    name: str
    factory: "Callable[..., nn.Module]"
    arguments: Mapping[str, object] = field(default_factory=dict)
    input_shape: Shape | None = None
    one_size: bool = False
    open_ended: bool = False
    channels_last: bool = False

    @property
    def title(self) -> str:
        """The name without a digest, for people."""
        return self.name.split("@")[0]

    def build(
        self, input_shape: Shape, classes: int, on_notice: "Callable[[str], None]" = lambda _: None
    ) -> "nn.Module":
        """Build a freshly initialised network for float32[N, C, H, W] inputs, giving float32[N, classes] logits.

        Args:
            input_shape: (C, H, W).
            classes: their number.
            on_notice: told in which form the network's own code takes or gives something else, a sentence each.

        Raises:
            InputError: it does not take such inputs or arguments, gives something else, or its code raised an error.
        """
        notes: list[str] = []
        module = self._construct(input_shape, classes)
        require_logits(logits_of(module, self.title, input_shape, classes, notes.append), self.title, classes)
        if self.channels_last:
            on_notice(
                f"{self.title} takes its channels last: here it takes them first, as float32[N, "
                f"{', '.join(map(str, input_shape))}]."
            )
        for note in notes:
            on_notice(note)
        return module

    @property
    def takes_classes(self) -> bool:
        """Whether the factory is told the number of classes, so that the last layer follows from it."""
        name = _first(_CLASSES, self._parameters())
        return name is not None and not any(other in self.arguments for other in _CLASSES)

    def outputs(self, input_shape: Shape, classes: int) -> int:
        """Return how many numbers per image come out if it is built for so many classes, which not every one heeds.

        Raises:
            InputError: as ``build``.
        """
        if self.takes_classes:
            return classes
        module = self._construct(input_shape, classes)
        found = logits_of(module, self.title, input_shape, classes, lambda _: None, exact=False)
        return found.shape[1] if found.ndim == 2 and found.shape[0] == 2 else classes

    def plan(self, input_shape: Shape, classes: int) -> "Mapping[str, Tensor]":
        """Return the state_dict of a freshly built network, without numbers where its code allows that.

        Raises:
            InputError: as ``build``, but for what only an input shows.
        """
        try:
            module = self.hollow(input_shape, classes)
        except InputError:  # code that computes with its weights while it is built
            module = self._construct(input_shape, classes)
        return module.state_dict()

    def hollow(self, input_shape: Shape, classes: int) -> "nn.Module":
        """Build the network on torch's meta device, where tensors have shapes and take no memory.

        Raises:
            InputError: as ``build``, but for what only an input shows.
        """
        import torch

        with torch.device("meta"):
            return self._construct(input_shape, classes)

    def _construct(self, input_shape: Shape, classes: int) -> "nn.Module":
        """Call the factory, and take what it returns out of the wrappers of ``torch.compile`` and data parallelism."""
        import torch
        from torch import nn

        self._require_size(input_shape)
        arguments = self._complete(input_shape[0], classes)
        with user_code(self.title):
            module = unwrapped(self.factory(**arguments))
        if isinstance(module, type):
            raise InputError(f"{self.title} returns the class {module.__name__}, not a network: let it call the class.")
        if not isinstance(module, nn.Module):
            raise InputError(f"{self.title} gives {type(module).__name__}, not a torch.nn.Module.")
        if isinstance(module, torch.jit.ScriptModule):
            raise InputError(
                f"{self.title} gives a TorchScript module, whose code is compiled: return the module itself."
            )
        if self.channels_last:
            take_channels_first(module)
        if any(nn.parameter.is_lazy(each) for each in (*module.parameters(), *module.buffers())):
            with user_code(self.title), torch.no_grad(), eval_mode(module):
                module(torch.zeros(2, *input_shape))  # shapes of lazy layers follow from an input
        return module

    def _require_size(self, given: Shape) -> None:
        if self.input_shape is None or not self.one_size:
            return
        channels, height, width = self.input_shape
        if given[0] in (1, 3) and _first(_CHANNELS, self._parameters()):
            channels = given[0]
        if given != (channels, height, width):
            wanted = "×".join(map(str, (channels, height, width)))
            raise InputError(
                f"{self.title} takes inputs of {wanted} (channels × height × width), not {'×'.join(map(str, given))}."
            )

    def _complete(self, channels: int, classes: int) -> dict[str, object]:
        """Return the arguments, with classes and channels where the factory takes them and nobody has said otherwise."""
        known = self._parameters()
        unknown = [name for name in self.arguments if name not in known]
        if unknown and not self._takes_any():
            listed = ", ".join(known) or "none"
            raise InputError(f"{self.title} takes no argument '{unknown[0]}'; there are: {listed}.")
        arguments = dict(self.arguments)
        for names, value in ((_CLASSES, classes), (_CHANNELS, channels)):
            name = _first(names, known)
            if name and not any(other in arguments for other in names):
                arguments[name] = value
        missing = [name for name, one in known.items() if one.default is one.empty and name not in arguments]
        if missing:
            raise InputError(f"{self.title} needs the argument '{missing[0]}': give it with --arch-arg {missing[0]}=….")
        return arguments

    def _parameters(self) -> dict[str, inspect.Parameter]:
        """Return what the factory can be given by name; for an open-ended one the classes too."""
        parameters = _signature(self.factory)
        named = {
            name: one
            for name, one in parameters.items()
            if one.kind in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        }
        if self.open_ended:
            named.setdefault(_CLASSES[0], inspect.Parameter(_CLASSES[0], inspect.Parameter.KEYWORD_ONLY, default=None))
        return named

    def _takes_any(self) -> bool:
        return any(one.kind is inspect.Parameter.VAR_KEYWORD for one in _signature(self.factory).values())


def _signature(factory: Callable[..., object]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(factory).parameters
    except (TypeError, ValueError):  # a builtin without a signature
        return {}


def _first(names: tuple[str, ...], known: Mapping[str, object]) -> str | None:
    return next((name for name in names if name in known), None)
