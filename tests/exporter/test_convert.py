"""Between checkpoint, safetensors and state_dict: bit for bit, there and back."""

import itertools
import json
import os

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

import lenetx
from lenetx import Statement
from lenetx.errors import CheckpointError, InputError, OutputError
from lenetx.weights import safetensors_file
from lenetx.weights.plain_tensors import weights_sha256

KINDS = (".pt", ".safetensors", ".pth")


@pytest.fixture
def made(tmp_path, checkpoint):
    """The function that gives a file of the trained lenet5 of one kind."""

    def make(kind):
        lenetx.save(checkpoint, tmp_path / "made.pt")
        if kind != ".pt":
            lenetx.convert(tmp_path / "made.pt", tmp_path / f"made{kind}")
        return tmp_path / f"made{kind}"

    return make


def digest(path):
    return weights_sha256(lenetx.load_weights(path, architecture="lenet5").state_dict)


@pytest.mark.parametrize(("source", "target"), list(itertools.product(KINDS, KINDS)), ids=lambda kind: kind)
def test_every_pair_keeps_every_bit_there_and_back(made, tmp_path, checkpoint, source, target):
    first, there, back = made(source), tmp_path / f"there{target}", tmp_path / f"back{source}"
    lenetx.convert(first, there, architecture="lenet5")
    assert digest(there) == checkpoint.spec.weights_sha256
    lenetx.convert(there, back, architecture="lenet5")
    assert digest(back) == checkpoint.spec.weights_sha256
    if ".pth" not in (source, target):
        assert back.read_bytes() == first.read_bytes()


def test_safetensors_keep_all_that_a_checkpoint_says(made, checkpoint):
    found = lenetx.load(made(".safetensors"))
    assert (found.spec, found.metrics, found.config, found.history) == (
        checkpoint.spec,
        checkpoint.metrics,
        checkpoint.config,
        checkpoint.history,
    )
    assert list(found.state_dict) == list(checkpoint.state_dict)


def test_safetensors_are_open_to_others(made, checkpoint):
    path = made(".safetensors")
    tensors = load_file(path)
    assert all(torch.equal(tensors[name], tensor) for name, tensor in checkpoint.state_dict.items())
    with safe_open(path, "pt") as opened:
        texts = opened.metadata()
    assert texts["lenetx"] == checkpoint.spec.to_json()
    assert texts["format"] == "pt"


def test_a_state_dict_is_open_to_others(made, checkpoint):
    content = torch.load(made(".pth"), weights_only=True)
    assert list(content) == list(checkpoint.state_dict)
    checkpoint.module().load_state_dict(content)


@pytest.mark.slow
def test_another_process_in_another_folder_writes_the_same_bytes(made, python, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    for kind in (".safetensors", ".pth"):
        path = made(kind)
        code = f"import lenetx; lenetx.convert(r'{tmp_path / 'made.pt'}', 'again{kind}')"
        done = python("-c", code, cwd=tmp_path / "elsewhere", PYTHONHASHSEED="7")
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "elsewhere" / f"again{kind}").read_bytes() == path.read_bytes()


def test_texts_in_any_order_give_the_same_file():
    tensors = {"b": torch.ones(2), "a": torch.zeros(3, dtype=torch.float16)}
    texts = {"x": "1", "ÿ": "2"}
    data = safetensors_file.pack(tensors, texts)
    backwards = (dict(reversed(tensors.items())), dict(reversed(texts.items())))
    assert safetensors_file.pack(*backwards) == data
    found = safetensors_file.unpack(data)
    assert found[1] == texts
    assert found[0]["a"].dtype == torch.float16


