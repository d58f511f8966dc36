"""A damaged or forged checkpoint is refused with a sentence, whatever was done to it."""

import io
import json
import os
import zipfile

import pytest
import torch

import lenetx
from lenetx.data import archive
from lenetx.errors import CheckpointError
from lenetx.weights.plain_tensors import weights_sha256
from lenetx_runtime.spec import METADATA_KEY


@pytest.fixture(scope="module")
def sound(checkpoint_paths):
    return checkpoint_paths["lenet5"].read_bytes()


@pytest.fixture
def refusal(tmp_path):
    """The function that loads these bytes as a checkpoint and gives the sentence that refuses them."""

    def load(data):
        path = tmp_path / "damaged.pt"
        path.write_bytes(data)
        with pytest.raises(CheckpointError) as caught:
            lenetx.load(path)
        message = str(caught.value)
        assert "\n" not in message
        return message

    return load


@pytest.fixture
def forged(sound):
    """The function that gives a sound archive around a content that was edited."""

    def forge(edit):
        content = torch.load(io.BytesIO(sound), weights_only=True)
        edit(content)
        buffer = io.BytesIO()
        torch.save(content, buffer)
        return archive.pack(archive.normalise(buffer.getvalue()))

    return forge


def test_a_forged_archive_with_its_content_unchanged_is_the_same_file(forged, sound):
    assert forged(lambda _: None) == sound


def test_a_flipped_bit_anywhere_is_noticed(sound, flipped, tender_spots, refusal):
    spots = tender_spots(sound, 200)
    assert len(spots) > 400
    for position, bit in spots:
        assert "is not a usable checkpoint" in refusal(flipped(sound, position, bit))


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.99, 0.9999])
def test_a_file_that_was_cut_off_is_noticed(sound, refusal, share):
    assert "is not a usable checkpoint" in refusal(sound[: int(len(sound) * share)])
    assert "is not a usable checkpoint" in refusal(sound[int(len(sound) * (1 - share)) :])


@pytest.mark.parametrize(
    "data",
    [b"", b"\0" * 1000, b"# a text\n" * 100, os.urandom(5000), b"PK\x03\x04", b"PK\x05\x06" + bytes(18)],
    ids=["empty", "zeros", "text", "noise", "a zip's first word", "an empty zip"],
)
def test_what_is_no_checkpoint_at_all_is_refused(refusal, data):
    refusal(data)


def test_an_empty_file_is_called_empty(refusal):
    assert refusal(b"").endswith("It is empty.")


def test_a_bomb_is_refused(sound, refusal):
    """The same records, deflated, with a gigabyte of zeros among them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as bomb:
        for name, record in archive.unpack(sound).items():
            bomb.writestr(f"archive/{name}", record)
        with bomb.open("archive/data/99", "w", force_zip64=True) as entry:
            for _ in range(256):
                entry.write(bytes(2**20))
    assert len(buffer.getvalue()) < 2**20
    assert "in it is compressed" in refusal(buffer.getvalue())


def set_record(**changed):
    def edit(content):
        content["record"] = json.dumps(json.loads(content["record"]) | changed)

    return edit


def put(key, value):
    return lambda content: content.update({key: value})


def set_weights(change):
    """Change the weights and let the spec say that it is they."""

    def edit(content):
        content["state_dict"] = change(content["state_dict"])
        spec = json.loads(content[METADATA_KEY])
        spec["weights_sha256"] = weights_sha256(content["state_dict"])
        content[METADATA_KEY] = json.dumps(spec)

    return edit


@pytest.mark.parametrize(
    "edit",
    [
        lambda content: content.clear(),
        lambda content: content.pop("record"),
        lambda content: content.pop("state_dict"),
        lambda content: content.pop(METADATA_KEY),
        put("record", "no JSON"),
        put("record", "[]"),
        put("record", "[" * 100_000),
        put("record", 7),
        put("record", "{}"),
        put(METADATA_KEY, "no JSON"),
        put(METADATA_KEY, None),
        put(METADATA_KEY, "[" * 100_000),
        put("state_dict", []),
        put("state_dict", {}),
        put("state_dict", {"conv1.weight": 3}),
        put("state_dict", {7: torch.zeros(1)}),
        put("state_dict", {"conv1.weight": torch.zeros(3, dtype=torch.bfloat16)}),
        set_record(history=7),
        set_record(history=[7]),
        set_record(metrics=7),
        set_record(metrics={"test_accuracy": "much", "test_loss": [], "test_images": None}),
        set_record(config=7),
        set_record(config={}),
        set_record(config={"data": ["digits"]}),
    ],
    ids=range(24),
)
def test_forged_contents_are_refused(forged, refusal, edit):
    assert "is not a usable checkpoint" in refusal(forged(edit))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.int32])
def test_weights_of_another_precision_are_refused(forged, refusal, dtype):
    """They would be rounded on their way into the network, and be other weights than the digest says."""
    edit = set_weights(lambda weights: {name: tensor.to(dtype) for name, tensor in weights.items()})
    assert "is not a usable checkpoint" in refusal(forged(edit))


def test_a_spec_of_an_unknown_architecture_is_refused(forged, refusal):
    def edit(content):
        content[METADATA_KEY] = content[METADATA_KEY].replace('"lenet5"', '"lenet6"')

    assert "There is no architecture 'lenet6'" in refusal(forged(edit))


def test_a_spec_whose_input_does_not_fit_the_network_is_refused(forged, refusal):
    def edit(content):
        fields = json.loads(content[METADATA_KEY]) | {"height": 28, "width": 28, "padding": 0}
        content[METADATA_KEY] = json.dumps(fields)

    assert "1×32×32" in refusal(forged(edit))


@pytest.mark.parametrize(
    "content",
    [torch.zeros(3), torch.zeros(2, 2), [1], "text", None, 3, {}, (), {"state_dict": [3]}],
    ids=repr,
)
def test_what_is_no_record_of_ours_is_refused(tmp_path, content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    (tmp_path / "other.pt").write_bytes(archive.pack(archive.normalise(buffer.getvalue())))
    with pytest.raises(CheckpointError, match="It is not a lenetx checkpoint"):
        lenetx.load(tmp_path / "other.pt")


@pytest.mark.parametrize(
    "record",
    [
        '{"metrics":[],"config":{"data":"digits"},"history":[]}',
        '{"metrics":[["a",1]],"config":{"data":"digits"},"history":[]}',
        '{"metrics":{},"config":{"data":"digits"},"history":{}}',
        '{"metrics":{},"config":{"data":"digits"},"history":[[["a",1]]]}',
        '{"metrics":{},"config":[["data","digits"]],"history":[]}',
        '{"metrics":{"a":"b"},"config":{"data":"digits"},"history":[]}',
    ],
)
def test_a_record_of_another_form_is_refused(checkpoint_paths, tmp_path, record):
    content = torch.load(checkpoint_paths["lenet5"], weights_only=True) | {"record": record}
    buffer = io.BytesIO()
    torch.save(content, buffer)
    (tmp_path / "other.pt").write_bytes(archive.pack(archive.normalise(buffer.getvalue())))
    with pytest.raises(CheckpointError, match="It is not a lenetx checkpoint"):
        lenetx.load(tmp_path / "other.pt")
