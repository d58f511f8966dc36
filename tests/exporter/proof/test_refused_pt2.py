"""What lenetx never writes into a ``.pt2`` archive is never given to torch, which would evaluate or unpickle it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from lenetx.data import archive
from lenetx.formats import get
from lenetx.formats.artifact import OpenedArtifact
from lenetx.formats.network import Network
from lenetx.weights.checkpoint import Checkpoint
from lenetx_runtime import ArtifactError

from .pt2_changes import (
    MODEL,
    PLANT,
    Records,
    behind,
    both,
    changed,
    graph,
    graph_of,
    node_of,
    reads,
    renamed,
    setting,
    size,
    target,
    top,
)

Judge = Callable[[Records], OpenedArtifact]


@pytest.fixture(scope="module")
def pt2_bytes(checkpoint: Checkpoint) -> bytes:
    return get("pt2").export(Network(checkpoint), batch="dynamic")


@pytest.fixture
def records(pt2_bytes: bytes) -> Records:
    return archive.unpack(pt2_bytes)


@pytest.fixture
def judge(opened: Callable[[bytes, str], OpenedArtifact]) -> Judge:
    return lambda records: opened(archive.pack(records), "lenet5.pt2")


NEVER_OPENED: dict[str, tuple[Callable[[Any], object], str]] = {
    "an expression that runs": (size(PLANT), "never writes"),
    "an expression of the input's sizes": (size(PLANT, "image"), "never writes"),
    "a number that runs": (
        graph(sym_int_values={"sym_size_int": {"as_expr": {"expr_str": PLANT, "hint": {"as_int": 2}}}}),
        "never writes",
    ),
    "a guard that runs": (top(guards_code=[PLANT]), "never writes"),
    "a guard": (top(guards_code=["L['image'].size()[0] <= 8"]), "never writes"),
    "fewer images": (top(range_constraints={"s0": {"min_val": 0, "max_val": 8}}), "never writes"),
    "any number of images": (top(range_constraints={}), "never writes"),
    "another dialect": (top(verifiers=["ATEN"]), "never writes"),
    "a version that is a text": (top(torch_version="/home/ann/torch"), "states no version"),
    "a name that runs": (renamed("relu", f"a = {PLANT}"), "no value may be named"),
    "a keyword as a name": (renamed("relu", "lambda"), "no value may be named"),
    "a value that is taken for infinity": (renamed("relu", "inf"), "no value may be named inf"),
    "a value that is taken for torch": (renamed("relu", "torch"), "no value may be named torch"),
    "a value that is taken for a function": (renamed("relu", "getattr"), "no value may be named getattr"),
    "a weight that Python takes for another": (renamed("fc1.weight", "\ufb01.weight"), "cannot hold the name"),
    "a weight whose name runs": (renamed("fc1.weight", f'fc1.a", {PLANT}, "'), "cannot hold the name"),
    "a weight that is a method": (renamed("fc1.weight", "__class__.weight"), "cannot hold the name"),
    "an argument name that runs": (
        lambda document: document["graph_module"]["module_call_graph"][0]["signature"].update(
            forward_arg_names=[f"image={PLANT}"]
        ),
        "never writes",
    ),
    "another kind of input": (
        lambda document: document["graph_module"]["module_call_graph"][0]["signature"].update(in_spec="[1, {}]"),
        "never writes",
    ),
    "where it was made": (
        lambda document: node_of(document, "relu")["metadata"].update(stack_trace="/home/ann/train.py"),
        "never writes",
    ),
    "a function of Python": (target("relu", "../math.exp"), "no operator"),
    "another library": (lambda document: node_of(document, "relu").update(target="torch.hub.load"), "no operator"),
    "an extension": (lambda document: node_of(document, "relu").update(target="#pickle:x"), "no operator"),
    "in place": (target("relu", "relu_.default"), "changes a tensor in place"),
    "an internal operator": (target("relu", "_linalg_eigh.default"), "internal operator"),
    "a number of the picture": (target("relu", "item.default"), "returns more than tensors|no operator"),
    "random numbers": (
        behind("torch.ops.aten.rand.default", [("size", {"as_ints": [10]})]),
        "has other arguments|reads no tensor",
    ),
    "a file": (
        both(
            behind(
                "torch.ops.aten.from_file.default",
                [("shared", {"as_tensor": {"name": "linear_2"}}), ("size", {"as_int": 10})],
            ),
            lambda document: node_of(document, "extra")["inputs"][0].update(name="filename", arg={"as_string": "x"}),
        ),
        "from_file takes no tensor as shared",
    ),
    "the number of images": (
        behind("torch.ops.aten.mul.Scalar", [("other", {"as_sym_ints": [{"as_name": "sym_size_int"}]})]),
        "computes with the number of images",
    ),
    "statistics of the batch": (
        both(
            behind(
                "torch.ops.aten.batch_norm.default",
                [
                    ("weight", {"as_none": True}),
                    ("bias", {"as_none": True}),
                    ("running_mean", {"as_tensor": {"name": "p_fc3_bias"}}),
                    ("running_var", {"as_tensor": {"name": "p_fc3_bias"}}),
                    ("training", {"as_bool": True}),
                    ("momentum", {"as_float": 0.5}),
                    ("eps", {"as_float": 0.5}),
                    ("cudnn_enabled", {"as_bool": True}),
                ],
            ),
            lambda document: node_of(document, "extra")["inputs"][0].update(name="input"),
        ),
        "batch_norm changes its statistics",
    ),
    "a call without an end": (
        both(
            behind("torch.ops.aten.relu.default"),
            lambda document: graph_of(document).update(outputs=[{"as_tensor": {"name": "linear_2"}}]),
        ),
        "extra does not reach the output",
    ),
    "a value before it is there": (reads("linear_2", "relu"), "nothing gives linear_2 a value"),
    "a name twice": (behind("torch.ops.aten.relu.default", name="relu_1"), "relu_1 gets a second value"),
    "another output": (graph(outputs=[{"as_tensor": {"name": "relu_3"}}]), "does not reach the output"),
    "two outputs": (
        graph(outputs=[{"as_tensor": {"name": "linear_2"}}, {"as_tensor": {"name": "relu_3"}}]),
        "never writes",
    ),
    "a weight that nothing reads": (reads("p_fc2_bias", "linear_2", "bias"), "fc3.bias does not reach the output"),
    "a weight where torch keeps a part of itself": (renamed("fc1.weight", "graph.weight"), "has a 'graph' of its own"),
    "a weight in a weight": (renamed("fc1.weight", "fc2.weight.weight"), "."),
    "an argument that the operator lacks": (setting("relu", "alpha", {"as_int": 1}), "relu has other arguments"),
    "a kernel that does not fit": (
        setting("max_pool2d", "kernel_size", {"as_ints": [3, 3]}),
        "must have same",
    ),
    "a kernel that is larger than the image": (setting("max_pool2d", "kernel_size", {"as_ints": [99, 99]}), "."),
    "sizes that are not there": (
        lambda document: graph_of(document)["tensor_values"]["relu"].update(
            graph_of(document)["tensor_values"]["relu_1"]
        ),
        "torch reads it differently",
    ),
    "strides that are not there": (
        lambda document: graph_of(document)["tensor_values"]["relu"]["strides"].reverse(),
        "torch reads it differently",
    ),
    "another input": (
        lambda document: graph_of(document)["tensor_values"]["image"]["sizes"][1].update(as_int=3),
        "not the one that its spec states",
    ),
    "more memory than there is": (
        both(
            behind("torch.ops.aten.repeat.default", [("repeats", {"as_ints": [1, 10**9]})]),
            behind("torch.ops.aten.slice.Tensor", name="last"),
            reads("extra", "last"),
        ),
        "more than 268,435,456 numbers",
    ),
}


@pytest.mark.parametrize("kind", NEVER_OPENED)
def test_what_lenetx_never_writes_is_never_given_to_torch(
    judge: Judge, records: Records, kind: str, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    change, words = NEVER_OPENED[kind]
    with pytest.raises(ArtifactError, match=words):
        judge(changed(records, change))
    assert not (tmp_path / "planted").exists()


def test_values_that_take_too_much_memory_together(judge: Judge, records: Records, monkeypatch) -> None:
    """In lenet5 these are the largest: what the first pooling reads and returns."""
    limit = "lenetx.formats.pt2.convert._MOST_AT_ONCE"
    most = 6 * 28 * 28 + 6 * 14 * 14
    monkeypatch.setattr(limit, most)
    judge(records)
    monkeypatch.setattr(limit, most - 1)
    with pytest.raises(ArtifactError, match="its values have 5,880 numbers at once, more than 5,879"):
        judge(records)


def test_a_key_twice(judge: Judge, records: Records) -> None:
    """Readers differ in which of them counts."""
    contents = records[MODEL].replace(b'"kernel_size","arg":', b'"kernel_size","arg":{"as_ints":[3,3]},"arg":', 1)
    assert contents != records[MODEL]
    with pytest.raises(ArtifactError, match="not that of a network that lenetx wrote"):
        judge(records | {MODEL: contents})


@pytest.mark.parametrize(
    "fields",
    [{"use_pickle": True}, {"path_name": "../constants/a"}, {"path_name": "weight_1"}, {"is_param": False}],
    ids=str,
)
def test_another_list_of_weights(judge: Judge, records: Records, fields: dict[str, Any]) -> None:
    name = "data/weights/model_weights_config.json"
    listing = json.loads(records[name])
    listing["config"]["conv1.weight"].update(fields)
    with pytest.raises(ArtifactError, match="It holds what lenetx never writes: data/weights/model_weights_config"):
        judge(records | {name: json.dumps(listing, separators=(",", ":")).encode()})
