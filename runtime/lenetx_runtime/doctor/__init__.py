"""Diagnose what this device can run: what is installed, what works, and how to fix the rest."""

import dataclasses
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Literal

from ..cpus import Cpus, count_cpus
from ..ort_session import CPU, CUDA, WITH_CUDA
from .engine import DRIVER
from .trials import attempt

__all__ = ["Diagnosis", "Provider", "examine", "package_problem", "provider_problem", "providers", "version_of"]

_MARKS = {"works": "works", "failed": "FAILED", "not_applicable": "n/a"}
_PACKAGES = ("numpy", "pillow")
_ENGINE = "onnxruntime"
_NO_CUDA = f"This onnxruntime has no CUDA. Where you want it: 'pip uninstall -y onnxruntime', then '{WITH_CUDA}'."


@dataclass(frozen=True, slots=True)
class Provider:
    """Result of trying one execution provider.

    Attributes:
        name: onnxruntime's name for it.
        status: ``works`` if a session on it alone computed the right numbers; ``not_applicable`` if it does not run on
            this device or is not in this onnxruntime.
        detail: the reason, in sentences.
        missing: names of shared libraries that cannot be loaded.
    """

    name: str
    status: Literal["works", "failed", "not_applicable"]
    detail: str = ""
    missing: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """Why it does not work: the missing libraries by name, if any, else the detail."""
        return f"Cannot be loaded: {', '.join(self.missing)}." if self.missing else self.detail


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What this device can run.

    Attributes:
        versions: of Python and distributions, by name; ``None`` if not installed.
        engines: versions of the distributions that own the module ``onnxruntime``; at most one should.
        providers: every execution provider.
        cpus: of this process.
        can_predict: whether numpy and Pillow can be imported and a provider works.
        problems: sentences with the remedy.
    """

    versions: Mapping[str, str | None]
    engines: Mapping[str, str]
    providers: tuple[Provider, ...]
    cpus: Cpus
    can_predict: bool
    problems: tuple[str, ...]

    def to_plain(self) -> dict[str, Any]:
        """Return values for JSON."""
        return {
            "can_predict": self.can_predict,
            "versions": dict(self.versions),
            "engines": dict(self.engines),
            "providers": [dataclasses.asdict(provider) for provider in self.providers],
            "cpus": self.cpus._asdict() | {"threads": self.cpus.usable},
            "problems": list(self.problems),
        }

    def rows(self) -> list[tuple[str, str]]:
        """Return the findings as (name, text) pairs."""
        engines: Mapping[str, str | None] = self.engines or {"onnxruntime": None}
        providers = [(each.name, f"{_MARKS[each.status]:6} {each.reason}".rstrip()) for each in self.providers]
        versions = [(name, version or "not installed") for name, version in {**self.versions, **engines}.items()]
        return [*versions, ("CPUs", self._cpus()), *providers]

    def conclusions(self) -> list[str]:
        """Return every problem, then whether predictions can be made."""
        last = "Predictions can be made here." if self.can_predict else "No predictions can be made here."
        return [*(f"Problem: {problem}" for problem in self.problems), last]

    def _cpus(self) -> str:
        quota = "no quota" if self.cpus.quota is None else f"a quota of {self.cpus.quota:g}"
        limits = f"{self.cpus.machine} in this machine, {self.cpus.affinity} by affinity, {quota}"
        return f"{limits}: up to {self.cpus.usable} threads"


def examine() -> Diagnosis:
    """Try everything that a prediction needs; this takes about a second, longer with a GPU.

    Raises:
        EngineMissing: as ``attempt``.
    """
    outcomes = attempt("lenetx_runtime.doctor.engine:steps")
    engine = outcomes.get(_ENGINE, {})
    engines = _engines(engine)
    versions = {name: version_of(name) for name in ("lenetx-runtime", *_PACKAGES)}
    tried = tuple(providers(outcomes))
    problems = (
        *(package_problem(name, versions[name], outcomes.get(name, {})) for name in _PACKAGES),
        _engine_problem(engine, engines),
        _both(engines),
        *(provider_problem(each, engines) for each in tried),
    )
    works = any(each.status == "works" for each in tried)
    return Diagnosis(
        versions={"python": f"{platform.python_version()} ({platform.system()} {platform.machine()})", **versions},
        engines=engines,
        providers=tried,
        cpus=count_cpus(),
        can_predict=works and all(outcomes.get(name) == {} for name in _PACKAGES),
        problems=tuple(filter(None, problems)),
    )


def version_of(name: str) -> str | None:
    """Return the version of an installed distribution, or ``None``."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def package_problem(name: str, version: str | None, outcome: Mapping[str, Any]) -> str | None:
    """Return what is wrong with a package that was tried, or ``None``."""
    problem = outcome.get("problem") or outcome.get("died")
    if not problem:
        return None
    if version is None and "ModuleNotFoundError" in problem:
        return f"{name} is not installed. Run 'pip install {name}'."
    return f"{name} cannot be imported: {problem}. Run 'pip install --force-reinstall {name}'."


