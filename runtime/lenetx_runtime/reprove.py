"""A model's self-test on the execution providers of this device, each asked for strictly."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from .classifier import Classifier
from .errors import ArtifactError, DeviceUnavailable
from .ort import OrtBackend, execution_providers
from .selftest import SelfTestResult
from .spec import ModelSpec

__all__ = ["REMOTE", "ProviderOutcome", "reprove", "reprove_everywhere"]

REMOTE = {"AzureExecutionProvider": "It runs models on remote servers only, never this one."}
"""Providers that the engine has and that are none of the device's, with the reason."""


@dataclass(frozen=True, slots=True)
class ProviderOutcome:
    """What the self-test gave on one execution provider.

    Attributes:
        provider: onnxruntime's name of it.
        status: ``not_applicable`` if it is none of the device's.
        result: ``None`` if the model did not run.
        detail: the reason then, a sentence.
    """

    provider: str
    status: Literal["passed", "failed", "not_applicable"]
    result: SelfTestResult | None = None
    detail: str = ""

    @classmethod
    def of(cls, provider: str, result: SelfTestResult) -> "ProviderOutcome":
        """Make one of a self-test that was run to its end."""
        if result.passed:
            return cls(provider, "passed", result)
        return cls(provider, "failed", result, "A logit is further from the proven one than rounding takes it.")


def reprove(data: bytes, spec: ModelSpec, *, device: str) -> ProviderOutcome:
    """Run the self-test of a sealed ONNX model on ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        ArtifactError, DeviceUnavailable, InputError, EngineMissing: as ``OrtBackend`` says.
    """
    backend = OrtBackend(data, spec, device=device)
    return ProviderOutcome.of(backend.provider, Classifier.from_backend(spec, backend).self_test())


def reprove_everywhere(data: bytes, spec: ModelSpec) -> Iterator[ProviderOutcome]:
    """Run the self-test on every execution provider that onnxruntime has; one that cannot run the model has failed."""
    for provider in execution_providers():
        if provider in REMOTE:
            yield ProviderOutcome(provider, "not_applicable", detail=REMOTE[provider])
            continue
        try:
            backend = OrtBackend(data, spec, providers=[provider])
            yield ProviderOutcome.of(provider, Classifier.from_backend(spec, backend).self_test())
        except (ArtifactError, DeviceUnavailable) as error:
            yield ProviderOutcome(provider, "failed", detail=str(error))