def test_weights_from_elsewhere_are_passed_on_as_they_are(tmp_path):
    given = {"module.w": torch.tensor([1.5, float("nan"), -0.0], dtype=torch.bfloat16), "module.n": torch.tensor(3)}
    torch.save({"state_dict": given}, tmp_path / "given.pt")
    lenetx.convert(tmp_path / "given.pt", tmp_path / "a.safetensors")
    lenetx.convert(tmp_path / "a.safetensors", tmp_path / "b.pth")
    found = torch.load(tmp_path / "b.pth", weights_only=True)
    assert set(found) == set(given)
    assert torch.equal(found["module.w"].view(torch.int16), given["module.w"].view(torch.int16))
    assert found["module.n"].dtype == torch.int64


def test_a_checkpoint_needs_the_network_and_may_be_told_more(made, tmp_path):
    path = made(".pth")
    with pytest.raises(InputError, match="--arch"):
        lenetx.convert(path, tmp_path / "x.pt")
    lenetx.convert(path, tmp_path / "x.safetensors", architecture="lenet5", stated=Statement("mnist"))
    assert lenetx.load(tmp_path / "x.safetensors").spec.framing == "mnist"


@pytest.mark.parametrize("kind", [".pth", ".safetensors"])
def test_what_is_stated_is_not_lost_in_silence(made, tmp_path, kind):
    path = made(".pth")
    with pytest.raises(InputError, match="cannot hold what is stated"):
        lenetx.convert(path, tmp_path / f"x{kind}", stated=Statement("mnist"))
    assert not (tmp_path / f"x{kind}").exists()


def test_a_file_is_not_overwritten_by_its_own_conversion(made, tmp_path):
    path = made(".pt")
    before = path.read_bytes()
    os.link(path, tmp_path / "link.pth")
    for target in (path, tmp_path / "." / path.name, tmp_path / "link.pth"):
        with pytest.raises(InputError, match="would overwrite its own source"):
            lenetx.convert(path, target)
    assert path.read_bytes() == before


def test_other_endings_are_told_the_known_ones(made, tmp_path):
    with pytest.raises(InputError, match=r"ends in none of \.pt, \.safetensors, \.pth"):
        lenetx.convert(made(".pt"), tmp_path / "x.onnx")


def test_a_full_disk_leaves_what_was_there(made, small_disk, contents):
    disk = small_disk("400k")
    path = made(".pt")
    (disk / "old.safetensors").write_bytes(b"old" * 60_000)
    before = contents(disk)
    with pytest.raises(OutputError, match="No space left"):
        lenetx.convert(path, disk / "old.safetensors")
    assert contents(disk) == before


def damaged(data, change):
    """Return the file with its texts changed, its tensors as they were."""
    tensors, texts = safetensors_file.unpack(data)
    change(texts)
    return safetensors_file.pack(tensors, texts)


def other_mean(texts):
    texts["lenetx"] = texts["lenetx"].replace('"mean":[0.', '"mean":[1.')


CHANGES = {
    "spec": other_mean,
    "record": lambda texts: texts.update({"lenetx.record": texts["lenetx.record"].replace("digits", "mnists")}),
    "no record": lambda texts: texts.pop("lenetx.record"),
    "no order": lambda texts: texts.pop("lenetx.order"),
    "order": lambda texts: texts.update({"lenetx.order": json.dumps(json.loads(texts["lenetx.order"])[:-1])}),
    "more": lambda texts: texts.update({"more": "texts"}),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_changed_text_is_noticed(made, kind):
    path = made(".safetensors")
    path.write_bytes(damaged(path.read_bytes(), CHANGES[kind]))
    with pytest.raises(CheckpointError, match="is not a usable checkpoint"):
        lenetx.load(path)


def test_every_changed_bit_of_the_file_is_noticed(made, flipped):
    path = made(".safetensors")
    data = path.read_bytes()
    header = int.from_bytes(data[:8], "little") + 8
    for position in (*range(0, header, 97), header - 1, header + 5, len(data) - 1):
        path.write_bytes(flipped(data, position, 1))
        with pytest.raises(CheckpointError):
            lenetx.load(path)
