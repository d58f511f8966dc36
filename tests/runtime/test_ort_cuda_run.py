"""How buffers are bound and graphs are captured, with a made-up engine.

This is no evidence that CUDA works: nothing here runs on a GPU. tests/gpu does, where there is one.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from lenetx_runtime import CudaOptions
from lenetx_runtime.ort import CudaRun

WEIGHTS = np.random.default_rng(0).normal(size=(12, 10)).astype(np.float32)


class Value:
    def __init__(self, array):
        self.array = array.copy()

    def update_inplace(self, array):
        self.array[...] = array

    def numpy(self):
        return self.array.copy()


class Binding:
    def bind_cpu_input(self, name, array):
        assert name == "image"
        self.given = array

    def bind_output(self, name, device):
        assert (name, device) == ("logits", "cpu")

    def bind_ortvalue_input(self, name, value):
        assert name == "image"
        self.given = value

    def bind_ortvalue_output(self, name, value):
        assert name == "logits"
        self.found = value

    def copy_outputs_to_cpu(self):
        return [self.result]


class Session:
    """Computes on the CPU; what it replays from a graph is off by ``error`` or fails with ``failure``."""

    def __init__(self, error=0.0, failure=None):
        self.error, self.failure, self.runs = error, failure, []

    def io_binding(self):
        return Binding()

    def run_with_iobinding(self, binding, options):
        graph = options and options.entries["gpu_graph_id"]
        bound = isinstance(binding.given, Value)
        batch = binding.given.array if bound else binding.given
        self.runs.append((len(batch), graph))
        if bound and self.failure:
            raise self.failure
        logits = np.stack([row.reshape(-1) @ WEIGHTS for row in batch])
        if bound:
            binding.found.array[...] = logits + np.float32(self.error)
        binding.result = logits


class Engine:
    class OrtValue:
        @staticmethod
        def ortvalue_from_numpy(array, device, index):
            assert (device, index) == ("cuda", 1)
            return Value(array)

        @staticmethod
        def ortvalue_from_shape_and_type(shape, dtype, device, index):
            assert (device, index) == ("cuda", 1)
            return Value(np.zeros(shape, dtype))

    class RunOptions:
        def __init__(self):
            self.entries = {}

        def add_run_config_entry(self, key, value):
            self.entries[key] = value


def make(session, graphs):
    return CudaRun(Engine, session, ("image", "logits"), 10, 1, graphs=graphs)


def batch(size, seed=0):
    return np.random.default_rng(seed).normal(size=(size, 3, 2, 2)).astype(np.float32)


def right(inputs):
    return np.stack([row.reshape(-1) @ WEIGHTS for row in inputs])


@pytest.mark.parametrize("graphs", [False, True])
def test_every_batch_gets_its_own_answer_however_often_its_size_comes(graphs):
    run = make(Session(), graphs)
    for seed in range(8):
        for size in (1, 4):
            np.testing.assert_array_equal(run(batch(size, seed)), right(batch(size, seed)))


def test_without_graphs_no_run_speaks_of_one():
    session = Session()
    run = make(session, graphs=False)
    for _ in range(9):
        run(batch(2))
    assert session.runs == [(2, None)] * 9


def test_a_size_that_comes_again_gets_a_graph_and_others_run_plainly():
    session = Session()
    run = make(session, graphs=True)
    for _ in range(5):
        run(batch(2))
    run(batch(7))
    assert session.runs == [(2, "-1")] * 3 + [(2, "1")] * (3 + 2) + [(7, "-1")]


@pytest.mark.parametrize("session", [Session(error=1e-6), Session(failure=RuntimeError("no capture"))])
def test_a_graph_that_fails_or_computes_other_bits_is_not_used(session):
    run = make(session, graphs=True)
    for seed in range(6):
        np.testing.assert_array_equal(run(batch(2, seed)), right(batch(2, seed)))
    assert [graph for _, graph in session.runs[-3:]] == ["-1"] * 3


def test_only_so_many_sizes_keep_buffers():
    session = Session()
    run = make(session, graphs=True)
    for size in range(1, 20):
        for _ in range(5):
            run(batch(size))
    assert {int(graph) for _, graph in session.runs} == {-1, *range(1, 9)}


def test_threads_that_share_a_graph_get_their_own_answers():
    run = make(Session(), graphs=True)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda seed: run(batch(3, seed)), range(200)))
    for seed, logits in enumerate(found):
        np.testing.assert_array_equal(logits, right(batch(3, seed)))


def test_float32_is_float32_unless_it_need_not_be():
    plain = {"device_id": "2", "use_tf32": "0", "cudnn_conv_algo_search": "DEFAULT"}
    assert CudaOptions().settings(2) == plain
    assert CudaOptions(tf32=True).settings(2) == plain | {"use_tf32": "1"}
    assert CudaOptions(graphs=True).settings(2) == plain | {"enable_cuda_graph": "1"}
