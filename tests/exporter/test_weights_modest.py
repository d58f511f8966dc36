"""No file may take far more memory than it has bytes."""

import io
import json
import sys
import zipfile

import numpy as np
import pytest
import torch

import lenetx
from lenetx import models, weights
from lenetx.data.npz_file import read_npz
from lenetx.errors import CheckpointError, DataError
from lenetx.weights import run_state, tensor_file, torchscript_file, unpickle
from lenetx.weights.find_weights import find_weights
from lenetx.weights.numpy_arrays import as_tensor
from lenetx.weights.safetensors_file import unpack
from lenetx.weights.unpickle import load_safely

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
        load_safely(buffer.getvalue())


def test_a_tensor_class_that_is_called_is_refused():
    class Tensor:
        def __reduce__(self):
            return torch.FloatTensor, (2**20,)

    with pytest.raises(lenetx.ArtifactError, match="asks for a FloatTensor of any size"):
        load_safely(archived({"x": Tensor()}))


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
    assert torch.equal(load_safely(archived({"weight": torch.arange(3)}))["weight"], torch.arange(3))
    assert set(load_safely(archived({"Tensors": torch.zeros(1)}))) == {"Tensors"}


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
    """Return the pickle of a module that holds itself under so many names."""
    names = b"".join(b"X\x05\0\0\0%05dh\0" % place for place in range(times))
    parts = b"X\x08\0\0\0_modules}(" + names + b"u" + b"X\x0b\0\0\0_parameters}X\x08\0\0\0_buffers}"
    return b"\x80\x02c" + kind + b"\n)\x81q\0}(" + parts + b"ub."


ENDLESS = {
    "classes": (b"".join(b"cnets\nClass%d\n0" % number for number in range(3000)) + b"}.", "asks for 3,000 classes"),
    "steps": (b"N0" * 2**19 + b"}.", "more than 524,288 steps"),
}
ENDLESS = {name: (b"\x80\x02" + pickled, words) for name, (pickled, words) in ENDLESS.items()}
ENDLESS |= {
    f"{name}, {times} times": (module_within_itself(kind, times), "names more layers and tensors than a network has")
    for name, kind in (("custom", b"nets\nNet"), ("torch", b"torch.nn.modules.container\nSequential"))
    for times in (1, 2000)
}


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_pickle_of_little_that_takes_long_is_refused(tmp_path, kind):
    """A module in itself took minutes and gigabytes."""
    pickled, words = ENDLESS[kind]
    with pytest.raises(CheckpointError, match=words):
        lenetx.load_weights(pickled_as(tmp_path / "net.pth", pickled), architecture="lenet5")


def test_a_module_in_itself_is_looked_at_a_few_thousand_times(tmp_path, monkeypatch):
    path = pickled_as(tmp_path / "net.pth", module_within_itself(b"nets\nNet", 60_000))
    looked = []
    module = sys.modules[find_weights.__module__]
    original = module._is_module
    monkeypatch.setattr(module, "_is_module", lambda content: looked.append(1) or original(content))
    with pytest.raises(CheckpointError, match="names more layers and tensors than a network has"):
        lenetx.load_weights(path, architecture="lenet5")
    assert len(looked) < 2**15


def test_weights_named_as_a_checkpoint_are_told_how_to_become_one(tmp_path):
    (tmp_path / "net.pt").write_bytes(archived({"weight": torch.zeros(2)}))
    with pytest.raises(CheckpointError, match=r"did not save \(state_dict\): .*lenetx convert net\.pt OUT\.pt --arch"):
        lenetx.load(tmp_path / "net.pt")


def test_a_table_of_more_tensors_than_any_network_has_is_not_walked(monkeypatch):
    table = json.dumps({f"w{place}": EMPTY for place in range(20_000)}).encode()
    monkeypatch.setattr("safetensors.torch.load", lambda _: pytest.fail("its tensors were made"))
    with pytest.raises(lenetx.ArtifactError, match=r"20,000 tensors, and no network here more than 16,384"):
        unpack(len(table).to_bytes(8, "little") + table)


STATE = {"lenetx_state": 2, "sha256": ""}


def nested(depth):
    part = [0]
    for _ in range(depth):
        part = [part, part]
    return part


