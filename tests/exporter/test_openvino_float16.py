"""OpenVINO's archive with float16 weights: what it holds, what is proven of it, and the check that finds each fault."""

import dataclasses
import io
import re
import zipfile

import numpy as np
import pytest
import torch

from lenetx import Reference, formats, models
from lenetx.errors import ArtifactError, InputError
from lenetx.formats.network import Network
from lenetx.formats.rounded_network import RoundedNetwork
from lenetx.formats.spec_record import SPEC
from lenetx.proof import prove
from lenetx.weights.checkpoint import Checkpoint
from lenetx.weights.plain_tensors import weights_sha256
from lenetx_runtime.spec import FLOAT16, FLOAT32, INT8, ModelSpec

from .test_openvino import GRAPH, PLAIN, Operators

openvino = pytest.importorskip("openvino")

FORMAT, XML, BIN = "openvino", "model.xml", "model.bin"
LABELS = tuple("0123456789")
SLOW = pytest.mark.slow


@pytest.fixture
def contents(exported):
    """The archive of a trained lenet5 with float16 weights."""
    return exported(FORMAT, precision=FLOAT16)


@pytest.fixture
def records(contents):
    """The records of that archive."""
    with zipfile.ZipFile(io.BytesIO(contents)) as file:
        return {name.removeprefix("archive/"): file.read(name) for name in file.namelist()}


@pytest.fixture(scope="module")
def blind(checkpoint):
    """A reference without images."""
    return Reference(checkpoint, None, "There are none.")


def place(records, name):
    """Return where the numbers of a weight begin in model.bin, and how many there are."""
    found = re.search(rf'name="{name}_compressed".*offset="(\d+)" size="(\d+)"', records[XML].decode())
    return int(found[1]), int(found[2]) // 2


def with_numbers(records, name, change):
    """Change a weight in model.bin."""
    start, count = place(records, name)
    held = bytearray(records[BIN])
    values = np.frombuffer(records[BIN], "<f2", count, start)
    held[start : start + 2 * count] = np.asarray(change(values.copy()), "<f2").tobytes()
    return {**records, BIN: bytes(held)}


def with_precision(records, precision):
    """Let the spec name another precision."""
    spec = dataclasses.replace(ModelSpec.from_json(records[SPEC].decode()), precision=precision)
    return {**records, SPEC: spec.to_json().encode()}


@pytest.mark.parametrize("batch", ["dynamic", 3])
def test_plain_openvino_reads_compressed_weights_and_computes_in_float32(exported, tmp_path, checkpoint, batch):
    data = exported(FORMAT, precision=FLOAT16, batch=batch)
    assert len(data) < 0.56 * len(exported(FORMAT, batch=batch))
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        file.extractall(tmp_path)
    model = openvino.Core().read_model(tmp_path / "archive" / XML)
    weights = {each.get_friendly_name(): each for each in model.get_ops() if each.get_type_name() == "Convert"}
    assert all("decompression_0" in each.get_rt_info() for each in weights.values())
    assert len(weights) == len(checkpoint.state_dict)
    inputs = np.random.default_rng(0).normal(size=(3, *checkpoint.spec.input_shape)).astype(np.float32)
    network = checkpoint.module()
    with torch.inference_mode():
        for tensor in network.parameters():
            tensor.copy_(tensor.half().float())
        expected = network(torch.from_numpy(inputs)).numpy()
    found = openvino.Core().compile_model(model, "CPU", PLAIN)({"image": inputs})["logits"]
    assert found.dtype == np.float32
    assert np.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "batch"),
    [
        ("lenet5", "dynamic"),
        pytest.param("lenet5", 3, marks=SLOW),
        *(pytest.param(f"lenet5-{each}", "dynamic", marks=SLOW) for each in ("3x3", "1998")),
    ],
)
def test_it_is_proven_and_the_claim_is_stated(exported, opened, checkpoints, name, batch):
    checkpoint = checkpoints[name]
    artifact = opened(exported(FORMAT, name, precision=FLOAT16, batch=batch))
    report = prove(artifact, Reference(checkpoint, None, "There are none."))
    report.raise_if_failed()
    passed = {check.name: check for check in report.checks if check.status == "passed"}
    assert {"weights", "graph", "numbers", "layers", "engine's form", "self-test", "random inputs", "1 thread"} <= set(
        passed
    )
    assert "each then rounded once to float16" in passed["weights"].detail
    assert (report.artifact["precision"], report.artifact["arithmetic"]) == (FLOAT16, FLOAT32)
    assert "is the network with its weights rounded to float16, and computes what that network does in float32" in (
        report.conclusion
    )
    assert "weights rounded to float16" in report.reference["limit"]
    assert artifact.matches_new_export(Network(checkpoint))


def test_accuracy_is_that_of_the_whole_split_against_the_checkpoint_itself(contents, opened, reference):
    report = prove(opened(contents), reference)
    report.raise_if_failed()
    checks = {check.name: check for check in report.checks}
    assert checks["accuracy"].limit == 0.02
    assert "McNemar" in checks["accuracy"].detail
    flips = checks["labels"].figures["flips"]
    assert checks["labels"].measured == len(flips)


def test_weights_are_rounded_once_to_nearest_and_tied_ones_stay_tied(checkpoint):
    network = Network(checkpoint)
    rounded = RoundedNetwork(network)
    for name, tensor in network.usage.tensors.items():
        assert torch.equal(rounded.usage.tensors[name], tensor.half().float())
    assert all(map(torch.equal, checkpoint.module().state_dict().values(), checkpoint.state_dict.values()))
    own = Operators().eval()
    own.twin = own.table
    again = RoundedNetwork(Network(Checkpoint.of(own, input_shape=(1, 12, 12), labels=LABELS))).module
    assert again.twin is again.table


