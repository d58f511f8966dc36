"""The TorchScript archive as other programs see it: loadable by libtorch alone, with its spec inside."""

import dataclasses
import io
import json
import zipfile

import numpy as np
import pytest
import torch

from lenetx import formats
from lenetx.data import archive, load
from lenetx.errors import ArtifactError, DeviceUnavailable
from lenetx.formats.network import Network
from lenetx.weights.plain_tensors import weights_sha256
from lenetx_runtime import ModelSpec
from lenetx_runtime.preprocess import normalise

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.load` is deprecated:DeprecationWarning")

network = pytest.mark.parametrize("name", ["lenet5", "lenet5-3x3", "lenet5-1998"])


@pytest.fixture
def path(published):
    return published / "lenet5.torchscript"


@network
def test_plain_torch_loads_it_and_gives_eager_answers(exported, checkpoints, tmp_path, name):
    checkpoint = checkpoints[name]
    path = tmp_path / "any name.torchscript"
    path.write_bytes(exported("torchscript", name))
    module = torch.jit.load(path)
    inputs = torch.from_numpy(normalise(load("digits").test.framed(checkpoint.spec).images, checkpoint.spec))
    with torch.inference_mode():
        logits, eager = module(inputs), checkpoint.module()(inputs)
        for rows in (1, 2, 7):
            assert torch.allclose(module(inputs[:rows]), eager[:rows], atol=1e-4)
    assert torch.allclose(logits, eager, atol=1e-4)
    assert torch.equal(logits.argmax(1), eager.argmax(1))


def test_the_spec_is_an_extra_file_that_plain_torch_reads(path, checkpoint):
    extra = {"lenetx.json": ""}
    torch.jit.load(path, _extra_files=extra)
    assert ModelSpec.from_json(extra["lenetx.json"].decode()) == checkpoint.spec


def test_no_debug_record_with_local_paths_is_in_it(path):
    with zipfile.ZipFile(path) as opened:
        names = opened.namelist()
    assert not [name for name in names if "debug_pkl" in name]
    assert {name.split("/")[0] for name in names} == {"archive"}


def test_the_serial_number_of_a_trace_is_not_in_it(exported, checkpoint):
    exported("torchscript")
    again = formats.get("torchscript").export(Network(checkpoint), batch="dynamic")
    assert b"torch_mangle" not in again
    assert again == exported("torchscript")


def test_every_weight_has_its_name_in_the_checkpoint(path, checkpoint):
    weights = formats.open_artifact(path).weights
    assert weights.keys() == checkpoint.state_dict.keys()
    for name, array in weights.items():
        assert np.array_equal(array.view(np.uint32), checkpoint.state_dict[name].numpy().view(np.uint32))


def test_weights_that_are_not_numbers_are_exported_as_they_are_and_fail_the_proof(checkpoint, tmp_path):
    """NaN is equal to nothing, not even to itself, and must still be recognised."""
    import lenetx

    weights = {name: tensor.clone() for name, tensor in checkpoint.state_dict.items()}
    weights["fc2.bias"][3] = float("nan")
    spec = dataclasses.replace(checkpoint.spec, weights_sha256=weights_sha256(weights), selftest=None)
    broken = dataclasses.replace(checkpoint, state_dict=weights, spec=spec)
    with pytest.raises(lenetx.errors.ProofFailed):
        lenetx.export(broken, ["torchscript"], folder=tmp_path)


def test_a_fixed_batch_is_held_to(exported, checkpoint, tmp_path):
    path = tmp_path / "fixed.torchscript"
    path.write_bytes(exported("torchscript", batch=3))
    opened = formats.open_artifact(path)
    assert opened.artifact.spec.batch == 3
    assert opened.backend.run(np.zeros((3, *checkpoint.spec.input_shape), np.float32)).shape == (3, 10)
    anywhere = torch.jit.load(path)
    for size in (1, 2, 4, 6):
        with pytest.raises(RuntimeError, match=r"shape '\[3, 1, 32, 32\]' is invalid"):
            anywhere(torch.zeros(size, *checkpoint.spec.input_shape))


def test_a_foreign_module_is_not_ours(checkpoint, tmp_path):
    path = tmp_path / "foreign.torchscript"
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.trace(checkpoint.module(), torch.zeros(2, 1, 32, 32)), buffer)
    path.write_bytes(buffer.getvalue())
    with pytest.raises(
        ArtifactError, match=r"foreign\.torchscript' cannot be used\. .*not written by lenetx or torch\.save"
    ):
        formats.open_artifact(path)
    with zipfile.ZipFile(buffer) as theirs:
        records = {name.split("/", 1)[1]: theirs.read(name) for name in theirs.namelist()}
    path.write_bytes(archive.pack(records))
    with pytest.raises(ArtifactError, match="It was not made by lenetx: it has no lenetx spec"):
        formats.open_artifact(path)


@pytest.mark.parametrize(
    "changed",
    [
        {"extra/lenetx.json": b"no JSON"},
        {"extra/lenetx.json": b"\xff\xfe"},
        {"extra/lenetx.json": b"[" * 100_000},
        {"extra/lenetx.weights.json": b"no JSON"},
        {"extra/lenetx.weights.json": b"7"},
        {"extra/lenetx.weights.json": b"[]"},
        {"extra/lenetx.weights.json": b"[" * 100_000},
        {"extra/lenetx.weights.json": json.dumps(["conv1.weight"] * 10).encode()},
        {"data.pkl": b""},
        {"version": b"no number"},
        {"constants/0": b""},
        {"constants/4": bytes(8)},
        {"constants/99": bytes(8)},
        {"code/__torch__/lenetx/models/lenet5.py": b"this is no program"},
        {"extra/notes.txt": b"trained on a Tuesday"},
        {"constants.pkl": b"\x80\x02)."},
        {"byteorder": b"big"},
    ],
    ids=range(17),
)
def test_forged_records_are_refused(path, tmp_path, changed):
    """One that is shorter than it should be would have libtorch read other memory."""
    records = archive.unpack(path.read_bytes())
    assert changed.keys() - {"constants/99", "extra/notes.txt"} <= records.keys()
    forged = tmp_path / "forged.torchscript"
    forged.write_bytes(archive.pack(records | changed))
    with pytest.raises(ArtifactError) as caught:
        formats.open_artifact(forged)
    assert "\n" not in str(caught.value)


def test_cuda_is_used_or_refused(path):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(DeviceUnavailable, match="cuda:1 was requested"):
        formats.open_artifact(path, device="cuda:1")
