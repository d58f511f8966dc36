"""Checkpoints: what goes in comes out, bit for bit, and equal ones are equal files."""

import dataclasses
import shutil

import numpy as np
import pytest
import torch

import lenetx
from lenetx.data import archive
from lenetx.errors import CheckpointError, InputError, OutputError, UnknownName
from lenetx.weights import checkpoint_file
from lenetx.weights.plain_tensors import weights_sha256

RESAVE = """
import sys, lenetx
lenetx.save(lenetx.load(sys.argv[1]), sys.argv[2])
"""


def bits(checkpoint):
    return {name: tensor.numpy().view(np.uint32).tobytes() for name, tensor in checkpoint.state_dict.items()}


@pytest.mark.parametrize("name", ["lenet5", "lenet5-3x3", "lenet5-1998"])
def test_saving_and_loading_keep_everything(checkpoints, tmp_path, name):
    saved = checkpoints[name]
    lenetx.save(saved, tmp_path / "again.pt")
    loaded = lenetx.load(tmp_path / "again.pt")
    assert bits(loaded) == bits(saved)
    assert loaded.spec == saved.spec
    assert loaded.metrics == saved.metrics
    assert loaded.config == saved.config
    assert loaded.history == saved.history


def test_special_numbers_keep_their_bits(checkpoint, tmp_path):
    weights = {name: tensor.clone() for name, tensor in checkpoint.state_dict.items()}
    weights["fc1.bias"][:3] = torch.tensor([-0.0, 1e-45, 3.4e38])
    spec = dataclasses.replace(checkpoint.spec, weights_sha256=weights_sha256(weights), selftest=None)
    special = dataclasses.replace(checkpoint, state_dict=weights, spec=spec)
    lenetx.save(special, tmp_path / "special.pt")
    assert bits(lenetx.load(tmp_path / "special.pt")) == bits(special)


def test_equal_checkpoints_are_equal_files_whatever_their_name(checkpoint, checkpoint_paths, tmp_path):
    lenetx.save(checkpoint, tmp_path / "a.pt")
    lenetx.save(checkpoint, tmp_path / "folder" / "another name.pt")
    first = checkpoint_paths["lenet5"].read_bytes()
    assert (tmp_path / "a.pt").read_bytes() == first
    assert (tmp_path / "folder" / "another name.pt").read_bytes() == first


@pytest.mark.slow
def test_another_process_in_another_folder_writes_the_same_bytes(python, checkpoint_paths, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    done = python("-c", RESAVE, checkpoint_paths["lenet5"], "b.pt", cwd=tmp_path / "elsewhere", PYTHONHASHSEED="7")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "elsewhere" / "b.pt").read_bytes() == checkpoint_paths["lenet5"].read_bytes()


def test_weights_on_their_way_in_an_optimizer_are_saved_as_plain_numbers(checkpoint, tmp_path):
    """Parameters that still ask for gradients, and views into a larger tensor, are the same numbers."""
    lenetx.save(checkpoint, tmp_path / "plain.pt")
    large = {name: torch.stack([tensor, tensor + 1]) for name, tensor in checkpoint.state_dict.items()}
    views = {name: pair[0].requires_grad_() for name, pair in large.items()}
    lenetx.save(dataclasses.replace(checkpoint, state_dict=views), tmp_path / "views.pt")
    assert (tmp_path / "views.pt").read_bytes() == (tmp_path / "plain.pt").read_bytes()


def test_the_module_is_in_eval_mode_and_its_own(checkpoint):
    module = checkpoint.module()
    assert not module.training
    with torch.no_grad():
        module.fc3.bias += 1
    assert not torch.equal(module.fc3.bias, checkpoint.module().fc3.bias)


def test_the_digest_covers_names_shapes_and_every_bit():
    weights = {"a": torch.zeros(2, 3), "b": torch.ones(2)}
    known = weights_sha256(weights)
    assert known == weights_sha256(dict(reversed(weights.items())))
    changes = (
        {"a": torch.zeros(3, 2)},
        {"b": torch.tensor([1.0, 1.0000001])},
        {"a": -torch.zeros(2, 3)},
        {"b": torch.ones(2, dtype=torch.float64)},
        {"c": torch.ones(2)},
    )
    digests = {weights_sha256(weights | change) for change in changes}
    assert len(digests) == len(changes)
    assert known not in digests


def test_missing_and_folders_are_bad_input(tmp_path):
    with pytest.raises(InputError, match=r"There is no checkpoint '.*nothing\.pt'\.$"):
        lenetx.load(tmp_path / "nothing.pt")
    with pytest.raises(InputError, match="is a directory, not a checkpoint"):
        lenetx.load(tmp_path)


