"""Find the batch sizes for which a network's code may branch differently, by running it with a symbolic batch size."""

import math
from typing import TYPE_CHECKING, Any

from .probe import quiet

if TYPE_CHECKING:
    from torch import nn

__all__ = ["deviating_batch_sizes"]

_SAMPLES = (3, 97)
"""Batch sizes to run with, a small and a large one: once torch's convolution has branched on the symbol, only decisions
on the same side of that branch are recorded."""
_LARGEST = 512
_LARGEST_INPUT = 2**21
"""Maximum number of values in a batch to run."""
_MOST = 8


def deviating_batch_sizes(module: "nn.Module", shape: tuple[int, int, int]) -> list[int]:
    """Return, for each decision of the code, the smallest batch size up to 512 for which it differs from 3's or 97's.

    Args:
        module: in eval mode, on the CPU.
        shape: (channels, height, width) of its input.

    Returns:
        At most 8 batch sizes in ascending order, including those of decisions of torch's own operators; none if the
        code cannot run with a symbolic batch size.
    """
    try:
        with quiet():
            decisions = [each for sample in _SAMPLES for each in _decisions(module, shape, sample)]
        counts = range(1, min(_LARGEST, _LARGEST_INPUT // math.prod(shape)) + 1)
        found = {next((n for n in counts if not guard.subs({symbol: n})), None) for symbol, guard in decisions}
    except Exception:  # the network's code, torch and sympy may raise anything on symbols
        return []
    return sorted(each for each in found if each is not None)[:_MOST]


def _decisions(module: "nn.Module", shape: tuple[int, int, int], sample: int) -> list[tuple[Any, Any]]:
    """Return all conditions on the batch size that held in a run, each with its symbol for the batch size."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.fx.experimental.symbolic_shapes import DimDynamic, ShapeEnv, StatelessSymbolicContext

    shapes = ShapeEnv()
    mode = FakeTensorMode(shape_env=shapes, allow_non_fake_inputs=True)
    sizes = [DimDynamic.DYNAMIC, *[DimDynamic.STATIC] * len(shape)]
    images = mode.from_tensor(
        torch.empty(sample, *shape), symbolic_context=StatelessSymbolicContext(dynamic_sizes=sizes)
    )
    count: Any = images.shape[0]
    with torch.no_grad(), mode:
        module(images)
    return [(count.node.expr, guard.expr) for guard in shapes.guards]
