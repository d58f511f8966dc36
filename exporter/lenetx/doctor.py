"""Diagnose what this machine can run: the runtime's diagnosis, plus torch, torchvision and onnx."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import Any

from lenetx_runtime.doctor import Diagnosis, package_problem, version_of
from lenetx_runtime.doctor import examine as examine_runtime
from lenetx_runtime.doctor.engine import problem_of
from lenetx_runtime.doctor.trials import Step, attempt

__all__ = ["FullDiagnosis", "examine", "steps"]

_PACKAGES = ("torch", "torchvision", "onnx")


@dataclass(frozen=True, slots=True)
class FullDiagnosis:
    """A diagnosis of what this machine can run.

    Attributes:
        runtime: the runtime's diagnosis, extended by versions and problems of the exporter's packages.
        cuda: torch's CUDA support, in words.
        cuda_devices: names of the GPUs that torch sees.
    """

    runtime: Diagnosis
    cuda: str
    cuda_devices: tuple[str, ...]

    @property
    def can_predict(self) -> bool:
        """Whether ONNX models can run here, for which torch is not needed."""
        return self.runtime.can_predict

    def to_plain(self) -> dict[str, Any]:
        """Return the diagnosis as JSON-serialisable values."""
        torch = {"cuda": self.cuda, "cuda_devices": list(self.cuda_devices)}
        return self.runtime.to_plain() | {"torch": torch}

    def rows(self) -> list[tuple[str, str]]:
        """Return the findings as (name, text) pairs."""
        return [*self.runtime.rows(), ("CUDA in torch", self.cuda)]

    def conclusions(self) -> list[str]:
        """Return a sentence per problem, then whether predictions are possible."""
        return self.runtime.conclusions()


def examine() -> FullDiagnosis:
    """Diagnose everything that this machine needs to train, export, prove and predict; takes some seconds.

    Raises:
        EngineMissing: a second Python process cannot be started.
    """
    found, outcomes = examine_runtime(), attempt("lenetx.doctor:steps")
    versions = {name: version_of(name) for name in ("lenetx", *_PACKAGES)}
    problems = [package_problem(name, versions[name], outcomes.get(name, {})) for name in _PACKAGES]
    runtime = dataclasses.replace(
        found, versions={**found.versions, **versions}, problems=(*found.problems, *filter(None, problems))
    )
    torch = outcomes.get("torch", {})
    return FullDiagnosis(runtime, torch.get("cuda", "unknown: torch does not work"), tuple(torch.get("devices", ())))


def steps() -> Iterator[Step]:
    """Import each package and yield the outcome; torchvision is skipped if torch fails."""
    from .torchvision_loader import import_torchvision  # works with any build of torch, as in the commands

    yield "torch", None
    problem = problem_of(partial(import_module, "torch"))
    yield "torch", problem or _cuda()
    if not problem:
        yield "torchvision", None
        yield "torchvision", problem_of(import_torchvision)
    yield "onnx", None
    yield "onnx", problem_of(partial(import_module, "onnx"))


def _cuda() -> dict[str, Any]:
    import torch

    built = torch.version.cuda
    if built is None:
        return {"cuda": "none: this is a torch for CPU alone"}
    if not torch.cuda.is_available():
        return {"cuda": f"built for CUDA {built}, sees no GPU here"}
    devices = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {"cuda": f"built for CUDA {built}, sees {', '.join(devices)}", "devices": devices}
