"""Find numbers of images for which a network's code goes another way, by running it with a symbol in their place."""

import math
from typing import TYPE_CHECKING, Any

from .probe import quiet

if TYPE_CHECKING:
    from torch import nn

__all__ = ["deviating_batch_sizes"]

_SAMPLES = (3, 97)
"""Numbers that the symbol stands for: once torch's convolution has decided by it, what follows knows its side."""
_LARGEST = 512
_LARGEST_INPUT = 2**21
"""Of numbers in a batch that is to be run."""
_MOST = 8


def deviating_batch_sizes(module: "nn.Module", shape: tuple[int, int, int]) -> list[int]:
    """Return the least number of images, up to 512, for which a decision of the code is not as for 3 or 97.

    Args:
        module: in eval mode, on the CPU.
        shape: (channels, height, width) of its input.

    Returns:
        At most 8 numbers in ascending order, decisions of torch's own operators among them; none where the code cannot
        be run without numbers.
    """
    try:
        with quiet():
            decisions = [each for sample in _SAMPLES for each in _decisions(module, shape, sample)]
        counts = range(1, min(_LARGEST, _LARGEST_INPUT // math.prod(shape)) + 1)
        found = {next((n for n in counts if not guard.subs({symbol: n})), None) for symbol, guard in decisions}
    except Exception:  # whatever the network's code, torch and sympy raise on symbols
        return []
    return sorted(each for each in found if each is not None)[:_MOST]


def _decisions(module: "nn.Module", shape: tuple[int, int, int], sample: int) -> list[tuple[Any, Any]]:
    """Return all conditions on the number of images that held in a run, each with the symbol that it has for it."""
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
