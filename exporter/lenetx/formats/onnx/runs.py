"""List the runs of an ONNX file on this machine: optimisation on or off, threads, execution providers."""

from functools import partial

from lenetx_runtime import ModelSpec
from lenetx_runtime.cpus import available_cpus
from lenetx_runtime.ort import OrtBackend, execution_providers
from lenetx_runtime.run_selftest import REMOTE

from ..artifact import Run

__all__ = ["runs_of", "sessions_of"]


def runs_of(data: bytes, spec: ModelSpec, device: str) -> tuple[Run, ...]:
    """Return a run for each combination of optimisation and thread count, and for each execution provider.

    Args:
        data: the ONNX file.
        spec: its embedded spec.
        device: where the combinations of optimisation and threads run.
    """
    providers = [
        Run(provider, partial(OrtBackend, data, spec, providers=[provider]), missing=REMOTE.get(provider, ""))
        for provider in execution_providers()
    ]
    return (*sessions_of(data, spec, device), *providers)


def sessions_of(data: bytes, spec: ModelSpec, device: str) -> tuple[Run, ...]:
    """Return a run for each combination of optimisation and thread count; an ORT file runs only on the CPU."""
    return tuple(
        Run(
            f"optimisation {'all' if optimised else 'off'}, {threads} thread{'s'[: threads - 1]}",
            partial(OrtBackend, data, spec, device=device, threads=threads, optimised=optimised),
        )
        for optimised in (False, True)
        for threads in sorted({1, available_cpus()})
    )
