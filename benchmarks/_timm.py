"""List 40 of timm's classifiers below 10 million parameters, each at the smallest input that it takes.

python benchmarks/_timm.py
"""

import warnings
from typing import NamedTuple

NAMES = [
    "coat_lite_tiny",
    "convnext_atto",
    "convnextv2_atto",
    "crossvit_tiny_240",
    "densenet121",
    "dla46_c",
    "dla60x_c",
    "edgenext_xx_small",
    "efficientformerv2_s0",
    "efficientnet_b0",
    "efficientvit_b0",
    "efficientvit_m0",
    "ese_vovnet19b_slim",
    "fasternet_t0",
    "fastvit_t8",
    "gernet_s",
    "ghostnet_050",
    "hgnetv2_b0",
    "inception_next_atto",
    "lcnet_050",
    "levit_128s",
    "mambaout_femto",
    "mixnet_s",
    "mnasnet_small",
    "mobilenetv2_050",
    "mobilenetv3_small_050",
    "mobilenetv4_conv_small",
    "mobileone_s0",
    "mobilevit_xxs",
    "nf_regnet_b0",
    "pit_ti_224",
    "pvt_v2_b0",
    "regnetx_002",
    "regnety_002",
    "repghostnet_050",
    "resnet10t",
    "rexnet_100",
    "tinynet_e",
    "vit_tiny_patch16_224",
    "xcit_nano_12_p16_224",
]
"""Networks of 40 kinds: convolutional, attention and mixtures."""
SIDES = (32, 64, 96, 128, 160, 192, 224, 240, 256)
CLASSES = 10


class Small(NamedTuple):
    """A network: its name for ``--arch``, its parameters with 10 classes, and the side of its input in pixels."""

    architecture: str
    parameters: int
    side: int


def small_networks() -> list[Small]:
    """Return the networks, the smallest first; needs timm, but no weights: shapes are tried on the meta device."""
    return sorted((_small(f"timm:{name}") for name in NAMES), key=lambda each: each.parameters)


def _small(architecture: str) -> Small:
    import torch

    from lenetx import models

    network = models.resolve(architecture)
    assert network.input_shape is not None
    own = network.input_shape[1]
    module = network.hollow(network.input_shape, CLASSES).eval()
    for side in sorted({*SIDES, own}):
        try:
            with torch.no_grad(), torch.device("meta"):
                shape = module(torch.empty(2, 3, side, side)).shape
        except Exception:  # a network may raise anything at a size that it does not take
            continue
        if shape == (2, CLASSES):
            return Small(architecture, sum(each.numel() for each in module.parameters()), side)
    raise AssertionError(f"{architecture} takes none of the sizes")


def main() -> None:
    """Print the networks, one a line."""
    warnings.simplefilter("ignore")
    for found in small_networks():
        print(f"{found.architecture:45} {found.parameters:10,} {found.side:4}", flush=True)


if __name__ == "__main__":
    main()
