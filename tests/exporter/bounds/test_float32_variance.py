"""Spreads in elementary float32: the same numbers, but where squares overflow."""

import pytest
import torch

from lenetx.bounds.float32_variance import call_with_float32_variance
from lenetx.execution.carrier import Watch

SPREADS = {
    "std": lambda x: x.std(dim=(1, 2), keepdim=True),
    "all": lambda x: x.std(),
    "var": lambda x: x.var(dim=1, unbiased=False),
    "both": lambda x: torch.cat([each.flatten() for each in torch.var_mean(x, dim=(0, 2), correction=2)]),
}


@pytest.mark.parametrize("name", SPREADS)
def test_a_spread_is_the_same_but_where_squares_overflow(name):
    values = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0))
    with Watch(call_with_float32_variance):
        found, huge = SPREADS[name](values), SPREADS[name](values * 1e30)
    torch.testing.assert_close(found, SPREADS[name](values))
    assert huge.isinf().any()
