"""Run a model's self-test on each execution provider of this device, without fallback."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from .classifier import Classifier
from .errors import ArtifactError, DeviceUnavailable
from .ort import OrtBackend, execution_providers
from .selftest import SelfTestResult
from .spec import ModelSpec

__all__ = ["REMOTE", "ProviderOutcome", "run_selftest", "run_selftest_everywhere"]

REMOTE = {"AzureExecutionProvider": "It runs models on remote servers only, never this one."}
"""Execution providers that do not run on this device, with the reason."""


@dataclass(frozen=True, slots=True)
class ProviderOutcome:
    """Result of the self-test on one execution provider.

    Attributes:
        provider: onnxruntime's name for it.
        status: ``not_applicable`` if it does not run on this device.
        result: ``None`` if the model did not run.
        detail: why it did not pass, in a sentence.
    """

    provider: str
    status: Literal["passed", "failed", "not_applicable"]
    result: SelfTestResult | None = None
    detail: str = ""

    @classmethod
    def of(cls, provider: str, result: SelfTestResult) -> "ProviderOutcome":
        """Return the outcome of a completed self-test."""
        if result.passed:
            return cls(provider, "passed", result)
        return cls(provider, "failed", result, "A logit is further from the proven one than rounding takes it.")


def run_selftest(data: bytes, spec: ModelSpec, *, device: str) -> ProviderOutcome:
    """Run the self-test of a sealed ONNX model on ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        ArtifactError, DeviceUnavailable, InputError, EngineMissing: as for ``OrtBackend``.
    """
    backend = OrtBackend(data, spec, device=device)
    return ProviderOutcome.of(backend.provider, Classifier.from_backend(spec, backend).self_test())


def run_selftest_everywhere(data: bytes, spec: ModelSpec) -> Iterator[ProviderOutcome]:
    """Run the self-test on every execution provider of onnxruntime; one that cannot run the model fails."""
    for provider in execution_providers():
        if provider in REMOTE:
            yield ProviderOutcome(provider, "not_applicable", detail=REMOTE[provider])
            continue
        try:
            backend = OrtBackend(data, spec, providers=[provider])
            yield ProviderOutcome.of(provider, Classifier.from_backend(spec, backend).self_test())
        except (ArtifactError, DeviceUnavailable) as error:
            yield ProviderOutcome(provider, "failed", detail=str(error))
