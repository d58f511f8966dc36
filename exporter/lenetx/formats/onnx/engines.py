"""Every way to run an ONNX file here: optimised or not, on one thread or all, by each execution provider."""

from functools import partial

from lenetx_runtime import ModelSpec
from lenetx_runtime.cpus import available_cpus
from lenetx_runtime.ort import OrtBackend, execution_providers
from lenetx_runtime.reprove import REMOTE

from ..artifact import Engine

__all__ = ["engines_of"]


def engines_of(data: bytes, spec: ModelSpec, device: str) -> tuple[Engine, ...]:
    """Return a way to run it for each level of optimisation, number of threads and execution provider."""
    sessions = [
        Engine(
            f"optimisation {'all' if optimised else 'off'}, {threads} thread{'s'[: threads - 1]}",
            partial(OrtBackend, data, spec, device=device, threads=threads, optimised=optimised),
        )
        for optimised in (False, True)
        for threads in sorted({1, available_cpus()})
    ]
    providers = [
        Engine(provider, partial(OrtBackend, data, spec, providers=[provider]), missing=REMOTE.get(provider, ""))
        for provider in execution_providers()
    ]
    return (*sessions, *providers)
