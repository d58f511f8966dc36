"""Define how to read a file of weights: the network, what the file does not record, and what the user permits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import InputError
from .statement import Statement

__all__ = ["WeightsOptions"]


@dataclass(frozen=True, slots=True)
class WeightsOptions:
    """How a file of weights is read; the same for every function and command that reads one.

    Attributes:
        architecture: the network, as ``lenetx.models.resolve`` takes it; required unless the file records the network
            and it is not custom.
        arguments: keyword arguments of the network's factory, by name.
        stated: preprocessing, labels and input shape. Whatever the file or the artifact records is the default and
            cannot be contradicted.
        trust_pickle: run the code of a pickle that cannot be read otherwise.
        accept_code: accept a custom network whose source differs from the recorded one; the report records that.
    """

    architecture: str | None = None
    arguments: Mapping[str, object] = field(default_factory=dict)
    stated: Statement = field(default_factory=Statement)
    trust_pickle: bool = False
    accept_code: bool = False

    @classmethod
    def of(cls, options: "WeightsOptions | None", **given: Any) -> "WeightsOptions":
        """Return ``options``, or those of the keyword arguments of a function that takes either.

        Raises:
            InputError: both are given.
        """
        given = {name: value for name, value in given.items() if value}
        if options is None:
            return cls(**given)
        if given:
            raise InputError(f"`{next(iter(given))}` is given beside `weights_options`, which holds it: give one.")
        return options

    def require_for_artifact(self, name: str, output: str | None = None) -> None:
        """Check that nothing is given that artifacts, which hold their network, leave open only to weights.

        Args:
            name: the artifact's path.
            output: the network's output that it records; ``None`` if it records none.

        Raises:
            InputError: the network, its arguments or another of its outputs is given.
        """
        stated = self.stated.network_output
        given = {
            "--arch": self.architecture,
            "--arch-arg": self.arguments,
            "--output": stated if output is None else None,  # otherwise compared with what the artifact records
        }
        if option := next((option for option, value in given.items() if value), None):
            raise InputError(
                f"{option} does not apply to '{name}', an artifact, which holds its network: omit it. "
                f"'lenetx verify {name} --against WEIGHTS' takes it, for the weights."
            )
