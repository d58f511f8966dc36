"""Build a named network and check that it fits its input shape and number of classes."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from ..execution.user_code import user_code
from .adapt import accept_channels_first, adapt_output
from .compilers import without_torchscript
from .probe import eval_mode, require_logits
from .wrappers import detach_trainers, sole_part, unwrapped

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
        name: the name that a checkpoint records; it contains no path of this machine.
        factory: the class or function that returns the ``nn.Module``.
        arguments: keyword arguments of the factory.
        input_shape: the (channels, height, width) that the network defines, or ``None``.
        one_size: whether the network accepts only that height and width.
        open_ended: whether the factory takes arguments that its signature does not show.
        channels_last: whether the network's code expects [N, H, W, C].
        output: index or name of the logits among several outputs; ``None`` to choose the only one that could be.
        preprocessing: returns, for an input shape, what the network's library states of it, by the field names of
            ``lenetx.weights.statement.Statement``, or ``None`` if no framing has its bits.
    """

    name: str
    factory: "Callable[..., nn.Module]"
    arguments: Mapping[str, object] = field(default_factory=dict)
    input_shape: Shape | None = None
    one_size: bool = False
    open_ended: bool = False
    channels_last: bool = False
    output: str | None = None
    preprocessing: Callable[[Shape], Mapping[str, Any] | None] | None = None

    @property
    def title(self) -> str:
        """The name without the source digest, for messages."""
        return self.name.split("@")[0]

    def build(
        self, input_shape: Shape, classes: int, on_notice: "Callable[[str], None]" = lambda _: None
    ) -> "nn.Module":
        """Build a freshly initialised network that maps float32[N, C, H, W] to float32[N, classes] logits.

        Args:
            input_shape: (C, H, W).
            classes: the number of classes.
            on_notice: called with a sentence for each input or output form that had to be adapted.

        Raises:
            InputError: the network rejects such inputs or arguments, returns something else, or its code raised an
                error.
        """
        notes: list[str] = []
        module = self._construct(input_shape, classes, notes.append)
        logits = adapt_output(module, self.title, input_shape, classes, notes.append, output=self.output)
        require_logits(logits, self.title, classes)
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
        """Whether the number of classes is passed to the factory and so determines the last layer."""
        name = _first(_CLASSES, self._parameters())
        return name is not None and not any(other in self.arguments for other in _CLASSES)

    def outputs(self, input_shape: Shape, classes: int) -> int:
        """Return the outputs per image of the network built for ``classes``; not every network uses that number.

        Raises:
            InputError: see ``build``.
        """
        if self.takes_classes:
            return classes
        module = self._construct(input_shape, classes)
        found = adapt_output(module, self.title, input_shape, classes, lambda _: None, exact=False, output=self.output)
        return found.shape[1] if found.ndim == 2 and found.shape[0] == 2 else classes

    def plan(self, input_shape: Shape, classes: int) -> "Mapping[str, Tensor]":
        """Return the state_dict of a freshly built network, on the meta device if its code allows that.

        Raises:
            InputError: see ``build``; the inputs and outputs are not checked.
        """
        try:
            module = self.hollow(input_shape, classes)
        except InputError:  # its constructor computes with the weights
            module = self._construct(input_shape, classes)
        return module.state_dict()

    def hollow(self, input_shape: Shape, classes: int) -> "nn.Module":
        """Build the network on torch's meta device, where tensors have shapes but take no memory.

        Raises:
            InputError: see ``build``; the inputs and outputs are not checked.
        """
        import torch

        with torch.device("meta"):
            return self._construct(input_shape, classes)

    def _construct(
        self, input_shape: Shape, classes: int, on_notice: Callable[[str], None] = lambda _: None
    ) -> "nn.Module":
        """Call the factory and remove the wrappers of ``torch.compile``, TorchScript and data parallelism."""
        import torch
        from torch import nn

        self._require_size(input_shape)
        arguments = self._complete(input_shape[0], classes)
        with user_code(self.title), without_torchscript() as compilers:
            module = unwrapped(self.factory(**arguments))
        if compilers:
            on_notice(f"{self.title} calls {compilers[0]}: its Python code is taken, not the compiled module.")
        if isinstance(module, type):
            raise InputError(f"{self.title} returns the class {module.__name__}, not a network: let it call the class.")
        if not isinstance(module, nn.Module):
            raise InputError(f"{self.title} gives {type(module).__name__}, not a torch.nn.Module.")
        if isinstance(module, torch.jit.ScriptModule):
            raise InputError(
                f"{self.title} gives a TorchScript module, whose Python code cannot be recovered: return the module "
                "that it was made of."
            )
        module = sole_part(module, self.title)
        detach_trainers(module)
        if self.channels_last:
            accept_channels_first(module)
        if any(nn.parameter.is_lazy(each) for each in (*module.parameters(), *module.buffers())):
            with user_code(self.title), torch.no_grad(), eval_mode(module):
                module(torch.zeros(2, *input_shape))  # an input determines the shapes of lazy layers
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
        """Return the arguments plus classes and channels, if the factory takes them and they were not given."""
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
        """Return the factory's keyword parameters; for an open-ended factory also the number of classes."""
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