def _engines(outcome: Mapping[str, Any]) -> dict[str, str]:
    """Return the distributions that own onnxruntime, with their versions."""
    found = {}
    for distribution in metadata.distributions():
        about = distribution.metadata
        name = about["Name"].lower().replace("_", "-") if "Name" in about and "Version" in about else ""
        if name.startswith((_ENGINE, "ort-")) and _ENGINE in _tops(distribution):
            found[name] = distribution.version
    if not found and "version" in outcome:  # it has no metadata
        found[_ENGINE] = outcome["version"]
    return dict(sorted(found.items()))


def _tops(distribution: metadata.Distribution) -> set[str]:
    said = (distribution.read_text("top_level.txt") or "").split()
    return {*said, *(file.parts[0] for file in distribution.files or ())}


def _engine_problem(outcome: Mapping[str, Any], engines: Mapping[str, str]) -> str | None:
    if died := outcome.get("died"):
        return f"onnxruntime cannot be imported: {died}. {_reinstall(engines)}"
    problem: str | None = outcome.get("problem")
    return problem


def _both(engines: Mapping[str, str]) -> str | None:
    if len(engines) < 2:
        return None
    several = " and ".join(f"{name} {version}" for name, version in engines.items())
    return f"{several} write the same files, and CUDA is lost with them (onnxruntime#26996). {_reinstall(engines)}"


def _reinstall(engines: Mapping[str, str]) -> str:
    names = [*engines] or [_ENGINE]
    choices = " or ".join(f"'pip install {name}'" for name in names)
    return f"Run 'pip uninstall -y {' '.join(names)}' and then {choices}{', not both' if len(names) > 1 else ''}."


def providers(outcomes: Mapping[str, dict[str, Any]]) -> Iterator[Provider]:
    """Yield every execution provider that was tried, and CUDA if this system's onnxruntime could have it."""
    for name, outcome in outcomes.items():
        if not name.endswith("ExecutionProvider"):
            continue
        if died := outcome.get("died"):
            yield Provider(name, "failed", f"Trying it failed: {died}.")
        else:
            yield Provider(name, outcome["status"], outcome.get("detail", ""), tuple(outcome.get("missing", ())))
    if "version" in outcomes.get(_ENGINE, {}) and CUDA not in outcomes and platform.system() in ("Linux", "Windows"):
        yield Provider(CUDA, "not_applicable", _NO_CUDA)


def provider_problem(provider: Provider, engines: Mapping[str, str]) -> str | None:
    """Return how to fix the CPU or CUDA provider, or ``None``; others fail on machines without their hardware."""
    if provider.status != "failed" or provider.name not in (CPU, CUDA):
        return None
    if provider.name == CPU:
        return f"The CPU runs no model: {provider.detail} {_reinstall(engines)}"
    pip = [name for name in provider.missing if name != DRIVER]
    advice = [f"{', '.join(pip)} cannot be loaded: run {WITH_CUDA}."] if pip else []
    if len(pip) < len(provider.missing):
        advice.append(f"{DRIVER} of NVIDIA's driver is not there: install the driver, if this machine has such a GPU.")
    return f"CUDA cannot be used. {' '.join(advice) or provider.detail}"
