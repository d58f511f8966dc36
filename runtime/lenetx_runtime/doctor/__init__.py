"""What this device can run, and what is in the way: what is installed, what works and what to do about the rest."""

import platform
from collections.abc import Iterator, Mapping
from importlib import metadata
from typing import Any

from ..cpus import count_cpus
from ..ort_session import CPU, CUDA, WITH_CUDA
from .diagnosis import Diagnosis, Provider
from .engine import DRIVER
from .trials import attempt

__all__ = ["Diagnosis", "Provider", "examine", "package_problem", "provider_problem", "providers", "version_of"]

_PACKAGES = ("numpy", "pillow")
_ENGINE = "onnxruntime"
_NO_CUDA = f"This onnxruntime has no CUDA. Where you want it: 'pip uninstall -y onnxruntime', then '{WITH_CUDA}'."


def examine() -> Diagnosis:
    """Look at everything that a prediction on this device needs; takes about a second, more with a GPU.

    Raises:
        EngineMissing: Python cannot be started a second time.
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
    """Give the version of an installed distribution."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def package_problem(name: str, version: str | None, outcome: Mapping[str, Any]) -> str | None:
    """Say what is wrong with a package that was tried, if anything.

    Args:
        name: of its distribution.
        version: of the installed one, if any.
        outcome: what :func:`~lenetx_runtime.doctor.trials.attempt` gave for it.
    """
    problem = outcome.get("problem") or outcome.get("died")
    if not problem:
        return None
    if version is None and "ModuleNotFoundError" in problem:
        return f"{name} is not installed. Run 'pip install {name}'."
    return f"{name} cannot be imported: {problem}. Run 'pip install --force-reinstall {name}'."


def _engines(outcome: Mapping[str, Any]) -> dict[str, str]:
    """Find the distributions that own the module onnxruntime: each of its wheels is one, under a name of its own."""
    found = {}
    for distribution in metadata.distributions():
        about = distribution.metadata
        name = about["Name"].lower().replace("_", "-") if "Name" in about and "Version" in about else ""
        if name.startswith((_ENGINE, "ort-")) and _ENGINE in _tops(distribution):
            found[name] = distribution.version
    if not found and "version" in outcome:  # one that no installer has written
        found[_ENGINE] = outcome["version"]
    return dict(sorted(found.items()))


def _tops(distribution: metadata.Distribution) -> set[str]:
    """Name the folders and modules that a distribution writes, by what it says or by its files."""
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
    """Give every execution provider that was tried, and CUDA's where this onnxruntime could be one with it."""
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
    """Say what to do about the CPU or CUDA; the others fail wherever the machine is not made for them."""
    if provider.status != "failed" or provider.name not in (CPU, CUDA):
        return None
    if provider.name == CPU:
        return f"The CPU runs no model: {provider.detail} {_reinstall(engines)}"
    pip = [name for name in provider.missing if name != DRIVER]
    advice = [f"{', '.join(pip)} cannot be loaded: run {WITH_CUDA}."] if pip else []
    if len(pip) < len(provider.missing):
        advice.append(f"{DRIVER} of NVIDIA's driver is not there: install the driver, if this machine has such a GPU.")
    return f"CUDA cannot be used. {' '.join(advice) or provider.detail}"
