"""Faults in a ``.pt2`` archive that may be opened, repacked as lenetx would: the proof finds each."""

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from torch import nn

from lenetx import Reference, Report
from lenetx.data import archive
from lenetx.formats import get
from lenetx.formats.network import Network
from lenetx.proof import prove
from lenetx.weights.checkpoint import Checkpoint

from .conftest import check_of, failed
from .pt2_changes import Records, behind, both, changed, graph_of, node_of, setting, target

Judge = Callable[[Records], Report]
NAME = "lenet5.pt2"
SPEC = "extra/lenetx.json"


@pytest.fixture(scope="module")
def pt2_bytes(checkpoint: Checkpoint) -> bytes:
    return get("pt2").export(Network(checkpoint), batch="dynamic")


@pytest.fixture
def judge(opened: Callable, few: Reference) -> Judge:
    """As everywhere, but run in one way."""
    return lambda records: prove(dataclasses.replace(opened(archive.pack(records), NAME), runs=()), few)


@pytest.fixture
def records(pt2_bytes: bytes) -> Records:
    return archive.unpack(pt2_bytes)


@pytest.mark.slow
def test_nothing_is_wrong_with_the_honest_archive(judge: Judge, records: Records) -> None:
    report = judge(records)
    assert failed(report) == []
    names = ("weights", "numbers", "graph", "layers", "training operators")
    assert {check_of(report, name).status for name in names} == {"passed"}


def test_one_number_of_a_weight(judge: Judge, records: Records) -> None:
    weights = np.frombuffer(records["data/weights/weight_4"], np.float32).copy()
    weights[7] = np.nextafter(weights[7], np.float32(1))
    report = judge(records | {"data/weights/weight_4": weights.tobytes()})
    assert failed(report) == ["weights"]
    assert "1 of 48000 numbers in fc1.weight differ" in check_of(report, "weights").detail


@pytest.mark.slow
def test_two_weights_swapped(judge: Judge, records: Records) -> None:
    swapped = {"data/weights/weight_1": records["data/weights/weight_1"][::-1]}
    assert "weights" in failed(judge(records | swapped))


def swap(document: Any) -> None:
    """Let the first ReLU come before the first max-pooling."""
    pool, relu = node_of(document, "max_pool2d"), node_of(document, "relu")
    pool["target"], relu["target"] = relu["target"], pool["target"]
    relu["inputs"] += pool["inputs"][1:]
    del pool["inputs"][1:]
    types = graph_of(document)["tensor_values"]
    types["max_pool2d"] = types["conv2d"]


OTHER_PROGRAMS: dict[str, tuple[Callable[[Any], None], str]] = {
    "a call that adds": (behind("torch.ops.aten.add.Tensor", [("other", {"as_float": 1e-9})]), "graph"),
    "a call that changes nothing": (behind("torch.ops.aten.abs.default"), "graph"),
    "dropout in training": (
        both(
            behind("torch.ops.aten.dropout.default", [("p", {"as_float": 0.5}), ("train", {"as_bool": True})]),
            lambda document: node_of(document, "extra")["inputs"][0].update(name="input"),
        ),
        "training operators",
    ),
    "two calls in another order": (swap, "graph"),
    "random numbers": (target("relu", "rand_like.default"), "training operators"),
    "rows that mix": (behind("torch.ops.aten.flip.default", [("dims", {"as_ints": [0]})]), "batch sizes"),
    "an average for a maximum": (target("max_pool2d", "avg_pool2d.default"), "graph"),
    "tanh for ReLU": (target("relu_2", "tanh.default"), "graph"),
    "a kernel of another size": (
        both(
            setting("max_pool2d", "kernel_size", {"as_ints": [3, 3]}),
            setting("max_pool2d", "padding", {"as_ints": [1, 1]}),
        ),
        "graph",
    ),
}
FIRST = ["a call that adds"]


@pytest.mark.parametrize(
    "kind", [*FIRST, *(pytest.param(kind, marks=pytest.mark.slow) for kind in OTHER_PROGRAMS if kind not in FIRST)]
)
def test_another_program_fails_the_proof(judge: Judge, records: Records, kind: str) -> None:
    change, check = OTHER_PROGRAMS[kind]
    assert check in failed(judge(changed(records, change)))


@pytest.fixture(scope="module")
def normed() -> tuple[Checkpoint, bytes]:
    """A network with a layer norm, and its archive."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.LayerNorm(8), nn.Linear(8, 3))
    checkpoint = Checkpoint.of(module.eval(), input_shape=(1, 8, 8), labels=list("abc"))
    return checkpoint, get("pt2").export(Network(checkpoint), batch="dynamic")


@pytest.mark.slow
def test_an_epsilon(opened: Callable, normed: tuple[Checkpoint, bytes]) -> None:
    checkpoint, contents = normed
    reference, records = Reference(checkpoint, None), archive.unpack(contents)
    assert failed(prove(opened(contents, NAME), reference)) == []
    records = changed(records, setting("layer_norm", "eps", {"as_float": 1.0000001e-05}))
    assert failed(prove(opened(archive.pack(records), NAME), reference)) == ["numbers", "graph"]


@pytest.mark.slow
def test_local_path(judge: Judge, records: Records) -> None:
    spec = json.loads(records[SPEC])
    records[SPEC] = json.dumps(spec | {"producer": "/home/ann/project/train.py"}).encode()
    assert "local paths" in failed(judge(records))
