"""How large the batches of the proof are."""

from types import SimpleNamespace

import numpy as np
import pytest

from lenetx.bounds.measure import GROUP_SIZE
from lenetx.proof.batch_axis import SIZES, batch_axis
from lenetx.proof.case import Case
from lenetx.proof.reference import Probe


@pytest.mark.parametrize(
    ("shape", "group_size", "largest"),
    [
        ((1, 8, 8), GROUP_SIZE, SIZES[-1]),
        ((1, 130, 131), GROUP_SIZE, 257),  # the next one would hold more numbers than the runtime's memory allows
        ((1, 130, 131), 100, 64),  # a network that is expensive to bound
        ((1, 8, 8), 1, 8),
    ],
)
def test_the_largest_batch_depends_on_the_input_and_the_network(shape, group_size, largest):
    exact, tried = np.zeros((2, 4)), []
    inputs = np.broadcast_to(np.zeros((), np.float32), (2, *shape))
    probe = Probe("random inputs", "2 random inputs", inputs, exact, exact, np.ones((2, 4)), np.arange(2))

    def run(images):
        tried.append(len(images))
        return np.zeros((len(images), 4), np.float32)

    spec = SimpleNamespace(batch="dynamic", input_shape=shape)
    opened = SimpleNamespace(
        backend=SimpleNamespace(run=run), artifact=SimpleNamespace(spec=spec, is_function=True, is_foreign=False)
    )
    plan = SimpleNamespace(group_size=group_size)
    reference = SimpleNamespace(plan=plan, real=None, synthetic=lambda _: probe)
    checks = batch_axis(Case(opened, reference))
    assert [check.status for check in checks] == ["passed", "passed"]
    assert set(tried) == {size for size in SIZES if size <= largest}
