"""List timm's small classifiers, one of each family, at the smallest input that each takes.

python benchmarks/_timm.py [PARAMETERS]
"""

import sys
import warnings
from collections.abc import Iterator
from typing import NamedTuple

MOST_PARAMETERS = 10_000_000
SIDES = (32, 64, 96, 128, 160, 192, 224, 256)
CLASSES = 10


class Small(NamedTuple):
    """A network: its name for ``--arch``, its parameters with 10 classes, and the side of its input in pixels."""

    architecture: str
    parameters: int
    side: int


def smallest_of_each_family(most: int = MOST_PARAMETERS) -> "list[Small]":
    """Return the smallest network of each of timm's families that has fewer parameters, smallest first."""
    families: dict[str, Small] = {}
    for family, found in _counted(most):
        if family not in families or found.parameters < families[family].parameters:
            families[family] = found
    return sorted(families.values(), key=lambda each: each.parameters)


def _counted(most: int) -> "Iterator[tuple[str, Small]]":
    import torch

    from lenetx import models
    from lenetx.errors import LenetxError
    from lenetx.torchvision_loader import mend_imports

    mend_imports()
    import timm

    for name in timm.list_models():
        config = timm.models.get_pretrained_cfg(name)
        family = timm.models.model_entrypoint(name).__module__
        if config is None or any(word in name for word in ("large", "huge", "giant", "xxl", "naflex")):
            continue
        sides = config.input_size[1:2] if config.fixed_input_size else SIDES
        network = models.resolve(f"timm:{name}")
        try:
            module = network.hollow((3, sides[-1], sides[-1]), CLASSES).eval()
        except LenetxError:
            continue
        parameters = sum(each.numel() for each in module.parameters())
        if parameters >= most:
            continue
        for side in sides:
            try:
                with torch.no_grad(), torch.device("meta"):
                    shape = module(torch.empty(2, 3, side, side)).shape
            except Exception:  # the network may raise anything at a size that it does not take
                continue
            if shape == (2, CLASSES):
                yield family, Small(f"timm:{name}", parameters, side)
                break


def main() -> None:
    """Print the networks, one a line."""
    warnings.simplefilter("ignore")
    for found in smallest_of_each_family(int(sys.argv[1]) if len(sys.argv) > 1 else MOST_PARAMETERS):
        print(f"{found.architecture:45} {found.parameters:10,} {found.side:4}")


if __name__ == "__main__":
    main()
