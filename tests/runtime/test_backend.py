import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lenetx_runtime import ModelSpec
from lenetx_runtime.backend import LARGEST_BATCH, run_in_batches

QUICK = settings(deadline=None, derandomize=True, max_examples=100)


class Recorder:
    """A backend whose logits are the sums of each image times 0 to 9; it notes every batch that it was given."""

    device = "cpu"

    def __init__(self):
        self.batches = []

    def run(self, batch):
        self.batches.append(batch)
        return batch.sum(axis=(1, 2, 3))[:, None] * np.arange(10, dtype=np.float32)


def numbered(count):
    """Return float32[count, 1, 2, 2] images; image i is filled with i + 1, so none is a row of zeros."""
    return np.broadcast_to(np.arange(1, count + 1, dtype=np.float32)[:, None, None, None], (count, 1, 2, 2))


@QUICK
@given(count=st.integers(0, 40), size=st.integers(1, 12))
def test_a_fixed_batch_gets_only_its_size_and_gives_every_image_its_row(spec_fields, count, size):
    backend, inputs = Recorder(), numbered(count)
    logits = run_in_batches(backend, inputs, ModelSpec(**spec_fields | {"batch": size}))
    assert {len(batch) for batch in backend.batches} <= {size}
    assert len(backend.batches) == -(-count // size)
    np.testing.assert_array_equal(logits, Recorder().run(inputs))


def test_a_fixed_batch_is_filled_up_with_zero_images(spec_fields):
    backend = Recorder()
    run_in_batches(backend, numbered(5), ModelSpec(**spec_fields | {"batch": 4}))
    last = backend.batches[-1]
    assert last.dtype == np.float32
    assert (last[0] == 5).all()
    assert not last[1:].any()


@pytest.mark.parametrize("count", [1, LARGEST_BATCH, LARGEST_BATCH + 1, 2 * LARGEST_BATCH + 5])
def test_a_dynamic_batch_is_cut_only_where_it_grows_too_large(spec, count):
    backend, inputs = Recorder(), numbered(count)
    logits = run_in_batches(backend, inputs, spec)
    assert sum(len(batch) for batch in backend.batches) == count
    assert max(len(batch) for batch in backend.batches) <= LARGEST_BATCH
    np.testing.assert_array_equal(logits, Recorder().run(inputs))


@pytest.mark.parametrize("batch", ["dynamic", 1, 4])
def test_no_images_give_no_rows_without_a_call(spec_fields, batch):
    backend = Recorder()
    logits = run_in_batches(backend, numbered(0), ModelSpec(**spec_fields | {"batch": batch}))
    assert logits.shape == (0, 10)
    assert logits.dtype == np.float32
    assert backend.batches == []
