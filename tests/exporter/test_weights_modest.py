"""No file may take far more memory than it has bytes."""

import io
import json
import zipfile

import numpy as np
import pytest
import torch

import lenetx
from lenetx import models
from lenetx.data.npz_file import read_npz
from lenetx.errors import CheckpointError, DataError
from lenetx.weights.safetensors_file import unpack
from lenetx.weights.unpickle import inert

EMPTY = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}


class Hungry:
    def __reduce__(self):
        return bytearray, (2**20,)


def archived(content):
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("form", ["archive", "older"])
def test_a_pickle_that_asks_for_room_is_refused(form):
    content = {"weight": torch.zeros(3), "x": Hungry()}
    buffer = io.BytesIO()
    torch.save(content, buffer, _use_new_zipfile_serialization=form == "archive")
    assert len(buffer.getvalue()) < 3000
    with pytest.raises(lenetx.ArtifactError, match="asks for a bytearray of any size"):
        inert(buffer.getvalue())


def test_a_tensor_class_that_is_called_is_refused():
    class Tensor:
        def __reduce__(self):
            return torch.FloatTensor, (2**20,)

    with pytest.raises(lenetx.ArtifactError, match="asks for a FloatTensor of any size"):
        inert(archived({"x": Tensor()}))


def test_compressed_records_are_refused(tmp_path):
    sound = archived({"weight": torch.zeros(1 << 18)})
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(sound)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    assert len(buffer.getvalue()) < len(sound) / 50
    (tmp_path / "net.pth").write_bytes(buffer.getvalue())
    with pytest.raises(lenetx.ArtifactError, match="in it is compressed"):
        lenetx.load_weights(tmp_path / "net.pth", architecture="lenet5")


def test_plain_weights_pass():
    assert torch.equal(inert(archived({"weight": torch.arange(3)}))["weight"], torch.arange(3))
    assert set(inert(archived({"Tensors": torch.zeros(1)}))) == {"Tensors"}


@pytest.mark.parametrize(
    "arguments", [{"width": 10**6}, {"setting": [[1, 16, 10**9, 1]]}, {"layers": [1] * 1000}, {"x": {"y": 1}}]
)
def test_what_a_file_says_of_its_network_is_modest(arguments):
    with pytest.raises(CheckpointError, match="larger than a network needs"):
        models.recorded("torchvision:resnet18", arguments)


def test_arrays_that_mean_nothing_are_not_read(tmp_path, monkeypatch):
    np.savez_compressed(tmp_path / "set.npz", images=np.zeros((4, 2, 2), np.uint8), labels=[0, 1, 0, 1], more=[1])
    read = []
    original = np.lib.npyio.NpzFile.__getitem__
    monkeypatch.setattr(np.lib.npyio.NpzFile, "__getitem__", lambda self, key: read.append(key) or original(self, key))
    with pytest.raises(DataError, match="holds images, labels, more"):
        read_npz(tmp_path / "set.npz", None, None)
    assert not read


def pickled_as(path, pickled):
    """Write an archive as torch.save does, with another pickle in it."""
    with zipfile.ZipFile(io.BytesIO(archived({}))) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            new.writestr(name, pickled if name.endswith("data.pkl") else old.read(name))
    return path


def module_within_itself(kind, times):
    """Give the pickle of a module that holds itself under so many names."""
    names = b"".join(b"X\x05\0\0\0%05dh\0" % place for place in range(times))
    parts = b"X\x08\0\0\0_modules}(" + names + b"u" + b"X\x0b\0\0\0_parameters}X\x08\0\0\0_buffers}"
    return b"\x80\x02c" + kind + b"\n)\x81q\0}(" + parts + b"ub."


ENDLESS = {
    "classes": (b"".join(b"cnets\nClass%d\n0" % number for number in range(3000)) + b"}.", "asks for 3,000 classes"),
    "steps": (b"N0" * 2**19 + b"}.", "more than 524,288 steps"),
}
ENDLESS = {name: (b"\x80\x02" + pickled, words) for name, (pickled, words) in ENDLESS.items()}
ENDLESS |= {
    f"{name}, {times} times": (module_within_itself(kind, times), "names of its layers have more than 16,777,216")
    for name, kind in (("custom", b"nets\nNet"), ("torch", b"torch.nn.modules.container\nSequential"))
    for times in (1, 2000)
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_pickle_of_little_that_takes_long_is_refused(tmp_path, kind):
    """A module in itself took minutes and gigabytes."""
    pickled, words = ENDLESS[kind]
    with pytest.raises(CheckpointError, match=words):
        lenetx.load_weights(pickled_as(tmp_path / "net.pth", pickled), architecture="lenet5")


def test_weights_named_as_a_checkpoint_are_told_how_to_become_one(tmp_path):
    (tmp_path / "net.pt").write_bytes(archived({"weight": torch.zeros(2)}))
    with pytest.raises(CheckpointError, match=r"did not save \(state_dict\): .*lenetx convert net\.pt OUT\.pt --arch"):
        lenetx.load(tmp_path / "net.pt")


def test_a_table_of_more_tensors_than_any_network_has_is_not_walked(monkeypatch):
    table = json.dumps({f"w{place}": EMPTY for place in range(20_000)}).encode()
    monkeypatch.setattr("safetensors.torch.load", lambda _: pytest.fail("its tensors were made"))
    with pytest.raises(lenetx.ArtifactError, match=r"20,000 tensors, and no network here more than 16,384"):
        unpack(len(table).to_bytes(8, "little") + table)
