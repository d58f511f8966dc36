"""What was found on a device, in values, in plain values and in lines for people."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..cpus import Cpus

__all__ = ["Diagnosis", "Provider"]

_MARKS = {"works": "works", "failed": "FAILED", "not_applicable": "n/a"}


@dataclass(frozen=True, slots=True)
class Provider:
    """One execution provider.

    Attributes:
        name: onnxruntime's name of it.
        status: ``works`` where a session was opened on it alone and computed what it should; ``not_applicable`` where
            it is none of this device's or not in this onnxruntime.
        detail: why it does not work, sentences.
        missing: names of the shared libraries that it needs and that cannot be loaded.
    """

    name: str
    status: Literal["works", "failed", "not_applicable"]
    detail: str = ""
    missing: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """Why it does not work: the libraries by name where some are missing, else the detail."""
        return f"Cannot be loaded: {', '.join(self.missing)}." if self.missing else self.detail


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What this device can run.

    Attributes:
        versions: of Python and of distributions, by name; ``None`` where one is not installed.
        engines: versions of the distributions that own the module ``onnxruntime``, by name; at most one should.
        providers: every execution provider.
        cpus: what this process may use of the CPUs.
        can_predict: whether numpy and Pillow can be imported and some execution provider works.
        problems: sentences that say what is wrong and what to do.
    """

    versions: Mapping[str, str | None]
    engines: Mapping[str, str]
    providers: tuple[Provider, ...]
    cpus: Cpus
    can_predict: bool
    problems: tuple[str, ...]

    def to_plain(self) -> dict[str, Any]:
        """Give values for JSON."""
        return {
            "can_predict": self.can_predict,
            "versions": dict(self.versions),
            "engines": dict(self.engines),
            "providers": [dataclasses.asdict(provider) for provider in self.providers],
            "cpus": self.cpus._asdict() | {"threads": self.cpus.usable},
            "problems": list(self.problems),
        }

    def rows(self) -> list[tuple[str, str]]:
        """Give what was found as pairs of a name and words."""
        engines: Mapping[str, str | None] = self.engines or {"onnxruntime": None}
        providers = [(each.name, f"{_MARKS[each.status]:6} {each.reason}".rstrip()) for each in self.providers]
        versions = [(name, version or "not installed") for name, version in {**self.versions, **engines}.items()]
        return [*versions, ("CPUs", self._cpus()), *providers]

    def conclusions(self) -> list[str]:
        """Give every problem, then whether predictions can be made."""
        last = "Predictions can be made here." if self.can_predict else "No predictions can be made here."
        return [*(f"Problem: {problem}" for problem in self.problems), last]

    def _cpus(self) -> str:
        quota = "no quota" if self.cpus.quota is None else f"a quota of {self.cpus.quota:g}"
        limits = f"{self.cpus.machine} in this machine, {self.cpus.affinity} by affinity, {quota}"
        return f"{limits}: up to {self.cpus.usable} threads"