class Standardised(torch.nn.Module):
    """A network that computes a weight from another."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = torch.nn.Conv2d(1, 4, 3), torch.nn.Linear(4 * 36, 10)

    def forward(self, x):
        weight = self.conv.weight
        weight = (weight - weight.mean((1, 2, 3), keepdim=True)) / (weight.abs().amax((1, 2, 3), keepdim=True) + 0.5)
        return self.fc(torch.relu(torch.nn.functional.conv2d(x, weight, self.conv.bias)).flatten(1))


NETWORKS = {
    "computed weights": lambda: (Standardised(), (1, 8, 8)),
    "custom": lambda: (Operators(), (1, 12, 12)),
    "lenet5-bn": lambda: (models.build("lenet5-bn", (1, 32, 32), 10), (1, 32, 32)),
    "lenet5-dropout": lambda: (models.build("lenet5-dropout", (1, 32, 32), 10), (1, 32, 32)),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_batch_norms_and_other_layers_are_proven(opened, name):
    torch.manual_seed(0)
    network, shape = NETWORKS[name]()
    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
    checkpoint = Checkpoint.of(network.eval(), input_shape=shape, labels=LABELS)
    artifact = opened(formats.export(FORMAT, Network(checkpoint), options={"precision": FLOAT16}))
    prove(artifact, Reference(checkpoint, None, "There are none.")).raise_if_failed()


FAULTS = {
    "one weight off by one float16": lambda values: np.append(np.nextafter(values[:1], np.float16(9)), values[1:]),
    "int8 weights": lambda values: np.round(values / (step := np.abs(values).max() / np.float16(127))) * step,
    "a weight that is NaN": lambda values: np.append(np.float16("nan"), values[1:]),
}


@pytest.mark.parametrize("name", FAULTS)
def test_other_numbers_fail_by_the_weights(records, opened, blind, name):
    report = prove(opened(with_numbers(records, "fc1.weight", FAULTS[name])), blind)
    assert report.failures[0].name in ("weights", "self-test")
    assert "numbers in fc1.weight differ" in next(each.detail for each in report.checks if each.name == "weights")


def test_weights_of_another_checkpoint_fail(opened, other_checkpoint, blind):
    data = formats.export(FORMAT, Network(other_checkpoint), options={"precision": FLOAT16})
    assert {"spec", "weights", "layers", "random inputs"} <= {
        check.name for check in prove(opened(data), blind).failures
    }


def test_an_engine_that_uses_unrounded_weights_or_rounds_more_fails_end_to_end(exported, contents, opened, blind):
    """In the first the logits are nearer to the checkpoint's, but not those of the file."""
    right, plain = opened(contents), opened(exported(FORMAT)).backend
    report = prove(dataclasses.replace(right, backend=plain), blind)
    assert "random inputs" in {check.name for check in report.failures}
    assert not {"weights", "graph"} & {check.name for check in report.failures}

    class Halves:
        device = "cpu"

        def run(self, batch):
            return right.backend.run(batch.astype(np.float16).astype(np.float32))

    report = prove(dataclasses.replace(right, backend=Halves()), blind)
    assert "random inputs" in {check.name for check in report.failures}


CONVERSIONS = {
    "another mark": (b'"decompression"', b'"compression"'),
    "no mark": (b'<rt_info><attribute name="decompression" version="0"/></rt_info>', b""),
    "another type": (b'destination_type="f32"', b'destination_type="f16"'),
    "no float16": (b'element_type="f16"', b'element_type="bf16"'),
}


@pytest.mark.parametrize("name", CONVERSIONS)
def test_a_conversion_that_is_written_otherwise_is_refused(records, opened, name):
    old, new = CONVERSIONS[name]
    assert old in records[XML]
    with pytest.raises(ArtifactError, match=r"never writes for its graph: model\.xml"):
        opened({**records, XML: records[XML].replace(old, new, 1)})


@pytest.mark.parametrize("record", [XML, BIN, GRAPH, SPEC])
def test_a_changed_byte_in_any_record_is_found(records, opened, blind, record):
    """Either the file does not open, or the proof fails."""
    random = np.random.default_rng(0)
    for position in random.integers(0, len(records[record]), 3):
        changed = bytearray(records[record])
        changed[position] ^= 1
        try:
            artifact = opened({**records, record: bytes(changed)})
        except ArtifactError:
            continue
        assert not prove(artifact, blind).passed


def test_a_precision_that_is_not_the_files_is_refused(exported, records, opened):
    with zipfile.ZipFile(io.BytesIO(exported(FORMAT))) as file:
        plain = {name.removeprefix("archive/"): file.read(name) for name in file.namelist()}
    for held, precision, words in (
        (records, FLOAT32, "has data that does not match its shape"),
        (plain, FLOAT16, r"never writes for its graph: model\.(bin|xml)"),
        (records, INT8, "says int8; openvino files are float32 or float16"),
    ):
        with pytest.raises(ArtifactError, match=words):
            opened(with_precision(held, precision))


def test_a_weight_beyond_float16_is_named(checkpoint):
    large = {**checkpoint.state_dict, "fc2.bias": torch.full((84,), -7e4)}
    spec = dataclasses.replace(checkpoint.spec, weights_sha256=weights_sha256(large), selftest=None)
    other = dataclasses.replace(checkpoint, state_dict=large, spec=spec)
    words = r"^fc2\.bias has a weight of 70000, and the largest float16 is 65504: export it in float32\.$"
    with pytest.raises(InputError, match=words):
        formats.export(FORMAT, Network(other), options={"precision": FLOAT16})
