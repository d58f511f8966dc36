"""What this machine can run: what the runtime's doctor finds, and torch, torchvision and onnx."""

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
    """What this machine can run.

    Attributes:
        runtime: with the versions and problems of the exporter's packages too.
        cuda: what torch says of CUDA, in words.
        cuda_devices: names of the GPUs that torch sees.
    """

    runtime: Diagnosis
    cuda: str
    cuda_devices: tuple[str, ...]

    @property
    def can_predict(self) -> bool:
        """Whether ONNX models can be run here; torch is not needed for that."""
        return self.runtime.can_predict

    def to_plain(self) -> dict[str, Any]:
        """Return values for JSON."""
        torch = {"cuda": self.cuda, "cuda_devices": list(self.cuda_devices)}
        return self.runtime.to_plain() | {"torch": torch}

    def rows(self) -> list[tuple[str, str]]:
        """Return what was found as pairs of a name and words."""
        return [*self.runtime.rows(), ("CUDA in torch", self.cuda)]

    def conclusions(self) -> list[str]:
        """Return every problem, then whether predictions can be made."""
        return self.runtime.conclusions()


def examine() -> FullDiagnosis:
    """Look at everything that this machine needs to train, export, prove and predict; takes some seconds.

    Raises:
        EngineMissing: Python cannot be started a second time.
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
    """Import each package; what needs torch is not tried where torch itself fails."""
    from .torchvision_loader import import_torchvision  # as the commands do: beside another build of torch too

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
