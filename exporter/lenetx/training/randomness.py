"""The one place where torch's own random numbers are seeded: of first weights and of dropout."""

import contextlib
from collections.abc import Iterator

import torch

__all__ = ["reseed", "seeded"]


@contextlib.contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Let the generators of the CPU and of ``device`` start at a seed; the caller's state is as it was afterwards."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        reseed(seed, device)
        yield


def reseed(seed: int, device: torch.device) -> None:
    """Set the generators of the CPU and of ``device``; ``torch.manual_seed`` notes a stack trace at each call."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)
