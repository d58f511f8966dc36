"""Define the options with which every command reads a file of weights."""

import dataclasses
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from .options import network_option, stated_option

if TYPE_CHECKING:
    from lenetx import WeightsOptions

__all__ = ["Weights", "reads_weights"]

_OF = "weights"
"""The parameter of a command that takes all of these options."""


@dataclass(frozen=True, slots=True)
class Weights:
    """The options as they were given; each field is one option of the command line."""

    arch: Annotated[
        str | None,
        network_option(
            "--arch",
            help="lenet5, torchvision:NAME, timm:NAME, FILE.py:NAME or package.module:NAME. Required if the file does "
            "not record the network or the network is your code; otherwise checked against the file.",
        ),
    ] = None
    arch_arg: Annotated[
        list[str] | None,
        network_option("--arch-arg", help="NAME=VALUE for the network's constructor; may be repeated."),
    ] = None
    input_size: Annotated[
        str | None,
        network_option("--input-size", help="Height and width of the input, as in 32 or 32x48, if no file records it."),
    ] = None
    channels: Annotated[
        int | None, network_option("--channels", help="Channels of the input, 1 or 3, if no file records it.")
    ] = None
    framing: Annotated[
        str | None,
        stated_option(
            "--framing", help="How pictures become inputs, if no file records it: mnist, stretch, letterbox or crop."
        ),
    ] = None
    interpolation: Annotated[
        str | None,
        stated_option(
            "--interpolation",
            help="Filter of the framing: lanczos, bilinear or bicubic. [default: bilinear for crop, else lanczos]",
        ),
    ] = None
    resize: Annotated[
        int | None,
        stated_option(
            "--resize",
            help="Pixels to which crop resizes the shorter side, or stretch both, before the centre is cut out. "
            "[default: the input's]",
        ),
    ] = None
    mean: Annotated[
        str | None,
        stated_option("--mean", help="Mean per channel, of levels scaled to 0..1, as in 0.48,0.46,0.41. [default: 0]"),
    ] = None
    std: Annotated[
        str | None, stated_option("--std", help="Standard deviation per channel, on the same scale. [default: 1]")
    ] = None
    labels: Annotated[
        str | None,
        stated_option(
            "--labels", help="Class names separated by commas, or a file with one per line. [default: 0,1,2…]"
        ),
    ] = None
    network_output: Annotated[
        str | None,
        network_option(
            "--output",
            help="Index or name of the logits, if the network or another program's ONNX file has several that fit.",
        ),
    ] = None
    trust_pickle: Annotated[
        bool, network_option("--trust-pickle", help="Run the code in a pickle that cannot be read without running it.")
    ] = False
    accept_code: Annotated[
        bool,
        network_option("--accept-code", help="Accept that your network's code has changed; the report records it."),
    ] = False

    @property
    def any(self) -> bool:
        """Whether any of the options was given."""
        return any(self._given().values())

    def options(self) -> "WeightsOptions":
        """Parse the strings.

        Raises:
            UnknownName, InputError: a string cannot be parsed.
        """
        from lenetx import Statement, WeightsOptions
        from lenetx.models.arguments import parse

        stated = {name: getattr(self, name) for name in (each.name for each in dataclasses.fields(Statement))}
        return WeightsOptions(
            self.arch,
            parse(self.arch_arg or ()),
            Statement.of_texts(**stated),
            trust_pickle=self.trust_pickle,
            accept_code=self.accept_code,
        )

    def words(self, *names: str) -> list[str]:
        """Return the options that were given, or those of them in ``names``, as command-line arguments."""
        words: list[str] = []
        for name, value in self._given().items():
            if names and name not in names:
                continue
            option = _flag(name)
            for each in value if isinstance(value, list) else [value]:
                words += [option] if each is True else [option, str(each)]
        return words

    def _given(self) -> dict[str, Any]:
        given = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        return {name: value for name, value in given.items() if value not in (None, False, [])}


def _flag(name: str) -> str:
    """Return the option of a field of ``Weights``."""
    return "--output" if name == "network_output" else f"--{name.replace('_', '-')}"


def reads_weights(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of ``Weights`` to a command, which gets them as its parameter ``weights``.

    An option that the command itself declares, with its own help, is passed in both ways; one whose name the command
    uses for something else is left out.
    """
    signature = inspect.signature(command, eval_str=True)
    own = [each for each in signature.parameters.values() if each.name != _OF]
    declared = {each.name for each in own}
    fields = dataclasses.fields(Weights)
    added = [
        inspect.Parameter(each.name, inspect.Parameter.KEYWORD_ONLY, default=each.default, annotation=each.type)
        for each in fields
        if each.name not in declared and _flag(each.name).removeprefix("--") not in declared
    ]
    parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own]
    place = list(signature.parameters).index(_OF)
    parameters[place:place] = added

    def run(**given: Any) -> None:
        weights = Weights(**{each.name: given[each.name] for each in fields if each.name in given})
        command(**{name: value for name, value in given.items() if name in declared}, **{_OF: weights})

    run.__name__, run.__doc__, run.__module__ = command.__name__, command.__doc__, command.__module__
    run.__annotations__ = {each.name: each.annotation for each in parameters}
    run.__signature__ = signature.replace(parameters=parameters, return_annotation=None)  # type: ignore[attr-defined]
    return run