def holding_itself():
    part = []
    part.append(part)
    return part


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (torch.zeros(1).expand(2**40), "far larger than the file"),
        (nested(20), "more than 262,144 values"),
        (nested(60), "nested more than 32 deep"),
        (holding_itself(), "nested more than 32 deep"),
        (torch.empty(3, device="meta"), "a tensor that is not dense"),
        (torch.eye(2).to_sparse(), "a tensor that is not dense"),
        ({1, 2}, "a set, which no file of lenetx holds"),
    ],
)
def test_a_state_that_repeats_or_hides_its_contents_is_refused(tmp_path, part, words):
    (tmp_path / "own.pt").write_bytes(tensor_file.pack(STATE | {"loop": part}))
    (tmp_path / "theirs.pth").write_bytes(archived(STATE | {"loop": part}))
    with pytest.raises(CheckpointError, match=words):
        lenetx.load(tmp_path / "own.pt")
    with pytest.raises(CheckpointError, match=words):
        weights.read(tmp_path / "theirs.pth")


def test_a_state_without_what_a_run_holds_is_refused(tmp_path):
    (tmp_path / "theirs.pth").write_bytes(archived(run_state.sealed({"loop": {"weights": torch.zeros(2)}})))
    with pytest.raises(CheckpointError, match="lacks what the state of a run holds"):
        weights.read(tmp_path / "theirs.pth")


def test_a_checkpoint_of_many_names_for_one_tensor_is_refused(tmp_path, checkpoint_paths):
    content = torch.load(checkpoint_paths["lenet5"], weights_only=True)
    one = torch.zeros(2**14)
    content["state_dict"] = {f"w{number}": one for number in range(1000)}
    (tmp_path / "many.pt").write_bytes(tensor_file.pack(content))
    with pytest.raises(CheckpointError, match="far larger than the file"):
        lenetx.load(tmp_path / "many.pt")


def test_what_a_pickle_mentions_again_and_again_is_looked_through_once(monkeypatch):
    looked = []
    monkeypatch.setattr("lenetx.weights.find_weights.as_tensor", lambda value: looked.append(value) or as_tensor(value))
    many = {"a" * 10**6: [{str(number): 0 for number in range(100)}] * 9000, "model": {"w": torch.zeros(2, 2)}}
    assert find_weights(many, print, 1000).place == "model"
    assert len(looked) < 500
    module = unpickle.StandIn()
    vars(module).update(_parameters={"w": torch.zeros(2)}, _buffers={}, _modules={})
    made = []
    monkeypatch.setattr("lenetx.weights.find_weights._state_dict", lambda _: made.append(1) or {"w": torch.zeros(2)})
    find_weights([module] * 1000, print, 1000)
    assert len(made) == 1


def test_a_long_key_is_not_repeated_for_each_place():
    with pytest.raises(lenetx.ArtifactError, match="several sets of weights") as caught:
        find_weights({"a" * 10**6: [{"w": torch.zeros(2, 2)}, {"w": torch.ones(2, 2)}]}, print, 1000)
    assert len(str(caught.value)) < 1000


def test_arrays_that_share_their_bytes_are_counted_before_they_are_copied():
    name = "numpy.core.multiarray._reconstruct"
    kind = unpickle._placeholder("numpy.dtype")("f4")
    kind.state = 3, "<", None
    data, arrays = bytes(2**20), {}
    for number in range(100):
        arrays[f"w{number}"] = made = unpickle._placeholder(name)()
        made.state = 1, (2**18,), kind, False, data
    with pytest.raises(lenetx.ArtifactError, match="far larger than the file"):
        find_weights(arrays, print, 2**20)
    assert len(find_weights(arrays, print, 2**24).tensors) == 100


def test_a_scripted_module_that_holds_itself_is_refused():
    root = unpickle.StandIn()
    vars(root)["part" * 100] = root
    with pytest.raises(lenetx.ArtifactError, match="more than 100,000 layers, or names without end"):
        torchscript_file._tensors(root)


def test_a_table_whose_sizes_torch_cannot_hold_is_refused():
    table = json.dumps({"w": EMPTY | {"shape": [2**63, 0]}}).encode()
    with pytest.raises(lenetx.ArtifactError, match="not a readable safetensors file"):
        unpack(len(table).to_bytes(8, "little") + table)


def test_an_npz_is_no_larger_than_it_says(tmp_path):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, a=np.zeros(2**25))
    (tmp_path / "w.npz").write_bytes(buffer.getvalue())
    with pytest.raises(CheckpointError, match="far larger than the file"):
        weights.read(tmp_path / "w.npz")
