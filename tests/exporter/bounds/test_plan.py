"""Networks for which the adjoint bound would not hold, though it knows their operators."""

import torch
from torch import nn
from torch.nn.utils import parametrizations

from lenetx.bounds.measure import plan

SHAPE = (1, 32, 32)


def test_weights_that_are_computed_before_they_are_used_are_rounded_too():
    layer = parametrizations.weight_norm(nn.Conv2d(1, 2, 5))
    found = plan(nn.Sequential(layer, nn.Flatten(), nn.Linear(2 * 28 * 28, 3)).eval(), SHAPE, 100)
    assert (found.method, found.inapplicable) == ("self-calibrated", True)
    assert found.reason == "it computes weights before it uses them"


def test_an_operator_that_mixes_the_images_of_a_batch():
    class Mixes(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return image.flatten(1)[:, :3] + image.mean(0, keepdim=True).flatten(1)[:, :3]

    assert plan(Mixes().eval(), SHAPE, 1).reason == "an operator mixes the images of a batch"
