"""Opening artifacts: told by their ending, refused with a sentence, and noticed when one bit is wrong."""

import io
import re
import zipfile

import numpy as np
import pytest

from lenetx import formats
from lenetx.errors import ArtifactError, InputError

NAMES = tuple(formats.FORMATS)


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


@pytest.fixture
def sound(exported, name):
    return exported(name)


@pytest.fixture
def refusal(tmp_path, name):
    """The function that opens these bytes and gives the sentence that refuses them."""

    def load(data):
        path = tmp_path / f"damaged{formats.suffix(name)}"
        path.write_bytes(data)
        with pytest.raises(ArtifactError) as caught:
            formats.open_artifact(path)
        message = str(caught.value)
        assert message.startswith(f"'{path}' cannot be used. ")
        assert "\n" not in message
        return message

    return load


def test_both_formats_are_exported_by_default():
    assert formats.DEFAULT == ("onnx", "torchscript")
    assert [formats.suffix(name) for name in formats.DEFAULT] == [".onnx", ".torchscript"]


def test_a_sound_artifact_says_what_it_is(tmp_path, name, sound, checkpoint):
    import hashlib

    path = tmp_path / f"lenet5{formats.suffix(name)}"
    path.write_bytes(sound)
    opened = formats.open_artifact(path)
    artifact = opened.artifact
    assert (artifact.format, artifact.precision) == (name, "float32")
    assert artifact.sha256 == hashlib.sha256(sound).hexdigest()
    assert artifact.size_bytes == len(sound)
    assert artifact.spec.weights_sha256 == checkpoint.spec.weights_sha256
    assert opened.backend.device == "cpu"
    assert {check.status for check in opened.structure} <= {"passed", "not_applicable"}


def test_it_opens_under_any_name_in_any_folder(tmp_path, name, sound):
    path = tmp_path / "ein anderer Name, été" / f"x{formats.suffix(name)}"
    path.parent.mkdir()
    path.write_bytes(sound)
    assert formats.open_artifact(path).artifact.path == path


def test_a_flipped_bit_anywhere_is_noticed(sound, flipped, tender_spots, refusal):
    random = np.random.default_rng(2024)
    if zipfile.is_zipfile(io.BytesIO(sound)):
        spots = tender_spots(sound, 150)
    else:
        tail = [
            (int(position), int(random.integers(8))) for position in random.integers(len(sound) - 2500, len(sound), 150)
        ]
        spots = tail + [(int(position), int(random.integers(8))) for position in random.integers(0, len(sound), 200)]
    assert len(spots) > 300
    for position, bit in spots:
        refusal(flipped(sound, position, bit))


@pytest.mark.parametrize("share", [0.001, 0.3, 0.9, 0.9999])
def test_a_file_that_was_cut_off_is_noticed(sound, refusal, share):
    assert "cannot be used" in refusal(sound[: int(len(sound) * share)])


@pytest.mark.parametrize("more", [b"\0", b"more", b"PK\x05\x06" + bytes(18)])
def test_bytes_after_the_end_are_noticed(sound, refusal, more):
    assert "cannot be used" in refusal(sound + more)


@pytest.mark.parametrize("data", [b"", b"\0" * 999, b"a text\n" * 50], ids=["empty", "zeros", "text"])
def test_what_is_no_artifact_at_all_is_refused(refusal, data):
    assert "cannot be used" in refusal(data)


@pytest.mark.parametrize("place", range(1, len(NAMES)))
def test_an_artifact_under_the_ending_of_another_format_is_refused(exported, tmp_path, name, place):
    other = NAMES[NAMES.index(name) - place]
    path = tmp_path / f"wrong{formats.suffix(name)}"
    path.write_bytes(exported(other))
    with pytest.raises(ArtifactError):
        formats.open_artifact(path)


def test_missing_files_and_folders_are_bad_input(tmp_path, name):
    ending = formats.suffix(name)
    with pytest.raises(InputError, match=rf"There is no model '.*nothing{re.escape(ending)}'\.$"):
        formats.open_artifact(tmp_path / f"nothing{ending}")
    (tmp_path / f"folder{ending}").mkdir()
    with pytest.raises(InputError, match="is a directory, not a model"):
        formats.open_artifact(tmp_path / f"folder{ending}")


@pytest.mark.parametrize("wrong", ["model.h5", "model", "model.ONNX", "onnx", ".onnx"])
def test_an_unknown_ending_is_told_the_known_ones(tmp_path, wrong):
    with pytest.raises(InputError, match=f"There is no artifact '.*{wrong}'"):
        formats.open_artifact(tmp_path / wrong)
    (tmp_path / wrong).write_bytes(b"")
    with pytest.raises(InputError) as caught:
        formats.open_artifact(tmp_path / wrong)
    endings = ", ".join(map(formats.suffix, NAMES))
    assert str(caught.value).endswith(
        f"their names end in {endings}; checkpoints in .pt or .safetensors, which 'lenetx convert' makes of "
        "other weights."
    )
