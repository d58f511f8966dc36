"""Files that run code when they are unpickled: ours never do. Each one is shown to be dangerous elsewhere."""

import pickle

import pytest
import torch

import lenetx
from lenetx import formats
from lenetx.data import archive
from lenetx.errors import ArtifactError, CheckpointError, InputError
from lenetx_runtime.spec import METADATA_KEY

UNPICKLE = "import pickle, sys; pickle.loads(open(sys.argv[1], 'rb').read())"
TRUST = "import torch, sys; [torch.load(path, weights_only=False) for path in sys.argv[1:]]"


@pytest.fixture
def marker(tmp_path):
    """A file that exists once hostile code has run."""
    return tmp_path / "it-ran"


@pytest.fixture
def hostile(tmp_path, marker, checkpoint_paths, planted, saved):
    """The paths of hostile files by kind: each next one gets past one more gate."""
    sound = torch.load(checkpoint_paths["lenet5"], weights_only=True)
    attack = planted(marker)
    files = {
        "pickle": pickle.dumps(attack),
        "torch": saved(attack),
        "repacked": archive.pack(archive.normalise(saved(attack))),
        "beside sound contents": archive.pack(archive.normalise(saved(sound | {"extra": attack}))),
        "among the weights": archive.pack(
            archive.normalise(saved(sound | {"state_dict": sound["state_dict"] | {"extra": attack}}))
        ),
    }
    paths = {}
    for name, data in files.items():
        paths[name] = tmp_path / f"{name}.pt"
        paths[name].write_bytes(data)
    return paths


@pytest.mark.parametrize("kind", ["pickle", "torch", "repacked", "beside sound contents", "among the weights"])
def test_a_hostile_checkpoint_is_refused_and_does_not_run(hostile, marker, kind):
    with pytest.raises(CheckpointError) as caught:
        lenetx.load(hostile[kind])
    assert not marker.exists()
    assert "\n" not in str(caught.value)
    if kind not in ("pickle", "torch"):  # these pass for an archive of ours, and are refused by what is in it
        assert "rejected and not executed" in str(caught.value)


def test_the_plain_pickle_does_run_elsewhere(hostile, marker, python):
    assert python("-c", UNPICKLE, hostile["pickle"]).returncode == 0
    assert marker.exists()


@pytest.mark.slow
def test_every_other_one_does_run_where_weights_are_trusted(hostile, marker, python):
    for kind in ("torch", "repacked", "beside sound contents", "among the weights"):
        done = python("-c", TRUST, hostile[kind])
        assert done.returncode == 0, done.stderr
        assert marker.exists(), kind
        marker.unlink()


def test_the_hint_for_weights_only_is_not_passed_on_to_the_user(hostile):
    """torch's own message tells how to switch the protection off."""
    with pytest.raises(CheckpointError) as caught:
        lenetx.load(hostile["repacked"])
    assert "weights_only=False" not in str(caught.value)


@pytest.mark.parametrize("name", ["torchscript", "onnx"])
def test_a_hostile_checkpoint_under_the_name_of_an_artifact_is_refused(hostile, marker, tmp_path, name):
    for path in hostile.values():
        renamed = path.rename(tmp_path / f"{path.stem}.{name}")
        with pytest.raises((ArtifactError, InputError)):
            formats.open_artifact(renamed)
    assert not marker.exists()


@pytest.mark.parametrize("record", ["data.pkl", "constants.pkl"])
def test_a_hostile_pickle_inside_torchscript_is_refused_and_does_not_run(published, marker, planted, tmp_path, record):
    records = archive.unpack((published / "lenet5.torchscript").read_bytes())
    assert any(METADATA_KEY in name for name in records)
    attacked = tmp_path / "attacked.torchscript"
    attacked.write_bytes(archive.pack(records | {record: pickle.dumps(planted(marker), protocol=2)}))
    with pytest.raises(ArtifactError):
        formats.open_artifact(attacked)
    assert not marker.exists()


ODD_TENSORS = {
    "sparse": lambda tensor: tensor.to_sparse(),
    "view of one number": lambda tensor: tensor.new_zeros(1).expand(2**40),
    "turned around": lambda tensor: tensor.t(),
    "negated view": lambda tensor: torch.complex(tensor, tensor).conj().imag,
    "conjugate view": lambda tensor: torch.complex(tensor, tensor).conj(),
    "without numbers": lambda tensor: tensor.to("meta"),
    "learning": lambda tensor: torch.nn.Parameter(tensor),
    "no tensor": lambda tensor: tensor.tolist(),
    "quantized": lambda tensor: torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8),
}


@pytest.mark.filterwarnings("ignore:.*quantize:UserWarning", "ignore:.*quantize:DeprecationWarning")
@pytest.mark.parametrize("kind", ODD_TENSORS)
def test_tensors_that_are_not_plain_are_refused_at_once(checkpoint_paths, tmp_path, saved, kind):
    """A view of one number can be larger than any memory when it is copied."""
    content = torch.load(checkpoint_paths["lenet5"], weights_only=True)
    content["state_dict"]["fc3.weight"] = ODD_TENSORS[kind](content["state_dict"]["fc3.weight"])
    path = tmp_path / "odd.pt"
    path.write_bytes(archive.pack(archive.normalise(saved(content))))
    with pytest.raises(CheckpointError, match="is not a usable checkpoint"):
        lenetx.load(path)