def test_torchs_own_files_are_no_checkpoints(checkpoint, tmp_path):
    path = tmp_path / "plain.pt"
    torch.save(dict(checkpoint.state_dict), path)
    with pytest.raises(
        CheckpointError, match=r"is not a usable checkpoint\. It holds weights that lenetx did not save"
    ):
        lenetx.load(path)
    path.write_bytes(archive.pack(archive.normalise(path.read_bytes())))
    with pytest.raises(
        CheckpointError, match=r"did not save \(state_dict\): make a checkpoint of them with 'lenetx convert plain\.pt"
    ):
        lenetx.load(path)


def test_another_architecture_is_told_by_its_keys(checkpoint_paths):
    with pytest.raises(CheckpointError) as caught:
        lenetx.load(checkpoint_paths["lenet5"], architecture="lenet5-3x3")
    assert "holds weights of lenet5, not of lenet5-3x3: " in str(caught.value)
    assert "conv1.weight has shape [6, 1, 5, 5] instead of [6, 1, 3, 3]" in str(caught.value)
    assert "conv2.weight has shape [16, 6, 5, 5] instead of [16, 6, 3, 3]" in str(caught.value)


def test_another_architecture_is_told_even_where_every_key_fits(checkpoint_paths):
    """Tanh instead of ReLU has no weights, and changes every answer."""
    with pytest.raises(CheckpointError, match="lenet5-1998"):
        lenetx.load(checkpoint_paths["lenet5"], architecture="lenet5-1998")


def test_an_architecture_that_does_not_exist_is_told_the_nearest(checkpoint_paths):
    with pytest.raises(UnknownName, match="Did you mean 'lenet5'"):
        lenetx.load(checkpoint_paths["lenet5"], architecture="lenet55")


def test_missing_unexpected_and_misshapen_weights_are_all_named(checkpoint, tmp_path):
    weights = dict(checkpoint.state_dict)
    weights["head.weight"] = weights.pop("fc3.weight")
    weights["fc1.bias"] = torch.zeros(7)
    spec = dataclasses.replace(checkpoint.spec, weights_sha256=weights_sha256(weights), selftest=None)
    path = tmp_path / "strange.pt"
    lenetx.save(dataclasses.replace(checkpoint, state_dict=weights, spec=spec), path)
    with pytest.raises(CheckpointError) as caught:
        lenetx.load(path)
    for problem in ("missing fc3.weight", "unexpected head.weight", "fc1.bias has shape [7] instead of [120]"):
        assert problem in str(caught.value)


def test_weights_that_were_changed_after_training_are_refused(checkpoint, other_checkpoint, tmp_path):
    path = tmp_path / "changed.pt"
    lenetx.save(dataclasses.replace(checkpoint, state_dict=other_checkpoint.state_dict), path)
    with pytest.raises(CheckpointError, match="digest does not match"):
        lenetx.load(path)


def test_a_full_disk_leaves_the_old_checkpoint(checkpoint, checkpoint_paths, small_disk, contents):
    disk = small_disk("400k")
    shutil.copy(checkpoint_paths["lenet5-3x3"], disk / "lenet5.pt")
    before = contents(disk)
    with pytest.raises(OutputError, match="No space left"):
        lenetx.save(checkpoint, disk / "lenet5.pt")
    assert contents(disk) == before


def test_weights_that_are_not_the_specs_are_not_exported(checkpoint, other_checkpoint, tmp_path):
    """The artifact would carry a digest of other weights."""
    mixed = dataclasses.replace(checkpoint, state_dict=other_checkpoint.state_dict)
    with pytest.raises(CheckpointError, match="not those of the spec"):
        lenetx.export(mixed, folder=tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_the_memory_layout_of_the_weights_is_not_kept(checkpoint, checkpoint_paths, tmp_path):
    weights = {
        name: tensor.to(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor
        for name, tensor in checkpoint.state_dict.items()
    }
    lenetx.save(dataclasses.replace(checkpoint, state_dict=weights), tmp_path / "same.pt")
    assert (tmp_path / "same.pt").read_bytes() == checkpoint_paths["lenet5"].read_bytes()


def test_only_what_claims_to_be_a_checkpoint_is_recognised(checkpoint, tmp_path, saved):
    """Other programs may save the word lenetx elsewhere in a file of weights."""
    from safetensors.torch import save as safetensors

    for name in ("a.pt", "a.safetensors"):
        lenetx.save(checkpoint, tmp_path / name)
        assert checkpoint_file.recognises((tmp_path / name).read_bytes())
    weights = dict(checkpoint.state_dict)
    others = {
        "project.pth": saved({"state_dict": weights, "project": "lenetx"}),
        "tool.safetensors": safetensors(weights, {"tool": "lenetx"}),
        "plain.pth": saved(weights),
    }
    for name, contents in others.items():
        assert not checkpoint_file.recognises(contents), name
        (tmp_path / name).write_bytes(contents)
        assert lenetx.load_weights(tmp_path / name, architecture="lenet5").spec.framing == "unknown"
